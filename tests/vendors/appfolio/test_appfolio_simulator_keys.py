"""The simulated AppFolio's idempotency keys: what is kept, what is replayed, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from tests.conftest import until
from tests.sandbox.running import SandboxProcess
from tests.vendors.appfolio.appfolio_calls import Appfolio, headers_of, running_appfolio

from frontdesk.sandbox.repository import Repository
from frontdesk.sandbox.simulator import Reply, Request
from frontdesk.sandbox.world import World
from frontdesk.vendors.appfolio.simulator import SIMULATOR
from frontdesk.vendors.appfolio.simulator.answers import guid

KEY = "6c0d8a5e-0001"


@pytest.fixture
async def appfolio(tmp_path: Path) -> AsyncIterator[Appfolio]:
    async with running_appfolio(tmp_path, throttle_factor=1_000) as calls:
        yield calls


async def test_the_same_key_and_body_give_the_same_note_and_say_so(appfolio: Appfolio) -> None:
    first = await appfolio.post("once", KEY)
    again = await appfolio.post("once", KEY)
    assert first.header("Idempotent-Replayed") is None
    assert again.header("Idempotent-Replayed") == "true"
    assert (again.status, again.json) == (201, first.json)
    assert again.header("x-request-id") != first.header("x-request-id")
    assert len(await appfolio.sandbox.effects_with("once")) == 1


async def test_without_a_key_the_same_note_is_written_again(appfolio: Appfolio) -> None:
    for _ in range(2):
        assert (await appfolio.call("POST", appfolio.notes, {"Body": "x"})).status == 201
    assert len(await appfolio.sandbox.effects_with("x")) == 2


async def test_the_same_key_with_another_body_or_tenant_is_a_422_about_the_key(
    appfolio: Appfolio,
) -> None:
    await appfolio.post("once", KEY)
    other = f"/tenants/{appfolio.examples['tenant_without_email']}/notes"
    answers = [
        await appfolio.post("twice", KEY),
        await appfolio.call("POST", other, {"Body": "once"}, headers={"Idempotency-Key": KEY}),
    ]
    for answer in answers:
        assert answer.status == 422
        assert "Idempotency-Key" in answer.json["message"]
    assert len(await appfolio.sandbox.effects()) == 1


async def test_keys_of_two_credentials_are_two_keys(appfolio: Appfolio) -> None:
    await appfolio.post("of one", KEY)
    other = headers_of(appfolio.vendor["credential_sets"][1])
    assert (await appfolio.post("of another", KEY, headers=other)).status == 201


async def test_a_key_at_work_is_a_409_with_retry_after_and_replays_afterwards(
    appfolio: Appfolio,
) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="delay", n=1, seconds=1.5)
    first = asyncio.create_task(appfolio.post("slow", KEY))

    async def is_at_work() -> bool:
        return not (await appfolio.sandbox.call("GET", "/_sandbox/faults")).json

    await until(is_at_work)
    refused = await appfolio.post("slow", KEY)
    assert (refused.status, refused.header("Retry-After")) == (409, "1")
    assert refused.json["code"] == 409
    # Another key is not held up, and neither is the same one of another credential.
    assert (await appfolio.post("slow")).status == 201
    other = headers_of(appfolio.vendor["credential_sets"][1])
    assert (await appfolio.post("slow", KEY, headers=other)).status == 201
    made = await first
    assert made.status == 201
    again = await appfolio.post("slow", KEY)
    assert (again.json, again.header("Idempotent-Replayed")) == (made.json, "true")
    assert len(await appfolio.sandbox.effects_with("slow")) == 3


async def test_a_key_whose_effect_is_still_to_come_is_a_409_until_it_came(
    appfolio: Appfolio,
) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="late_effect", n=1, seconds=1)
    with pytest.raises(aiohttp.ClientError):
        await appfolio.post("late", KEY)
    assert (await appfolio.post("late", KEY)).status == 409

    async def came() -> bool:
        return bool(await appfolio.sandbox.effects_with("late"))

    await until(came)
    again = await appfolio.post("late", KEY)
    assert (again.status, again.header("Idempotent-Replayed")) == (201, "true")
    assert len(await appfolio.sandbox.effects_with("late")) == 1


@pytest.mark.parametrize("fault", ["reset_after_effect", "truncate"])
async def test_a_lost_answer_is_replayed(appfolio: Appfolio, fault: str) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault=fault, n=1)
    with pytest.raises(aiohttp.ClientError):
        await appfolio.post("lost", KEY)
    again = await appfolio.post("lost", KEY)
    assert (again.status, again.header("Idempotent-Replayed")) == (201, "true")
    assert len(await appfolio.sandbox.effects_with("lost")) == 1


async def test_a_request_that_had_no_effect_leaves_its_key_free(appfolio: Appfolio) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="reset_before_effect", n=1)
    with pytest.raises(aiohttp.ClientError):
        await appfolio.post("cut", KEY)
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="status", status=533, n=1)
    assert (await appfolio.post("cut", KEY)).status == 533
    assert (await appfolio.post("", KEY)).status == 422
    made = await appfolio.post("cut", KEY)
    assert (made.status, made.header("Idempotent-Replayed")) == (201, None)


async def test_a_read_lag_hides_the_note_but_never_its_key(appfolio: Appfolio) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="read_lag", n=1, seconds=60)
    made = await appfolio.post("unseen", KEY)
    listed = await appfolio.call("GET", f"/tenants/notes?filters[Id]={made.json['Id']}")
    assert listed.json["data"] == []
    assert (await appfolio.post("unseen", KEY)).json == made.json


async def test_a_staff_members_twin_is_no_replay(appfolio: Appfolio) -> None:
    await appfolio.sandbox.fault(vendor="APPFOLIO", fault="twin", n=1)
    made = await appfolio.post("said by two", KEY)
    effects = await appfolio.sandbox.effects_with("said by two")
    assert {effect["origin"] for effect in effects} == {"api", "staff"}
    assert len({effect["x_id"] for effect in effects}) == 2
    (ours,) = [effect for effect in effects if effect["origin"] == "api"]
    assert ours["x_id"] == made.json["Id"]


async def test_a_key_that_is_no_short_printable_ascii_is_a_400(appfolio: Appfolio) -> None:
    for key in ("", "x" * 257, "tab\tinside", "caf\xe9"):
        headers = {"Idempotency-Key": key}
        answer = await appfolio.call("POST", appfolio.notes, {"Body": "x"}, headers=headers)
        words = await appfolio.is_refused(answer, 400)
        assert "Idempotency-Key" in words


async def test_a_key_of_256_characters_is_taken_and_a_change_needs_none(appfolio: Appfolio) -> None:
    made = await appfolio.post("x", "~" * 256)
    assert made.status == 201
    path = f"{appfolio.notes}/{made.json['Id']}"
    for text in ("y", "z"):
        answer = await appfolio.call(
            "PATCH", path, {"Body": text}, headers={"Idempotency-Key": KEY}
        )
        assert (answer.status, answer.header("Idempotent-Replayed")) == (200, None)


async def test_keys_survive_a_killed_sandbox(tmp_path: Path) -> None:
    process = SandboxProcess(tmp_path)
    calls = Appfolio(process.client, (await process.client.overview())["vendors"]["APPFOLIO"])
    made = await calls.post("before the kill", KEY)
    process.kill()
    process = SandboxProcess(tmp_path)
    try:
        again = Appfolio(process.client, (await process.client.overview())["vendors"]["APPFOLIO"])
        answer = await again.post("before the kill", KEY)
        assert (answer.json, answer.header("Idempotent-Replayed")) == (made.json, "true")
    finally:
        process.stop()


def test_a_key_is_known_for_24_hours_and_then_writes_anew(tmp_path: Path) -> None:
    with closing(Repository(tmp_path / "world.sqlite3")) as repository:
        world = World("APPFOLIO", repository)
        start = datetime(2026, 3, 4, 12, tzinfo=UTC)
        world.play(lambda scene: scene.put("tenants", 5, {"Id": guid("tenant", 5)}))

        def sent_at(moment: datetime) -> Reply:
            request = Request(
                method="POST",
                path=f"/api/v0/tenants/{guid('tenant', 5)}/notes",
                headers={
                    "idempotency-key": KEY,
                    "content-type": "application/json",
                    **{
                        name.lower(): value
                        for name, value in headers_of(SIMULATOR.credentials(1)).items()
                    },
                },
                body=b'{"Body": "x"}',
            )
            return world.play(
                lambda scene: SIMULATOR.handle(request, scene), now=moment, credential="sandbox-1"
            )

        first = sent_at(start)
        assert first.status == 201
        assert sent_at(start + timedelta(hours=24, seconds=-1)).body == first.body
        late = sent_at(start + timedelta(hours=24))
        assert late.status == 201
        assert late.body != first.body
