"""The wire of ODE: SOAP 1.1 over several services of one folder, who calls in the header.

This module opens no connection and reads no answer. Source: public client code for namespace,
header and the form of addresses; which service has which operation is a GUESS, kept in a file that
an operator can replace.
"""

from frontdesk.vendors import soap, templates
from frontdesk.vendors.contract import Access, Request
from frontdesk.vendors.onesite.gateway import Gateway, Operation, Values

VENDOR = "REALPAGE"
NAMESPACE = "http://realpage.com/webservices"

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
    return _place_of(operation)[1]


def _place_of(operation: Operation) -> tuple[str, str]:
    service, _, method = templates.names(VENDOR, "services.json")[operation].rpartition("/")
    return service, method


def request(access: Access, operation: Operation, site_id: str | None, values: Values) -> Request:
    """One call. `site_id` None: that of the credentials."""
    credentials = access.credentials
    service, method = _place_of(operation)
    header = templates.render(
        VENDOR,
        "userauthinfo.xml.j2",
        {
            "pmcid": str(credentials["PMC_ID"]),
            "siteid": site_id or str(credentials["SITE_ID"]),
            "licensekey": str(credentials["LICENSE_KEY"]),
            "username": str(credentials["ONESITE_USERNAME"]),
            "password": str(credentials.get("ONESITE_PASSWORD") or "") or None,
        },
    )
    arguments = b""
    if operation in _WITH_ARGUMENTS:
        arguments = templates.render(VENDOR, f"{operation.lower()}.xml.j2", values)
    return Request(
        method="POST",
        url=f"{access.base_url}/{service}.asmx",
        headers={
            "content-type": "text/xml; charset=utf-8",
            "accept": "text/xml",
            "soapaction": f'"{NAMESPACE}/{method}"',
        },
        body=soap.envelope(soap.element(method, NAMESPACE, arguments), header),
    )


GATEWAY = Gateway(
    vendor=VENDOR,
    name="ODE",
    request=request,
    method=method_of,
    site_key="SITE_ID",
    agents=Operation.AGENTS_BY_PROPERTY,
    result_codes=True,
)
