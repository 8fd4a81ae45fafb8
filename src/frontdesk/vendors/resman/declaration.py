"""What ResMan takes: no resident event.

It declares no credentials and no address, so that nothing is ever called."""

from frontdesk.vendors.declaration import Declaration

DECLARATION = Declaration(
    vendor="RESMAN",
    name="ResMan",
    credentials=(),
    base_url="",
    hosts=(),
    reads=frozenset(),
    unsupported_reason=(
        "Its API records the events of prospects and applicants, and none of residents."
    ),
)
