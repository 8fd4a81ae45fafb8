"""Which receivers may be called: by https, at public addresses, and where the operator allows more.

By plain http only at a loopback address that the operator allows. Addresses are judged once more when
a connection is made (`outgoing.guard`).
"""

from urllib.parse import urlsplit

from frontdesk.outgoing.addresses import AllowedAddresses, read_address
from frontdesk.outgoing.urls import check_url, host_of


def check_receiver(text: str, allowed: AllowedAddresses) -> None:
    """Whether a caller may name this URL. Names are not looked up: they are judged when they are
    called. Raises UrlRefused."""
    schemes = ("https", "http") if _is_loopback(text) else ("https",)
    check_url(text, allowed, schemes=schemes)


def _is_loopback(text: str) -> bool:
    try:
        host = host_of(urlsplit(text))
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = read_address(host)
    return address is not None and address.is_loopback
