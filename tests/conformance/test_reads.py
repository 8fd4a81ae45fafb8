"""What every connector must read: all that it declares, in pages that can be taken up again."""

import json

from frontdesk.catalog.models import SPECS, SYNCED, coerced
from frontdesk.vendors.contract import FoundEvent, Page, Record
from frontdesk.vendors.declaration import Model
from tests.conformance.pms import Pms

_MOST_PAGES = 500


async def pages_of(pms: Pms, model: Model) -> list[tuple[str | None, Page]]:
    """Every page of a model, with the cursor that brought it."""
    found: list[tuple[str | None, Page]] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await pms.connector.read(pms.session, model, cursor, None)
        found.append((cursor, page))
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert isinstance(cursor, str)
        assert json.loads(json.dumps(cursor)) == cursor
    raise AssertionError(f"{model} does not end")


async def test_every_declared_model_is_read_to_its_end(pms: Pms) -> None:
    for model in SYNCED:
        if model not in pms.declaration.reads:
            assert (await pms.connector.read(pms.session, model, None, None)).records == ()
            continue
        pages = await pages_of(pms, model)
        ids = [record.x_id for _, page in pages for record in page.records]
        assert ids, model
        cursors = [cursor for cursor, _ in pages]
        assert len(set(cursors)) == len(cursors), model
        for record in (record for _, page in pages for record in page.records):
            check_record(record, model)


async def test_a_cursor_means_the_same_to_whoever_takes_it_up(pms: Pms) -> None:
    for model in SYNCED:
        if model not in pms.declaration.reads:
            continue
        # The last page first: nothing may depend on what was read before.
        for cursor, page in reversed(await pages_of(pms, model)):
            again = await type(pms.connector)().read(pms.session, model, cursor, None)
            assert again.records == page.records, (model, cursor)
            assert again.next_cursor == page.next_cursor, (model, cursor)


async def test_records_refer_to_records_that_were_read(pms: Pms) -> None:
    for record in pms.catalog[Model.RESIDENTS].values():
        for lease in record.leases:
            assert lease.x_unit_id is None or lease.x_unit_id in pms.catalog[Model.UNITS]
            assert lease.x_property_id in (None, *pms.catalog[Model.PROPERTIES])
    for model in (Model.EVENT_SUB_TYPES, Model.EVENT_RESULTS):
        for record in pms.catalog.get(model, {}).values():
            one = record.links.get("x_event_type_id")
            named = [*([one] if one else []), *record.links.get("x_event_type_ids", ())]
            assert named
            assert set(named) <= set(pms.catalog[Model.EVENT_TYPES])
    assert set(pms.declaration.classes) <= set(pms.catalog.get(Model.EVENT_TYPES, {}))


async def test_existing_events_are_read_as_the_catalog_keeps_them(pms: Pms) -> None:
    plan, draft = pms.plan_with({"notes": "An event to read"})
    await pms.send(plan)
    events = await pms.connector.read_events(pms.session, pms.resident_of(draft))
    assert "An event to read" in [event.text for event in events]
    assert len({event.x_id for event in events}) == len(events)
    for event in events:
        check_event(event, draft.resident.x_id)


def check_record(record: Record, model: Model) -> None:
    """A record is of its model, has an id, and holds fields of its model alone, in their kinds."""
    spec = SPECS[model]
    assert record.model is model
    assert 0 < len(record.x_id) <= 128
    assert record.x_id == record.x_id.strip()
    kinds = {field.name: field.kind for field in spec.fields}
    assert set(record.fields) <= set(kinds), (model, set(record.fields) - set(kinds))
    for name, value in record.fields.items():
        if value is not None:
            assert coerced(kinds[name], value) == value, (model, name, value)
    stored = [record.fields, record.links, record.extra]
    assert json.loads(json.dumps(stored)) == stored


def check_event(event: FoundEvent, x_resident_id: str) -> None:
    """A found event is somebody's, has an id, and holds fields of the model alone."""
    assert event.x_id.strip()
    assert event.x_resident_id == x_resident_id
    assert all(instant.utcoffset() is not None for instant in event.instants)
    assert event.stamped_at is None or event.stamped_at.utcoffset() is not None
    kinds = {field.name: field.kind for field in SPECS[Model.EVENTS].fields}
    assert set(event.fields) <= set(kinds), set(event.fields) - set(kinds)
    json.dumps(event.fields)
