"""Which addresses are somebody's on the Internet, and which lie inside."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.outgoing.addresses import AllowedAddresses, carried, is_public, read_address

INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "2001::1",
    "3fff::1",
    "5f00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:808:808::",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001:0:808:808::1",
    "4000::1",
]
OUTSIDE = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("text", INSIDE)
def test_an_inside_address_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_an_outside_address_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1))
def test_no_clothing_makes_an_inside_ipv4_address_public(number: int) -> None:
    plain = IPv4Address(number)
    for prefix in (0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96, 0):
        dressed = IPv6Address(prefix | number)
        assert is_public(dressed) <= is_public(plain)
    assert not is_public(IPv6Address(0x2002 << 112 | number << 80))


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_private_or_multicast(
    address: IPv4Address | IPv6Address,
) -> None:
    inner = carried(address)
    if inner.is_private or inner.is_multicast or inner.is_link_local or inner.is_unspecified:
        assert not is_public(address)


@pytest.mark.parametrize(
    "text",
    ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.01", "localhost", "", "[::1]"],
)
def test_an_address_has_one_spelling(text: str) -> None:
    assert read_address(text) is None


def test_a_zone_does_not_hide_an_address() -> None:
    assert read_address("fe80::1%eth0") == ip_address("fe80::1")


def test_an_allowed_range_holds_an_address_in_any_clothing() -> None:
    allowed = AllowedAddresses.parse("10.0.0.0/8, fd00::/8")
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1"):
        assert ip_address(text) in allowed
    for text in ("11.0.0.1", "::1", "127.0.0.1"):
        assert ip_address(text) not in allowed
