"""From an event to an entry of a lease's activity log: type and text, nothing else.

OneSite's log takes no time and names no author, so neither is in a plan. The site is written into
it: OneSite numbers leases anew at every site, so a plan may only ever be sent to the site that it
was made for, whatever the credentials say by then.
"""

from frontdesk.vendors import xml
from frontdesk.vendors.contract import EventIntent, Issue, Lease, Plan, Refused, Trace
from frontdesk.vendors.onesite.leases import chosen_lease

ROUTE = "addresidentactivitylog"


def planned(intent: EventIntent) -> Plan:
    """The write that carries this event. Raises `Refused` with every problem found."""
    issues: list[Issue] = []
    resident = intent.resident
    notes = str(intent.fields.get("notes") or "")
    if not notes.strip():
        issues.append(Issue("required", ("notes",), "RealPage takes no activity without a text."))
    elif (unfit := xml.unfit("notes", notes)) is not None:
        issues.append(unfit)
    if intent.event_type is None:
        issues.append(Issue("required", ("event_type_id",), "RealPage needs an activity type."))
    lease: Lease | None = None
    site_id: str | None = None
    try:
        lease = chosen_lease(resident)
    except Refused as refused:
        issues.extend(refused.issues)
    else:
        site_id = lease.x_property_id or resident.x_property_id
        if site_id is None:
            words = "The site of the resident's lease is not known."
            issues.append(Issue("vendor_rule", ("resident_id",), words))
    if issues or lease is None or site_id is None or intent.event_type is None:
        raise Refused(issues)
    return Plan(
        operation="create",
        route=ROUTE,
        payload={
            "site_id": site_id,
            "leaseid": lease.x_id,
            "residentmemberid": resident.x_id,
            "activitytypeid": intent.event_type.x_id,
            "comments": notes,
        },
        trace=Trace(
            x_resident_id=resident.x_id,
            # the resident as well: those who share a lease are each asked for on their own
            where={"site_id": site_id, "leaseid": lease.x_id, "residentmemberid": resident.x_id},
            text=notes,
            x_type_id=intent.event_type.x_id,
        ),
    )
