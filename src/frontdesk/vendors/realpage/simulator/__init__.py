"""A simulated RealPage for registered vendors: ASP.NET services over the simulated OneSite.

It keeps both SOAP versions, the namespace and the header of the services, and their way to put
every refusal behind the same sentence. It imports nothing of the connector, so that the two cannot
share an error.
"""

from frontdesk.vendors.realpage.simulator.server import OdeSimulator

SIMULATOR = OdeSimulator()
