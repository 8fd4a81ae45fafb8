"""A simulated Buildium: its REST API as its documentation and published logs show it.

It keeps paths, headers, bodies, refusals, paging and the limit of ten requests in flight, on the
sandbox's community. It imports nothing of the connector, so that the two cannot share an error.
"""

from frontdesk.vendors.buildium.simulator.server import BuildiumSimulator

SIMULATOR = BuildiumSimulator()
