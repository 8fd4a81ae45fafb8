"""From an event to Rent Manager's wire: which kind of entry, what of it, and when."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.replay import path_of, sent

from frontdesk.vendors.contract import (
    Access,
    EventIntent,
    Plan,
    Reference,
    Refused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import EventClass
from frontdesk.vendors.rentmanager import clock
from frontdesk.vendors.rentmanager.connector import RentManagerConnector

CONNECTOR = RentManagerConnector()
ACCESS = Access("https://acme.api.rentmanager.com", {"Username": "u", "Password": "p"})
TENANT = Resident("r", "311", "11", None, ())
WHEN = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)


def category(
    x_id: str = "5",
    event_class: EventClass = EventClass.NOTE,
    kinds: tuple[str, ...] = (),
    is_active: bool | None = True,
) -> Reference:
    extra = {"kinds": list(kinds), "is_active": is_active}
    return Reference("c", x_id, "Category", event_class=event_class, extra=extra)


def plan_of(
    operation: Literal["create", "update"] = "create",
    kind: Reference | None = None,
    zone: str | None = "America/Denver",
    existing: Mapping[str, Any] | None = None,
    existing_type: Reference | None = None,
    x_event_id: str | None = "77",
    **fields: Any,
) -> Plan:
    return CONNECTOR.plan(
        EventIntent(
            operation,
            TENANT,
            fields,
            event_type=kind,
            x_event_id=x_event_id if operation == "update" else None,
            property_timezone=zone,
            existing=existing or {},
            existing_type=existing_type,
        )
    )


def issues_of(**given: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    with pytest.raises(Refused) as refused:
        plan_of(**given)
    return [(issue.code, issue.path) for issue in refused.value.issues]


def request_of(plan: Plan) -> Request:
    return CONNECTOR.request(plan, ACCESS, "attempt")


# --- what is written ----------------------------------------------------------------------------


def test_an_event_without_a_type_is_a_note_in_a_list_of_one() -> None:
    plan = plan_of(notes="Left a voicemail")
    request = request_of(plan)
    assert (request.method, path_of(request)) == ("POST", "/Tenants/311/HistoryNotes")
    assert sent(request) == [{"Note": "Left a voicemail"}]
    assert plan.trace.instants == ()
    assert plan.trace.x_type_id is None


def test_a_request_bears_its_location_and_neither_token_nor_password() -> None:
    request = request_of(plan_of(notes="n"))
    assert request.headers["x-rm12api-locationid"] == "1"
    assert "x-rm12api-apitoken" not in request.headers
    assert "p" not in request.headers.values()


@pytest.mark.parametrize(
    ("event_class", "resource"),
    [
        (EventClass.NOTE, "HistoryNotes"),
        (EventClass.OTHER, "HistoryNotes"),
        (EventClass.TASK, "HistoryNotes"),
        (EventClass.CALL_IN, "HistoryCalls"),
        (EventClass.CALL_OUT, "HistoryCalls"),
        (EventClass.EMAIL_IN, "HistoryEmails"),
        (EventClass.EMAIL_OUT, "HistoryEmails"),
        (EventClass.VISIT, "HistoryVisits"),
    ],
)
def test_the_class_of_the_category_decides_the_kind_of_entry(
    event_class: EventClass, resource: str
) -> None:
    plan = plan_of(kind=category(event_class=event_class), notes="n")
    assert path_of(request_of(plan)) == f"/Tenants/311/{resource}"
    assert sent(request_of(plan)) == [{"HistoryCategoryID": 5, "Note": "n"}]
    assert plan.trace.x_type_id == "5"


def test_a_category_that_is_not_for_the_entry_is_refused() -> None:
    letters = category(event_class=EventClass.OTHER, kinds=("Letter",))
    assert issues_of(kind=letters, notes="n") == [("vendor_rule", ("event_type_id",))]


def test_a_category_no_longer_in_use_is_refused() -> None:
    assert issues_of(kind=category(is_active=False), notes="n") == [
        ("vendor_rule", ("event_type_id",))
    ]


def test_a_category_whose_kinds_are_not_told_takes_notes() -> None:
    assert plan_of(kind=category(is_active=None), notes="n").route == "HistoryNotes"


@pytest.mark.parametrize("note", ["", None])
def test_an_entry_without_text_is_refused(note: str | None) -> None:
    assert issues_of(notes=note) == [("required", ("notes",))]
    if note is not None:
        assert issues_of(operation="update", notes=note) == [("required", ("notes",))]


def test_a_tenants_id_cannot_leave_its_place_in_the_path() -> None:
    odd = Resident("r", "../Users?x=1", None, None, ())
    plan = CONNECTOR.plan(EventIntent("create", odd, {"notes": "n"}))
    assert request_of(plan).url.endswith("/Tenants/..%2FUsers%3Fx%3D1/HistoryNotes")


# --- times --------------------------------------------------------------------------------------


def test_a_time_is_written_as_the_local_time_of_the_property() -> None:
    plan = plan_of(notes="n", event_datetime=WHEN)
    assert sent(request_of(plan))[0]["HistoryDate"] == "2026-03-02T09:30:00"
    assert plan.trace.instants == (WHEN,)
    assert plan.notices == ()


def test_without_a_zone_a_time_is_eastern_with_a_warning() -> None:
    plan = plan_of(notes="n", event_datetime=WHEN, zone=None)
    assert sent(request_of(plan))[0]["HistoryDate"] == "2026-03-02T11:30:00"
    assert [notice.code for notice in plan.notices] == ["assumed_timezone"]
    assert plan.trace.where["timezone"] == "America/New_York"


def test_a_date_alone_needs_no_zone_and_no_warning() -> None:
    plan = plan_of(notes="n", event_datetime=date(2026, 3, 2), zone=None)
    assert sent(request_of(plan))[0]["HistoryDate"] == "2026-03-02"
    assert plan.notices == ()
    assert plan.trace.instants == (datetime(2026, 3, 2, 5, tzinfo=UTC),)


def test_the_hour_that_autumn_repeats_is_told_and_may_be_either() -> None:
    first = datetime(2025, 11, 2, 7, 30, tzinfo=UTC)
    plans = [plan_of(notes="n", event_datetime=first + timedelta(hours=n)) for n in (0, 1)]
    for plan in plans:
        assert sent(request_of(plan))[0]["HistoryDate"] == "2025-11-02T01:30:00"
        assert [notice.code for notice in plan.notices] == ["doubled_local_hour"]
        assert plan.trace.instants == (first, first + timedelta(hours=1))


def test_around_the_hour_that_spring_skips_nothing_is_lost() -> None:
    before = datetime(2026, 3, 8, 8, 59, 59, tzinfo=UTC)
    for instant, text in ((before, "01:59:59"), (before + timedelta(seconds=1), "03:00:00")):
        plan = plan_of(notes="n", event_datetime=instant)
        assert sent(request_of(plan))[0]["HistoryDate"] == f"2026-03-08T{text}"
        assert plan.trace.instants == (instant,)


def test_a_fraction_of_a_second_is_dropped_with_a_warning() -> None:
    plan = plan_of(notes="n", event_datetime=WHEN.replace(microsecond=1))
    assert [notice.code for notice in plan.notices] == ["fraction_dropped"]
    assert plan.trace.instants == (WHEN,)


@pytest.mark.parametrize("moment", ["soon", 7, datetime(2026, 1, 1)])  # noqa: DTZ001 — no offset
def test_what_is_no_time_is_refused(moment: object) -> None:
    assert issues_of(notes="n", event_datetime=moment) == [("invalid", ("event_datetime",))]


def test_a_zone_that_nobody_knows_is_refused_and_not_taken_for_eastern() -> None:
    assert issues_of(notes="n", event_datetime=WHEN, zone="Mars/Olympus") == [
        ("vendor_rule", ("event_datetime",))
    ]


@given(
    instant=st.datetimes(
        datetime(1900, 1, 2),  # noqa: DTZ001 — the zone comes beside it
        datetime(2199, 12, 30),  # noqa: DTZ001
        timezones=st.just(timezone(timedelta(hours=5, minutes=30))),
    ),
    zone=st.sampled_from(["America/Denver", "America/New_York", "America/Phoenix", "Asia/Kolkata"]),
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_back_as_the_same_instant(instant: datetime, zone: str) -> None:
    moment = clock.written(instant, ZoneInfo(zone))
    assert instant.replace(microsecond=0).astimezone(UTC) in moment.instants
    assert clock.instants(moment.text, ZoneInfo(zone)) == moment.instants


# --- changes ------------------------------------------------------------------------------------

READ_BACK = {"x_location_id": "1"}


def test_a_change_names_the_entry_and_nothing_but_what_changes() -> None:
    plan = plan_of("update", notes="After", event_datetime=WHEN)
    request = request_of(plan)
    assert path_of(request) == "/Tenants/311/HistoryNotes"
    assert sent(request) == [
        {"HistoryID": 77, "HistoryDate": "2026-03-02T09:30:00", "Note": "After"}
    ]
    assert plan.x_event_id == "77"
    assert plan.trace.where["stamp"] == "UpdateDate"


def test_a_change_without_text_leaves_the_text_alone() -> None:
    assert sent(request_of(plan_of("update", kind=category(), zone=None))) == [
        {"HistoryID": 77, "HistoryCategoryID": 5}
    ]


@pytest.mark.parametrize(
    ("told", "resource"),
    [("Note", "HistoryNotes"), ("Call", "HistoryCalls"), ("HistoryVisit", "HistoryVisits")],
)
def test_a_change_goes_where_the_entry_was_read(told: str, resource: str) -> None:
    existing = {"type_raw": told, **READ_BACK}
    assert plan_of("update", notes="n", existing=existing).route == resource


def test_a_change_goes_where_the_entry_was_written_before_it_was_read() -> None:
    calls = category(event_class=EventClass.CALL_OUT, kinds=("Call",))
    existing = {"type_raw": "Visit"}  # the name of its category, not its kind
    plan = plan_of("update", notes="n", existing=existing, existing_type=calls)
    assert plan.route == "HistoryCalls"
    assert plan_of("update", notes="n", existing=existing).route == "HistoryNotes"


def test_an_entry_cannot_become_one_of_another_kind() -> None:
    calls = category(event_class=EventClass.CALL_OUT, kinds=("Call",))
    assert issues_of(operation="update", kind=calls, notes="n") == [
        ("vendor_rule", ("event_type_id",))
    ]
    assert plan_of("update", kind=category(kinds=("Note", "Call")), notes="n").route
    existing = {"type_raw": "Call", **READ_BACK}
    both = category(kinds=("Note", "Call"))
    assert plan_of("update", kind=both, existing=existing).route == "HistoryCalls"


def test_a_letter_cannot_be_changed() -> None:
    existing = {"type_raw": "Letter", **READ_BACK}
    assert issues_of(operation="update", notes="n", existing=existing) == [("vendor_rule", ())]


def test_a_change_of_an_entry_without_id_is_refused() -> None:
    assert issues_of(operation="update", notes="n", x_event_id=None) == [("vendor_rule", ())]
