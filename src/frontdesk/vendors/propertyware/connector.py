"""Propertyware's connector: a resident event is a note, written over SOAP and read over REST.

SOAP alone can write a note; REST alone can show one, and only those of leases. An integration
without REST keys still writes, knows its residents by SOAP, and cannot look for a lost answer.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from frontdesk.vendors import soap, values, xml
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Lease,
    Outcome,
    OutcomeKind,
    Page,
    Plan,
    QuotaReport,
    ReadRefused,
    Record,
    Request,
    Resident,
    Session,
    Unaskable,
)
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.propertyware import axis, client, guesses, records
from frontdesk.vendors.propertyware.declaration import DECLARATION
from frontdesk.vendors.propertyware.plan import planned

CONTACTS_A_PAGE = 5_000
"""Contacts in one page of residents. Who is on which lease is told by the leases alone, so that all
leases are read once for each page: fewer pages are fewer calls, more contacts are more memory."""

_LISTS: Mapping[Model, tuple[str, Callable[[records.Upstream], Record]]] = {
    Model.PROPERTIES: ("/buildings", records.property_record),
    Model.UNITS: ("/units", records.unit_record),
}


class PropertywareConnector:
    """See `frontdesk.vendors.contract.Connector`. Holds no state."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        return planned(intent)

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:  # noqa: ARG002 — Propertyware echoes no request id
        payload = plan.payload
        fields = [
            axis.field("subject", "string", str(payload["subject"])),
            axis.field("body", "string", str(payload["body"])),
            axis.field("private", "boolean", guesses.PRIVATE),
        ]
        if payload["date"] is not None:
            fields.append(axis.field("date", "dateTime", str(payload["date"])))
        if "lease_id" in payload:
            place = axis.holder("lease", "Lease", axis.field("ID", "long", payload["lease_id"]))
        else:
            number = axis.field("ID", "long", payload["contact_id"])
            place = axis.holder("contact", "Contact", number)
        return axis.request(access, plan.route, axis.holder("note", "Note", *fields) + place)

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        value = _returned(plan.route, answer)
        if isinstance(value, Outcome):
            return value
        x_id = values.identifier(value.text("ID"))
        # Java's long is 0 where nothing was set: a note that was not stored.
        if x_id is None or not x_id.isdecimal() or int(x_id) == 0:
            return _unknown(answer, "Propertyware's success answer names no note.")
        return Outcome(OutcomeKind.DELIVERED, x_id=x_id, upstream_status=answer.status)

    async def read(
        self,
        session: Session,
        model: Model,
        cursor: str | None,
        since: datetime | None,  # noqa: ARG002 — a lease that changes does not change its contacts
    ) -> Page:
        if not client.has_keys(session.access):
            return await _soap_residents(session) if model is Model.RESIDENTS else Page(())
        offset = int(cursor) if cursor else 0
        if model is Model.RESIDENTS:
            return await _residents(session, offset)
        if model is Model.EMPLOYEES:
            buildings = [
                item async for page in client.pages(session, "/buildings") for item in page
            ]
            return Page(records.employee_records(buildings))
        if model not in _LISTS:
            return Page(())
        path, record = _LISTS[model]
        items, after, total = await client.listed(session, path, {}, offset)
        return Page(tuple(record(item) for item in items), _cursor(after), total)

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        if where is not None:
            return await _notes_at(session, resident, where)
        found: dict[str, FoundEvent] = {}
        if client.has_keys(session.access):
            for lease in resident.leases:
                for item in await client.lease_notes(session, lease.x_id):
                    # A note that names nobody is about the lease, and so about him as well.
                    if records.named_in(item) in (None, resident.x_id):
                        event = records.found_event(item, resident.x_id, lease.x_property_id)
                        found[event.x_id] = event
        return tuple(found.values())

    def refined_budget(self, answer: Answer) -> QuotaReport | None:  # noqa: ARG002 — no quota headers
        return None


