"""What Propertyware takes, as data. Sources: its REST reference, clients generated from its WSDL, and
published answers; what rests on none of them is a GUESS and listed below."""

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

DECLARATION = Declaration(
    vendor="PROPERTYWARE",
    name="Propertyware",
    credentials=(
        CredentialKey("username", secret=False, description="User of the SOAP service."),
        CredentialKey("password", description="Password of the same user."),
        CredentialKey(
            "clientId",
            required=False,
            secret=False,
            description="Client id of a REST API key. All three REST keys, or none.",
        ),
        CredentialKey(
            "clientSecret", required=False, description="Secret of the same REST API key."
        ),
        CredentialKey(
            "systemId",
            required=False,
            secret=False,
            description="Organization id that the REST API key belongs to.",
        ),
    ),
    base_url="https://api.propertyware.com",
    hosts=("api.propertyware.com", "app.propertyware.com"),
    reads=frozenset(
        {Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.RESIDENTS, Model.EVENTS}
    ),
    create=Operation(
        fields={
            "resident_id": Taken(required=True, description="The tenant whom the note is about."),
            "event_type": Taken(description="Always `Note`: Propertyware has no event types."),
            "notes": Taken(required=True, description="The body of the note."),
            "event_name": Taken(description="The subject of the note; `Note` if not given."),
            "event_datetime": Taken(
                description="The date of the note; Propertyware shows its day."
            ),
        }
    ),
    unsupported_reason="Propertyware's API can attach notes and read them, but not change them.",
    # No throttle is published, and no header tells one; a 429 says so itself.
    budget=Budget(scope_keys=("username",)),
    time=TimeRule.UTC,
    record_id=RecordId.ANSWER,
    # A note shows its day and no stamp. (Other records have one, and it was seen two hours behind:
    # it could not tell an old note from a new one either.) So a resident's notes are read before
    # his first write.
    read_back=ReadBack(
        possible=True, late_effect_s=30.0, visible_after_s=5.0, stamped=False, guess=True
    ),
    timeout_s=30.0,
    max_job_concurrency=4,
    guesses=(
        Guess("read_back", "A note takes effect within 30 s of its request and shows 5 s later."),
        Guess("lease notes", "GET /leases/{id}/notes shows what attachNoteToLease wrote, whole."),
        Guess("note.private", "`false` keeps a note open to the staff, and from the tenants."),
        Guess("note.date", "It is when the event took place; Propertyware keeps it as sent."),
        Guess("faults", "Which faults are refusals, told by exception class and words."),
        Guess("lease status", "It follows from its dates and `active`, but for cancelled ones."),
        Guess("getContactsByType", "`TENANT` names tenants there as it does in the REST API."),
        Guess("properties", "A building is the property, for which time zone and switch count."),
        Guess("employees", "A property manager of a building is known by `userID`."),
        Guess("unit.is_available", "A unit that is `ready` is available."),
    ),
)
