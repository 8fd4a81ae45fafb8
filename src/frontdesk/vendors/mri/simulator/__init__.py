"""A simulated MRI: its API page as published client code and observed answers show it.

It keeps the query-named APIs, the Basic user of four parts, entries in XML and JSON, errors inside
normal answers, paging and the limit of 1,000 calls in 300 s, on the sandbox's community. It imports
nothing of the connector, so that the two cannot share an error.
"""

from frontdesk.vendors.mri.simulator.server import MriSimulator

SIMULATOR = MriSimulator()
