"""The demo's events: one of every kind that an integration takes, made from what the API tells.

A body starts with what the capabilities' schema requires and is tried with `dry_run`; what the
answer still misses is filled in, and a resident whom the PMS cannot take the event for makes room
for the next. So it names no vendor, knows no rule of any, and shows what a client can do without
reading a manual.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from frontdesk.cli.calls import ask, call, every
from frontdesk.cli.failure import CommandFailed

EVENTS = "/v1/events/residents"
_MOST_TRIES = 200
_NO_TYPE: dict[str, Any] = {"id": None, "name": "Note", "class": "note"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event that Frontdesk will take: whom it is about, its body, how it is told apart."""

    vendor: str
    name: str
    kind: str
    body: Mapping[str, Any]
    marker: str
    x_resident_id: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """An integration's schema and one of its event types (or none, where the PMS has none)."""

    vendor: str
    integration_id: str
    schema: Mapping[str, Any]
    event_type: Mapping[str, Any]


class Preparer:
    """Prepares events for the integrations of one Frontdesk. `run` tells this demo's events apart
    from those of another."""

    def __init__(self, session: aiohttp.ClientSession, url: str, run: str) -> None:
        self._session = session
        self._url = url
        self._run = run
        self._numbers = itertools.count(1)

    async def prepare(self, vendor: str, integration_id: str) -> list[Prepared]:
        """One event per event type of the integration, each for a resident of its own.

        Raises CommandFailed where a kind finds no resident.
        """
        path = f"{self._url}/v1/admin/integrations/{integration_id}/capabilities"
        capabilities = (await ask(self._session, "GET", path))["results"]
        create = capabilities["operations"]["create"]
        if not create["supported"]:
            return []
        residents = iter(await self._residents(integration_id))
        types: Sequence[Mapping[str, Any]] = capabilities["event_types"] or [_NO_TYPE]
        return [
            await self._prepare(
                _Kind(vendor, integration_id, create["schema"], event_type), residents
            )
            for event_type in types
        ]

    async def _residents(self, integration_id: str) -> list[dict[str, Any]]:
        path = f"{self._url}/v1/residents?integration_id={integration_id}"
        residents = await every(self._session, path)
        # Those who live there first; the others stand in where a kind asks for somebody special.
        return sorted(residents, key=lambda resident: not _lives_there(resident))

    async def _prepare(self, kind: _Kind, residents: Iterator[dict[str, Any]]) -> Prepared:
        refusal: Any = "there is no resident left"
        for resident in itertools.islice(residents, _MOST_TRIES):
            marker = f"demo {self._run} {next(self._numbers):03d}"
            body, refusal = await self._body(kind, resident, marker)
            if body is not None:
                return Prepared(
                    vendor=kind.vendor,
                    name=str(kind.event_type["name"] or kind.event_type["id"]),
                    kind=str(kind.event_type["class"]),
                    body=body,
                    marker=marker,
                    x_resident_id=str(resident["x_id"]),
                )
        raise CommandFailed(
            f"No resident was found for {kind.event_type['name']} at {kind.vendor}: {refusal}"
        )

    async def _body(
        self, kind: _Kind, resident: Mapping[str, Any], marker: str
    ) -> tuple[dict[str, Any] | None, Any]:
        """A body that is accepted, or None and why not."""
        fields = kind.schema["properties"]
        # The type is given wherever there is one: without it the event would be of another kind.
        typed = kind.event_type.get("id") is not None and "event_type_id" in fields
        wanted = [
            *kind.schema.get("required", ()),
            *(("notes",) if "notes" in fields else ()),
            *(("event_type_id",) if typed else ()),
        ]
        body: dict[str, Any] = {}
        while True:
            for name in wanted:
                value = await self._value(kind, name, resident, marker)
                if value is None:
                    return None, f"there is nothing to put into {name}"
                body[name] = value
            tried = await call(self._session, "POST", f"{self._url}{EVENTS}?dry_run=true", body)
            if tried.status == 200:
                return body, None
            issues = tried.body["error"]["details"].get("issues", ())
            wanted = sorted(
                {
                    issue["path"][0]
                    for issue in issues
                    if issue["code"] == "required" and issue["path"][0] not in body
                }
            )
            if tried.status != 400 or not wanted:
                return None, tried.body["error"]["message"]

    async def _value(self, kind: _Kind, name: str, resident: Mapping[str, Any], marker: str) -> Any:
        known = {
            "integration_id": kind.integration_id,
            "resident_id": resident["id"],
            "event_type_id": kind.event_type["id"],
            "notes": f"{kind.event_type['name']} ({marker})",
            "event_datetime": datetime.now(UTC).isoformat(timespec="seconds"),
            "email_to": resident.get("email_1"),
        }
        if name in known:
            return known[name]
        of_type = f"&event_type_id={kind.event_type['id']}"
        lists = {
            "event_sub_type_id": f"/v1/event-sub-types?{of_type}",
            "event_result_id": f"/v1/event-results?{of_type}",
            "employee_id": f"/v1/employees?roles=LEASING_AGENT&property_id={resident['property_id']}",
        }
        if name in lists:
            path = f"{self._url}{lists[name]}&integration_id={kind.integration_id}&limit=1"
            found = (await ask(self._session, "GET", path))["results"]
            return found[0]["id"] if found else None
        return _example(kind.schema["properties"].get(name, {}))


def _example(schema: Mapping[str, Any]) -> Any:
    """A value that fits the schema: its own example, else one by its type and format."""
    if examples := schema.get("examples"):
        return examples[0]
    if choices := schema.get("enum"):
        return choices[0]
    types = schema.get("type", "string")
    kind = types if isinstance(types, str) else types[0]
    if kind == "boolean":
        return False
    if kind == "integer":
        return max(1, int(schema.get("minimum", 1)))
    return {
        "date-time": datetime.now(UTC).isoformat(timespec="seconds"),
        "email": "frontdesk@example.com",
        "uri": "https://example.com/demo",
    }.get(str(schema.get("format")), "demo")


def _lives_there(resident: Mapping[str, Any]) -> bool:
    leases = resident.get("leases_meta_data") or []
    return len(leases) == 1 and leases[0].get("resident_type_normalized") == "CURRENT"
