"""The world of the bench: eight Buildium accounts with 32 residents each, ids all distinct.

Plain data in Buildium's shapes, for the reads that a catalog sync makes. The same list tells the
rival's seed which tenants exist.
"""

from dataclasses import dataclass
from typing import Any, Self

INTEGRATIONS = 8
RESIDENTS_PER_INTEGRATION = 32
UNITS_PER_PROPERTY = 32
STAMP = "2025-01-02T03:04:05Z"


@dataclass(frozen=True)
class Account:
    """One credential set and everything that it sees."""

    client_id: str
    secret: str
    tenant_ids: frozenset[int]
    collections: dict[str, list[dict[str, Any]]]
    """By path below ``/v1/``: the whole list, oldest first."""


@dataclass(frozen=True)
class World:
    """All accounts, by client id."""

    accounts: dict[str, Account]

    @classmethod
    def seeded(cls) -> Self:
        """Build the world; the same one in every process."""
        accounts = [_account(number) for number in range(1, INTEGRATIONS + 1)]
        return cls({account.client_id: account for account in accounts})

    def of_client(self, client_id: str) -> Account | None:
        """Give the account of a client id, if there is one."""
        return self.accounts.get(client_id)


def _account(number: int) -> Account:
    base = number * 1000
    property_id, role_id = base, base + 900
    address = {
        "AddressLine1": f"{number} Bench Street",
        "AddressLine2": None,
        "AddressLine3": None,
        "City": "Denver",
        "State": "CO",
        "PostalCode": "80202",
        "Country": "UnitedStates",
    }
    places = range(1, RESIDENTS_PER_INTEGRATION + 1)
    units = [
        {
            "Id": base + 100 + place,
            "PropertyId": property_id,
            "BuildingName": f"Bench House {number}",
            "UnitNumber": str(place),
            "Description": None,
            "MarketRent": 1500.0,
            "Address": address,
            "UnitBedrooms": "TwoBed",
            "UnitBathrooms": "OneBath",
            "UnitSize": 800,
            "IsUnitListed": False,
            "IsUnitOccupied": True,
        }
        for place in places
    ]
    leases = [
        {
            "Id": base + 300 + place,
            "PropertyId": property_id,
            "UnitId": base + 100 + place,
            "UnitNumber": str(place),
            "LeaseFromDate": "2025-01-01",
            "LeaseToDate": "2035-12-31",
            "LeaseType": "Fixed",
            "LeaseStatus": "Active",
            "IsEvictionPending": False,
            "TermType": "Standard",
            "RenewalOfferStatus": "NotSet",
            "CurrentNumberOfOccupants": 1,
            "AutomaticallyMoveOutTenants": False,
            "CurrentTenants": None,
            "Tenants": [{"Id": base + 500 + place, "Status": "Active", "MoveInDate": "2025-01-01"}],
            "CreatedDateTime": STAMP,
            "LastUpdatedDateTime": STAMP,
        }
        for place in places
    ]
    tenants = [
        {
            "Id": base + 500 + place,
            "FirstName": f"Resident{place}",
            "LastName": f"Account{number}",
            "Email": f"resident{base + 500 + place}@example.com",
            "AlternateEmail": None,
            "PhoneNumbers": [{"Number": f"303555{base + place:04d}"[:10], "Type": "Cell"}],
            "CreatedDateTime": STAMP,
            "LastUpdatedDateTime": STAMP,
            "EmergencyContact": None,
            "DateOfBirth": "1990-05-06",
            "SMSOptInStatus": "Unknown",
            "Address": address,
            "AlternateAddress": None,
            "MailingPreference": "PrimaryAddress",
            "Leases": [leases[place - 1]],
            "Comment": None,
            "TaxId": None,
        }
        for place in places
    ]
    rentals = [
        {
            "Id": property_id,
            "Name": f"Bench House {number}",
            "StructureDescription": None,
            "NumberUnits": UNITS_PER_PROPERTY,
            "IsActive": True,
            "Address": address,
            "RentalType": "Residential",
            "RentalSubType": "MultiFamily",
            "RentalManager": None,
        }
    ]
    users = [
        {
            "Id": base + 901,
            "UserTypes": ["Staff"],
            "UserRole": {
                "Id": role_id,
                "Name": "Leasing Agent",
                "Href": f"/v1/userroles/{role_id}",
            },
            "IsActive": True,
            "FirstName": "Ada",
            "LastName": f"Staff{number}",
            "Email": f"ada{number}@example.com",
            "PhoneNumbers": [],
            "IsCompany": False,
            "CompanyName": None,
            "LastLogin": STAMP,
        }
    ]
    roles = [{"Id": role_id, "Name": "Leasing Agent", "Description": None, "RoleType": "Manager"}]
    return Account(
        client_id=f"bench-{number}",
        secret=f"bench-secret-{number}",
        tenant_ids=frozenset(int(str(tenant["Id"])) for tenant in tenants),
        collections={
            "leases/tenants": tenants,
            "leases": leases,
            "rentals": rentals,
            "rentals/units": units,
            "users": users,
            "userroles": roles,
            "communications/phonelogs": [],
        },
    )
