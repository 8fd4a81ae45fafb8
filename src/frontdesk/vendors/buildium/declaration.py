"""What Buildium takes, as data. Source: Buildium Open API reference, unless marked GUESS."""

from frontdesk.vendors.declaration import (
    Budget,
    CredentialKey,
    Declaration,
    Guess,
    Model,
    Operation,
    ReadBack,
    RecordId,
    Taken,
    TimeRule,
)

LONGEST_NOTE = 65_535
"""Characters. It stands only in the reference's prose, so no schema enforces it upstream."""

_NOTE = Taken(required=True, max_length=LONGEST_NOTE, description="The text of the note.")

DECLARATION = Declaration(
    vendor="BUILDIUM",
    name="Buildium",
    credentials=(
        CredentialKey("clientId", description="Client id of an API key (Premium plan)."),
        CredentialKey("secret", description="Secret of the same API key."),
    ),
    base_url="https://api.buildium.com",
    hosts=("api.buildium.com", "apisandbox.buildium.com"),
    reads=frozenset(
        {Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.RESIDENTS, Model.EVENTS}
    ),
    create=Operation(
        fields={
            "resident_id": Taken(required=True, description="The tenant to whom the note belongs."),
            "notes": _NOTE,
            "event_type": Taken(description="Always `Note`: Buildium has no event types."),
        }
    ),
    update=Operation(fields={"notes": _NOTE}),
    # "10 concurrent requests per second" is read as 10 under way at once; above that comes a 429,
    # which says so itself.
    budget=Budget(scope_keys=("clientId",), concurrency=10),
    time=TimeRule.UTC,
    record_id=RecordId.ANSWER,
    # GUESS: answers pass an AWS gateway (its request ids come back), whose integrations end after
    # 29 s; a note that is not written by then will not be. Reads are taken to lag by 2 s at most.
    read_back=ReadBack(possible=True, late_effect_s=30.0, visible_after_s=2.0, stamped=True),
    timeout_s=35.0,
    max_job_concurrency=8,
    guesses=(
        Guess("read_back", "A note takes effect within 30 s of its request and shows 2 s later."),
        Guess("lists", "Every list takes `orderby=Id asc`, so that its pages stay in order."),
        Guess(
            "lease.MoveOutData",
            "A lease with a notice date for the tenant and status Active is on notice.",
        ),
        Guess("event_name", "A note has no name of its own and is called `Note`."),
    ),
)
