"""AppFolio: what a note becomes on the wire."""

import base64
import json

import pytest
from tests.vendors.replay import path_of, sent

from frontdesk.vendors.appfolio import client
from frontdesk.vendors.appfolio.connector import AppfolioConnector
from frontdesk.vendors.contract import Access, EventIntent, Plan, Refused, Resident
from frontdesk.vendors.masking import masked

CONNECTOR = AppfolioConnector()
ACCESS = Access(
    "https://sandbox.example/appfolio",
    {"clientId": "demo-id", "clientSecret": "demo:secret", "developerId": "demo-developer"},
)
TENANT = "4b3c0a52-9a5e-4c0e-8d5e-0d6f6c6a0001"
NOTE = "6a1b0a52-9a5e-4c0e-8d5e-0d6f6c6a0002"
RESIDENT = Resident("r1", TENANT, None, "a@example.com", ())
PLAN = CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": "Dryer broken"}))


def test_a_note_is_posted_to_the_tenant_with_basic_developer_and_key() -> None:
    request = CONNECTOR.request(PLAN, ACCESS, "write-1")
    assert request.method == "POST"
    assert request.url == f"https://sandbox.example/appfolio/api/v0/tenants/{TENANT}/notes"
    assert sent(request) == {"Body": "Dryer broken"}
    scheme, token = request.headers["Authorization"].split(" ")
    assert scheme == "Basic"
    assert base64.b64decode(token) == b"demo-id:demo:secret"
    assert request.headers["Idempotency-Key"] == "write-1"
    assert request.secret_headers == {"authorization", "x-appfolio-developer-id"}


def test_the_developer_header_keeps_its_case_for_a_gateway_that_looks_at_it() -> None:
    request = CONNECTOR.request(PLAN, ACCESS, "write-1")
    assert request.headers["X-AppFolio-Developer-ID"] == "demo-developer"


def test_the_same_write_is_the_same_request_to_the_byte_at_every_attempt() -> None:
    again = Plan(PLAN.operation, PLAN.route, json.loads(json.dumps(dict(PLAN.payload))), PLAN.trace)
    assert CONNECTOR.request(again, ACCESS, "write-1") == CONNECTOR.request(PLAN, ACCESS, "write-1")
    assert "secret" not in json.dumps(dict(PLAN.payload))


def test_the_trace_tells_what_the_note_will_look_like() -> None:
    assert PLAN.trace.x_resident_id == TENANT
    assert PLAN.trace.text == "Dryer broken"
    assert PLAN.trace.where == {}
    assert PLAN.trace.instants == ()


def test_a_change_patches_the_known_note_without_a_key_and_is_looked_for_by_its_id() -> None:
    intent = EventIntent("update", RESIDENT, {"notes": "Fixed"}, x_event_id=NOTE)
    plan = CONNECTOR.plan(intent)
    request = CONNECTOR.request(plan, ACCESS, "write-1")
    path = f"/appfolio/api/v0/tenants/{TENANT}/notes/{NOTE}"
    assert (request.method, path_of(request)) == ("PATCH", path)
    assert "Idempotency-Key" not in request.headers
    assert plan.trace.where == {"note_id": NOTE}


def test_a_hostile_id_cannot_leave_its_part_of_the_path() -> None:
    resident = Resident("r", "1/../../users?x=", None, None, ())
    plan = CONNECTOR.plan(EventIntent("create", resident, {"notes": "n"}))
    url = CONNECTOR.request(plan, ACCESS, "a").url
    assert url.endswith("/api/v0/tenants/1%2F..%2F..%2Fusers%3Fx%3D/notes")


def test_an_empty_note_is_refused_at_once() -> None:
    for note in ("", None):
        with pytest.raises(Refused) as refused:
            CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": note}))
        assert [issue.code for issue in refused.value.issues] == ["required"]


def test_a_change_of_a_note_whose_id_is_unknown_is_refused() -> None:
    with pytest.raises(Refused):
        CONNECTOR.plan(EventIntent("update", RESIDENT, {"notes": "n"}))


def test_no_secret_shows_in_the_request_of_a_dry_run() -> None:
    request = CONNECTOR.request(PLAN, ACCESS, "dry-run")
    secrets = CONNECTOR.declaration.secrets_of(ACCESS.credentials)
    assert set(secrets) == {"demo-id", "demo:secret", "demo-developer"}
    shown = json.dumps(masked(request, secrets))
    token = request.headers["Authorization"].split(" ")[1]
    assert not [secret for secret in (*secrets, token) if secret in shown]
    assert "Dryer broken" in shown


def test_every_guess_about_the_wire_is_declared() -> None:
    subjects = {guess.subject for guess in CONNECTOR.declaration.guesses}
    assert {"note.Body", "note answer", "filters[EntityId]", "422", "read_back"} <= subjects
    assert client.note_body("x") == {"Body": "x"}
