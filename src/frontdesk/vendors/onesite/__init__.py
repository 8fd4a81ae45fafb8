"""OneSite, RealPage's property management system: what its two SOAP routes have in common.

The routes are vendors of their own, each with its wire, its credentials and its simulator. This
folder registers no vendor: it holds the operations, what a fault means, the choice of a lease, and
the reading of lists and activity logs. It knows no envelope, no authentication and no address.
"""
