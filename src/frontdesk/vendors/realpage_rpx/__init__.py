"""RealPage Exchange (RPX): resident events as entries of OneSite's activity log."""

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector
from frontdesk.vendors.realpage_rpx.declaration import DECLARATION

VENDOR = Vendor(DECLARATION, RealPageRpxConnector())
