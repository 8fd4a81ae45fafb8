"""Rent Manager: resident events as entries of a tenant's history."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.rentmanager.connector import RentManagerConnector
from frontdesk.vendors.rentmanager.declaration import DECLARATION
from frontdesk.vendors.rentmanager.login import RentManagerLogin

VENDOR = Vendor(DECLARATION, RentManagerConnector(), RentManagerLogin())
