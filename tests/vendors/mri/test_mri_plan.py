"""From an event to MRI's wire: dates, codes, names that can be replaced, the address and the user."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.vendors import templates
from frontdesk.vendors.contract import (
    Access,
    EventIntent,
    Issue,
    Plan,
    Reference,
    Refused,
    Resident,
)
from frontdesk.vendors.mri.connector import MriConnector
from frontdesk.vendors.mri.declaration import DECLARATION

CONNECTOR = MriConnector()
ACCESS = Access(
    "https://farm.saas.mrisoftware.com",
    {
        "clientId": "C100",
        "databaseName": "LIVE",
        "username": "WEB",
        "partnerKey": "key-of-partner",
        "password": "pass:word",
    },
)
RESIDENT = Resident("r", "0000004105", "JUN01", None, ())
DENVER = "America/Denver"
_YEAR = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def intent(
    fields: dict[str, Any],
    *,
    zone: str | None = DENVER,
    code: str | None = "PH",
    agent: str | None = None,
    x_event_id: str | None = None,
) -> EventIntent:
    return EventIntent(
        "create" if x_event_id is None else "update",
        RESIDENT,
        fields,
        event_type=None if code is None else Reference("t", code),
        employee=None if agent is None else Reference("e", agent),
        x_event_id=x_event_id,
        property_timezone=zone,
    )


def planned(moment: object, zone: str | None = DENVER) -> Plan:
    return CONNECTOR.plan(intent({"event_datetime": moment, "notes": "x"}, zone=zone))


def the_issue(event: EventIntent) -> Issue:
    with pytest.raises(Refused) as refused:
        CONNECTOR.plan(event)
    (issue,) = refused.value.issues
    return issue


def entry_of(plan: Plan) -> dict[str, str]:
    body = CONNECTOR.request(plan, ACCESS, "1").body
    assert body is not None
    (entry,) = ElementTree.fromstring(body)
    return {element.tag: element.text or "" for element in entry}


# --- the date -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        # the last minute of a day and the first of the next, before, in and after both changes
        (datetime(2026, 3, 8, 6, 59, tzinfo=UTC), DENVER, "2026-03-07"),
        (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), DENVER, "2026-03-08"),
        (datetime(2026, 3, 9, 5, 59, tzinfo=UTC), DENVER, "2026-03-08"),
        (datetime(2026, 3, 9, 6, 0, tzinfo=UTC), DENVER, "2026-03-09"),
        (datetime(2026, 11, 1, 5, 59, tzinfo=UTC), DENVER, "2026-10-31"),
        (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), DENVER, "2026-11-01"),
        (datetime(2026, 11, 2, 6, 59, tzinfo=UTC), DENVER, "2026-11-01"),
        (datetime(2026, 11, 2, 7, 0, tzinfo=UTC), DENVER, "2026-11-02"),
        (datetime(2026, 5, 4, 23, 30, tzinfo=timezone(timedelta(hours=9))), DENVER, "2026-05-04"),
        (datetime(2026, 5, 4, 9, 30, tzinfo=UTC), "Pacific/Kiritimati", "2026-05-04"),
        (datetime(2026, 5, 4, 10, 0, tzinfo=UTC), "Pacific/Kiritimati", "2026-05-05"),
    ],
)
def test_a_date_time_becomes_the_date_at_the_property(
    moment: datetime, zone: str, day: str
) -> None:
    assert entry_of(planned(moment, zone))["ActionDate"] == f"{day}T00:00:00.0000000"


def test_a_time_of_day_is_lost_with_a_warning_that_names_it() -> None:
    (notice,) = planned(datetime(2026, 3, 2, 16, 31, tzinfo=UTC)).notices
    assert (notice.field, notice.code) == ("event_datetime", "time_of_day_dropped")
    assert "09:31" in notice.message
    assert "2026-03-02" in notice.message


def test_local_midnight_and_a_bare_date_lose_nothing() -> None:
    assert planned(datetime(2026, 3, 2, 7, 0, tzinfo=UTC)).notices == ()
    assert planned(date(2026, 3, 2)).notices == ()


def test_a_bare_date_passes_as_it_is_and_needs_no_zone() -> None:
    for zone in (None, DENVER, "Pacific/Kiritimati"):
        plan = planned(date(2026, 3, 8), zone)
        assert entry_of(plan)["ActionDate"] == "2026-03-08T00:00:00.0000000"
        assert len(plan.trace.instants) == 1


def test_a_date_time_without_a_known_zone_is_refused_with_what_to_do() -> None:
    for zone in (None, "", "Mars/Olympus", "../etc/passwd"):
        event = intent({"event_datetime": datetime(2026, 3, 2, 16, 31, tzinfo=UTC)}, zone=zone)
        issue = the_issue(event)
        assert (issue.code, issue.path) == ("vendor_rule", ("event_datetime",))
        assert "timezone" in issue.message


def test_a_moment_outside_of_the_calendar_is_refused() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    assert the_issue(intent({"event_datetime": first})).path == ("event_datetime",)


def test_the_trace_has_every_instant_of_a_midnight() -> None:
    plain = planned(date(2026, 3, 2)).trace
    assert plain.instants == (datetime(2026, 3, 2, 7, tzinfo=UTC),)
    assert plain.where == {"timezone": DENVER}
    # Cuba changes its clocks at midnight: one is skipped, one comes twice.
    assert len(planned(date(2026, 3, 8), "America/Havana").trace.instants) == 1
    assert len(planned(date(2026, 11, 1), "America/Havana").trace.instants) == 2


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    moment=st.datetimes(_YEAR.replace(year=1900), _YEAR.replace(year=2200), timezones=st.just(UTC)),
    zone=st.sampled_from([DENVER, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_no_other_day_is_ever_written(moment: datetime, zone: str) -> None:
    plan = planned(moment, zone)
    there = moment.astimezone(ZoneInfo(zone))
    assert plan.payload["date"] == there.date().isoformat()
    assert bool(plan.notices) == (there.time() != there.time().min)


# --- the rest of the entry ------------------------------------------------------------------------


def test_every_field_stands_in_its_place() -> None:
    fields = {"event_datetime": date(2026, 3, 2), "notes": "Said <hi> & left", "status": "REVIEW"}
    plan = CONNECTOR.plan(intent(fields, agent="AGENT01"))
    request = CONNECTOR.request(plan, ACCESS, "1")
    assert request.method == "POST"
    assert request.url == (
        "https://farm.saas.mrisoftware.com/mriapiservices/api.asp"
        "?$api=MRI_S-PMRM_CreateRmAction&$format=xml"
    )
    assert request.headers["content-type"].startswith("application/xml")
    assert request.body is not None
    assert ElementTree.fromstring(request.body).tag == "mri_s-pmrm_creatermaction"
    assert entry_of(plan) == {
        "NameID": "0000004105",
        "ActionDate": "2026-03-02T00:00:00.0000000",
        "ActionCodeID": "PH",
        "ActionDescription": "Said <hi> & left",
        "LeasingAgentId": "AGENT01",
        "ActionStatus": "REVIEW",
    }


def test_what_is_not_given_is_not_sent() -> None:
    plan = CONNECTOR.plan(intent({"event_datetime": date(2026, 3, 2)}))
    assert set(entry_of(plan)) == {"NameID", "ActionDate", "ActionCodeID"}


def test_an_update_names_the_action_and_what_changes_alone() -> None:
    plan = CONNECTOR.plan(intent({"status": "OPEN"}, code=None, x_event_id="500001"))
    request = CONNECTOR.request(plan, ACCESS, "1")
    assert request.method == "PUT"
    assert "$api=MRI_S-PMRM_UpdateRmAction&" in request.url
    assert entry_of(plan) == {"Id": "500001", "NameID": "0000004105", "ActionStatus": "OPEN"}


def test_notes_can_be_emptied_by_an_update() -> None:
    plan = CONNECTOR.plan(intent({"notes": ""}, code=None, x_event_id="500001"))
    assert entry_of(plan)["ActionDescription"] == ""


def test_an_update_of_an_action_without_an_id_is_refused() -> None:
    event = EventIntent("update", RESIDENT, {"notes": "x"}, property_timezone=DENVER)
    assert the_issue(event).code == "vendor_rule"


def test_a_create_without_code_or_date_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        CONNECTOR.plan(intent({"notes": "x"}, code=None))
    assert {issue.path for issue in refused.value.issues} == {
        ("event_type_id",),
        ("event_datetime",),
    }


def test_a_code_of_more_than_two_characters_is_refused() -> None:
    for code in ("PHO", ""):
        issue = the_issue(intent({"event_datetime": date(2026, 3, 2)}, code=code))
        assert issue.path == ("event_type_id",)


def test_text_that_no_xml_can_hold_is_refused_and_never_cut() -> None:
    for mark in ("\x00", "\x0b", "\ud800", "\ufffe"):
        event = intent({"event_datetime": date(2026, 3, 2), "notes": f"a{mark}b"})
        assert the_issue(event).path == ("notes",)


# --- who calls, and where -----------------------------------------------------------------------


def test_the_basic_user_has_four_parts_and_is_secret() -> None:
    request = CONNECTOR.request(planned(date(2026, 3, 2)), ACCESS, "1")
    scheme, token = request.headers["authorization"].split()
    assert scheme == "Basic"
    assert base64.b64decode(token) == b"C100/LIVE/WEB/key-of-partner:pass:word"
    assert request.secret_headers == {"authorization"}
    assert "key-of-partner" not in request.url


def test_a_base_url_may_be_the_farm_or_the_whole_page() -> None:
    for base in (
        "https://farm.saas.mrisoftware.com",
        "https://farm.saas.mrisoftware.com/mriapiservices/api.asp",
    ):
        access = Access(base, ACCESS.credentials)
        url = CONNECTOR.request(planned(date(2026, 3, 2)), access, "1").url
        assert url.startswith("https://farm.saas.mrisoftware.com/mriapiservices/api.asp?$api=")


def test_a_partner_key_is_what_calls_are_counted_by() -> None:
    assert DECLARATION.budget.scope_keys == ("partnerKey",)
    (window,) = DECLARATION.budget.windows
    assert (window.requests, window.seconds) == (1000, 300)


def test_the_figures_outlast_the_slowest_normal_answer() -> None:
    assert DECLARATION.timeout_s >= 180
    assert DECLARATION.read_back.late_effect_s >= 200
    assert DECLARATION.read_back.guess


# --- names that an operator replaces ----------------------------------------------------------------


@pytest.fixture
def own_names(tmp_path: Path) -> Iterator[Path]:
    """The operator's file of names; taken back afterwards."""
    (tmp_path / "mri").mkdir()
    templates.use_folder(tmp_path)
    yield tmp_path / "mri" / "names.json"
    templates.use_folder(None)


