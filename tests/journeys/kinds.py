"""One body for every PMS: the same note and the same call, said by `kind`, sent to all of them.

The vendors are those that the sandbox serves, so a new one is in by being there.
"""

from collections.abc import Mapping
from typing import Any

from frontdesk.vendors.registry import vendors
from tests.journeys.served import Served

EVENTS = "/v1/events/residents"
NOTE: Mapping[str, Any] = {
    "kind": "note",
    "event_datetime": "2026-03-02T16:30:00Z",
    "title": "A title",
    "status": "OPEN",
    "event_name": "A name",
    "notes": "the same note",
}
CALL: Mapping[str, Any] = {
    "kind": "call_in",
    "event_datetime": "2026-03-02T16:30:00Z",
    "call_phone_number_from": "+1 303 555 0142",
    "call_phone_number_to": "+1 303 555 0100",
    "call_status": "ANSWER",
    "call_duration": 95,
    "notes": "the same call",
}


def sent(
    served: Served, vendor: str, body: Mapping[str, Any], query: str
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The answer for the first resident for whom this PMS can hold the event, and the resident."""
    integration = served.integrations[vendor]
    path = f"/v1/residents?integration_id={integration}&limit=100&order-by=created_at:asc"
    refusal: Any = "there are no residents"
    for resident in served.get(path)["results"]:
        whole = {"integration_id": integration, "resident_id": resident["id"], **body}
        status, refusal = served.call("POST", f"{EVENTS}?{query}&dry_run=true", whole)
        if status == 200:
            status, answer = served.call("POST", f"{EVENTS}?{query}", whole)
            assert status == 200, answer
            assert answer["warnings"] == refusal["warnings"]
            return answer, resident
    raise AssertionError(f"{vendor} takes it of nobody: {refusal}")


def arrived(served: Served, body: Mapping[str, Any], query: str) -> dict[str, dict[str, Any]]:
    """Send the body to every vendor: the answers, once each has its one record at the PMS."""
    with_connector = {code for code, vendor in vendors().items() if vendor.connector is not None}
    assert set(served.integrations) == with_connector
    answers = {vendor: sent(served, vendor, body, query) for vendor in sorted(with_connector)}
    for vendor, (answer, _) in answers.items():
        ended = served.ended(answer["job_id"])
        assert ended["state"] == "succeeded", (vendor, ended)
    effects = served.effects(body["notes"])
    for vendor, (answer, resident) in answers.items():
        mine = [effect for effect in effects if effect["vendor"] == vendor]
        assert [effect["x_resident_id"] for effect in mine] == [resident["x_id"]], vendor
        assert mine[0]["text"] == answer["data"]["notes"], vendor
    return {vendor: answer for vendor, (answer, _) in answers.items()}
