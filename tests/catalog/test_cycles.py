"""Whatever circle a PMS's cursors run in, it is noticed; a walk that ends never is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.catalog.cycles import stepped


@given(tail=st.integers(0, 60), circle=st.integers(1, 60))
def test_every_circle_is_noticed_within_a_few_rounds(tail: int, circle: int) -> None:
    parameters: dict[str, Any] = {"since": "kept"}
    place = 0
    for page in range(1, 10 * (tail + circle) + 10):
        place = place + 1 if place + 1 < tail + circle else tail
        after = stepped(parameters, f"c{place}", [f"record {page}"], equal_pages=2)
        if after is None:
            return
        parameters = after
    raise AssertionError("the circle was not noticed")


@given(
    pages=st.lists(st.lists(st.text(max_size=3), max_size=3), min_size=1, max_size=200),
    equal=st.integers(0, 5),
)
def test_walk_with_fresh_cursors_and_pages_is_never_stopped(
    pages: list[list[str]], equal: int
) -> None:
    parameters: dict[str, Any] = {"since": "kept"}
    for n, page in enumerate(pages):
        following = None if n + 1 == len(pages) else f"c{n}"
        after = stepped(parameters, following, [f"{n}", *page], equal_pages=equal)
        assert after is not None
        parameters = after
    assert parameters == {"since": "kept"}


@given(equal=st.integers(0, 20))
def test_as_many_equal_pages_as_allowed_pass_and_one_more_does_not(equal: int) -> None:
    parameters: dict[str, Any] = {}
    for n in range(equal + 1):
        after = stepped(parameters, f"c{n}", ["the same"], equal_pages=equal)
        assert after is not None
        parameters = after
    assert stepped(parameters, "one more", ["the same"], equal_pages=equal) is None
