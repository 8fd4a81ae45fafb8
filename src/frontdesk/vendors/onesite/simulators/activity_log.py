"""The activity log of a lease: adding to it, and reading it. The arguments are a guess throughout.

All activities of a call are checked before the first is written: a refusal writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from frontdesk.sandbox.simulator import Json
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.onesite.simulators.picklists import ACTIVITY_TYPES
from frontdesk.vendors.onesite.simulators.seed import FIRST_ACTIVITY, WRITTEN_TO
from frontdesk.vendors.onesite.simulators.soap import Fault, each_name
from frontdesk.vendors.onesite.simulators.spelling import Spelling

_FIELDS = ("LeaseID", "ResidentMemberID", "ActivityTypeID", "Comments")


def add(arguments: Element, spelling: Spelling, site: int, caller: str, scene: Scene) -> None:
    """Add the activities of a call. Raises `Fault`."""
    items = _items(arguments, spelling)
    drafts = [_draft(item, spelling, site, scene) for item in items]
    for draft, item in zip(drafts, items, strict=True):
        number = scene.next_number("activities", FIRST_ACTIVITY)
        by = caller if scene.origin == "api" else "Front office"
        record = {**draft, "number": number, "by": by, "at": scene.now.isoformat()}
        scene.put("activities", number, record, parent=draft["lease"])
        scene.effect(
            x_id=str(number),
            x_resident_id=str(draft["member"]),
            kind=ACTIVITY_TYPES[draft["type"]][1],
            text=draft["comments"],
            occurred_at=scene.now,
            fields={name: spelling.text(item, name) or "" for name in _FIELDS},
        )


def entries(arguments: Element, spelling: Spelling, site: int, scene: Scene) -> list[Json]:
    """The activities of the leases that a call names, oldest first. Raises `Fault`."""
    found: list[Json] = []
    zone = _zone(site, scene)
    for item in _items(arguments, spelling):
        lease = lease_at(scene, site, spelling.text(item, "LeaseID") or "")
        number = int(lease["wire"]["LeaseID"])
        found += [_shown(row, zone) for row in scene.children("activities", number)]
    return found


def _shown(row: Json, zone: ZoneInfo) -> Json:
    return {
        "ActivityID": str(row["number"]),
        "LeaseID": str(row["lease"]),
        "ResidentMemberID": str(row["member"]),
        "ActivityTypeID": row["type"],
        "ActivityType": ACTIVITY_TYPES[row["type"]][0],
        "ActivityDate": local_time(datetime.fromisoformat(row["at"]), zone),
        "Comments": row["comments"],
        "CreatedBy": row["by"],
    }


def members_of(arguments: Element | None, spelling: Spelling, scene: Scene) -> frozenset[str]:
    """Whom a call is about, as far as it tells; a malformed one names nobody."""
    found: set[str] = set()
    items = spelling.child(arguments, "ResidentList")
    for item in spelling.children(items, "ResidentActivity") if items is not None else []:
        member = spelling.text(item, "ResidentMemberID")
        lease = scene.get("leases", _number(spelling.text(item, "LeaseID") or "") or 0)
        if member:
            found.add(member.strip())
        elif lease is not None:
            found |= {str(number) for number in lease["members"]}
    return frozenset(found)


def lease_at(scene: Scene, site: int, text: str) -> Json:
    """The lease of that number at this site. Raises `Fault`."""
    number = _number(text)
    if number is None:
        raise Fault("LeaseID must be a whole number.")
    lease = scene.get("leases", number)
    if lease is None or lease["wire"]["SiteID"] != str(site):
        raise Fault(f"Lease {number} was not found at site {site}.")
    return lease


def local_time(moment: datetime, zone: ZoneInfo) -> str:
    """The site's standard time, without offset: no daylight saving is applied."""
    local = moment.astimezone(zone)
    standard = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    return (moment.astimezone(UTC) + standard).strftime("%Y-%m-%dT%H:%M:%S")


def _zone(site: int, scene: Scene) -> ZoneInfo:
    row = scene.get("sites", site)
    return ZoneInfo(row["timezone"] if row is not None else "UTC")


def _items(arguments: Element, spelling: Spelling) -> list[Element]:
    residents = spelling.child(arguments, "ResidentList")
    items = spelling.children(residents, "ResidentActivity") if residents is not None else []
    if not items:
        raise Fault("ResidentList must hold a ResidentActivity.")
    return items


def _draft(item: Element, spelling: Spelling, site: int, scene: Scene) -> Json:
    unknown = sorted(set(each_name(item)) - {spelling.name(name) for name in _FIELDS})
    if unknown:
        raise Fault(f"{unknown[0]} is not a valid field of an activity.")
    lease = lease_at(scene, site, spelling.text(item, "LeaseID") or "")
    number = int(lease["wire"]["LeaseID"])
    member = _number(spelling.text(item, "ResidentMemberID") or "")
    if member not in lease["members"]:
        raise Fault(f"The resident member is not on lease {number}.")
    if lease["status"] not in WRITTEN_TO:
        raise Fault(f"Lease {number} is an application and has no activity log.")
    type_id = (spelling.text(item, "ActivityTypeID") or "").strip()
    if type_id not in ACTIVITY_TYPES:
        raise Fault(f"Activity type {type_id or '(none)'} is not valid.")
    comments = spelling.text(item, "Comments") or ""
    if not comments.strip():
        raise Fault("Comments are required.")
    return {"type": type_id, "lease": number, "member": member, "comments": comments}


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
