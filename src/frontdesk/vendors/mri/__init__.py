"""MRI: resident events as residential actions."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.mri.connector import MriConnector
from frontdesk.vendors.mri.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, MriConnector())
