"""What the simulated OneSite assumes and no public source confirms, whatever the route."""

from __future__ import annotations

GUESSES = (
    "The arguments of addresidentactivitylog, and that unknown fields in them are refused.",
    "The answer to addresidentactivitylog: a status, and no id.",
    "The elements of the activity log, and that it tells the resident of each entry.",
    "Activities can be added to former leases, and not to applications.",
    "An activity's time is the site's standard time all year round.",
    "A refusal of any kind is a fault with HTTP 500; its words.",
    "A licence that is refused, a site or a company that is not licensed: a fault, no HTTP 401.",
    "getresidentlistinfo tells a resident once for each of his leases.",
    "Telephone numbers stand in cellphone and homephone, notice in noticegivendate.",
    "Ids of leases, units, residents and agents are the same at all sites of one company.",
    "A request may take effect 60 s after its connection, and show in lists 4 s after that.",
    "Spelling of the rows of getsitelist and getbuildings.",
)
