"""What Entrata takes, as data. Source: Entrata's API documentation and public client code, unless
it is listed as a guess below."""

from frontdesk.vendors.declaration import (
    Budget,
    CredentialKey,
    Declaration,
    EventClass,
    Guess,
    Model,
    Operation,
    ReadBack,
    RecordId,
    Rule,
    Taken,
    TimeRule,
    Window,
)

SEND_LEASE_ACTIVITIES = "sendLeaseActivities"
UPDATE_LEADS = "updateLeads"

CLASSES = {
    "1": EventClass.EMAIL_IN,
    "2": EventClass.EMAIL_OUT,
    "3": EventClass.CALL_IN,
    "4": EventClass.CALL_OUT,
    "5": EventClass.TEXT,
    "6": EventClass.TEXT,
    "7": EventClass.CHAT,
    "8": EventClass.NOTE,
    "59": EventClass.NOTE,
    "320": EventClass.NOTE,
    "9": EventClass.VISIT,
    "78": EventClass.VISIT,
    "173": EventClass.VISIT,
    "15": EventClass.TASK,
    "17": EventClass.APPOINTMENT,
}
"""Entrata's event type ids are the same for every customer; those that are not here are `other`."""

CALL_FIELDS = (
    "call_phone_number_from",
    "call_phone_number_to",
    "call_status",
    "call_duration",
    "call_audio_link",
)
EMAIL_FIELDS = (
    "email_body",
    "email_subject",
    "email_from",
    "email_to",
    "email_cc",
    "email_bcc",
    "email_send",
)
_CALLS = frozenset({EventClass.CALL_IN, EventClass.CALL_OUT})
_EMAILS = frozenset({EventClass.EMAIL_IN, EventClass.EMAIL_OUT})
_ALL = frozenset(EventClass)

_RULES = (
    Rule(
        message="A call needs both numbers, its status and its duration.",
        classes=_CALLS,
        require=CALL_FIELDS[:4],
    ),
    Rule(
        message="Only a call event type takes call fields.",
        classes=_ALL - _CALLS,
        refuse=CALL_FIELDS,
    ),
    Rule(
        message="An outgoing e-mail needs its sender.",
        classes=frozenset({EventClass.EMAIL_OUT}),
        require=("email_from",),
    ),
    Rule(
        message="Only an e-mail event type takes e-mail fields.",
        classes=_ALL - _EMAILS,
        refuse=EMAIL_FIELDS,
    ),
    Rule(
        message="Entrata takes a text message only with its text.",
        x_type_ids=frozenset({"5", "6"}),
        require=("notes",),
    ),
    Rule(
        message="time_from is read in the offset of appointment_datetime.",
        with_fields=frozenset({"time_from"}),
        require=("appointment_datetime",),
    ),
    Rule(
        message="time_to is read in the offset of appointment_datetime.",
        with_fields=frozenset({"time_to"}),
        require=("appointment_datetime",),
    ),
)

_CREATE = Operation(
    fields={
        "resident_id": Taken(required=True),
        "event_type_id": Taken(required=True, description="One of Entrata's event types."),
        "event_datetime": Taken(required=True, description="Sent in US Mountain Time."),
        "notes": Taken(description="The comment of the event; required for text messages."),
        "event_result_id": Taken(),
        "event_sub_type_id": Taken(),
        "employee_id": Taken(description="A leasing agent of the lease's property."),
        "unit_id": Taken(description="Picks the lease of a resident who has several."),
        "reasons_for_event": Taken(
            description="A number is Entrata's reason id; other text goes before the comment."
        ),
        "appointment_datetime": Taken(),
        "time_from": Taken(),
        "time_to": Taken(),
        "title": Taken(),
        **{name: Taken(description="Call event types only.") for name in CALL_FIELDS},
        **{name: Taken(description="E-mail event types only.") for name in EMAIL_FIELDS},
    },
    rules=_RULES,
)

DECLARATION = Declaration(
    vendor="ENTRATA",
    name="Entrata",
    credentials=(
        CredentialKey("apiKey", description="An API key of the modern gateway."),
        CredentialKey("companyId", secret=False, description="The organisation in the path."),
    ),
    base_url="https://apis.entrata.com",
    hosts=("apis.entrata.com",),
    reads=frozenset(
        {
            Model.PROPERTIES,
            Model.UNITS,
            Model.EMPLOYEES,
            Model.EVENT_TYPES,
            Model.EVENT_SUB_TYPES,
            Model.EVENT_RESULTS,
            Model.RESIDENTS,
            Model.EVENTS,
        }
    ),
    create=_CREATE,
    unsupported_reason="Entrata's API has no call that changes a recorded event.",
    classes=CLASSES,
    # As the live rate-limit headers state them; older terms of use say less and contradict them.
    budget=Budget(
        scope_keys=("companyId", "apiKey"),
        windows=(Window(150, 60), Window(1_000, 3_600), Window(15_000, 86_400)),
        per_method=True,
    ),
    write_keys=(SEND_LEASE_ACTIVITIES, UPDATE_LEADS),
    time=TimeRule.MOUNTAIN,
    record_id=RecordId.READ_BACK,
    # GUESS: nothing is published about either figure. Records bear no time of writing.
    read_back=ReadBack(
        possible=True, late_effect_s=30.0, visible_after_s=5.0, stamped=False, guess=True
    ),
    timeout_s=60.0,
    max_job_concurrency=8,
    guesses=(
        Guess("updateLeads.subtypeId, eventResultId", "They stand beside `typeId` in the event."),
        Guess("updateLeads.agentId, unitId, title", "These are the keys' spellings."),
        Guess("updateLeads.callData", "A call is written in the shape in which it is read."),
        Guess("updateLeads.emailData", "An e-mail is an `emailData` object beside the comment."),
        Guess("updateLeads.timeFrom", "Minutes are the finest time of an appointment (`HH:MM`)."),
        Guess("sendLeaseActivities.hazardNote", "A hazard note's text stands there as well."),
        Guess("reasons_for_event", "Text that is no reason id belongs before the comment."),
        Guess("getLeadEvents.comments", "An application's events are read with their comments."),
        Guess("event ids", "Lease activities and lead events share one series of ids."),
        Guess("getLeadPickLists", "Types, sub types and results are the same for all properties."),
        Guess("read_back", "A record takes effect within 30 s and shows 5 s later."),
        Guess("authentication codes", "Envelope codes 401 and 402 mean refused credentials."),
        Guess("application.customerId", "One that names no customer is everybody's on the lease."),
        Guess("lease.status", "A resident's own status on a lease outranks the lease's."),
        Guess("quota headers", "On a 429, the window to wait for is one with nothing remaining."),
    ),
)
