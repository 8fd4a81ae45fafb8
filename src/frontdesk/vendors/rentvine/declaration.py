"""What Rentvine takes: no resident event.

It declares no credentials and no address, so that nothing is ever called."""

from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="RENTVINE",
    name="Rentvine",
    credentials=(),
    base_url="",
    hosts=(),
    reads=frozenset(),
    unsupported_reason=("Its API has no call that records an event of a resident."),
)
