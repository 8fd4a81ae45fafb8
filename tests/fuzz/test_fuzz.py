"""No input breaks what reads it. `make fuzz` tries a million for each; here are the first few."""

import pytest

from tests.fuzz import answers, requests
from tests.fuzz.driver import search
from tests.fuzz.target import Target

pytestmark = pytest.mark.long

INPUTS = 2_000
SEED = "make test"


@pytest.mark.parametrize("target", requests.targets(), ids=lambda target: str(target.name))
def test_no_request_breaks_its_reader(target: Target) -> None:
    crash = search((target,), INPUTS, SEED)
    assert crash is None, str(crash)


@pytest.mark.second_half
@pytest.mark.parametrize("code", answers.CODES)
def test_no_answer_breaks_a_connector(code: str) -> None:
    targets = answers.targets_of(code)
    with answers.few_pages():
        crash = search(targets, INPUTS, SEED)
    assert crash is None, str(crash)


def test_a_reader_that_breaks_is_found_and_the_input_is_short() -> None:
    def breaks(data: bytes) -> None:
        if b"null" in data:
            raise LookupError("as planned")

    crash = search((Target("broken", (b'{"a": 1, "b": "c"}',), breaks),), INPUTS, SEED)
    assert crash is not None
    assert isinstance(crash.error, LookupError)
    assert len(crash.data) < 40


def test_a_reader_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(data: bytes) -> None:
        while b"null" in data:
            pass

    monkeypatch.setattr("tests.fuzz.driver.LONGEST_SECONDS", 0.2)
    crash = search((Target("hanging", (b'{"a": 1, "b": "c"}',), hangs),), INPUTS, SEED)
    assert crash is not None
    assert "not done" in str(crash.error)
