"""Failed authentications by address: what is counted together, and what never grows."""

import pytest

from frontdesk.accounts import guesses
from frontdesk.accounts.guesses import Guesses


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(guesses, "monotonic", lambda: now[0])
    return now


def test_an_address_is_heard_again_when_its_minute_is_over(clock: list[float]) -> None:
    counted = Guesses(3)
    for _ in range(3):
        assert counted.seconds_to_wait("192.0.2.1") == 0
        counted.failed("192.0.2.1")
    assert counted.seconds_to_wait("192.0.2.1") == 60
    assert counted.seconds_to_wait("192.0.2.2") == 0
    clock[0] += 59.5
    assert counted.seconds_to_wait("192.0.2.1") == 1
    clock[0] += 0.5
    assert counted.seconds_to_wait("192.0.2.1") == 0
    counted.failed("192.0.2.1")
    assert counted.seconds_to_wait("192.0.2.1") == 0


@pytest.mark.usefixtures("clock")
def test_one_network_of_ipv6_is_one_guesser_and_a_mapped_address_is_itself() -> None:
    counted = Guesses(2)
    counted.failed("2001:db8:1:2::1")
    counted.failed("2001:db8:1:2:ffff::9%eth0")
    assert counted.seconds_to_wait("2001:db8:1:2::77")
    assert not counted.seconds_to_wait("2001:db8:1:3::77")
    counted.failed("::ffff:192.0.2.7")
    counted.failed("192.0.2.7")
    assert counted.seconds_to_wait("192.0.2.7")
    assert not counted.seconds_to_wait("::ffff:192.0.2.8")


@pytest.mark.usefixtures("clock")
def test_a_million_addresses_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "_MOST_ADDRESSES", 100)
    counted = Guesses(1)
    for number in range(1000):
        counted.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(counted._failed) == 100
    assert counted.seconds_to_wait("10.0.3.231")


def test_nought_is_no_limit() -> None:
    counted = Guesses(0)
    for _ in range(100):
        counted.failed("192.0.2.1")
    assert counted.seconds_to_wait("192.0.2.1") == 0
