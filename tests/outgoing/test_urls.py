"""How a URL that somebody else names must be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.outgoing.addresses import NOTHING, AllowedAddresses, is_public, read_address
from frontdesk.outgoing.urls import UrlRefused, check_url, host_of, leads_to, split_url

HTTPS = ("https",)
LOOPBACK = AllowedAddresses.parse("127.0.0.0/8,::1/128")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/a/b?token=1&x=%20",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com./",
        "https://1.1.1.1/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://xn--bcher-kva.example/",
    ],
)
def test_a_receiver_outside_is_taken_as_it_is(url: str) -> None:
    assert check_url(url, NOTHING, schemes=HTTPS) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com",
        "ftp://hooks.example.com",
        "file:///etc/passwd",
        "//hooks.example.com",
        "https://",
        "https://./",
        "https://:443/",
        "https://user@hooks.example.com",
        "https://user:hush@hooks.example.com",
        "https://hooks.example.com#@127.0.0.1",
        "https://hooks.example.com\\@127.0.0.1",
        "https://hooks.example.com/../x",
        "https://hooks.example.com:0",
        "https://hooks.example.com:22",
        "https://hooks.example.com:6a",
        "https://1.1.1.1:25",
        "https://h\u00f6oks.example.com",
        "https://hooks.example.com /",
        "https://hooks.example.com\n.evil.example",
        "https://hooks.example.com/" + "x" * 2000,
        "",
        # inside, in every spelling
        "https://127.0.0.1",
        "https://127.0.0.1./",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0X7F.1",
        "https://0177.0.0.1",
        "https://017700000001",
        "https://0",
        "https://0x0",
        "https://127.0.0.1%00.example.com",
        "https://127%2e0%2e0%2e1",
        "https://localhost",
        "https://LOCALHOST.:8443",
        "https://a.localhost",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[0:0:0:0:0:ffff:a00:1]",
        "https://[fe80::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://[fd00:ec2::254]",
        "https://[64:ff9b::169.254.169.254]",
        "https://[2002:7f00:1::]",
        "https://[::1",
        "https://[v1.x]",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        check_url(url, NOTHING, schemes=HTTPS)
    assert "hush" not in caught.value.message


def test_an_allowed_range_may_be_named_at_any_port_and_no_other_may() -> None:
    for url in ("http://127.0.0.1:22/x", "http://localhost:9", "http://[::1]:8080"):
        assert check_url(url, LOOPBACK, schemes=("http", "https")) == url
    for url in ("http://10.0.0.1", "http://127.1", "http://[fe80::1]"):
        with pytest.raises(UrlRefused):
            check_url(url, LOOPBACK, schemes=("http", "https"))


@given(st.text(max_size=60) | st.from_regex(r"https://[0-9a-fx.:\[\]%@]{1,24}", fullmatch=True))
def test_any_text_is_refused_or_leads_outside(text: str) -> None:
    try:
        taken = check_url(text, NOTHING, schemes=HTTPS)
    except UrlRefused:
        return
    address = read_address(host_of(split_url(taken, schemes=HTTPS)))
    assert address is None or is_public(address)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "leads"),
    [
        ("https", "api.acme.test", None, True),
        ("https", "API.ACME.TEST.", 443, True),
        ("https", "one.customers.acme.test", 443, True),
        ("http", "api.acme.test", None, False),
        ("https", "api.acme.test", 8443, False),
        ("https", "customers.acme.test", 443, False),
        ("https", "api.acme.test.evil.test", 443, False),
        ("https", None, 443, False),
    ],
)
def test_a_vendors_own_host_is_meant_by_its_whole_name(
    scheme: str, host: str | None, port: int | None, leads: bool
) -> None:
    assert leads_to(("api.acme.test", "*.customers.acme.test"), scheme, host, port) is leads
