"""MRI's lists for a sync. A parameter that must be there and is not is a 400 in plain text; one
that is not known is passed over.
"""

from __future__ import annotations

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.mri.simulator.answers import listed, needed, one, query_date, refuse


def residents_by_property(request: Request, scene: Scene) -> Reply:
    """`MRI_S-PMRM_ResidentsByPropertyID`: one row for each resident on each lease or application."""
    place = _place(request, scene, "RMPROPID")
    rows = (row for row in scene.every("tenancies") if row["place"] == place)
    return listed(request, (row["person"] for row in rows))


def lease_details(request: Request, scene: Scene) -> Reply:
    """`MRI_S-PMRM_ResidentLeaseDetailsByPropertyID`: one row for each resident on each lease."""
    place = _place(request, scene, "RMPROPID")
    rows = (row for row in scene.every("tenancies") if row["place"] == place)
    return listed(request, (row["lease"] for row in rows if row["lease"] is not None))


def rent_roll(request: Request, scene: Scene) -> Reply:
    """`MRI_S-PMRM_ResidentialRentRoll`: the units of a property, or one of them."""
    place = _place(request, scene, "PROPERTYID")
    building, unit = one(request, "BUILDINGID"), one(request, "UNITID")
    return listed(
        request,
        (
            row
            for row in scene.every("units")
            if row["PropertyID"] == place
            and building in (None, row["BuildingID"])
            and unit in (None, row["UnitID"])
        ),
    )


def residents(request: Request, scene: Scene) -> Reply:
    """`MRI_S-PMRM_Residents`: by one of four ways of asking."""
    changed = query_date(request, "LastUpdate")
    start, end = query_date(request, "StartDate"), query_date(request, "EndDate")
    name_id, place = one(request, "NameID"), one(request, "PropertyID")
    kind, status = one(request, "Type"), one(request, "Status")
    shown: list[Json] = []
    for row in scene.every("names"):
        wire = row["wire"]
        day = wire["LastUpdate"][:10]
        if name_id is not None:
            wanted = wire["NameId"] == name_id
        elif changed is not None:
            wanted = day >= changed.isoformat()
        elif start is not None and end is not None:
            wanted = start.isoformat() <= day <= end.isoformat()
        elif place is not None and kind is not None and status is not None:
            asked = (place, kind, status)
            told = (wire["PropertyId"], wire["ProspectApplicantResident"], wire["NameStatus"])
            wanted = told == asked
        else:
            raise refuse("LASTUPDATE: A value is required for this parameter.")
        if wanted:
            private = one(request, "IncludePII") == "Y"
            shown.append(wire if private else {**wire, "Birthday": None})
    return listed(request, shown)


def action_codes(request: Request, scene: Scene) -> Reply:
    """GUESS: the list of action codes."""
    rows = scene.every("codes")
    fields = ("ActionCodeID", "Description")
    return listed(request, ({name: row[name] for name in fields} for row in rows))


def leasing_agents(request: Request, scene: Scene) -> Reply:
    """GUESS: the list of leasing agents, with a row for each property that an agent serves."""
    return listed(request, scene.every("agents"))


def properties(request: Request, scene: Scene) -> Reply:
    """GUESS: the list of properties."""
    return listed(request, scene.every("properties"))


def _place(request: Request, scene: Scene, name: str) -> str:
    place = needed(request, name)
    if not any(row["PropertyID"] == place for row in scene.every("properties")):
        raise refuse(f"{name}: The specified property does not exist.")
    return place
