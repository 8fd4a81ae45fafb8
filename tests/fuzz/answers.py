"""What reads a PMS's answers: every connector, found by discovery, on its own simulator's answers.

An input is a selector, then an answer as text: status, headers, an empty line, body. The selector
chooses the written form that was sent, or which call of which read gets the answer; every other
call of that read gets what the simulator answered.
"""

import asyncio
import importlib
import json
import pkgutil
import re
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import orjson

from frontdesk.catalog.models import SPECS
from frontdesk.catalog.records import event_rows, rows_of
from frontdesk.catalog.values import as_json
from frontdesk.vendors.contract import (
    Access,
    Answer,
    Connector,
    Login,
    NoAnswer,
    Outcome,
    OutcomeKind,
    Page,
    Plan,
    QuotaReport,
    ReadRefused,
    Request,
    Resident,
    Unaskable,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import vendors
from tests.conformance.pms import Pms, Untakeable
from tests.fuzz.target import Target
from tests.vendors.live import LiveSession, live_session, synced

CODES = tuple(code for code, vendor in vendors().items() if vendor.connector is not None)
MOST_CALLS = 300
"""A read that asks more often for one page, whatever it is told, runs in a circle."""

FEW_PAGES = 20
"""In the place of a client's own `MOST_PAGES`: the fuzz looks for lists without an end."""

_PAGES = "MOST_PAGES"
KEPT_RECORDS = 2
FAULTS: tuple[Mapping[str, object], ...] = (
    {"fault": "status", "status": 429, "retry_after": 3},
    {"fault": "status", "status": 503},
    {"fault": "error_in_200"},
    {"fault": "unauthorised", "n": 2},
)

Call = tuple[Request, Answer]


@dataclass(frozen=True)
class Recorded:
    """What one simulator answered. `reads` are the calls of each read; `plans` one of each form of
    write; `told` the answers to writes, good and bad; `logins` those to logins."""

    access: Access
    x_property_ids: tuple[str, ...]
    resident: Resident
    plans: tuple[Plan, ...]
    told: tuple[Answer, ...]
    reads: Mapping[Model, tuple[Call, ...]]
    logins: tuple[Answer, ...]


@cache
def recorded(code: str) -> Recorded:
    """The answers of this vendor's simulator."""
    return asyncio.run(_record(code))


def targets_of(code: str) -> tuple[Target, ...]:
    """A vendor's parsers."""
    vendor, tape = vendors()[code], recorded(code)
    assert vendor.connector is not None
    found = [
        Target(
            f"{code}-judge",
            tuple(_spelled(0, answer) for answer in tape.told),
            partial(_judge, vendor.connector, tape.plans),
        )
    ]
    for model in tape.reads:
        brief = _brief(vendor.connector, tape, model)
        run = partial(_read, vendor.connector, brief, model)
        seeds = tuple(_spelled(number, call[1]) for number, call in enumerate(brief.reads[model]))
        found.append(Target(f"{code}-read-{model.value}", seeds, run))
    if vendor.login is not None:
        seeds = tuple(_spelled(0, answer) for answer in tape.logins)
        found.append(Target(f"{code}-login", seeds, partial(_login, vendor.login)))
    return tuple(found)


@contextmanager
def few_pages() -> Iterator[None]:
    """Let every client give a list up after `FEW_PAGES`."""
    package = importlib.import_module("frontdesk.vendors")
    before: list[tuple[ModuleType, object]] = []
    for found in pkgutil.walk_packages(package.__path__, "frontdesk.vendors."):
        module = importlib.import_module(found.name)
        if hasattr(module, _PAGES):
            before.append((module, getattr(module, _PAGES)))
            setattr(module, _PAGES, FEW_PAGES)
    try:
        yield
    finally:
        for module, most in before:
            setattr(module, _PAGES, most)


# --- recording --------------------------------------------------------------------------------


async def _record(code: str) -> Recorded:
    connector = vendors()[code].connector
    assert connector is not None
    with tempfile.TemporaryDirectory() as folder:
        async with live_session(Path(folder), code, throttle_factor=1_000) as session:
            tape = _Tape(session)
            catalog = await synced(connector, session)
            pms = Pms(connector, session, catalog)
            plans = _forms(pms)
            resident = pms.resident_of(pms.plan_with({"notes": "Recorded"})[1])
            reads: dict[Model, tuple[Call, ...]] = {}
            for model in catalog:
                reads[model] = await tape.of(connector.read(session, model, None, None))
            told = []
            for plan in plans:
                told.append((await pms.send(plan))[0])
                with suppress(Unaskable):
                    reads.setdefault(Model.EVENTS, ())
                    reads[Model.EVENTS] = await tape.of(
                        connector.read_events(session, resident, plan.trace.where)
                    )
            for fault in FAULTS:
                asked = {"vendor": code, "n": 1, **fault}
                await session.sandbox.call("POST", "/_sandbox/faults", json_body=asked)
                told.append((await pms.send(plans[0]))[0])
            logins = await _logins(tape, session, vendors()[code].login)
            return Recorded(
                session.access,
                tuple(session.x_property_ids),
                resident,
                plans,
                tuple(told),
                {model: calls for model, calls in reads.items() if calls},
                logins,
            )


async def _logins(tape: "_Tape", session: LiveSession, login: Login | None) -> tuple[Answer, ...]:
    """A good login, and one with credentials that nobody has."""
    if login is None:
        return ()
    wrong = dict.fromkeys(session.access.credentials, "wrong")
    for access in (session.access, replace(session.access, credentials=wrong)):
        await session.send(login.request(access))
    return tuple(answer for _, answer in tape.all[-2:])


class _Tape:
    """Keeps what a session is told."""

    def __init__(self, session: LiveSession) -> None:
        self.all: list[Call] = []
        send = session.send

        async def kept(request: Request) -> Answer:
            answer = await send(request)
            self.all.append((request, answer))
            return answer

        session.send = kept  # type: ignore[method-assign]

    async def of(self, reading: Coroutine[Any, Any, object]) -> tuple[Call, ...]:
        begin = len(self.all)
        await reading
        return tuple(self.all[begin:])


def _forms(pms: Pms) -> tuple[Plan, ...]:
    """One plan of every route; where the PMS can change a record, as an update as well."""
    found: dict[str, Plan] = {}
    for draft in pms._drafts():
        with suppress(Untakeable):
            plan = pms._completed(draft, {"notes": "Recorded"})
            found.setdefault(plan.route, plan)
    plans = list(found.values())
    if pms.declaration.update is not None:
        plans += [replace(plan, operation="update", x_event_id="4711") for plan in plans]
    return tuple(plans)


# --- running ----------------------------------------------------------------------------------


def _judge(connector: Connector, plans: Sequence[Plan], data: bytes) -> None:
    selector, answer = _answer(data)
    plan = plans[selector % len(plans)]
    outcome = connector.judge(plan, answer)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is not OutcomeKind.DELIVERED or answer.status < 400
    assert outcome.retry_after is None or 0 <= outcome.retry_after < float("inf")
    assert outcome.kind is OutcomeKind.DELIVERED or outcome.code
    assert len(outcome.message) <= 10_000
    _storable([outcome.x_id, outcome.author, outcome.code, outcome.message])
    _quota(connector.refined_budget(answer))


def _brief(connector: Connector, tape: Recorded, model: Model) -> Recorded:
    """The same with the first records of every list alone, and of the calls those that are still
    made then: a thousand residents take a hundred times as long to read, and are no more of a test."""
    short = [
        (request, replace(answer, body=_shortened(answer))) for request, answer in tape.reads[model]
    ]
    session = _Replay(tape, short, -1, short[0][1])
    _read_by(connector, tape, model, session)
    return replace(tape, reads={**tape.reads, model: tuple(session.made) or tuple(short)})


def _read(connector: Connector, tape: Recorded, model: Model, data: bytes) -> None:
    selector, answer = _answer(data)
    calls = tape.reads[model]
    _read_by(connector, tape, model, _Replay(tape, calls, selector % len(calls), answer))


def _read_by(connector: Connector, tape: Recorded, model: Model, session: "_Replay") -> None:
    try:
        if model is Model.EVENTS:
            where = tape.plans[0].trace.where
            found = _run(connector.read_events(session, tape.resident, where))
            _kept(event_rows(found))
        else:
            page = _run(connector.read(session, model, None, None))
            _stored(connector, model, page)
            if page.next_cursor is not None:
                next_page = _run(connector.read(session, model, page.next_cursor, None))
                _stored(connector, model, next_page)
    except ReadRefused as refused:
        _refusal(refused)
    except (NoAnswer, Unaskable):
        pass


def _login(login: Login, data: bytes) -> None:
    _, answer = _answer(data)
    assert login.refuses(answer) in (True, False)
    try:
        token = login.token_of(answer)
    except ReadRefused as refused:
        _refusal(refused)
        return
    assert token.isprintable()
    assert token


class _Replay:
    """See `frontdesk.vendors.contract.Session`. The call at `place` is told `answer`. `made`: the
    others that were made."""

    def __init__(self, tape: Recorded, calls: Sequence[Call], place: int, answer: Answer) -> None:
        self._tape, self._calls, self._place, self._answer = tape, calls, place, answer
        self._count = 0
        self.made: list[Call] = []

    @property
    def access(self) -> Access:
        return self._tape.access

    @property
    def x_property_ids(self) -> Sequence[str]:
        return self._tape.x_property_ids

    async def call(self, request: Request) -> Answer:
        place, self._count = self._count, self._count + 1
        assert self._count <= MOST_CALLS + len(self._calls), "the read does not come to an end"
        if place == self._place:
            return self._answer
        for known, answer in self._calls:
            if (known.method, known.url, known.body) == (request.method, request.url, request.body):
                self.made.append((known, answer))
                return answer
        # Asked for what nobody asked before, because of what it was told: it is told the same again.
        return self._answer


def _run(reading: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never waits gives."""
    try:
        reading.send(None)
    except StopIteration as end:
        return end.value
    finally:
        reading.close()
    raise AssertionError("it waited for something else than its session")


def _refusal(refused: ReadRefused) -> None:
    assert refused.outcome.kind is not OutcomeKind.DELIVERED
    _storable([refused.outcome.code, refused.outcome.message])


def _stored(connector: Connector, model: Model, page: Page) -> None:
    assert page.total is None or 0 <= page.total < 2**31
    assert page.next_cursor is None or "\0" not in page.next_cursor
    _kept(rows_of(SPECS[model], page.records, connector.declaration))


def _kept(rows: list[dict[str, Any]]) -> None:
    """Whether the database takes the catalog's rows, by the catalog's own way of spelling them."""
    assert not _NUL.search(as_json(rows).encode())


def _storable(value: object) -> None:
    """Whether the database takes it as it is: JSON, and no NUL anywhere."""
    assert not _NUL.search(orjson.dumps(value))


def _quota(report: QuotaReport | None) -> None:
    for limit, seconds, remaining, reset in () if report is None else report.windows:
        assert isinstance(remaining, int)
        assert limit >= 0 < seconds
        assert 0 <= reset < float("inf")


# --- spelling ---------------------------------------------------------------------------------

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# What the transport says is read by the transport, and says nothing here.
_TRANSPORT = ("date", "server", "connection", "content-length", "transfer-encoding")


def _spelled(selector: int, answer: Answer) -> bytes:
    head = [str(answer.status)]
    head += [f"{name}: {text}" for name, text in answer.headers.items() if name not in _TRANSPORT]
    return bytes((selector % 256,)) + "\n".join(head).encode("latin-1") + b"\n\n" + answer.body


def _answer(data: bytes) -> tuple[int, Answer]:
    head, _, body = data[1:].partition(b"\n\n")
    status, *lines = head.decode("latin-1").split("\n")
    number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
    headers = {}
    for line in lines:
        name, _, text = line.partition(":")
        headers[name.strip().lower()] = text.strip()
    return data[0] if data else 0, Answer(number, headers, body)


def _shortened(answer: Answer) -> bytes:
    """The body with the first records of every list, where it can be read as one: what is
    repeated a hundred times is no more of a test."""
    try:
        return json.dumps(_short_json(json.loads(answer.body))).encode()
    except ValueError:
        pass
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError:
        return answer.body
    _shorten_xml(root)
    return ElementTree.tostring(root)


def _short_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_short_json(inner) for inner in value[:KEPT_RECORDS]]
    if isinstance(value, dict):
        return {name: _short_json(inner) for name, inner in value.items()}
    return value


def _shorten_xml(element: ElementTree.Element) -> None:
    seen: dict[str, int] = {}
    for child in list(element):
        seen[child.tag] = seen.get(child.tag, 0) + 1
        if seen[child.tag] > KEPT_RECORDS:
            element.remove(child)
        else:
            _shorten_xml(child)