def test_an_operators_names_change_the_wire_of_what_waits_already(own_names: Path) -> None:
    plan = CONNECTOR.plan(intent({"event_datetime": date(2026, 3, 2), "status": "OPEN"}))
    assert "ActionStatus" in entry_of(plan)
    names = {
        "api.create": "MRI_S-PMRM_NewAction",
        "action.status": "State",
        "status.OPEN": "Still open",
    }
    own_names.write_text(json.dumps(names))
    templates.use_folder(own_names.parent.parent)
    for template in DECLARATION.templates:
        templates.check(DECLARATION.vendor, template)
    request = CONNECTOR.request(plan, ACCESS, "1")
    assert "$api=MRI_S-PMRM_NewAction&" in request.url
    assert request.body is not None
    assert ElementTree.fromstring(request.body).tag == "mri_s-pmrm_newaction"
    entry = entry_of(plan)
    assert entry["State"] == "Still open"
    assert entry["NameID"] == "0000004105"


def test_a_name_that_would_break_the_document_is_refused(own_names: Path) -> None:
    own_names.write_text(json.dumps({"action.status": "State of/things"}))
    templates.use_folder(own_names.parent.parent)
    plan = CONNECTOR.plan(intent({"event_datetime": date(2026, 3, 2), "status": "OPEN"}))
    with pytest.raises(templates.BadTemplateError, match=r"action\.status"):
        CONNECTOR.request(plan, ACCESS, "1")