async def _notes_at(
    session: Session, resident: Resident, where: Mapping[str, str]
) -> tuple[FoundEvent, ...]:
    """The notes about this resident at the place of a write: those that name him, because every
    note of ours on a lease does. Raises `Unaskable`, `NoAnswer`, `ReadRefused`."""
    lease_id = where.get("lease_id")
    if lease_id is None:
        raise Unaskable("Propertyware shows no note that is on a contact.")
    if not client.has_keys(session.access):
        raise Unaskable("Propertyware shows notes by its REST API, for which there are no keys.")
    try:
        items = await client.lease_notes(session, lease_id)
    except ReadRefused as refused:
        if refused.outcome.kind is OutcomeKind.REJECTED:
            # The lease is gone, or the key may not read it: asking again changes nothing.
            words = f"Propertyware does not show the lease's notes: {refused.outcome.message}"
            raise Unaskable(words) from refused
        raise
    return tuple(
        records.found_event(item, resident.x_id, resident.x_property_id)
        for item in items
        if records.named_in(item) == resident.x_id
    )


async def _residents(session: Session, offset: int) -> Page:
    contacts: list[client.Item] = []
    total: int | None = None
    after: int | None = offset
    # Counted by calls: by contacts, short pages under a total that is wrong would never be enough.
    for _ in range(CONTACTS_A_PAGE // client.PAGE_SIZE):
        if after is None:
            break
        page, after, told = await client.listed(session, "/contacts", {"type": "TENANT"}, after)
        contacts.extend(page)
        total = told if total is None else total
    wanted = frozenset(str(client.id_of(item)) for item in contacts)
    today = datetime.now(UTC).date()
    leases: dict[str, list[tuple[Lease, str | None]]] = {}
    if not contacts:
        return Page((), None, total)
    async for page in client.pages(session, "/leases"):
        for x_id, more in records.leases_by_contact(page, wanted, today).items():
            leases.setdefault(x_id, []).extend(more)
    found = tuple(
        records.resident_record(item, leases.get(str(client.id_of(item)), ())) for item in contacts
    )
    return Page(found, _cursor(after), total)


async def _soap_residents(session: Session) -> Page:
    """Without REST keys: everybody at once, and nobody's lease."""
    operation = "getContactsByType"
    arguments = axis.field("type", "string", guesses.TENANTS)
    answer = await session.call(axis.request(session.access, operation, arguments))
    value = _returned(operation, answer)
    if isinstance(value, Outcome):
        raise ReadRefused(value)
    found = [records.resident_of_soap(member) for member in value.members()]
    if None in found:
        raise ReadRefused(_unknown(answer, "Propertyware's list holds an entry without an ID."))
    return Page(tuple(record for record in found if record is not None))


def _returned(operation: str, answer: Answer) -> axis.Value | Outcome:
    """What a SOAP call brought, or what its failure means. Never `delivered`."""
    if answer.status == 401:
        return Outcome(
            OutcomeKind.UNAUTHORISED,
            "unauthorised",
            "Propertyware refused the user or the password.",
            upstream_status=answer.status,
        )
    if answer.status == 429:
        return client.throttled(answer, "Propertyware was called too often.")
    try:
        body = soap.body_of(answer.body)
    except xml.NotXmlError:
        return _unknown(answer, f"Propertyware answered {answer.status}, unreadably.")
    fault = soap.fault_of(body)
    if fault is not None:
        kind, code = guesses.meaning_of(fault)
        said = values.message(fault.text, None if fault.text else fault.code)
        return Outcome(kind, code, said or "A fault.", upstream_status=answer.status)
    value = axis.returned(body, operation)
    if value is None or not 200 <= answer.status < 300:
        return _unknown(answer, f"Propertyware's answer is none to {operation}.")
    return value


def _unknown(answer: Answer, words: str) -> Outcome:
    code = "server_error" if answer.status >= 500 else "unreadable_answer"
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def _cursor(after: int | None) -> str | None:
    return None if after is None else str(after)
