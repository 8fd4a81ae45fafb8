"""Accepting a resident event: every id resolved, every rule applied, then one durable write.

An answer without an error means that the write is committed. Nothing here talks to a PMS, and a dry
run stores nothing. The order of refusals: what the PMS cannot do at all, then what the integration
is not open for, then everything that is wrong with the body at once, then a disabled property.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from frontdesk.catalog.known import KnownEvent, PropertyState, Resolved
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.events.answers import answer_of, warnings_of
from frontdesk.events.capabilities import Capabilities
from frontdesk.events.kinds import MOVED_REFERENCES, takes_types
from frontdesk.events.marks import MARK_LENGTH, mark_of, marked, notice
from frontdesk.events.prepared import Prepared, Target, answered, dry_run, new_write
from frontdesk.events.references import NOT_SYNCED_YET, wanted_ids
from frontdesk.events.rules import Checked, OperationName, Terms, check, intent_of, plannable
from frontdesk.events.schemas import ReadBody, read_changed_event, read_new_event
from frontdesk.events.type_map import EventTypeMap
from frontdesk.ids import new_id, parse_id
from frontdesk.integrations.service import Integration, IntegrationService
from frontdesk.tracing import spans
from frontdesk.vendors.contract import Reference, Refused, Vendor
from frontdesk.vendors.registry import vendors
from frontdesk.webhooks.service import WebhookService
from frontdesk.writes.idempotency import Key
from frontdesk.writes.intake import Accepted, Intake, Mismatched, NewWrite, Replayed
from frontdesk.writes.service import WritesService, mismatch


@dataclass(frozen=True, slots=True)
class Options:
    """How a request wants to be treated, beside its body. `wait` in seconds, None: not at all.
    `kind_fallback`: a note may state what the PMS has no place for (`events.kinds`)."""

    ignore_unknown_fields: bool = False
    dry_run: bool = False
    wait: float | None = None
    key: Key | None = None
    kind_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """An event that breaks no rule: the body of its 200, and the write that must be stored before
    that is said; None of a dry run."""

    answer: dict[str, Any]
    write: NewWrite | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A 200: its body, and whether it repeats the answer to an earlier request."""

    body: dict[str, Any]
    replayed: bool = False


