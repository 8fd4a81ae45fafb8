"""What Yardi Voyager takes: no resident event.

It declares no credentials and no address, so that nothing is ever called."""

from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="YARDI",
    name="Yardi Voyager",
    credentials=(),
    base_url="",
    hosts=(),
    reads=frozenset(),
    unsupported_reason=(
        "Its guest-card interface records the events of prospects, and no other call records an event."
    ),
)
