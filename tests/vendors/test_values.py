"""Values of answers that may hold anything."""

import orjson
import pytest

from frontdesk.catalog.values import as_json
from frontdesk.vendors.values import DEEPEST, Unreadable, parsed


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_answer_is_read_as_deep_as_it_can_be_stored_and_no_deeper(
    opening: bytes, closing: bytes
) -> None:
    deepest = opening * DEEPEST + b"1" + closing * DEEPEST
    stored = {"rows": [{"data": {"address": parsed(deepest)}}]}
    assert orjson.loads(as_json(stored)) == stored
    for levels in (DEEPEST + 1, 300, 1_000, 2_000, 100_000):
        with pytest.raises(Unreadable):
            parsed(opening * levels + b"1" + closing * levels)


def test_an_answer_of_many_records_that_are_not_deep_is_read() -> None:
    rows = [{"ids": [number, [number]]} for number in range(5_000)]
    assert parsed(orjson.dumps(rows)) == rows


def test_brackets_in_a_text_are_no_levels() -> None:
    assert parsed(orjson.dumps({"text": "[" * 5_000})) == {"text": "[" * 5_000}