class EventsService:
    """Accepts events for every account; each call names whose."""

    def __init__(
        self,
        database: Database,
        integrations: IntegrationService,
        catalog: CatalogService,
        writes: WritesService,
        intake: Intake,
        webhooks: WebhookService,
    ) -> None:
        self.capabilities = Capabilities(database, integrations)
        self.type_map = EventTypeMap(database, integrations)
        self._integrations = integrations
        self._catalog = catalog
        self._writes = writes
        self._intake = intake
        self._webhooks = webhooks

    def refuse_unsupported(self, vendor: str, operation: OperationName) -> None:
        """Raises ApiError 405 where the PMS has no such operation, whatever the body says."""
        _refuse_unsupported(vendors()[vendor], operation)

    async def create(
        self, account_id: UUID, body: Any, options: Options, vendor: str | None = None
    ) -> Reply:
        """Accept a new event; `body` is parsed JSON. `vendor` is the path's, if it names one (and
        `refuse_unsupported` let it pass). Raises ApiError 400, 405, 409, 422, 503."""
        if (replay := await self.replay(account_id, options)) is not None:
            return await self._with_write(account_id, replay, options)
        read = read_new_event(body)
        target = await self._target_of(account_id, read, vendor, options)
        return await self._accept(account_id, target, read, options)

    async def update(
        self,
        account_id: UUID,
        event_id: UUID | None,
        body: Any,
        options: Options,
        vendor: str | None = None,
    ) -> Reply:
        """Accept a change of an event. Raises ApiError 400, 404, 405, 409, 422, 503."""
        if (replay := await self.replay(account_id, options)) is not None:
            return await self._with_write(account_id, replay, options)
        event = None
        if event_id is not None:
            event = await self._catalog.event(account_id, event_id)
        if event is None:
            raise not_found("event")
        if vendor is not None and vendor != event.vendor:
            raise invalid([_of_another_vendor(("path", "vendor"), event.vendor, vendor)])
        integration = await self._integrations.get_owned(account_id, event.integration_id)
        if integration is None:
            raise not_found("event")
        target = _target(integration, "update", event)
        read = read_changed_event(body)
        return await self._accept(account_id, target, read, options)

    async def ready(self, account_id: UUID, body: Any, options: Options) -> Ready:
        """A new event that only needs to be stored. Raises ApiError 400, 405, 409."""
        read = read_new_event(body)
        target = await self._target_of(account_id, read, None, options)
        return await self._ready(account_id, target, read, options)

    async def replay(self, account_id: UUID, options: Options) -> Reply | None:
        """The answer that the key has already. Before any validation: a catalog that has changed
        since cannot turn a replay into a refusal."""
        if options.key is None or options.dry_run:
            return None
        taken = await self._intake.look_up(account_id, options.key.key, options.key.fingerprint)
        return None if taken is None else replayed(taken)

    # --- inside -------------------------------------------------------------------------------

    async def _target_of(
        self, account_id: UUID, read: ReadBody, vendor: str | None, options: Options
    ) -> Target:
        """The integration that the body names. Raises ApiError; without one, what can be said of
        the rest is said with it."""
        integration = None
        problems: list[Problem] = []
        if (text := read.fields.get("integration_id")) is not None:
            integration_id = parse_id(text)
            if integration_id is not None:
                integration = await self._integrations.get_owned(account_id, integration_id)
            if integration is None:
                problems.append(
                    Problem(
                        "unknown_reference",
                        ("integration_id",),
                        "This account has no integration with this id.",
                    )
                )
        if integration is not None:
            if vendor is not None and integration.vendor != vendor:
                problems.append(_of_another_vendor(("integration_id",), integration.vendor, vendor))
            else:
                return _target(integration, "create")
        if vendor is None:
            raise invalid([*problems, *read.problems])
        terms = Terms(
            vendors()[vendor].declaration,
            "create",
            options.ignore_unknown_fields,
            kind_fallback=options.kind_fallback,
        )
        raise invalid([*problems, *check(terms, read, None).problems])

    async def _accept(
        self, account_id: UUID, target: Target, read: ReadBody, options: Options
    ) -> Reply:
        ready = await self._ready(account_id, target, read, options)
        if ready.write is None:
            return Reply(ready.answer)
        if spans.is_on():
            spans.current().tell(
                {
                    spans.INTEGRATION_ID: str(target.integration.id),
                    spans.VENDOR: target.integration.vendor,
                    spans.JOB_ID: str(ready.write.id),
                }
            )
        outcome = await self._intake.submit(ready.write)
        reply = Reply(ready.answer) if isinstance(outcome, Accepted) else replayed(outcome)
        return await self._with_write(account_id, reply, options)

    async def _ready(
        self, account_id: UUID, target: Target, read: ReadBody, options: Options
    ) -> Ready:
        job_id = new_id()
        mark = ""
        if target.integration.mark_notes and target.operation == "create":
            mark = mark_of(job_id)
        prepared = await self._prepare(account_id, target, read, options, mark)
        notices = (*prepared.checked.warnings, *prepared.plan.notices)
        if options.dry_run:
            if prepared.plan.trace.mark:
                notices = (*notices, notice(mark))
            return Ready(dry_run(target, prepared.plan, warnings_of(notices)), None)
        warnings = warnings_of(notices)
        answer = answer_of(job_id, answered(target, prepared), warnings)
        write = new_write(job_id, account_id, target, prepared, warnings, options.key, answer)
        return Ready(answer, write)

    async def _prepare(
        self, account_id: UUID, target: Target, read: ReadBody, options: Options, mark: str
    ) -> Prepared:
        integration, event = target.integration, target.event
        declaration = target.vendor.declaration
        terms = Terms(
            declaration,
            target.operation,
            options.ignore_unknown_fields,
            integration.allow_email_send,
            options.kind_fallback,
            MARK_LENGTH if mark else 0,
        )
        kind = read.fields.get("kind")
        moves = terms.moves(kind)
        wanted = wanted_ids(read.fields, terms.taken, MOVED_REFERENCES if moves else ())
        if event is not None:
            wanted["resident_id"] = event.resident_id
        resolved = await self._catalog.resolve(
            account_id,
            integration.id,
            wanted,
            kind=kind if takes_types(terms.taken) else None,
            or_note=moves,
        )
        checked = check(terms, read, resolved)
        if (callback_url := read.fields.get("callback_url")) is not None:
            for problem in self._webhooks.url_problems("callback_url", callback_url):
                checked.refuse(problem)
        # What the notes only speak of is neither the record's place nor its author.
        resolved = resolved.without(checked.moved)
        place = _place(resolved)
        plan = None
        if plannable(checked, resolved):
            intent = intent_of(
                checked,
                terms,
                resolved,
                property_timezone=(place.timezone if place else None) or integration.timezone,
                x_event_id=None if event is None else event.x_id,
                existing=None if event is None else event.data,
                existing_type=await self._type_of(account_id, event),
            )
            if not str(intent.fields.get("notes") or "").strip():
                # Nothing that a mark could stand at the end of.
                mark = ""
            if mark:
                text = marked(intent.fields["notes"], mark)
                intent = replace(intent, fields={**intent.fields, "notes": text})
            try:
                plan = target.connector.plan(intent)
                if mark:
                    plan = replace(plan, trace=replace(plan.trace, mark=mark))
            except Refused as refused:
                _add_issues(checked, refused)
        elif event is not None and resolved.resident is None and not checked.problems:
            raise ApiError(Code.CONFLICT, "The resident of this event is not known here.")
        if checked.problems or plan is None:
            raise invalid(checked.problems, _hint(resolved))
        if place is not None and not place.enabled:
            raise ApiError(
                Code.CONFLICT,
                "The property of this resident is disabled; it takes no new writes.",
                details={"property_id": str(place.id)},
            )
        return Prepared(checked, resolved, place, plan)

    async def _type_of(self, account_id: UUID, event: KnownEvent | None) -> Reference | None:
        """The event type that an existing event was last written with."""
        written_with = None if event is None else event.data.get("event_type_id")
        if event is None or not isinstance(written_with, str):
            return None
        wanted = {"event_type_id": parse_id(written_with)}
        known = await self._catalog.resolve(account_id, event.integration_id, wanted)
        return None if known.event_type is None else known.event_type.reference

    async def _with_write(self, account_id: UUID, reply: Reply, options: Options) -> Reply:
        """With `wait`: the answer with the write as it stands after it. The write is stored: a
        database that goes away now takes nothing back, and the answer goes without."""
        if options.wait is None:
            return reply
        job_id = parse_id(reply.body["job_id"])
        try:
            write = await self._writes.status(account_id, job_id, wait=options.wait)
        except DatabaseUnavailable:
            return reply
        return Reply({**reply.body, "write": write}, reply.replayed)


