"""A simulated OneSite, for the simulators of both routes to it.

It holds one world (sites, units, leases, residents, activity logs), the operations on it, and SOAP
as .NET services speak it. It imports nothing of the connectors' side, and they nothing of it.
Addresses, envelopes' contents and authentication are each route's own.
"""
