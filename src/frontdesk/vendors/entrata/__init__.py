"""Entrata: resident events as lease activities, or as events of the resident's application."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.entrata.connector import EntrataConnector
from frontdesk.vendors.entrata.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, EntrataConnector())
