"""One SOAP route to OneSite as the common code sees it, and the operations that it calls.

A route builds a whole request from an operation, a site and values; how they are spelt, wrapped,
signed and addressed is its own business.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from frontdesk.vendors.contract import Access, Request

Values = Mapping[str, str | None]


class Operation(StrEnum):
    """OneSite's operations, as the older route spells them; the younger one writes them in lower
    case."""

    SITES = "GetSiteList"
    BUILDINGS = "GetBuildings"
    UNITS = "UnitList"
    RESIDENTS = "GetResidentListInfo"
    LEASES = "GetLeaseInfo"
    AGENTS = "GetLeasingAgents"
    AGENTS_BY_PROPERTY = "GetLeasingAgentsByProperty"
    ACTIVITY_TYPES = "GetActivityTypes"
    RESULT_CODES = "GetActivityResultCodes"
    READ_ACTIVITIES = "GetResidentActivityLog"
    ADD_ACTIVITY = "AddResidentActivityLog"


class RequestBuilder(Protocol):
    """Builds the request of one call."""

    def __call__(
        self, access: Access, operation: Operation, site_id: str | None, values: Values, /
    ) -> Request:
        """`site_id` None: the call names no site. `values` fill the operation's template."""
        ...


@dataclass(frozen=True, slots=True)
class Gateway:
    """One route. `method` is the name that an operation has on its wire; `site_key` the credential
    that names the site; `agents` the operation that lists leasing agents here; `result_codes`
    whether activity results can be listed."""

    vendor: str
    name: str
    request: RequestBuilder
    method: Callable[[Operation], str]
    site_key: str
    agents: Operation
    result_codes: bool

    def own_site(self, access: Access) -> str | None:
        """The site that the credentials name."""
        site = access.credentials.get(self.site_key)
        return site.strip() or None if isinstance(site, str) else None
