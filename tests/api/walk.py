"""Requests for every operation of the OpenAPI document, filled with the ids of an account.

A path's ids are found by the names of its parameters, or by asking the list that the path stands in
(and, where that is empty, by making a record from the document's own example). A body is the
document's example with the account's ids in it. Whatever cannot be filled so is an error that says
what to teach: an operation that is passed over would be an operation that nobody has tried.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

from frontdesk.database.pool import Database
from frontdesk.ids import new_id, parse_id
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import vendors
from tests.conftest import CallerAccount
from tests.events.world import POST, SUPPORTING, World, build, changing, typed

_PARAMETER = re.compile(r"\{(\w+)\}")
FIRST = "[]"
"""In the path of a field: the first of a list."""

_METHODS = ("get", "post", "put", "patch", "delete")


class Unfilled(Exception):  # noqa: N818 — it names what is left to do
    """A parameter, a field or a body for which this module knows no value."""


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    about: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def path_ids(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def id_filters(self) -> list[str]:
        """Query parameters that name one of our records by its id."""
        return [
            parameter["name"]
            for parameter in self.about.get("parameters", ())
            if parameter["in"] == "query"
            and parameter["name"].endswith("_id")
            and not parameter["name"].startswith("x_")
        ]

    @property
    def content(self) -> Mapping[str, Any] | None:
        """Schema and example of the body."""
        body = self.about.get("requestBody")
        return None if body is None else body["content"]["application/json"]

    @property
    def vendor(self) -> Vendor | None:
        """The vendor that the path names."""
        by_word = {code.lower(): vendor for code, vendor in vendors().items()}
        return next((by_word[part] for part in self.path.split("/") if part in by_word), None)


def operations(document: Mapping[str, Any], *, protected: bool) -> list[Operation]:
    """Every operation that needs a token (or needs none), those that end things last."""
    found = [
        Operation(method, path, about)
        for path, item in document["paths"].items()
        for method, about in item.items()
        if method in _METHODS and bool(about["security"]) is protected
    ]
    # A record is deleted after all else was tried on it, and what is inside it before itself.
    return sorted(found, key=lambda o: (o.method == "delete", -len(o.path_ids), o.path))


@dataclass
class Filler:
    """An account, its integrations (one of each vendor with a connector), and its ids."""

    client: aiohttp.ClientSession
    worlds: Mapping[str, World]
    ids: dict[str, str]
    by_path: Mapping[str, Operation] = field(default_factory=dict)

    def world(self, operation: Operation) -> World | None:
        """The integration to use: the vendor's that the path names, else one that takes the most.
        None: that vendor has no connector."""
        vendor = operation.vendor
        if vendor is not None:
            return self.worlds.get(vendor.declaration.vendor)
        chosen = changing() if operation.path.endswith("{event_id}") else typed()
        return self.worlds[chosen.declaration.vendor]

    def id_for(self, name: str, operation: Operation) -> str | None:
        """The account's id that a parameter or field of this name means; None where it is unknown
        which."""
        world = self.world(operation)
        if world is not None:
            found = self._in_world(name, world)
            if found is not None:
                return found
        return self.ids.get(name)

    def _in_world(self, name: str, world: World) -> str | None:
        event_types = [value for key, value in world.ids.items() if key.startswith("event_types:")]
        known = {
            "integration_id": world.integration_id,
            "based_on_integration_id": world.integration_id,
            "property_id": world.id(Model.PROPERTIES, "1"),
            "resident_id": world.resident,
            "resident_ids": world.resident,
            "unit_id": world.id(Model.UNITS, "11"),
            "employee_id": world.id(Model.EMPLOYEES, "21"),
            "event_type_id": event_types[0] if event_types else None,
            "event_sub_type_id": world.id(Model.EVENT_SUB_TYPES, "any"),
            "event_result_id": world.id(Model.EVENT_RESULTS, "any"),
            "event_id": world.ids["event"],
        }
        # The map of kinds names event types by what they stand for.
        if name in _KINDS:
            return known["event_type_id"]
        return known.get(name)

    async def path(self, operation: Operation) -> str:
        """The path with the account's ids. Raises Unfilled."""
        filled = operation.path
        for name in operation.path_ids:
            value = self.id_for(name, operation)
            if value is None:
                value = await self._from_list(filled, name)
            filled = filled.replace(f"{{{name}}}", value, 1)
        return filled

    async def _from_list(self, filled: str, name: str) -> str:
        """An id from the list that the path stands in: `/things` for `/things/{thing_id}`."""
        parent = filled.split(f"/{{{name}}}")[0]
        for _ in range(2):
            async with self.client.get(parent) as answer:
                if answer.status == 200:
                    body = await answer.json()
                    results = body.get("results")
                    if isinstance(results, list) and results:
                        return str(results[0]["id"])
            maker = self.by_path.get(f"post {parent}")
            if maker is None:
                break
            async with self.client.post(parent, json=self.body(maker)) as answer:
                if answer.status != 200:
                    raise Unfilled(f"{maker}: its example was refused: {await answer.text()}")
        raise Unfilled(
            f"nothing is known of {{{name}}} in {filled}: put an id of it into the filler's `ids`"
        )

    def body(self, operation: Operation) -> Any:
        """The document's example with the account's ids. Raises Unfilled."""
        content = operation.content
        if content is None:
            return None
        if "example" not in content:
            raise Unfilled(f"{operation} has a body without an example")
        return self._filled(content["example"], "", operation)

    def _filled(self, value: Any, name: str, operation: Operation) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(inner, key, operation) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, name, operation) for inner in value]
        if isinstance(value, str) and (parse_id(value) is not None or name.endswith("_id")):
            found = self.id_for(name, operation)
            if found is None:
                raise Unfilled(f"{operation}: no value is known for the id {name!r} of its body")
            return found
        return value


