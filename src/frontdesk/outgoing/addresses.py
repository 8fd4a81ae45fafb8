"""Which IP addresses a call may reach: public ones, and what the operator allows. Pure.

Public is what the IANA registers of special-purpose addresses leave over. An IPv6 address that
carries an IPv4 address counts as what it carries, where a network would deliver it there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; connecting to 0.0.0.0 reaches this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a provider's NAT; some clouds answer metadata here
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own services on its machines, at an address that looks public
        "169.254.0.0/16",  # link-local: most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments; Teredo, which carries IPv4, among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries IPv4: given up by everybody but attackers
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """The address ranges of the setting `allowed_addresses`."""

    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, text: str) -> "AllowedAddresses":
        """Read the setting. Raises ValueError that names the part that is no range."""
        return cls(tuple(networks_of(text)))

    def __contains__(self, address: Address) -> bool:
        return any(carried(address) in network for network in self.networks)


NOTHING = AllowedAddresses(())


def networks_of(text: str) -> Iterator[Network]:
    """The ranges of a setting, which are separated by commas. Raises ValueError."""
    return (ip_network(part.strip()) for part in text.split(",") if part.strip())


def read_address(text: str) -> Address | None:
    """An address in its one canonical spelling, or None; an interface after a percent sign is
    left out. Other spellings of IPv4 (decimal, octal, hex) are no address here: whoever resolves
    them gets a canonical one."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def carried(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address that is delivered to it, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    inside = address in _NAT64 or address in _TRANSLATED
    # `::` and `::1` are addresses of their own.
    if inside or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the Internet, and nobody's in particular here."""
    address = carried(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)
