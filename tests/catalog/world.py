"""A small PMS without a wire for the catalog's tests: pages of records, and failures on demand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.models import SPECS
from frontdesk.catalog.record_repository import upsert
from frontdesk.catalog.records import rows_of
from frontdesk.catalog.sync import SyncRunner
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Lease,
    Outcome,
    Page,
    Plan,
    QuotaReport,
    Record,
    Request,
    Resident,
    Session,
    Vendor,
)
from frontdesk.vendors.declaration import (
    CredentialKey,
    Declaration,
    EventClass,
    Model,
    Operation,
)

SECRET = "a-secret-that-nobody-may-see"

DECLARATION = Declaration(
    vendor="PAPER",
    name="Paper",
    credentials=(CredentialKey("key"),),
    base_url="http://127.0.0.1:9",
    hosts=(),
    reads=frozenset(Model) - {Model.TIMEZONES},
    create=Operation(fields={}),
    classes={"8": EventClass.NOTE},
)


@dataclass
class PaperConnector:
    """Hands out `pages`, and calls `before` first, which may raise. A cursor is a page's number."""

    pages: dict[Model, list[list[Record]]] = field(default_factory=dict)
    events: dict[str, list[FoundEvent]] = field(default_factory=dict)
    before: Callable[[Model, str | None], None] = lambda model, cursor: None
    next_cursor: Callable[[Model, str | None], str | None] | None = None
    asked: list[tuple[Model, str | None, datetime | None]] = field(default_factory=list)
    asked_events: list[str] = field(default_factory=list)
    properties_told: dict[Model, tuple[str, ...]] = field(default_factory=dict)
    declared: Declaration = DECLARATION

    @property
    def declaration(self) -> Declaration:
        return self.declared

    def plan(self, intent: EventIntent) -> Plan:
        raise NotImplementedError

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:
        raise NotImplementedError

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        raise NotImplementedError

    async def read(
        self, session: Session, model: Model, cursor: str | None, since: datetime | None
    ) -> Page:
        self.asked.append((model, cursor, since))
        self.properties_told[model] = tuple(session.x_property_ids)
        await session.call(Request("GET", f"http://127.0.0.1:9/{model}?key={SECRET}", {}))
        self.before(model, cursor)
        pages = self.pages.get(model, [[]])
        place = int(cursor or 0)
        records = pages[min(place, len(pages) - 1)]
        if self.next_cursor is not None:
            return Page(tuple(records), self.next_cursor(model, cursor))
        following = str(place + 1) if place + 1 < len(pages) else None
        return Page(tuple(records), following, sum(len(page) for page in pages))

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        self.asked_events.append(resident.x_id)
        self.before(Model.EVENTS, resident.x_id)
        return tuple(self.events.get(resident.x_id, ()))

    def refined_budget(self, answer: Answer) -> QuotaReport | None:
        return None


class PaperSession:
    """Answers every call."""

    access = Access("http://127.0.0.1:9", {"key": SECRET})
    x_property_ids: Sequence[str] = ()

    async def call(self, request: Request) -> Answer:
        return Answer(200, {"x-echo": SECRET}, b"{}")


@dataclass(frozen=True)
class PaperIntegration:
    """An integration's row in the database, and what the catalog wants to know of it."""

    id: UUID
    account_id: UUID
    vendor: str = DECLARATION.vendor


def vendors_with(connector: PaperConnector) -> Callable[[], Mapping[str, Vendor]]:
    """A registry that knows the paper PMS alone."""
    return lambda: {DECLARATION.vendor: Vendor(connector.declared, connector)}


async def an_integration(
    database: Database, account_id: UUID | None = None, **columns: Any
) -> PaperIntegration:
    """A new, active integration, of a new account unless one is given."""
    if account_id is None:
        account_id = new_id()
        await database.execute("INSERT INTO accounts (id, name) VALUES ($1, 'a')", account_id)
    integration_id = new_id()
    await database.execute(
        """INSERT INTO integrations (id, account_id, vendor, name, active, base_url, credentials,
            budget_scope, max_job_concurrency) VALUES ($1, $2, $3, 'i', true, '', '', $4, 8)""",
        integration_id,
        account_id,
        DECLARATION.vendor,
        str(integration_id),
    )
    for name, value in columns.items():
        await database.execute(
            f"UPDATE integrations SET {name} = $2 WHERE id = $1", integration_id, value
        )
    return PaperIntegration(integration_id, account_id)


