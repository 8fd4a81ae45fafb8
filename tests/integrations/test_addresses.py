"""Which base URLs an integration may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.integrations.addresses import BaseUrlError, check_base_url
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.outgoing.urls import matches
from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="ACME",
    name="Acme",
    credentials=(),
    base_url="https://api.acme.test",
    hosts=("api.acme.test", "*.customers.acme.test"),
    reads=frozenset(),
)
NONE = AllowedAddresses.parse("")
LOOPBACK = AllowedAddresses.parse("127.0.0.0/8, ::1/128")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.test",
        "https://api.acme.test/",
        "https://API.ACME.TEST/v1/",
        "https://api.acme.test:443",
        "https://one.customers.acme.test",
        "https://a.b.customers.acme.test",
    ],
)
async def test_the_vendors_own_hosts_are_taken_over_https(url: str) -> None:
    taken = await check_base_url(url, DECLARATION, NONE)
    assert taken.url == url.rstrip("/")
    assert not taken.sandbox


@pytest.mark.parametrize(
    "url",
    [
        "http://api.acme.test",
        "https://api.acme.test:8443",
        "https://api.acme.test.evil.test",
        "https://evilapi.acme.test",
        "https://customers.acme.test",
        "https://evilcustomers.acme.test",
        "https://api.acme.test@evil.test",
        "https://user:secret@api.acme.test",
        "https://api.acme.test?x=1",
        "https://api.acme.test#x",
        "https://api.acme.test/../x",
        "https://api.acme.test\\@evil.test",
        "https://evil.test\n.api.acme.test",
        "https://127.0.0.1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]",
        "http://2130706433",
        "file:///etc/passwd",
        "ftp://api.acme.test",
        "//api.acme.test",
        "api.acme.test",
        "https://",
        "https://:443",
        "https://api.acme.test:99999",
        "https://api.acme.test:0",
        "https://[::1",
        "https://\u0430pi.acme.test",
        "https://api.acme.test/" + "x" * 2000,
        "",
    ],
)
async def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(BaseUrlError) as caught:
        await check_base_url(url, DECLARATION, NONE)
    assert caught.value.problem_at("base_url").path == ("base_url",)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/acme", "http://localhost:1/x", "http://[::1]:9", "https://127.9.9.9"],
)
async def test_an_allowed_address_is_a_sandbox(url: str) -> None:
    taken = await check_base_url(url, DECLARATION, LOOPBACK)
    assert taken.sandbox


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "http://[::2]", "http://[fe80::1]", "http://169.254.169.254"]
)
async def test_an_address_that_is_not_allowed_is_refused(url: str) -> None:
    with pytest.raises(BaseUrlError):
        await check_base_url(url, DECLARATION, LOOPBACK)


async def test_an_ipv4_address_in_ipv6_clothing_counts_as_what_it_is() -> None:
    assert (await check_base_url("http://[::ffff:127.0.0.1]", DECLARATION, LOOPBACK)).sandbox
    with pytest.raises(BaseUrlError):
        await check_base_url("http://[::ffff:10.0.0.1]", DECLARATION, LOOPBACK)


def test_a_setting_that_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        AllowedAddresses.parse("127.0.0.0/8,nonsense")


@given(st.from_regex(r"[a-z0-9.-]{0,20}", fullmatch=True))
def test_a_wildcard_never_matches_outside_its_domain(host: str) -> None:
    if matches(host, "*.acme.test"):
        assert host.endswith(".acme.test")
        assert host != ".acme.test"
    assert not matches("acme.test", "*.acme.test")


@given(st.text(max_size=60))
async def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        taken = await check_base_url(text, DECLARATION, NONE)
    except BaseUrlError:
        return
    assert taken.url.startswith("https://")
