"""What AppFolio takes, as data. Source: AppFolio Stack (Database API v0), unless marked GUESS."""

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
    Window,
)

# No limit of a note's length is published: what AppFolio refuses as too long, it refuses itself.
_NOTE = Taken(required=True, description="The text of the note.")

DECLARATION = Declaration(
    vendor="APPFOLIO",
    name="AppFolio",
    credentials=(
        CredentialKey("clientId", description="Client id of a Stack credential of this customer."),
        CredentialKey("clientSecret", description="Secret of the same credential."),
        CredentialKey("developerId", description="Developer id that AppFolio gave the integrator."),
    ),
    base_url="https://api.appfolio.com",
    hosts=("api.appfolio.com", "api.qa.appfolio.com"),
    reads=frozenset(
        {Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.RESIDENTS, Model.EVENTS}
    ),
    create=Operation(
        fields={
            "resident_id": Taken(required=True, description="The tenant to whom the note belongs."),
            "notes": _NOTE,
            "event_type": Taken(description="Always `Note`: AppFolio has no event types."),
        }
    ),
    update=Operation(fields={"notes": _NOTE}),
    # A customer's calls are counted together by the credential, whichever of its secrets signs.
    budget=Budget(
        scope_keys=("clientId",),
        windows=(Window(8, 1), Window(256, 60), Window(4_096, 3_600)),
    ),
    time=TimeRule.UTC,
    record_id=RecordId.ANSWER,
    # GUESS: both figures. They are used for updates, and for what is older than its key.
    read_back=ReadBack(
        possible=True, late_effect_s=60.0, visible_after_s=2.0, stamped=True, guess=True
    ),
    idempotency_key=True,
    timeout_s=60.0,
    max_job_concurrency=8,
    guesses=(
        Guess(
            "note.Body", "A note's body is `Body`, as a work order's note is seen to be written."
        ),
        Guess(
            "note answer", "A written or changed note answers with its `Id`, as other writes do."
        ),
        Guess("read_back", "A note takes effect within 60 s of its request and shows 2 s later."),
        Guess(
            "filters[EntityId]",
            "The notes of one tenant are filtered by `EntityId`; where the filter is refused or "
            "ignored, all notes are read and those of other tenants left out.",
        ),
        Guess(
            "422",
            "A refusal whose words speak of idempotency means another body under the same key; "
            "any other means an invalid note.",
        ),
        Guess("400", "A missing developer id is told as a required header that is missing."),
        Guess("tenant.Email", "A tenant's `Email`, `Phone` and `MobilePhone` hold one value each."),
        Guess("tenant.OccupancyId", "A tenant has one occupancy, which is his lease."),
        Guess("unit.CurrentOccupancyId", "A unit whose `CurrentOccupancyId` is null is vacant."),
        Guess("user.Role", "A user's `Role` names his role; hidden users are not active."),
        Guess("event_name", "A note has no name of its own and is called `Note`."),
    ),
)
