"""A simulated Propertyware: its REST reads and its SOAP service, on the sandbox's community.

REST keeps paths, headers, error bodies and the drifting total of the last page; SOAP keeps rpc
encoding, Axis faults in a 500 and answers that point at their values. It imports nothing of the
connector, so that the two cannot share an error.
"""

from frontdesk.vendors.propertyware.simulator.server import PropertywareSimulator

SIMULATOR = PropertywareSimulator()
