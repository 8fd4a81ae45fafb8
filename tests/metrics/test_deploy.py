"""What operators are given to look at: each figure that it names is one that the processes show."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frontdesk.metrics.counts import REGISTRY
from frontdesk.metrics.gauges import Gauges, Held

DEPLOY = Path(__file__).parents[2] / "deploy"
_OWN = re.compile(r"\b(?:frontdesk|process)_[a-z_0-9]+")
_SELECTED = re.compile(r"\b(frontdesk_[a-z_0-9]+)\{([^}]*)\}")
_GROUPED = re.compile(r"\bby \(([^)]*)\)[ (]*(?:rate|increase)?\(*(frontdesk_[a-z_0-9]+)")


def _known() -> dict[str, set[str]]:
    """Every series' name with its labels. What has no sample yet is made one."""
    found: dict[str, set[str]] = {}
    for collector in list(REGISTRY._collector_to_names):
        names = REGISTRY._collector_to_names[collector]
        labels = set(getattr(collector, "_labelnames", ()))
        found |= {name: labels | {"le"} for name in names}
    found |= {
        sample.name: set()
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("process_")
    }
    gauges = Gauges(lambda: Held(None, 0.0, answered=True), 1.0)
    found |= {family.name: set(family._labelnames) for family in gauges.describe()}  # type: ignore[attr-defined]
    found |= {"frontdesk_database_up": set(), "frontdesk_figures_age_seconds": set()}
    return found


def _expressions() -> Iterator[str]:
    yield from re.findall(r"expr: (.*)", (DEPLOY / "alerts.yml").read_text())
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]


def test_every_figure_of_the_dashboard_and_the_alerts_exists() -> None:
    known = _known()
    named = {name for expression in _expressions() for name in _OWN.findall(expression)}
    assert named
    assert named <= known.keys(), named - known.keys()


def test_the_guide_lists_every_figure_and_no_other() -> None:
    guide = (DEPLOY.parent / "docs" / "guide" / "operations.md").read_text()
    table = guide.partition("| figure |")[2].partition("\n\n")[0]
    listed = set(_OWN.findall(table))
    known = {name for name in _known() if name.startswith("frontdesk_")}
    # A histogram is listed by its own name, a counter by the one that it is asked for by.
    parts = re.compile("_(bucket|count|sum|created|info)$")
    expected = {parts.sub("", name) for name in known}
    expected -= {name.removesuffix("_total") for name in expected if name.endswith("_total")}
    assert listed == expected


def test_every_label_of_the_dashboard_and_the_alerts_exists() -> None:
    known = _known()
    wrong = []
    for expression in _expressions():
        for name, chosen in _SELECTED.findall(expression):
            labels = set(re.findall(r"(\w+)=", chosen))
            wrong += [(name, label) for label in labels - known[name]]
        for grouped, name in _GROUPED.findall(expression):
            labels = {label.strip() for label in grouped.split(",")}
            wrong += [(name, label) for label in labels - known[name]]
    assert not wrong


def test_every_figure_of_ours_is_looked_at_somewhere() -> None:
    suffixes = ("_created", "_bucket", "_count", "_sum", "_total")
    shown = " ".join(_expressions())
    unseen = set()
    for name in _known():
        if name.startswith("frontdesk_") and not name.endswith(suffixes) and name not in shown:
            unseen.add(name)
    assert not unseen


def test_every_setting_in_the_deployment_files_exists() -> None:
    from frontdesk.settings import Settings

    known = {f"FRONTDESK_{name.upper()}" for name in Settings.model_fields}
    for file in ("Dockerfile", "compose.yml", "frontdesk@.service"):
        named = set(re.findall(r"FRONTDESK_[A-Z_]+", (DEPLOY / file).read_text()))
        assert named
        assert named <= known, named - known