async def run_all(
    runner: SyncRunner,
    integration: PaperIntegration,
    connector: PaperConnector,
    *,
    steps: int = 500,
) -> int:
    """Do steps until none is due; how many there were."""
    for done in range(steps):
        if not await runner.run_step(integration, connector, PaperSession()):
            return done
    raise AssertionError(f"more than {steps} steps")


async def store(database: Database, integration: PaperIntegration, *records: Record) -> None:
    """Put records of one model into the cache."""
    spec = SPECS[records[0].model]
    async with database.transaction() as connection:
        await upsert(
            connection,
            spec,
            integration.account_id,
            integration.id,
            integration.vendor,
            rows_of(spec, records, DECLARATION),
        )


async def id_of(database: Database, integration: PaperIntegration, table: str, x_id: str) -> UUID:
    """Frontdesk's id of a record."""
    found: UUID = await database.fetch_value(
        f"SELECT id FROM {table} WHERE integration_id = $1 AND x_id = $2", integration.id, x_id
    )
    return found


async def rows(database: Database, integration: PaperIntegration, table: str) -> dict[str, Any]:
    """Every row of a table by its PMS id."""
    found = await database.fetch(
        f"SELECT * FROM {table} WHERE integration_id = $1 ORDER BY x_id", integration.id
    )
    return {row["x_id"]: row for row in found}


def a_property(x_id: str = "p1", **fields: Any) -> Record:
    return Record(Model.PROPERTIES, x_id, {"name": f"Property {x_id}", **fields})


def a_unit(x_id: str = "u1", x_property_id: str = "p1", **fields: Any) -> Record:
    return Record(Model.UNITS, x_id, {"number": x_id, **fields}, x_property_id=x_property_id)


def a_resident(x_id: str = "r1", *x_unit_ids: str, **fields: Any) -> Record:
    leases = tuple(
        Lease(f"lease-{x_id}-{unit}", "current", x_property_id="p1", x_unit_id=unit)
        for unit in x_unit_ids or ("u1",)
    )
    return Record(
        Model.RESIDENTS,
        x_id,
        {"first_name": "Ada", "last_name": f"Resident {x_id}", **fields},
        x_property_id="p1",
        leases=leases,
    )


def an_employee(x_id: str = "e1", *x_property_ids: str) -> Record:
    return Record(
        Model.EMPLOYEES,
        x_id,
        {"name": f"Employee {x_id}", "roles": ["LEASING_AGENT"]},
        links={"x_property_ids": list(x_property_ids or ("p1",))},
    )


def a_type(x_id: str = "8", *models: str) -> Record:
    fields = {"name": f"Type {x_id}", "models": list(models or ("residents",))}
    return Record(Model.EVENT_TYPES, x_id, fields)


def a_sub_type(x_id: str = "s1", x_type_id: str = "8") -> Record:
    fields = {"name": f"Sub type {x_id}", "x_event_type_id": x_type_id}
    return Record(Model.EVENT_SUB_TYPES, x_id, fields)


def a_result(x_id: str = "o1", *x_type_ids: str) -> Record:
    return Record(
        Model.EVENT_RESULTS,
        x_id,
        {"name": f"Result {x_id}"},
        links={"x_event_type_ids": list(x_type_ids or ("8",))},
    )


def an_event(x_id: str = "n1", x_resident_id: str = "r1", **fields: Any) -> FoundEvent:
    text = fields.pop("text", f"Note {x_id}")
    return FoundEvent(x_id, x_resident_id, text, fields=fields)


def a_whole_pms() -> dict[Model, list[list[Record]]]:
    """Some of everything, on several pages."""
    return {
        Model.PROPERTIES: [[a_property("p1")], [a_property("p2")]],
        Model.UNITS: [[a_unit("u1"), a_unit("u2")], [a_unit("u3", "p2")]],
        Model.EMPLOYEES: [[an_employee("e1", "p1", "p2")]],
        Model.EVENT_TYPES: [[a_type("8"), a_type("17")]],
        Model.EVENT_SUB_TYPES: [[a_sub_type("s1", "17")]],
        Model.EVENT_RESULTS: [[a_result("o1", "8", "17")]],
        Model.RESIDENTS: [
            [a_resident("r1", "u1"), a_resident("r2", "u2", "u3")],
            [a_resident("r3", "u3")],
        ],
    }
