"""What a PMS connector is: the types that pass between a vendor's folder and the rest of Frontdesk.

A connector plans (pure), builds requests (pure), judges answers (pure) and reads (through a
`Session`, which counts, paces, times out and logs every call). It never opens a connection, a
database or a queue itself, and it never decides what happens to a write: it says what an answer
means, and delivery does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from frontdesk.vendors.declaration import Declaration, EventClass, Model

JSON = Any
"""A value that `json.dumps` takes: plans and cursors are stored as JSON."""


# --- the wire ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to leave. `secret_headers` (lower case) are masked whole wherever the
    request is shown. `budget_key` is the API method that the vendor counts (empty: not counted
    apart)."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    secret_headers: frozenset[str] = frozenset()
    budget_key: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):  # noqa: N818 — not an error of ours: the word of the delivery design
    """No complete, well-formed HTTP answer came. `sent` is False only where it is certain that not
    one byte of the request left (connection refused, TLS failure)."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class OutcomeKind(StrEnum):
    """How a send ended: see docs/guide/delivery.md."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    NOT_NOW = "not_now"
    UNAUTHORISED = "unauthorised"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer means. `x_id` is the new record's PMS id where the answer names it.
    `author`: as whom the PMS shows our credentials, where the answer tells (it tells our records
    from a staff member's with the same text). `message` holds upstream's own words. `throttled`:
    the vendor said slow down (not a fault of this event, and no attempt is used up).
    `retry_after`: seconds that upstream asked for."""

    kind: OutcomeKind
    code: str = ""
    message: str = ""
    x_id: str | None = None
    author: str | None = None
    upstream_status: int | None = None
    retry_after: float | None = None
    throttled: bool = False


class ReadRefused(Exception):  # noqa: N818 — carries an outcome, as a value
    """A read did not bring what was asked; `outcome` says why (never `delivered`)."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message or outcome.code)
        self.outcome = outcome


class Unaskable(Exception):  # noqa: N818 — a fact about a record's place, not an error
    """The PMS has no way to show the records at the place of one write, now or later; the message
    says why. Where a PMS can show some records and not others, this tells them apart: a write whose
    outcome is unknown ends as uncertain, instead of being looked for in vain for ever."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom an integration calls its PMS. `base_url` has no trailing slash."""

    base_url: str
    credentials: Mapping[str, Any] = field(repr=False)


class Session(Protocol):
    """A connector's only way to its PMS while reading."""

    @property
    def access(self) -> Access: ...

    @property
    def x_property_ids(self) -> Sequence[str]:
        """PMS ids of the integration's enabled properties, as far as the catalog knows them."""
        ...

    async def call(self, request: Request) -> Answer:
        """Send a read within the integration's budget. Raises `NoAnswer`."""
        ...


# --- from an event to the wire ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem of a caller's body. `code` is a stable word: `required`, `not_taken`, `too_long`,
    `unknown_reference`, `ambiguous`, `vendor_rule` …; `path` names the field."""

    code: str
    path: tuple[str | int, ...]
    message: str
    expected: str | None = None
    received: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning: something of the caller's information is lost or altered on the wire."""

    field: str
    code: str
    message: str


class Refused(Exception):  # noqa: N818 — expected: every problem of a body at once
    """The event cannot be written at this PMS as it stands; `issues` names every reason."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)


LeaseStatus = Literal["current", "notice", "future", "past", "applicant", "cancelled"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease (or application) of a resident, in the PMS's ids."""

    x_id: str
    status: LeaseStatus
    x_property_id: str | None = None
    x_unit_id: str | None = None
    x_application_id: str | None = None
    move_in: date | None = None
    move_out: date | None = None
    resident_type: str | None = None


