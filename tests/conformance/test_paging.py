"""Every list is read to its end, wherever its pages end: nothing on them, one record, exactly one
page, and many.

A page's size is the `PAGE_SIZE` of a vendor's modules (of its simulator, where the server decides).
A vendor without one answers every list whole, and must show the same records all the same.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from frontdesk.catalog.models import SYNCED
from frontdesk.vendors.contract import Answer, OutcomeKind, ReadRefused, Request
from frontdesk.vendors.declaration import Model
from tests.conformance.pms import Draft, Pms
from tests.vendors.live import synced

NAME = "PAGE_SIZE"
NOTES = 5


def modules_of(pms: Pms) -> Iterator[ModuleType]:
    """Every module of the vendor's folder that names the size of a page."""
    package = importlib.import_module(type(pms.connector).__module__.rpartition(".")[0])
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        if isinstance(getattr(module, NAME, None), int):
            yield module


def page_by(pms: Pms, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every page of this vendor hold so many records."""
    for module in modules_of(pms):
        monkeypatch.setattr(module, NAME, size)


async def test_the_catalog_is_the_same_however_its_pages_end(
    pms: Pms, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = len(pms.catalog[Model.UNITS])
    # A page of exactly all units, one short of it, one longer, and many.
    for size in (units, units - 1, units + 1, 7):
        page_by(pms, size, monkeypatch)
        again = await synced(pms.connector, pms.session)
        for model in (model for model in SYNCED if model in pms.declaration.reads):
            assert again[model].keys() == pms.catalog[model].keys(), (model, size)
            assert again[model] == pms.catalog[model], (model, size)


async def test_a_residents_events_are_all_found_with_none_one_a_page_and_many(
    pms: Pms, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Model.EVENTS not in pms.declaration.reads:
        pytest.skip("this PMS shows no events")
    draft = Draft(pms.plan_with({"notes": "?"})[1].resident, None)
    resident = pms.resident_of(draft)
    plan, _ = pms.plan_with({"notes": "One of many"})
    before = await pms.connector.read_events(pms.session, resident, plan.trace.where)
    for count in range(1, NOTES + 1):
        await pms.send(plan)
        for size in (1, count, count + 1):
            page_by(pms, size, monkeypatch)
            found = await pms.connector.read_events(pms.session, resident, plan.trace.where)
            assert len({event.x_id for event in found}) == len(found) == len(before) + count


@pytest.mark.parametrize("lie", ["-1", "0", "1", "9" * 40, "nonsense"])
async def test_a_total_that_cannot_be_true_neither_ends_a_list_nor_breaks_its_reader(
    pms: Pms, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    page_by(pms, 7, monkeypatch)
    send = pms.session.send

    async def lying(request: Request) -> Answer:
        answer = await send(request)
        headers = {
            name: lie if "total" in name and text.isdigit() else text
            for name, text in answer.headers.items()
        }
        return replace(answer, headers=headers)

    monkeypatch.setattr(pms.session, "send", lying)
    try:
        again = await synced(pms.connector, pms.session)
    except ReadRefused as refused:
        assert refused.outcome.kind is OutcomeKind.UNKNOWN  # noqa: PT017 (refusing is as good)
        return
    assert {model: found.keys() for model, found in again.items()} == {
        model: found.keys() for model, found in pms.catalog.items()
    }
