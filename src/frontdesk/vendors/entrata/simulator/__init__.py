"""A simulated Entrata: its JSON gateway as documentation and published clients show it.

It keeps both hosts (the modern one with keys, the older one that answers failures as HTTP 200),
the envelope, failures at both levels, Mountain Time, paging, throttles and their headers, and the
artefacts of its XML past. It imports nothing of the connector, so that the two cannot share an
error.
"""

from frontdesk.vendors.entrata.simulator.server import EntrataSimulator

SIMULATOR = EntrataSimulator()
