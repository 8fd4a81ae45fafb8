"""RealPage for registered vendors (ODE): resident events as entries of OneSite's activity log."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, RealPageConnector())
