"""The operations of a simulated OneSite, the same by either route.

An operation gets its arguments as the route spells them, and answers rows under PascalCase names.
Each works on the one site that the call named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from frontdesk.sandbox.simulator import Json
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.onesite.simulators import activity_log
from frontdesk.vendors.onesite.simulators.picklists import ACTIVITY_TYPES, RESULT_CODES
from frontdesk.vendors.onesite.simulators.soap import Fault, Tree, each_name, text
from frontdesk.vendors.onesite.simulators.spelling import Spelling

_PENDING = ("Applicant", "Applicant - Lease Signed", "Future Lease")
_STATUSES: Mapping[str, tuple[str, ...]] = {
    "ALL": ("Current", "Former", "Former Applicant", *_PENDING),
    "P": _PENDING,
    "C": ("Current",),
    "F": ("Former", "Former Applicant"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one operation. `arguments` is the element beside the authentication, if there is
    one; `caller` as whom an activity is logged."""

    operation: Element
    spelling: Spelling
    site: int
    caller: str

    def arguments(self, *names: str) -> Element | None:
        """The operation's one argument, which has one of these names."""
        for name in names:
            found = self.spelling.child(self.operation, name)
            if found is not None:
                return found
        return None


Handler = Callable[[Call, Scene], Sequence[Tree]]


def rows(holder: str, name: str, found: Sequence[Mapping[str, str]]) -> Tree:
    """A list of rows; an empty value is an empty element."""
    return (holder, [(name, [(key, value or None) for key, value in row.items()]) for row in found])


def _sites(_call: Call, scene: Scene) -> Sequence[Tree]:
    return [rows("SiteList", "Site", [s["wire"] for s in scene.every("sites") if s["active"]])]


def _buildings(call: Call, scene: Scene) -> Sequence[Tree]:
    return [rows("BuildingList", "Building", list(scene.children("buildings", call.site)))]


def _units(call: Call, scene: Scene) -> Sequence[Tree]:
    return [rows("UnitList", "Unit", list(scene.children("units", call.site)))]


def _residents(call: Call, scene: Scene) -> Sequence[Tree]:
    arguments = call.arguments("GetResidentListInfo", "GetResidentListInfoParams")
    status, heads_only = "ALL", False
    if arguments is not None:
        allowed = {"ExtensionData", "HeadOfHousehold", "Status", "clickFilterOptions"}
        _refuse_unknown(arguments, {call.spelling.name(name) for name in allowed} | allowed)
        status = call.spelling.text(arguments, "Status") or "ALL"
        heads_only = call.spelling.text(arguments, "HeadOfHousehold") in ("1", "true")
    if status not in _STATUSES:
        raise Fault(f"Status {status} is not valid: it must be ALL, P, C or F.")
    found = [
        row
        for row in scene.children("residents", call.site)
        if row["LeaseStatus"] in _STATUSES[status] and (row["HohBit"] == "1" or not heads_only)
    ]
    return [rows("ResidentList", "Resident", found)]


def _all_residents(call: Call, scene: Scene) -> Sequence[Tree]:
    return [rows("ResidentList", "Resident", list(scene.children("residents", call.site)))]


def _leases(call: Call, scene: Scene) -> Sequence[Tree]:
    found = [lease["wire"] for lease in scene.children("leases", call.site)]
    return [("GetLeaseInfo", [rows("Leases", "Lease", found)])]


def _lease(call: Call, scene: Scene) -> Sequence[Tree]:
    number = text(call.operation, call.spelling.namespace, call.spelling.name("LeaseID")) or ""
    lease = activity_log.lease_at(scene, call.site, number)
    return [("GetLease", [rows("Leases", "Lease", [lease["wire"]])])]


def _pick_list(name: str, found: Sequence[Json]) -> Sequence[Tree]:
    return [(name, [rows("Contents", "PicklistItem", found)])]


def _agents(call: Call, scene: Scene) -> Sequence[Tree]:
    house = {"Value": "0", "Text": "House"}
    found = [house, *scene.children("agents", call.site)]
    return _pick_list("GetLeasingAgentsByProperty", found)


def _activity_types(_call: Call, _scene: Scene) -> Sequence[Tree]:
    found = [{"Value": x_id, "Text": name} for x_id, (name, _) in ACTIVITY_TYPES.items()]
    return _pick_list("GetActivityTypes", found)


def _result_codes(_call: Call, _scene: Scene) -> Sequence[Tree]:
    found = [{"Value": x_id, "Text": name} for x_id, name in RESULT_CODES.items()]
    return _pick_list("GetActivityResultCodes", found)


def _read_log(call: Call, scene: Scene) -> Sequence[Tree]:
    arguments = call.arguments("GetResidentActivityLogParams")
    if arguments is None:
        raise Fault("GetResidentActivityLogParams is required.")
    found = activity_log.entries(arguments, call.spelling, call.site, scene)
    return [rows("ResidentActivityLog", "Activity", found)]


def _add_to_log(call: Call, scene: Scene) -> Sequence[Tree]:
    arguments = call.arguments("AddResidentActivityLogParams")
    if arguments is None:
        raise Fault("AddResidentActivityLogParams is required.")
    activity_log.add(arguments, call.spelling, call.site, call.caller, scene)
    return [("AddResidentActivityLog", [("Status", "Success")])]


WRITE = "AddResidentActivityLog"

OPERATIONS: Mapping[str, Handler] = {
    "GetSiteList": _sites,
    "GetBuildings": _buildings,
    "UnitList": _units,
    "GetResidentListInfo": _residents,
    "GetResidentList": _all_residents,
    "GetLeaseInfo": _leases,
    "GetLease": _lease,
    "GetLeasingAgents": _agents,
    "GetLeasingAgentsByProperty": _agents,
    "GetActivityTypes": _activity_types,
    "GetActivityResultCodes": _result_codes,
    "GetResidentActivityLog": _read_log,
    WRITE: _add_to_log,
}


def _refuse_unknown(arguments: Element, allowed: set[str]) -> None:
    unknown = sorted(set(each_name(arguments)) - allowed)
    if unknown:
        raise Fault(f"{unknown[0]} is not a valid argument.")
