"""Yardi Voyager: known, so that it can be said why it has no resident events."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.yardi.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, None)