@dataclass(frozen=True, slots=True)
class Resident:
    """The resident of an event as the catalog knows him. `timezone`: the IANA zone of his property,
    else of the integration, where events are read and one of them is known."""

    id: str
    x_id: str
    x_property_id: str | None
    email: str | None
    leases: tuple[Lease, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A catalog record that the event names: type, sub type, result, employee or unit."""

    id: str
    x_id: str
    name: str | None = None
    x_property_id: str | None = None
    event_class: EventClass | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventIntent:
    """An event as its caller states it, every id resolved.

    `fields` holds the remaining fields that were given (the names of the HTTP contract), typed:
    date-times are aware `datetime`s (a bare date, where the vendor takes one, a `date`), the rest
    str, int or bool. `x_event_id` is the record to change in an update, `existing` its fields in
    the cache, `existing_type` the event type that it was last written with here.
    """

    operation: Literal["create", "update"]
    resident: Resident
    fields: Mapping[str, Any]
    event_type: Reference | None = None
    event_sub_type: Reference | None = None
    event_result: Reference | None = None
    employee: Reference | None = None
    unit: Reference | None = None
    x_event_id: str | None = None
    property_timezone: str | None = None
    existing: Mapping[str, Any] = field(default_factory=dict)
    existing_type: Reference | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """How the written record is recognised when the PMS is asked for it.

    `where` is what `read_events` needs to look in the right place (lease, application …); `text`
    the text as the PMS will show it; `instants` the instants that its time may be read as (two for
    a doubled local hour; empty where the record has no time of ours). `mark` is a reference within
    the text that no other record bears; empty unless the integration marks its notes. It is set by
    whoever made the intent, not by the connector.
    """

    x_resident_id: str
    where: Mapping[str, str]
    text: str
    x_type_id: str | None = None
    instants: tuple[datetime, ...] = ()
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A finished write: what will be sent, without credentials. Stored as JSON with the write, so
    `payload` must be JSON. `route` names the vendor's own operation where there are several."""

    operation: Literal["create", "update"]
    route: str
    payload: Mapping[str, JSON]
    trace: Trace
    budget_key: str = ""
    x_event_id: str | None = None
    notices: tuple[Notice, ...] = ()


# --- what is read -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the catalog as the PMS tells it.

    `fields` are those of the HTTP contract, between a record's head and tail; `leases` for
    residents; `links` PMS ids that the record refers to (`x_unit_id`, `x_event_type_id`,
    `x_event_type_ids`, `x_property_ids` of an employee); `extra` what only the connector needs.
    `event_class`: of an event type whose id means something else at every customer.
    """

    model: Model
    x_id: str
    fields: Mapping[str, JSON]
    x_property_id: str | None = None
    leases: tuple[Lease, ...] = ()
    links: Mapping[str, JSON] = field(default_factory=dict)
    extra: Mapping[str, JSON] = field(default_factory=dict)
    event_class: EventClass | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a read. `next_cursor` is None at the end; `total` where the PMS tells it (for a
    progress bar). A cursor is resumable after a crash and means the same to any process."""

    records: tuple[Record, ...]
    next_cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event that exists at the PMS, for matching and for the cache. `stamped_at` is the vendor's
    own time of writing, `author` the PMS id of who wrote it, where it tells them."""

    x_id: str
    x_resident_id: str
    text: str
    x_type_id: str | None = None
    x_property_id: str | None = None
    instants: tuple[datetime, ...] = ()
    stamped_at: datetime | None = None
    author: str | None = None
    fields: Mapping[str, JSON] = field(default_factory=dict)


class Connector(Protocol):
    """One PMS. Every method but the two reads is pure and makes no call."""

    @property
    def declaration(self) -> Declaration: ...

    def plan(self, intent: EventIntent) -> Plan:
        """Choose the route and map the event to the wire. Raises `Refused` with every problem that
        the declaration's rules could not express (lease, application, time …)."""
        ...

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:
        """The very request that carries this plan, but for a login's token. `request_id` is unique
        per attempt (for vendors that echo one), and the same for every attempt of a write where
        `declaration.idempotency_key` says so."""
        ...

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        """What the whole answer means, never the HTTP status alone. A 5xx that is no well-formed
        vendor error, and anything truncated or unreadable, is `unknown`."""
        ...

    async def read(
        self, session: Session, model: Model, cursor: str | None, since: datetime | None
    ) -> Page:
        """One page of a catalog model; `since` asks only for what changed after it, where the
        vendor can. Raises `NoAnswer`, `ReadRefused`."""
        ...

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        """The resident's existing events: all that the PMS shows, or those at `where` (a trace's
        place); every page. Raises `NoAnswer`, `ReadRefused`; with `where` also `Unaskable`."""
        ...

    def refined_budget(self, answer: Answer) -> "QuotaReport | None":
        """What the answer's quota headers say, where the vendor sends them."""
        ...


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """Upstream's own word on its windows: (limit, seconds, remaining, seconds to reset) each."""

    windows: tuple[tuple[int, int, int, float], ...]


class Login(Protocol):
    """How a vendor whose calls bear a token hands one out. Pure, like the connector: delivery makes
    the calls, keeps one token for all workers, and lets one of them at a time ask for a new one."""

    def request(self, access: Access) -> Request:
        """The login call."""
        ...

    def token_of(self, answer: Answer) -> str:
        """The token in the login's answer. Raises `ReadRefused`."""
        ...

    def with_token(self, request: Request, token: str) -> Request:
        """The same request, bearing the token (in a secret header)."""
        ...

    def refuses(self, answer: Answer) -> bool:
        """Whether the answer to a call says that its token is no longer good. Such a call had no
        effect: it is repeated once with a new token."""
        ...


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's registration: its declaration, its connector where resident events exist, and its
    login where calls bear a token."""

    declaration: Declaration
    connector: Connector | None
    login: Login | None = None
