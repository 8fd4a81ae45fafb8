"""A simulated Rent Manager: its Web API as its help and published observations show it.

It keeps logins and their tokens, paths, headers, the four shapes of error, filters, embeds, paging
and the company's minute, on the sandbox's community. It imports nothing of the connector, so that
the two cannot share an error. It never sends a message to anybody.
"""

from frontdesk.vendors.rentmanager.simulator.server import RentManagerSimulator

SIMULATOR = RentManagerSimulator()
