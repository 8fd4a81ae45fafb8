"""Propertyware: resident events as notes, written over SOAP and read over REST."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.propertyware.connector import PropertywareConnector
from frontdesk.vendors.propertyware.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, PropertywareConnector())
