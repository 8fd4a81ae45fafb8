"""Finds the simulators: every `frontdesk.vendors.<name>.simulator` that exports `SIMULATOR`."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping

import frontdesk.vendors
from frontdesk.sandbox.simulator import Simulator


def find_simulators() -> Mapping[str, Simulator]:
    """Every simulator by its vendor's code, in alphabetical order. Nothing lists them by name."""
    found: dict[str, Simulator] = {}
    for package in pkgutil.iter_modules(frontdesk.vendors.__path__):
        name = f"{frontdesk.vendors.__name__}.{package.name}.simulator"
        if not package.ispkg or importlib.util.find_spec(name) is None:
            continue
        simulator: Simulator = importlib.import_module(name).SIMULATOR
        found[simulator.vendor] = simulator
    return dict(sorted(found.items()))