_KINDS = frozenset(
    [
        "note",
        "call_in",
        "call_out",
        "email_in",
        "email_out",
        "text",
        "chat",
        "visit",
        "appointment",
        "task",
    ]
)


def body_ids(operation: Operation) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Where a body can name a record by its id: the path of the field, and whether it is a list."""
    content = operation.content
    if content is None:
        return
    for path, schema in _fields(content["schema"], ()):
        name = path[-1]
        if name.startswith("x_"):
            continue
        if name.endswith("_id"):
            yield path, False
        elif name.endswith("_ids") and schema.get("type") == "array":
            yield path, True


def _fields(
    schema: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    # An optional object stands in the schema as "it, or null".
    for one in (schema, *schema.get("anyOf", ())):
        for name, inner in one.get("properties", {}).items():
            # What an operator names his own credentials is no id of ours.
            if name == "credentials":
                continue
            yield (*path, name), inner
            yield from _fields(inner, (*path, name))
            # Of a list of objects, its first.
            if isinstance(inner.get("items"), Mapping):
                yield from _fields(inner["items"], (*path, name, FIRST))


def with_value(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """The body with this value there."""
    head, *rest = path
    if head == FIRST:
        first, *others = body or [None]
        return [with_value(first, tuple(rest), value), *others]
    changed = dict(body or {})
    changed[head] = with_value(changed.get(head), tuple(rest), value) if rest else value
    return changed


async def settled(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount
) -> Filler:
    """An account with an integration of every vendor, an event in each, and a failed write with an
    attempt."""
    worlds: dict[str, World] = {}
    for vendor in SUPPORTING:
        world = await build(client, database, account.id, vendor)
        world.ids["event"] = await _event(database, world)
        worlds[vendor.declaration.vendor] = world
    world = worlds[typed().declaration.vendor]
    await database.execute(
        "INSERT INTO timezones (id, account_id, integration_id, vendor, x_id, data) "
        "SELECT $1, account_id, id, vendor, 'America/Denver', '{}' FROM integrations WHERE id = $2",
        new_id(),
        UUID(world.integration_id),
    )
    async with client.post(POST, json=world.body()) as answer:
        assert answer.status == 200, await answer.text()
        job_id = (await answer.json())["job_id"]
    await database.execute(
        "UPDATE writes SET state = 'failed', finished_at = now(), ready_at = NULL WHERE id = $1",
        UUID(job_id),
    )
    attempt_id = await database.fetch_value(
        "INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number, request) "
        "VALUES ($1, $2, $3, 'create_resident_event', 'send', 1, '{}') RETURNING id",
        UUID(job_id),
        account.id,
        UUID(world.integration_id),
    )
    ids = {
        "job_id": job_id,
        "root_job_id": job_id,
        "job_log_id": str(attempt_id),
        # For the paths of vendors that can have no integration with events.
        "event_id": world.ids["event"],
    }
    return Filler(client, worlds, ids)


async def _event(database: Database, world: World) -> str:
    event_id = new_id()
    await database.execute(
        "INSERT INTO events (id, account_id, integration_id, vendor, x_id, data, resident_id) "
        "SELECT $1, account_id, id, vendor, '901', '{}', $3 FROM integrations WHERE id = $2",
        event_id,
        UUID(world.integration_id),
        UUID(world.resident),
    )
    return str(event_id)
