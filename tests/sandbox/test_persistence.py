"""World and effects survive a kill, and belong to one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import aiohttp
import pytest
from tests.conftest import until
from tests.sandbox.running import SandboxClient, SandboxProcess, running_sandbox

from frontdesk.sandbox.app import WORLD_FILE, Sandbox, SandboxOptions
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.sandbox.repository import Repository, WorldBusyError

NOTES = "/buildium/v1/leases/tenants/4105/notes"


async def keys(client: SandboxClient) -> dict[str, str]:
    credentials = (await client.overview())["vendors"]["BUILDIUM"]["credentials"]
    return {
        "x-buildium-client-id": credentials["clientId"],
        "x-buildium-client-secret": credentials["secret"],
    }


async def no_fault_waits(client: SandboxClient) -> bool:
    return not (await client.call("GET", "/_sandbox/faults")).json


async def test_every_answered_write_is_there_after_a_kill_and_no_id_comes_twice(
    tmp_path: Path,
) -> None:
    first = SandboxProcess(tmp_path)
    answered: dict[int, str] = {}
    headers = await keys(first.client)
    killed = asyncio.Event()

    async def write(number: int) -> None:
        text = f"note {number}"
        try:
            answer = await first.client.call(
                "POST", NOTES, headers=headers, json_body={"Note": text}
            )
        except aiohttp.ClientError:
            assert killed.is_set()
            return
        if answer.status == 201:
            answered[answer.json["Id"]] = text

    async def enough(count: int) -> bool:
        return len(answered) >= count

    async def kill_amid_the_writes() -> None:
        await until(lambda: enough(25), every=0.001)
        killed.set()
        first.kill()

    limit = asyncio.Semaphore(6)

    async def limited(number: int) -> None:
        async with limit:
            await write(number)

    await asyncio.gather(kill_amid_the_writes(), *(limited(number) for number in range(200)))
    second = SandboxProcess(tmp_path)
    try:
        client = second.client
        effects = {int(e["x_id"]): e["text"] for e in await client.effects()}
        assert answered.items() <= effects.items()
        listed = await client.call("GET", f"{NOTES}?limit=1000", headers=headers)
        shown = {note["Id"]: note["Note"] for note in listed.json}
        assert answered.items() <= shown.items()
        made = await client.call("POST", NOTES, headers=headers, json_body={"Note": "after"})
        assert made.json["Id"] > max(effects)
    finally:
        assert second.stop() == 0


async def test_a_second_process_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path):
        with pytest.raises(RuntimeError, match="WorldBusyError"):
            await asyncio.to_thread(SandboxProcess, tmp_path)


async def test_a_restart_keeps_the_world_of_its_first_seed(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, seed=1) as client:
        before = await client.call(
            "GET", "/buildium/v1/leases/tenants/4105", headers=await keys(client)
        )
    async with running_sandbox(tmp_path, seed=2) as client:
        headers = await keys(client)
        path = "/buildium/v1/leases/tenants/4105"
        after = await client.call("GET", path, headers=headers)
        assert after.json == before.json
        await client.call("POST", "/_sandbox/reset")
        assert (await client.call("GET", path, headers=headers)).json != before.json


def test_a_world_that_was_just_seeded_is_the_one_that_a_restart_reads(tmp_path: Path) -> None:
    def records() -> dict[str, dict[tuple[str, int], str]]:
        with contextlib.closing(Repository(tmp_path / WORLD_FILE)) as repository:
            sandbox = Sandbox(repository, find_simulators(), SandboxOptions())
            return {
                # As text: 1 would equal 1.0.
                exchange.world.key: {
                    (name, number): repr(row)
                    for name, known in exchange.world._collections.items()
                    for number, row in known.rows.items()
                }
                for exchange in sandbox._exchanges.values()
            }

    seeded = records()
    assert all(len(world) > 100 for world in seeded.values())
    assert records() == seeded


async def test_stopping_lets_an_answer_in_flight_leave(tmp_path: Path) -> None:
    process = SandboxProcess(tmp_path)
    client = process.client
    headers = await keys(client)
    await client.fault(vendor="BUILDIUM", fault="delay", seconds=0.5)
    posting = asyncio.create_task(
        client.call("POST", NOTES, headers=headers, json_body={"Note": "while stopping"})
    )
    await until(lambda: no_fault_waits(client))
    code = await asyncio.to_thread(process.stop)
    assert (await posting).status == 201
    assert code == 0


async def test_stopping_does_not_wait_for_answers_that_hang(tmp_path: Path) -> None:
    process = SandboxProcess(tmp_path)
    client = process.client
    headers = await keys(client)
    await client.fault(vendor="BUILDIUM", fault="hang_after_effect")
    posting = asyncio.create_task(
        client.call("POST", NOTES, headers=headers, json_body={"Note": "hanging"})
    )
    await until(lambda: client.effects_with("hanging"))
    assert await asyncio.to_thread(process.stop) == 0
    with pytest.raises(aiohttp.ClientError):
        await posting


async def test_two_sandboxes_refuse_each_other_within_one_process_too(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path):
        with pytest.raises(WorldBusyError, match="in use"):
            async with running_sandbox(tmp_path):
                pass


async def test_no_record_id_comes_again_after_a_reset_or_in_a_new_sandbox(tmp_path: Path) -> None:
    given: list[int] = []
    for folder in ("one", "another"):
        async with running_sandbox(tmp_path / folder) as client:
            for _ in range(2):
                headers = await keys(client)
                answer = await client.call(
                    "POST", NOTES, headers=headers, json_body={"Note": "again"}
                )
                given.append(answer.json["Id"])
                await client.call("POST", "/_sandbox/reset")
    assert given == sorted(set(given))


async def test_a_world_of_the_version_before_is_opened_and_kept(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        headers = await keys(client)
        await client.call("POST", NOTES, headers=headers, json_body={"Note": "old"})
    # Version 1 was this one without settings.
    with contextlib.closing(sqlite3.connect(tmp_path / "sandbox.sqlite3")) as old:
        old.execute("DROP TABLE setting")
        old.execute("PRAGMA user_version = 1")
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        assert await client.effects_with("old")
