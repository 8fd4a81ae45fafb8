"""What a PMS takes, as data: the one declaration that feeds the validator, the OpenAPI document,
the capabilities answer, the budgets and the docs.

A declaration holds no code that runs against a PMS and knows no wire: it says which fields an
operation takes, when a field is needed, how many calls the vendor allows, what its clock means
and whether an uncertain write can be looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EventClass(StrEnum):
    """What kind of happening an event type stands for, whatever the PMS calls it."""

    NOTE = "note"
    CALL_IN = "call_in"
    CALL_OUT = "call_out"
    EMAIL_IN = "email_in"
    EMAIL_OUT = "email_out"
    TEXT = "text"
    CHAT = "chat"
    VISIT = "visit"
    APPOINTMENT = "appointment"
    TASK = "task"
    OTHER = "other"


EVENT_KINDS = tuple(word for word in EventClass if word is not EventClass.OTHER)
"""What a caller can say that happened, instead of naming an event type."""


class Model(StrEnum):
    """The catalog's models, in the order in which a sync reads them (a model comes after those
    that it refers to)."""

    PROPERTIES = "properties"
    UNITS = "units"
    EMPLOYEES = "employees"
    EVENT_TYPES = "event_types"
    EVENT_SUB_TYPES = "event_sub_types"
    EVENT_RESULTS = "event_results"
    RESIDENTS = "residents"
    TIMEZONES = "timezones"
    EVENTS = "events"


class TimeRule(StrEnum):
    """What a date-time without offset means on the vendor's wire."""

    UTC = "utc"
    MOUNTAIN = "america_denver"
    PROPERTY_LOCAL = "property_local"
    NONE = "none"


class RecordId(StrEnum):
    """How the id of a written record becomes known."""

    ANSWER = "answer"
    READ_BACK = "read_back"


@dataclass(frozen=True, slots=True)
class Taken:
    """One field that an operation takes.

    `max_length` counts characters (Unicode code points), the vendor's own limit; longer text is
    refused, never cut.
    """

    required: bool = False
    max_length: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A conditional rule: where the event's type is one of these, some fields are needed or refused.

    It applies where the event type's class is in `classes` or its PMS id in `x_type_ids`
    (both empty: always) and, if given, where every field of `with_fields` is present.
    """

    message: str
    classes: frozenset[EventClass] = frozenset()
    x_type_ids: frozenset[str] = frozenset()
    with_fields: frozenset[str] = frozenset()
    require: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()

    def applies(
        self, event_class: EventClass | None, x_type_id: str | None, present: frozenset[str]
    ) -> bool:
        """Whether the rule speaks about this event."""
        typed = not self.classes and not self.x_type_ids
        typed = typed or (event_class is not None and event_class in self.classes)
        typed = typed or (x_type_id is not None and x_type_id in self.x_type_ids)
        return typed and self.with_fields <= present


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation (create or update): field name of the contract → how it is taken."""

    fields: Mapping[str, Taken]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What the vendor allows. `scope_keys` are the credential keys that name the party whose calls
    the vendor counts together; integrations that agree in them share the budget.

    `per_method`: the windows count each API method (a request's `budget_key`) apart.
    `concurrency`: requests under way at once in the scope (None: the integration's own limit).
    """

    scope_keys: tuple[str, ...]
    windows: tuple[Window, ...] = ()
    concurrency: int | None = None
    per_method: bool = False


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Whether and when the PMS can be asked for a written record. Where `possible`, a connector may
    still say of one write's place that it cannot (`contract.Unaskable`).

    `late_effect_s`: seconds for which a request may still take effect after its connection is gone.
    `visible_after_s`: seconds until a written record shows in reads.
    `stamped`: each record bears the vendor's own time of writing; without it, the resident's events
    are read once before the first attempt, so that what was there before is known.
    `skew_s`: how far the vendor's stamp may lag behind our clock.
    """

    possible: bool
    late_effect_s: float = 0.0
    visible_after_s: float = 0.0
    stamped: bool = False
    skew_s: float = 5.0
    guess: bool = False


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """One key of an integration's credentials. What is not `secret` may be shown to its owner's
    operators in a dry run or a log; a secret never.

    `is_url`: the value is an address that will be called, and is checked as such. `inner`: the
    value is no string but an object, of any names, whose values are objects of these keys."""

    name: str
    required: bool = True
    secret: bool = True
    description: str = ""
    is_url: bool = False
    inner: tuple["CredentialKey", ...] = ()


@dataclass(frozen=True, slots=True)
class TokenLife:
    """How long a token that a login gave is good: `lives_s` seconds at most, `idle_s` unused."""

    lives_s: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class Template:
    """A part of a vendor's wire that an operator may replace by a file of his own (see
    `vendors.templates`). `variables` are the values that it can use."""

    file: str
    purpose: str
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guess:
    """A fact about the wire that no public source confirms: what it is about, and what is assumed."""

    subject: str
    assumption: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """Everything that Frontdesk knows about a vendor without calling it.

    `create` / `update` are None where the PMS has no such operation; `unsupported_reason` then says
    why, in words for the caller. `classes` maps the PMS id of an event type to its class, where the
    ids are the same for every customer; where they are not, each read record says its own.
    `hosts` are the host names (a leading `*.` matches one or more labels) that an integration's base
    URL may name outside the sandbox. `base_url` may hold `{credential key}`; `base_url_key` names
    the credential that is a base URL itself, where the vendor gives one to each customer.
    `credential_choices`: at least one of these sets of keys must be given whole. `write_keys` are
    the `budget_key`s that writes may have (one empty string where the vendor does not count per
    method). `token`: the calls bear a token that a login gives (`Vendor.login`).
    """

    vendor: str
    name: str
    credentials: tuple[CredentialKey, ...]
    base_url: str
    hosts: tuple[str, ...]
    reads: frozenset[Model]
    create: Operation | None = None
    update: Operation | None = None
    unsupported_reason: str = ""
    classes: Mapping[str, EventClass] = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget(scope_keys=()))
    write_keys: tuple[str, ...] = ("",)
    time: TimeRule = TimeRule.UTC
    record_id: RecordId = RecordId.ANSWER
    read_back: ReadBack = field(default_factory=lambda: ReadBack(possible=False))
    idempotency_key: bool = False
    timeout_s: float = 60.0
    max_job_concurrency: int = 8
    base_url_key: str | None = None
    credential_choices: tuple[frozenset[str], ...] = ()
    token: TokenLife | None = None
    templates: tuple[Template, ...] = ()
    guesses: tuple[Guess, ...] = ()

    def class_of(self, x_type_id: str) -> EventClass:
        """The class of an event type by its PMS id."""
        return self.classes.get(x_type_id, EventClass.OTHER)

    def secrets_of(self, credentials: Mapping[str, object]) -> tuple[str, ...]:
        """The values in these credentials that must never be shown (keys not declared count as
        secret: better one mask too many)."""
        return tuple(text for text in _secrets(self.credentials, credentials) if text)


def _secrets(keys: tuple[CredentialKey, ...], values: Mapping[str, object]) -> tuple[str, ...]:
    declared = {key.name: key for key in keys}
    found: list[str] = []
    for name, value in values.items():
        key = declared.get(name)
        if key is not None and key.inner and isinstance(value, Mapping):
            for inner in value.values():
                is_object = isinstance(inner, Mapping)
                found += _secrets(key.inner, inner) if is_object else _strings(inner)
        elif key is None or key.secret:
            found += _strings(value)
    return tuple(found)


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(text for inner in value.values() for text in _strings(inner))
    return ()
