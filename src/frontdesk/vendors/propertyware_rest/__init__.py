"""Propertyware (REST): known, so that it can be said why it has no resident events."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.propertyware_rest.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, None)
