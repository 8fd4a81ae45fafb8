"""What Yardi (REST) takes: no resident event.

It declares no credentials and no address, so that nothing is ever called."""

from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="YARDI_REST",
    name="Yardi (REST)",
    credentials=(),
    base_url="",
    hosts=(),
    reads=frozenset(),
    unsupported_reason=("Its REST API has no call that records an event of a resident."),
)
