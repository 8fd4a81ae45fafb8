"""The invented community that every simulator shows in its own vendor's shapes.

Four properties in four time zones (one inactive), 60 units, 120 residents, ten staff. It knows no
vendor, no id scheme and no wire: numbers here count from 1, and a simulator makes its ids of them.
The same seed and day give the same community. What is special about a resident is fixed by number,
so that tests and demos can rely on it:

    1-80     two to a unit, current        110  past, and current at another property
    81-88    two to a unit, notice given   111  past and current in different units
    89-96    two to a unit, future         112  current and future
    97-104   two to a unit, past           113  notice and future
    105-107  applicants                    114  current twice at one property (a tie)
    108-109  cancelled                     115  current twice at two properties (a tie)
    7        no e-mail address             116  past twice, at different times
    8        no telephone                  117  past twice, to the same day (a tie)
    118      past, notice and applicant    119  current at the inactive property
    120      past and current in the same unit

Everyone applied for every lease but residents 3, 4, 9, 20, 40, 60, 80 and 111, who have no
application.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from frontdesk.sandbox import names


class Status(StrEnum):
    """Where a tenancy stands."""

    APPLICANT = "applicant"
    CANCELLED = "cancelled"
    FUTURE = "future"
    CURRENT = "current"
    NOTICE = "notice"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class Property:
    """A property. `timezone` is an IANA name."""

    number: int
    name: str
    code: str
    is_active: bool
    timezone: str
    street: str
    city: str
    state: str
    postal_code: str
    area_code: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a property."""

    number: int
    place: Property
    label: str
    building: str
    floor: int
    bedrooms: int
    bathrooms: float
    square_feet: int

    @property
    def street(self) -> str:
        """The first line of its address."""
        return f"{100 + self.number} {self.place.street}"


