"""Buildium: resident events as tenant notes."""

from frontdesk.vendors.buildium.connector import BuildiumConnector
from frontdesk.vendors.buildium.declaration import DECLARATION
from frontdesk.vendors.contract import Vendor

VENDOR = Vendor(DECLARATION, BuildiumConnector())
