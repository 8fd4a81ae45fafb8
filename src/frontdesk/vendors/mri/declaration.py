"""What MRI takes, as data. Source: the reference API's public documentation of MRI and public
client code, unless it is listed as a guess below."""

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
    Template,
    TimeRule,
    Window,
)

NAMES = "names.json"
"""The template that holds every name of the wire that no public source confirms."""

_TYPE = "One of the customer's action codes (one or two characters)."
_TIME = "A date, or a date-time of which MRI keeps the property's local date."
_EMPLOYEE = "The leasing agent whose action it is."
_STATUS = "The status of the action."
_NOTES = "The description of the action."

DECLARATION = Declaration(
    vendor="MRI",
    name="MRI",
    credentials=(
        CredentialKey("clientId", secret=False, description="First part of the API user name."),
        CredentialKey("databaseName", secret=False, description="Second part: the database."),
        CredentialKey("partnerKey", description="Last part: the key of the API partner."),
        CredentialKey("username", secret=False, description="Third part: the web service user."),
        CredentialKey("password", description="The web service user's password."),
        CredentialKey(
            "baseUrl",
            secret=False,
            is_url=True,
            description="The customer's farm, such as https://mrix5api.saas.mrisoftware.com.",
        ),
    ),
    base_url="https://saas.mrisoftware.com",
    hosts=("saas.mrisoftware.com", "*.saas.mrisoftware.com"),
    base_url_key="baseUrl",
    reads=frozenset(
        {
            Model.PROPERTIES,
            Model.UNITS,
            Model.EMPLOYEES,
            Model.EVENT_TYPES,
            Model.RESIDENTS,
            Model.EVENTS,
        }
    ),
    create=Operation(
        fields={
            "resident_id": Taken(required=True, description="The resident whose action it is."),
            "event_type_id": Taken(required=True, description=_TYPE),
            "event_datetime": Taken(required=True, description=_TIME),
            "employee_id": Taken(description=_EMPLOYEE),
            "status": Taken(description=_STATUS),
            "notes": Taken(description=_NOTES),
        }
    ),
    update=Operation(
        fields={
            "event_datetime": Taken(description=_TIME),
            "event_type_id": Taken(description=_TYPE),
            "employee_id": Taken(description=_EMPLOYEE),
            "status": Taken(description=_STATUS),
            "notes": Taken(description=_NOTES),
        }
    ),
    budget=Budget(scope_keys=("partnerKey",), windows=(Window(1_000, 300),)),
    time=TimeRule.PROPERTY_LOCAL,
    record_id=RecordId.ANSWER,
    # Normal answers take 90 to 180 s, so a request may take effect that long after its connection
    # is gone. GUESS: the figures themselves, and that actions can be read at all.
    read_back=ReadBack(
        possible=True, late_effect_s=200.0, visible_after_s=5.0, stamped=False, guess=True
    ),
    timeout_s=180.0,
    max_job_concurrency=8,
    templates=(
        Template(
            NAMES,
            "API names, the fields of an action, the values of its status, and the fields of the "
            "three reads whose names are not public.",
        ),
    ),
    guesses=(
        Guess("CreateRmAction, UpdateRmAction", "They take the fields of interactions by name id."),
        Guess("ActionStatus", "The status is written there, in the reference API's four words."),
        Guess(
            "UpdateRmAction", "It is a PUT, names the action by `Id`, and keeps what is not sent."
        ),
        Guess("ActionDescription", "It has no length limit: none is published."),
        Guess("interactions by GET", "They are read by `NameID`, with the fields of the POST."),
        Guess("interactions by GET", "Words that a resident does not have any mean an empty list."),
        Guess("properties, leasing agents, action codes", "The names of these reads and fields."),
        Guess("properties.TimeZone", "A property may tell the IANA name of its time zone."),
        Guess("ResidentialRentRoll", "It has a row for each unit, vacant or let."),
        Guess("lease status", "`ResidentStatus`, `IsCurrent` and dates are read as in the README."),
        Guess("action code classes", "The words of its description tell what a code stands for."),
        Guess("deadlock", "An error that names a deadlock wrote nothing, wherever it stands."),
        Guess("refusals", "Plain words with another 4xx refuse as those with a 400 do."),
        Guess("read_back", "An action takes effect within 200 s and shows 5 s later."),
    ),
)