@dataclass(frozen=True, slots=True)
class Resident:
    """A person. Telephone numbers are ten digits."""

    number: int
    first_name: str
    middle_name: str | None
    last_name: str
    email: str | None
    mobile_phone: str | None
    home_phone: str | None
    born: date


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A lease or the wish for one. `applicants` are those residents who applied themselves."""

    number: int
    unit: Unit
    residents: tuple[Resident, ...]
    applicants: tuple[Resident, ...]
    status: Status
    starts: date
    ends: date
    notice_given: date | None


@dataclass(frozen=True, slots=True)
class Employee:
    """Someone of the staff, working at `properties`."""

    number: int
    first_name: str
    last_name: str
    email: str
    is_active: bool
    is_leasing_agent: bool
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Community:
    """Everything and everyone. `anchor` is the day it was seeded on: today, as it sees it."""

    anchor: date
    properties: tuple[Property, ...]
    units: tuple[Unit, ...]
    residents: tuple[Resident, ...]
    tenancies: tuple[Tenancy, ...]
    employees: tuple[Employee, ...]


_UNITS_PER_PROPERTY = (24, 20, 12, 4)
_WITHOUT_EMAIL = frozenset({7})
_WITHOUT_PHONE = frozenset({8})
_WITHOUT_APPLICATION = frozenset({3, 4, 9, 20, 40, 60, 80, 111})

# Residents with more than one lease: (unit, status, days from today to the end of the lease).
_SEVERAL: dict[int, tuple[tuple[int, Status, int], ...]] = {
    110: ((26, Status.PAST, -200), (10, Status.CURRENT, 190)),
    111: ((11, Status.PAST, -30), (12, Status.CURRENT, 300)),
    112: ((13, Status.CURRENT, 20), (14, Status.FUTURE, 400)),
    113: ((27, Status.NOTICE, 25), (15, Status.FUTURE, 390)),
    114: ((16, Status.CURRENT, 120), (17, Status.CURRENT, 240)),
    115: ((18, Status.CURRENT, 100), (46, Status.CURRENT, 210)),
    116: ((19, Status.PAST, -400), (47, Status.PAST, -45)),
    117: ((20, Status.PAST, -90), (48, Status.PAST, -90)),
    118: ((21, Status.PAST, -500), (49, Status.NOTICE, 15), (22, Status.APPLICANT, 420)),
    119: ((57, Status.CURRENT, 180),),
    120: ((23, Status.PAST, -10), (23, Status.CURRENT, 355)),
}


def build_community(seed: int, anchor: date) -> Community:
    """Invent the community of this seed as it is on the day `anchor`."""
    chance = random.Random(seed)  # noqa: S311 (a repeatable world, not a secret)
    properties = _properties()
    units = _units(properties, chance)
    residents = _residents(properties, anchor, chance)
    tenancies = _tenancies(units, residents, anchor, chance)
    return Community(anchor, properties, units, residents, tenancies, _employees(properties))


def _properties() -> tuple[Property, ...]:
    juniper, lantern, saltmarsh, mill = names.STREETS
    return (
        Property(1, "Juniper Bend Apartments", "JUN", True, "America/Denver", juniper, "Golden",
                 "CO", "80401", "303"),
        Property(2, "Lantern Row Lofts", "LAN", True, "America/New_York", lantern, "Hudson",
                 "NY", "12534", "518"),
        Property(3, "Saltmarsh Quay", "SAL", True, "America/Los_Angeles", saltmarsh, "Astoria",
                 "OR", "97103", "503"),
        Property(4, "Old Mill House", "OLD", False, "America/Phoenix", mill, "Globe",
                 "AZ", "85501", "928"),
    )  # fmt: skip


def _units(properties: tuple[Property, ...], chance: random.Random) -> tuple[Unit, ...]:
    units: list[Unit] = []
    for place, count in zip(properties, _UNITS_PER_PROPERTY, strict=True):
        for index in range(count):
            floor = 1 + index // 6
            units.append(
                Unit(
                    number=len(units) + 1,
                    place=place,
                    label=f"{floor}{index % 6 + 1:02d}" + ("A" if index % 11 == 5 else ""),
                    building=f"Building {1 + index // 12}",
                    floor=floor,
                    bedrooms=chance.choice((0, 1, 1, 2, 2, 3)),
                    bathrooms=chance.choice((1.0, 1.0, 1.5, 2.0)),
                    square_feet=chance.randrange(420, 1400, 10),
                )
            )
    return tuple(units)


def _residents(
    properties: tuple[Property, ...], anchor: date, chance: random.Random
) -> tuple[Resident, ...]:
    residents: list[Resident] = []
    for number in range(1, 121):
        first = names.FIRST_NAMES[(number - 1) % len(names.FIRST_NAMES)]
        last = names.LAST_NAMES[(number * 7 + number // 30) % len(names.LAST_NAMES)]
        area = properties[number % len(properties)].area_code
        phone = f"{area}55501{number % 100:02d}" if number not in _WITHOUT_PHONE else None
        residents.append(
            Resident(
                number=number,
                first_name=first,
                middle_name=chance.choice(names.MIDDLE_NAMES),
                last_name=last,
                email=(
                    f"resident.{number}@example.{chance.choice(('com', 'org', 'net'))}"
                    if number not in _WITHOUT_EMAIL
                    else None
                ),
                mobile_phone=phone,
                home_phone=f"{area}55501{(number + 37) % 100:02d}" if number % 5 == 0 else None,
                born=anchor.replace(day=1) - timedelta(days=chance.randrange(19 * 366, 80 * 365)),
            )
        )
    return tuple(residents)


def _tenancies(
    units: tuple[Unit, ...],
    residents: tuple[Resident, ...],
    anchor: date,
    chance: random.Random,
) -> tuple[Tenancy, ...]:
    tenancies: list[Tenancy] = []

    def add(unit: int, numbers: tuple[int, ...], status: Status, ends_in_days: int) -> None:
        people = tuple(residents[number - 1] for number in numbers)
        ends = anchor + timedelta(days=ends_in_days)
        tenancies.append(
            Tenancy(
                number=len(tenancies) + 1,
                unit=units[unit - 1],
                residents=people,
                applicants=tuple(p for p in people if p.number not in _WITHOUT_APPLICATION),
                status=status,
                starts=ends - timedelta(days=365),
                ends=ends,
                notice_given=anchor - timedelta(days=20) if status is Status.NOTICE else None,
            )
        )

    for unit in range(1, 41):
        add(unit, (2 * unit - 1, 2 * unit), Status.CURRENT, chance.randrange(30, 330))
    for unit in range(41, 45):
        add(unit, (2 * unit - 1, 2 * unit), Status.NOTICE, chance.randrange(5, 29))
    for unit in range(45, 49):
        add(unit, (2 * unit - 1, 2 * unit), Status.FUTURE, chance.randrange(380, 420))
    for unit in range(49, 53):
        add(unit, (2 * unit - 1, 2 * unit), Status.PAST, -chance.randrange(30, 900))
    for unit, number in ((53, 105), (54, 106), (55, 107)):
        add(unit, (number,), Status.APPLICANT, 400)
    for unit, number in ((56, 108), (53, 109)):
        add(unit, (number,), Status.CANCELLED, 380)
    for number, leases in _SEVERAL.items():
        for unit, status, ends_in_days in leases:
            add(unit, (number,), status, ends_in_days)
    return tuple(tenancies)


def _employees(properties: tuple[Property, ...]) -> tuple[Employee, ...]:
    juniper, lantern, saltmarsh, mill = properties
    places: tuple[tuple[bool, bool, tuple[Property, ...]], ...] = (
        (True, True, (juniper,)),
        (True, True, (juniper, lantern)),
        (True, True, (juniper, lantern)),
        (True, True, (saltmarsh,)),  # the only agent there: a list of one
        (True, False, (juniper,)),
        (True, False, (lantern, saltmarsh)),
        (True, False, (juniper, lantern, saltmarsh, mill)),
        (False, True, (juniper,)),
        (False, False, (mill,)),
        (True, False, (saltmarsh,)),
    )
    return tuple(
        Employee(
            number=number,
            first_name=first,
            last_name=last,
            email=f"{first}.{last}@example.com".lower(),
            is_active=is_active,
            is_leasing_agent=is_leasing_agent,
            properties=worked_at,
        )
        for number, ((first, last), (is_active, is_leasing_agent, worked_at)) in enumerate(
            zip(names.STAFF_NAMES, places, strict=True), start=1
        )
    )
