"""A simulated RealPage Exchange: one WCF service over the simulated OneSite.

It keeps SOAP 1.1, the namespace and actions of the gateway, who calls as the first child of each
operation, and licences that hold for some operations only. It imports nothing of the connector, so
that the two cannot share an error.
"""

from frontdesk.vendors.realpage_rpx.simulator.server import RpxSimulator

SIMULATOR = RpxSimulator()
