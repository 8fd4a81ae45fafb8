"""Finds the vendors: every package in this folder whose `__init__` names a `VENDOR`.

Adding a PMS is adding a folder; nothing here, or anywhere else, lists them by name.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import frontdesk.vendors
from frontdesk.vendors.contract import Connector, Vendor


@cache
def vendors() -> Mapping[str, Vendor]:
    """Every vendor by its code (upper case), in alphabetical order."""
    found: dict[str, Vendor] = {}
    for module in pkgutil.iter_modules(frontdesk.vendors.__path__):
        if not module.ispkg:
            continue
        package = importlib.import_module(f"{frontdesk.vendors.__name__}.{module.name}")
        vendor = getattr(package, "VENDOR", None)
        if isinstance(vendor, Vendor):
            found[vendor.declaration.vendor] = vendor
    return MappingProxyType(dict(sorted(found.items())))


def connector_of(code: str) -> Connector:
    """The connector of a vendor that has one. Raises KeyError where it has none."""
    connector = vendors()[code].connector
    if connector is None:
        raise KeyError(code)
    return connector
