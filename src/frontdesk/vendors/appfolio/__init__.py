"""AppFolio: resident events as tenant notes, written under an idempotency key."""

from frontdesk.vendors.appfolio.connector import AppfolioConnector
from frontdesk.vendors.appfolio.declaration import DECLARATION
from frontdesk.vendors.contract import Vendor

VENDOR = Vendor(DECLARATION, AppfolioConnector())
