"""The wire of RPX: SOAP 1.1 over one address, who calls as the first child of each operation.

A licence may hold for single operations: `method_specific` credentials give such an operation an
address and a key of its own. This module opens no connection and reads no answer. Source: public
client code.
"""

from collections.abc import Mapping

from frontdesk.vendors import soap, templates
from frontdesk.vendors.contract import Access, Request
from frontdesk.vendors.onesite.gateway import Gateway, Operation, Values

VENDOR = "REALPAGE_RPX"
NAMESPACE = "http://tempuri.org/"
_ACTION = "http://tempuri.org/IRPXService/"

_WITH_ARGUMENTS = frozenset(
    {
        Operation.ADD_ACTIVITY,
        Operation.READ_ACTIVITIES,
        Operation.RESIDENTS,
        Operation.LEASES,
    }
)


def method_of(operation: Operation) -> str:
    """The name of an operation on this wire."""
    return operation.lower()


def request(access: Access, operation: Operation, site_id: str | None, values: Values) -> Request:
    """One call. `site_id` None: the call names no site."""
    method = method_of(operation)
    address, licence_key = _licence(access, method)
    pmc_id = access.credentials.get("pmcId")
    auth = templates.render(
        VENDOR,
        "auth.xml.j2",
        {
            "pmcid": pmc_id if isinstance(pmc_id, str) and pmc_id else None,
            "siteid": site_id,
            "licensekey": licence_key,
        },
    )
    arguments = b""
    if operation in _WITH_ARGUMENTS:
        arguments = templates.render(VENDOR, f"{method}.xml.j2", values)
    return Request(
        method="POST",
        url=address,
        headers={
            "content-type": "text/xml; charset=utf-8",
            "accept": "text/xml",
            "soapaction": f'"{_ACTION}{method}"',
        },
        body=soap.envelope(soap.element(method, NAMESPACE, auth, arguments)),
    )


def _licence(access: Access, method: str) -> tuple[str, str]:
    """The address and the key for this operation."""
    credentials = access.credentials
    licence_key = str(credentials["licensekey"])
    own = _own_licence(credentials.get("method_specific"), method)
    if own is None:
        return access.base_url, licence_key
    address = own.get("baseUrl")
    # Where the integration calls another address than its credentials name (a simulator's), no
    # single operation may go astray to the real one.
    follows = access.base_url == str(credentials["baseUrl"]).rstrip("/")
    if not follows or not isinstance(address, str) or not address:
        address = access.base_url
    return address.rstrip("/"), str(own.get("licensekey") or licence_key)


def _own_licence(licences: object, method: str) -> Mapping[str, object] | None:
    if isinstance(licences, Mapping):
        for name, licence in licences.items():
            if str(name).strip().lower() == method and isinstance(licence, Mapping):
                return licence
    return None


GATEWAY = Gateway(
    vendor=VENDOR,
    name="RPX",
    request=request,
    method=method_of,
    site_key="siteId",
    agents=Operation.AGENTS,
    result_codes=False,
)
