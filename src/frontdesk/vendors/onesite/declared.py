"""What both routes to OneSite declare alike, as data: fields, activity types, read-back, guesses.

No address, no credential and no wire of either route is named here.
"""

from frontdesk.vendors.declaration import Guess, Model, Operation, ReadBack, Taken, Template

READS = frozenset(
    {
        Model.PROPERTIES,
        Model.UNITS,
        Model.EMPLOYEES,
        Model.EVENT_TYPES,
        Model.RESIDENTS,
        Model.EVENTS,
    }
)

CREATE = Operation(
    fields={
        "resident_id": Taken(
            required=True, description="The activity goes to the log of the resident's lease."
        ),
        "event_type_id": Taken(required=True, description="One of the site's activity types."),
        "notes": Taken(required=True, description="The comments of the activity."),
    }
)

UNSUPPORTED_REASON = "RealPage's API has no call that changes an entry of an activity log."

TIMEOUT_S = 60.0
"""Public clients wait as long."""

# GUESS: nothing is published about either figure. A request is given up after 60 s, and may still
# be under way then. Entries show a time, but nothing tells whether it is that of their writing.
READ_BACK = ReadBack(
    possible=True, late_effect_s=70.0, visible_after_s=5.0, stamped=False, guess=True
)

ARGUMENT_TEMPLATES = (
    Template(
        "addresidentactivitylog.xml.j2",
        "What is written: the arguments of the call that adds an activity.",
        ("leaseid", "residentmemberid", "activitytypeid", "comments"),
    ),
    Template(
        "getresidentactivitylog.xml.j2",
        "Whose activities are read: the arguments of the call that reads them back.",
        ("leaseid", "residentmemberid"),
    ),
    Template("getresidentlistinfo.xml.j2", "Which residents are read.", ()),
    Template("getleaseinfo.xml.j2", "Which leases are read.", ()),
    Template("residentactivitylog.json", "The names of an activity's elements in the log.", ()),
)

GUESSES = (
    Guess("addresidentactivitylog", "Its arguments; nothing public shows them."),
    Guess("addresidentactivitylog answer", "A result that tells no failure is a success."),
    Guess("failures inside a success", "They stand in error, success or status elements."),
    Guess("getresidentactivitylog", "The names of the elements that its answer holds."),
    Guess("residentmemberid in the log", "An entry that names no member is any resident's."),
    Guess("faults", "Which words of a fault refuse the event, and which leave it open."),
    Guess("read_back", "An entry takes effect within 70 s and shows 5 s later."),
    Guess("getresidentlistinfo", "A resident with several leases has a row for each of them."),
    Guess("NoticeGivenDate", "A current lease with a date of notice is on notice."),
    Guess("Applicant - Lease Signed", "It is a future lease; an activity may be written to it."),
    Guess("getactivitytypes", "The activity types of prospects are those of residents."),
    Guess("call, e-mail", "Activities of these types count as outgoing."),
)