def _refuse_unsupported(vendor: Vendor, operation: OperationName) -> None:
    declaration = vendor.declaration
    if getattr(declaration, operation) is not None and vendor.connector is not None:
        return
    verb = "create" if operation == "create" else "change"
    reason = declaration.unsupported_reason or "Its API has no such call."
    raise ApiError(
        Code.NOT_SUPPORTED,
        f"{declaration.name} cannot {verb} resident events: {reason}",
        details={"vendor": declaration.vendor, "operation": operation},
    )


def _target(
    integration: Integration, operation: OperationName, event: KnownEvent | None = None
) -> Target:
    """Raises ApiError 405 for what the PMS cannot do, 409 for what the integration is closed to."""
    vendor = vendors().get(integration.vendor)
    if vendor is None:
        raise ApiError(
            Code.CONFLICT, f"This version of Frontdesk does not know {integration.vendor}."
        )
    _refuse_unsupported(vendor, operation)
    if integration.is_archived:
        raise ApiError(Code.CONFLICT, "The integration is archived; it takes no new writes.")
    if not integration.active:
        raise ApiError(
            Code.CONFLICT, "The integration is not active; set `active` before sending events."
        )
    if event is not None and event.x_id is None:
        raise ApiError(
            Code.CONFLICT,
            "The PMS's id of this event is not known yet; it can be changed once it is.",
        )
    connector = vendor.connector
    if connector is None:  # pragma: no cover — refused above
        raise TypeError(f"{integration.vendor} has no connector")
    return Target(integration, vendor, connector, operation, event)


def _of_another_vendor(path: tuple[str, ...], actual: str, wanted: str) -> Problem:
    return Problem(
        "vendor_mismatch",
        path,
        f"This path is for {wanted}; the integration is of {actual}.",
        wanted,
        actual,
    )


def _place(resolved: Resolved) -> PropertyState | None:
    """The property that the event belongs to: of the unit that was named, else the resident's."""
    if resolved.unit is not None:
        found = resolved.property_of(resolved.unit.reference.x_property_id)
        if found is not None:
            return found
    if resolved.resident is None:
        return None
    return resolved.property_of(resolved.resident.resident.x_property_id)


def _add_issues(checked: Checked, refused: Refused) -> None:
    for issue in refused.issues:
        checked.refuse(
            Problem(issue.code, issue.path, issue.message, issue.expected, issue.received)
        )


def _hint(resolved: Resolved) -> str:
    return "" if resolved.first_sync_done else NOT_SYNCED_YET


def replayed(outcome: Replayed | Mismatched) -> Reply:
    """The answer of the request that had the key first. Raises ApiError 422: it was another."""
    if isinstance(outcome, Mismatched):
        raise mismatch()
    return Reply(outcome.answer, replayed=True)
