"""The simulated AppFolio against its wire: credentials, the note, refusals, the three windows."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from tests.conftest import until
from tests.vendors.appfolio.appfolio_calls import Appfolio, headers_of, running_appfolio

from frontdesk.vendors.appfolio.simulator import SIMULATOR


@pytest.fixture
async def appfolio(tmp_path: Path) -> AsyncIterator[Appfolio]:
    async with running_appfolio(tmp_path, throttle_factor=1_000) as calls:
        yield calls


def basic(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


# --- auth ---------------------------------------------------------------------------------------


async def test_no_basic_is_a_401(appfolio: Appfolio) -> None:
    for value in (None, "Bearer token", "Basic %%%", "Basic", "Basic c2FuZGJveA=="):
        answer = await appfolio.post("x", headers={"Authorization": value})
        await appfolio.is_refused(answer, 401)


async def test_a_refused_credential_is_a_701(appfolio: Appfolio) -> None:
    for user in ("sandbox-1:wrong", "production-1:x", ":", "sandbox-1:"):
        await appfolio.is_refused(await appfolio.post("x", headers=basic(user)), 701)


async def test_the_secret_of_another_credential_is_a_701(appfolio: Appfolio) -> None:
    secret = appfolio.vendor["credential_sets"][1]["clientSecret"]
    answer = await appfolio.post("x", headers=basic(f"sandbox-1:{secret}"))
    await appfolio.is_refused(answer, 701)


async def test_a_missing_developer_header_is_said_to_be_missing(appfolio: Appfolio) -> None:
    for value in (None, ""):
        answer = await appfolio.post("x", headers={"X-AppFolio-Developer-ID": value})
        words = await appfolio.is_refused(answer, 400)
        assert "Required header missing" in words


async def test_an_unknown_developer_is_refused(appfolio: Appfolio) -> None:
    answer = await appfolio.post("x", headers={"X-AppFolio-Developer-ID": "somebody"})
    await appfolio.is_refused(answer, 701)


async def test_a_plan_without_writes_reads_and_gets_a_403_on_writes(appfolio: Appfolio) -> None:
    headers = headers_of(appfolio.examples["readonly_credentials"])
    answer = await appfolio.call("GET", f"/tenants?filters[Id]={appfolio.tenant}", headers=headers)
    assert answer.status == 200
    await appfolio.is_refused(await appfolio.post("x", headers=headers), 403)


async def test_every_credential_set_is_accepted(appfolio: Appfolio) -> None:
    for credentials in appfolio.vendor["credential_sets"]:
        answer = await appfolio.post("x", headers=headers_of(credentials))
        assert answer.status == 201


# --- the write ----------------------------------------------------------------------------------


async def test_a_note_is_a_201_with_id_and_link_and_can_be_listed(appfolio: Appfolio) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    answer = await appfolio.post("Zoë rang: «dryer» 🧺\n2nd line")
    assert answer.status == 201
    assert set(answer.json) == {"Id", "Link"}
    assert UUID(answer.json["Id"])
    listed = await appfolio.call("GET", f"/tenants/notes?filters[Id]={answer.json['Id']}")
    (note,) = listed.json["data"]
    assert set(note) == {"Id", "Body", "EntityId", "LastUpdatedAt"}
    assert note["Body"] == "Zoë rang: «dryer» 🧺\n2nd line"
    assert note["EntityId"] == appfolio.tenant
    stamp = datetime.strptime(note["LastUpdatedAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= stamp <= datetime.now(UTC)
    (effect,) = await appfolio.sandbox.effects()
    assert (effect["x_id"], effect["x_resident_id"]) == (note["Id"], appfolio.tenant)


async def test_every_answer_bears_a_request_id_of_its_own(appfolio: Appfolio) -> None:
    answers = [
        await appfolio.post("x"),
        await appfolio.post(""),
        await appfolio.call("GET", "/tenants"),
        await appfolio.call("GET", "/nowhere"),
        await appfolio.call("GET", "/tenants", headers={"Authorization": None}),
    ]
    ids = [answer.header("x-request-id") for answer in answers]
    assert len({UUID(request_id) for request_id in ids if request_id}) == len(answers)


async def test_a_note_is_changed_by_patch_and_stamped_anew(appfolio: Appfolio) -> None:
    made = (await appfolio.post("before")).json
    answer = await appfolio.call("PATCH", f"{appfolio.notes}/{made['Id']}", {"Body": "after"})
    assert (answer.status, answer.json["Id"]) == (200, made["Id"])
    listed = await appfolio.call("GET", f"/tenants/notes?filters[Id]={made['Id']}")
    assert [note["Body"] for note in listed.json["data"]] == ["after"]
    assert [effect["operation"] for effect in await appfolio.sandbox.effects()] == [
        "create", "update",
    ]  # fmt: skip


async def test_a_note_outside_the_rules_is_a_422_without_a_word_of_keys(
    appfolio: Appfolio,
) -> None:
    bodies: tuple[object, ...] = (
        {"Body": ""},
        {"Body": " \n"},
        {"Body": None},
        {},
        {"body": "wrong case"},
        {"Body": "x", "Subject": "extra"},
        {"Body": 5},
        {"Body": ["x"]},
    )
    for body in bodies:
        made = await appfolio.call("POST", appfolio.notes, body)
        words = await appfolio.is_refused(made, 422)
        assert "dempoten" not in words


async def test_a_body_that_is_no_json_object_is_a_400(appfolio: Appfolio) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b'{"Body": "cut', b"\xff\xfe", b"[" * 9_000, b"[]"):
        answer = await appfolio.call("POST", appfolio.notes, headers=headers, body=body)
        await appfolio.is_refused(answer, 400)


async def test_another_media_type_is_a_415(appfolio: Appfolio) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await appfolio.call("POST", appfolio.notes, headers=headers, body=b"Body=x")
    await appfolio.is_refused(answer, 415)


async def test_an_unknown_tenant_or_note_is_a_404_in_the_other_form(appfolio: Appfolio) -> None:
    unit, note = appfolio.examples["unit"], {"Body": "x"}
    for tenant in (unit, "5", "not-a-uuid", appfolio.tenant[:-1], f"{appfolio.tenant[:-3]}fff"):
        answer = await appfolio.call("POST", f"/tenants/{tenant}/notes", note)
        await appfolio.is_refused(answer, 404)
    listed = await appfolio.call(
        "GET", "/tenants/notes?filters[LastUpdatedAtFrom]=1970-01-01T00:00:00Z"
    )
    theirs = next(n["Id"] for n in listed.json["data"] if n["EntityId"] != appfolio.tenant)
    for note_id in (theirs, unit, "5"):
        answer = await appfolio.call("PATCH", f"{appfolio.notes}/{note_id}", note)
        await appfolio.is_refused(answer, 404)


async def test_a_path_that_is_not_served_is_a_404(appfolio: Appfolio) -> None:
    for path in (
        "/",
        "/Tenants",
        "/tenants/",
        "/tenants/notes/x/y/z",
        "/charges",
        "/../v1/tenants",
    ):
        await appfolio.is_refused(await appfolio.call("GET", path), 404)


async def test_there_is_no_delete(appfolio: Appfolio) -> None:
    answer = await appfolio.call("DELETE", f"{appfolio.notes}/x")
    assert answer.header("Allow") == "PATCH"
    await appfolio.is_refused(answer, 405)


async def test_statuses_on_demand_come_in_appfolios_words(appfolio: Appfolio) -> None:
    for status in (404, 409, 422, 429, 500, 533):
        await appfolio.sandbox.fault(vendor="APPFOLIO", fault="status", n=1, status=status)
        await appfolio.is_refused(await appfolio.post("x"), status)


# --- rate limits --------------------------------------------------------------------------------


async def test_past_eight_in_a_second_comes_a_429_that_says_when(tmp_path: Path) -> None:
    async with running_appfolio(tmp_path) as appfolio:
        # So many that no machine is slow enough to let them all in.
        answers = await asyncio.gather(*(appfolio.post(f"n{i}") for i in range(48)))
        refused = [answer for answer in answers if answer.status == 429]
        passed = [answer for answer in answers if answer.status == 201]
        assert refused
        assert len(passed) == len(answers) - len(refused) >= 8
        for answer in refused:
            assert answer.json["code"] == 429
            assert answer.header("Retry-After") == "1"
            assert answer.header("x-request-id")
        assert len(await appfolio.sandbox.effects()) == len(passed)
        other = headers_of(appfolio.vendor["credential_sets"][1])
        assert (await appfolio.post("of another credential", headers=other)).status == 201


async def test_the_minutes_window_is_waited_for_until_it_has_a_place(tmp_path: Path) -> None:
    # At this factor the windows hold 1, 2 and 32.
    async with running_appfolio(tmp_path, throttle_factor=1 / 128) as appfolio:
        assert (await appfolio.post("first")).status == 201

        async def second_has_passed() -> bool:
            return (await appfolio.post("second")).status == 201

        await until(second_has_passed)
        refused = await appfolio.post("third")
        assert refused.status == 429
        assert 1 < int(refused.header("Retry-After") or 0) <= 60


def test_the_windows_are_those_of_the_vendor() -> None:
    windows = [(window.amount, window.seconds) for window in SIMULATOR.limits.windows]
    assert windows == [(8, 1), (256, 60), (4_096, 3_600)]
