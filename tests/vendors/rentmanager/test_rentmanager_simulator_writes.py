"""The simulated Rent Manager's writes: what saving does, what it refuses, and what time means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.rentmanager.calls import NOTES, RentManager, is_error_model, rent_manager


@pytest.fixture
async def rm(tmp_path: Path) -> AsyncIterator[RentManager]:
    async with rent_manager(tmp_path) as world:
        yield world


async def test_a_note_is_saved_and_answered_with_its_id(rm: RentManager) -> None:
    sent = {"HistoryCategoryID": 4, "HistoryDate": "2025-11-21", "Note": "Renewal — Ü “ok”"}
    answer = await rm.save(sent)
    assert answer.status == 200
    (saved,) = answer.json
    assert saved["HistoryID"] > 0
    assert saved["HistoryType"] == "Note"
    assert saved["HistoryDate"] == "2025-11-21T00:00:00"
    assert (saved["ParentID"], saved["CreateUserID"]) == (305, 99)
    assert None not in saved.values()
    (effect,) = await rm.sandbox.effects()
    assert (effect["x_id"], effect["x_resident_id"]) == (str(saved["HistoryID"]), "305")
    assert (effect["kind"], effect["text"]) == ("note", "Renewal — Ü “ok”")
    assert effect["fields"]["entry"] == sent
    assert (await rm.get(f"/HistoryNotes/{saved['HistoryID']}")).json == saved


@pytest.mark.parametrize(
    ("resource", "kind", "category"),
    [("HistoryCalls", "Call", 5), ("HistoryEmails", "Email", 7), ("HistoryVisits", "Visit", 9)],
)
async def test_calls_emails_and_visits_take_more_and_are_of_their_kind(
    rm: RentManager, resource: str, kind: str, category: int
) -> None:
    sent = {"HistoryCategoryID": category, "Note": "n", "Result": "agreed", "IsCompleted": True}
    (saved,) = (await rm.save(sent, f"/Tenants/305/{resource}")).json
    assert (saved["HistoryType"], saved["Result"], saved["IsCompleted"]) == (kind, "agreed", True)
    assert (await rm.get(f"/{resource}/{saved['HistoryID']}")).status == 200
    assert (await rm.get(f"/HistoryNotes/{saved['HistoryID']}")).status == 404


async def test_a_note_has_no_result(rm: RentManager) -> None:
    (saved,) = (await rm.save({"Note": "n", "Result": "agreed"})).json
    assert "Result" not in saved


async def test_saving_with_an_id_changes_the_entry_and_keeps_the_rest(rm: RentManager) -> None:
    (first,) = (await rm.save({"HistoryCategoryID": 4, "Note": "first"})).json
    (second,) = (await rm.save({"HistoryID": first["HistoryID"], "Note": "second"})).json
    assert second == {**first, "Note": "second", "UpdateDate": second["UpdateDate"]}
    assert second["UpdateDate"] > first["UpdateDate"]
    assert [effect["operation"] for effect in await rm.sandbox.effects()] == ["create", "update"]


async def test_saving_the_same_again_makes_a_second_entry(rm: RentManager) -> None:
    ids = {(await rm.save({"Note": "n"})).json[0]["HistoryID"] for _ in range(2)}
    assert len(ids) == 2


async def test_an_entry_of_another_tenant_or_kind_or_none_is_missing(rm: RentManager) -> None:
    (saved,) = (await rm.save({"Note": "n"})).json
    number = saved["HistoryID"]
    for path, given in (
        ("/Tenants/306/HistoryNotes", number),
        ("/Tenants/305/HistoryCalls", number),
        (NOTES, 99_999),
    ):
        answer = await rm.save({"HistoryID": given, "Note": "m"}, path)
        assert (answer.status, answer.body) == (404, b"")
    assert (await rm.save({"Note": "n"}, "/Tenants/99999/HistoryNotes")).status == 404
    assert len(await rm.sandbox.effects()) == 1


async def test_of_several_entries_all_are_saved_or_none(rm: RentManager) -> None:
    both = [{"Note": "one"}, {"Note": "two"}]
    assert len((await rm.call("POST", NOTES, both)).json) == 2
    refused = await rm.call("POST", NOTES, [{"Note": "three"}, {"HistoryCategoryID": 999}])
    assert refused.status == 400
    assert len(await rm.sandbox.effects()) == 2


async def test_a_body_that_cannot_be_read_is_the_frameworks_400(rm: RentManager) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (
        b"",
        b"{",
        b"{}",
        b"[]",
        b"[1]",
        b'{"Note": "not in a list"}',
        b'[{"Note": 7}]',
        b'[{"Note": "n", "IsPinned": "yes"}]',
        b'[{"Note": "n", "HistoryDate": "soon"}]',
        b'[{"Note": "n", "HistoryDate": "0001-01-01T00:00:00"}]',
        b'[{"Note": "n", "HistoryDate": 7}]',
        b'[{"Note": "n", "HistoryCategoryID": "x"}]',
        b'[{"HistoryID": true, "Note": "n"}]',
        b"\xff\xfe",
        b'[{"Note": "\\ud800"}]',
    ):
        answer = await rm.call("POST", NOTES, body=body, headers=headers)
        assert answer.status == 400, answer.body
        assert set(answer.json) == {"Message", "ModelState"}
    assert await rm.sandbox.effects() == []


async def test_an_entry_that_is_not_fit_is_refused_in_the_error_model(rm: RentManager) -> None:
    unfit: tuple[dict[str, Any], ...] = (
        {},
        {"Note": ""},
        {"Note": "n", "HistoryCategoryID": 999},
        {"Note": "n", "HistoryCategoryID": 5},
        {"Note": "n", "HistoryCategoryID": 11},
    )
    for entry in unfit:
        answer = await rm.save(entry)
        assert answer.status == 400
        assert is_error_model(answer)
    assert await rm.sandbox.effects() == []


async def test_another_media_type_is_a_415(rm: RentManager) -> None:
    headers = {"Content-Type": "text/plain"}
    assert (await rm.call("POST", NOTES, body=b"[]", headers=headers)).status == 415


async def test_a_time_is_local_to_the_tenants_property_or_else_eastern(rm: RentManager) -> None:
    for tenant, text, instant in (
        ("301", "2026-03-02T09:30:00", "2026-03-02T16:30:00"),  # Denver
        ("349", "2026-03-02T09:30:00", "2026-03-02T14:30:00"),  # New York
        ("405", "2026-03-02T09:30:00", "2026-03-02T14:30:00"),  # no property: Eastern
        ("301", "2026-03-02", "2026-03-02T07:00:00"),
    ):
        path = f"/Tenants/{tenant}/HistoryNotes"
        (saved,) = (await rm.save({"Note": "n", "HistoryDate": text}, path)).json
        assert saved["HistoryDate"] == (text if "T" in text else f"{text}T00:00:00")
        assert (await rm.sandbox.effects())[-1]["occurred_at"].startswith(instant), text


async def test_without_a_date_an_entry_is_of_now(rm: RentManager) -> None:
    (saved,) = (await rm.save({"Note": "n"})).json
    (effect,) = await rm.sandbox.effects()
    assert effect["occurred_at"][:16] == effect["written_at"][:16]
    assert len(saved["HistoryDate"]) == 19
