"""A simulated AppFolio: Database API v0 as its documentation and public clients show it.

It keeps paths, headers, bodies, refusals, filters, paging, idempotency keys and the three windows,
on the sandbox's community. It imports nothing of the connector, so that the two cannot share an
error.
"""

from frontdesk.vendors.appfolio.simulator.server import AppfolioSimulator

SIMULATOR = AppfolioSimulator()
