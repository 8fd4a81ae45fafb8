"""The page of guarantees names tests that exist, and the vendors' figures as they are declared."""

import re
from pathlib import Path

from frontdesk.vendors.registry import vendors

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(
            r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert not named - defined


def test_the_figures_of_every_vendor_are_those_of_its_declaration() -> None:
    shown = {
        vendor: (float(late), float(visible), stamped == "yes", guess.startswith("yes"))
        for vendor, late, visible, stamped, guess in re.findall(
            r"^\| ([A-Z_]+) \| (\d+) \| (\d+) \| (yes|no) \| ([^|]+) \|$", PAGE, re.MULTILINE
        )
    }
    declared = {
        code: (
            vendor.declaration.read_back.late_effect_s,
            vendor.declaration.read_back.visible_after_s,
            vendor.declaration.read_back.stamped,
            vendor.declaration.read_back.guess,
        )
        for code, vendor in vendors().items()
        if vendor.declaration.create is not None
    }
    assert shown == declared
