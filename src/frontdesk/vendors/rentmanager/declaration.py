"""What Rent Manager takes, as data. Source: Rent Manager Web API help and observed answers, unless
marked GUESS."""

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
    TokenLife,
    Window,
)

_NOTES = "The text of the history entry."
_TYPE = (
    "The history category. What it is for decides whether the event becomes a note, a call, an "
    "e-mail or a visit in the tenant's history."
)
_WHEN = (
    "When the event took place; written as the local time of the property. A date alone is taken."
)

DECLARATION = Declaration(
    vendor="RENTMANAGER",
    name="Rent Manager",
    credentials=(
        CredentialKey(
            "companyId",
            secret=False,
            description="The company code: the first part of the company's own API address.",
        ),
        CredentialKey("Username", required=False, description="A user with API access."),
        CredentialKey("Password", required=False, description="That user's password."),
        CredentialKey(
            "PartnerToken", required=False, description="Instead of a user: a partner's token."
        ),
    ),
    credential_choices=(frozenset({"Username", "Password"}), frozenset({"PartnerToken"})),
    base_url="https://{companyId}.api.rentmanager.com",
    hosts=("*.api.rentmanager.com",),
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
            "resident_id": Taken(required=True, description="The tenant whose history it is."),
            "notes": Taken(required=True, description=_NOTES),
            "event_type": Taken(description="Always `Note`; the category says what it is."),
            "event_type_id": Taken(description=_TYPE),
            "event_datetime": Taken(description=_WHEN),
        }
    ),
    update=Operation(
        fields={
            "notes": Taken(description=_NOTES),
            "event_type_id": Taken(description=_TYPE),
            "event_datetime": Taken(description=_WHEN),
        }
    ),
    budget=Budget(scope_keys=("companyId",), windows=(Window(requests=500, seconds=60),)),
    time=TimeRule.PROPERTY_LOCAL,
    record_id=RecordId.ANSWER,
    # GUESS: nothing is published about requests whose connection is gone.
    read_back=ReadBack(
        possible=True, late_effect_s=45.0, visible_after_s=2.0, stamped=True, guess=True
    ),
    timeout_s=40.0,
    max_job_concurrency=8,
    token=TokenLife(lives_s=24 * 3600.0, idle_s=15 * 60.0),
    guesses=(
        Guess("read_back", "An entry takes effect within 45 s of its request and shows 2 s later."),
        Guess("HistoryDate", "It takes a time of day without offset, in whole seconds."),
        Guess("HistoryDate", "Read without an offset, it is the property's local time."),
        Guess("HistoryDate, HistoryCategoryID", "A new entry may leave them out."),
        Guess("HistoryType", "Its words are Note, Call, Email and Visit."),
        Guess("HistoryCategoryTypes", "An embed; each names the HistoryType that it is for."),
        Guess("HistoryCategories", "Whether calls or e-mails come in is told by the name alone."),
        Guess("HistoryID", "One series for notes, calls, e-mails and visits."),
        Guess("save", "An entry with a HistoryID keeps what is left out, and needs no UpdateDate."),
        Guess("AuthorizePartner", "It takes an empty object, and answers as AuthorizeUser does."),
        Guess("the eleventh login", "Its refusal speaks of too many, a maximum or a limit."),
        Guess("embeds with fields", "A nested embed needs only its first name among the fields."),
        Guess("Leases", "Dates alone say whether a lease is future, current, on notice or past."),
        Guess("UnitType", "It tells `Bedrooms` and `Bathrooms`."),
    ),
)
