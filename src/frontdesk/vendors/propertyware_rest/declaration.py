"""What Propertyware (REST) takes: no resident event.

It declares no credentials and no address, so that nothing is ever called."""

from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="PROPERTYWARE_REST",
    name="Propertyware (REST)",
    credentials=(),
    base_url="",
    hosts=(),
    reads=frozenset(),
    unsupported_reason=(
        "Its REST API shows notes but writes none; an integration of PROPERTYWARE writes them over SOAP."
    ),
)
