"""Lists' query parameters and cursors."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from frontdesk.errors import ApiError
from frontdesk.http.paging import (
    ListQuery,
    Order,
    list_query,
    make_cursor,
    page_answer,
    parse_moment,
    read_cursor,
)

ID = "01a20816-3851-7ab7-8145-485d4c7e8525"
ORDERABLE = ("created_at", "name", "id")


def read(query: str) -> ListQuery:
    return list_query(QueryParams(query), orderable=ORDERABLE, filters=("x_id",))


def refused(query: str) -> list[str]:
    with pytest.raises(ApiError) as caught:
        read(query)
    assert caught.value.code.status == 400
    return [".".join(issue["path"]) for issue in caught.value.details["issues"]]


def test_defaults_are_the_contracts() -> None:
    query = read("")
    assert (query.offset, query.limit) == (0, 100)
    assert query.shown_order == (Order("created_at", "desc"),)
    assert query.order[-1] == Order("id", "desc")


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("limit=0", ["limit"]),
        ("limit=251", ["limit"]),
        ("limit=1.0", ["limit"]),
        ("limit=%D9%A3", ["limit"]),
        ("limit=", ["limit"]),
        ("offset=-1", ["offset"]),
        ("offset=99999999999", ["offset"]),
        ("order-by=secret:asc", ["order-by"]),
        ("order-by=name", ["order-by"]),
        ("order-by=name:up", ["order-by"]),
        ("order-by=name:asc,name:desc", ["order-by"]),
        ("order-by=", ["order-by"]),
        ("cursor=%%%", ["cursor"]),
        ("cursor=bm9uc2Vuc2U", ["cursor"]),
        ("updated_at_gte=2026-01-01", ["updated_at_gte"]),
        ("updated_at_gte=2026-01-01T00:00:00", ["updated_at_gte"]),
        ("updated_at_gte=0001-01-01T00:00:00%2B14:00", ["updated_at_gte"]),
        ("last_seen_lte=2026-13-01T00:00:00Z", ["last_seen_lte"]),
        ("x_id=a&x_id=b", ["x_id"]),
        ("x_id=%00", ["x_id"]),
        ("nope=1&limit=0&offset=x", ["nope", "offset", "limit"]),
    ],
)
def test_what_cannot_be_read_is_named(query: str, paths: list[str]) -> None:
    assert refused(query) == paths


def test_a_cursor_excludes_an_offset_and_fits_its_own_order_only() -> None:
    cursor = make_cursor(read("order-by=name:asc").order, ["b", ID])
    assert read(f"order-by=name:asc&cursor={cursor}").after == ("b", ID)
    assert refused(f"order-by=name:desc&cursor={cursor}") == ["cursor"]
    assert refused(f"order-by=name:asc&offset=0&cursor={cursor}") == ["cursor"]


_orders = st.lists(
    st.builds(Order, st.sampled_from(["a", "b", "c", "id"]), st.sampled_from(["asc", "desc"])),
    min_size=1,
    max_size=4,
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
)


@given(_orders, st.data())
def test_a_cursor_gives_back_what_went_in(order: list[Order], data: st.DataObject) -> None:
    values = [data.draw(_scalars) for _ in order]
    assert read_cursor(make_cursor(order, values), order) == tuple(values)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    read_cursor(text, [Order("id", "asc")])


def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))


@given(
    st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001 — the strategy adds the zone
        datetime(9999, 12, 30),  # noqa: DTZ001 — as above
        timezones=st.builds(_zone, st.integers(-12 * 60, 14 * 60)),
    )
)
def test_date_times_keep_their_instant(aware: datetime) -> None:
    assert parse_moment(aware.isoformat()) == aware
    # A plus sign in a URL arrives as a blank.
    assert parse_moment(aware.isoformat().replace("+", " ")) == aware


def test_zulu_is_utc() -> None:
    assert parse_moment("2026-01-31T09:30:00.5Z") == datetime(2026, 1, 31, 9, 30, 0, 500_000, UTC)


@given(st.integers(0, 30), st.integers(1, 10))
def test_pages_say_truly_whether_there_is_more(count: int, limit: int) -> None:
    rows = [{"id": str(n), "created_at": n} for n in range(count)]
    query = read(f"limit={limit}")
    answer = page_answer(query, rows[: limit + 1], count, values_of=lambda row, name: row[name])
    assert answer["meta"]["hasMore"] == (count > limit)
    assert (answer["meta"]["nextCursor"] is not None) == (count > limit)
    assert answer["results"] == rows[:limit]
    assert answer["meta"]["total"] == count


def test_totals_beyond_ten_thousand_are_null() -> None:
    for total, shown in ((10_000, 10_000), (10_001, None), (None, None)):
        answer = page_answer(read(""), [], total, values_of=lambda row, name: None)
        assert answer["meta"]["total"] == shown
