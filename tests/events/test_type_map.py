"""The event-type map: what it says by default, what its owner chooses, and whose it is."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
from jsonschema import Draft202012Validator

from frontdesk.database.pool import Database
from frontdesk.events.type_map import EventTypeMapShape
from frontdesk.http.openapi import schema_of
from frontdesk.vendors.declaration import EVENT_KINDS, EventClass, Model
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.conftest import MakeWorld
from tests.events.test_accept import post
from tests.events.test_kind_requests import untyped
from tests.events.world import POST, World, typed
from tests.integrations.world import PATH, refused


def path_of(world: World) -> str:
    return f"{PATH}/{world.integration_id}/event-type-map"


def by_kind(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    Draft202012Validator(schema_of(EventTypeMapShape)).validate(shown)
    assert [entry["kind"] for entry in shown["kinds"]] == [str(kind) for kind in EVENT_KINDS]
    return {entry["kind"]: entry for entry in shown["kinds"]}


async def read(client: aiohttp.ClientSession, world: World) -> dict[str, dict[str, Any]]:
    async with client.get(path_of(world)) as answer:
        assert answer.status == 200, await answer.text()
        shown = await answer.json()
    assert shown["results"]["integration_id"] == world.integration_id
    return by_kind(shown["results"])


async def change(
    client: aiohttp.ClientSession, world: World, **chosen: str | None
) -> dict[str, dict[str, Any]]:
    async with client.put(path_of(world), json=chosen) as answer:
        assert answer.status == 200, await answer.text()
        return by_kind((await answer.json())["result"])


async def test_by_default_a_kind_is_a_type_of_its_class_and_what_has_none_is_not_held(
    client: aiohttp.ClientSession, make_world: MakeWorld, database: Database
) -> None:
    world = await make_world(typed())
    await database.execute(
        "DELETE FROM event_types WHERE integration_id = $1 AND class = 'chat'",
        UUID(world.integration_id),
    )
    for kind, entry in (await read(client, world)).items():
        if kind == "chat":
            expected: dict[str, Any] = dict.fromkeys(
                ("event_type_id", "event_type_name", "event_type_class", "by")
            )
            assert entry == expected | {"kind": "chat", "held": False}
            continue
        assert (entry["event_type_class"], entry["by"], entry["held"]) == (kind, "default", True)
        assert entry["event_type_id"] == world.type_of(EventClass(kind))


async def test_a_choice_holds_at_once_everywhere_and_null_takes_it_back(
    client: aiohttp.ClientSession,
    make_world: MakeWorld,
    account: CallerAccount,
    another_server: Callable[..., LiveServer],
) -> None:
    world = await make_world(typed())
    body = {**world.body(), "event_type_id": None, "kind": "task"}
    task, note = world.type_of(EventClass.TASK), world.type_of(EventClass.NOTE)
    async with session(another_server().url, account) as other:
        dry = {"dry_run": "true", "ignore_unknown_fields": "true"}
        before = await post(other, body, params=dry)
        changed = await change(client, world, task=note)
        assert (changed["task"]["event_type_id"], changed["task"]["by"]) == (note, "set")
        assert changed["task"]["event_type_class"] == "note"
        assert changed["note"]["by"] == "default"
        assert changed == await read(other, world)
        after = await post(other, body, params=dry)
        assert after["request"]["body"] != before["request"]["body"]
        assert (await post(other, body))["data"]["event_type_id"] == note
        # What is not named stays; the same again changes nothing.
        assert (await change(client, world))["task"]["event_type_id"] == note
        assert (await change(client, world, task=note, chat=None))["task"]["by"] == "set"
        back = await change(client, world, task=None)
        assert (back["task"]["event_type_id"], back["task"]["by"]) == (task, "default")
        assert await post(other, body, params=dry) == before


async def test_a_chosen_type_makes_a_kind_held_and_its_own_class_makes_the_rules(
    client: aiohttp.ClientSession, make_world: MakeWorld, database: Database
) -> None:
    world = await make_world(typed())
    await database.execute(
        "UPDATE event_types SET class = 'other' WHERE integration_id = $1 AND class = 'visit'",
        UUID(world.integration_id),
    )
    assert not (await read(client, world))["visit"]["held"]
    visit = world.type_of(EventClass.VISIT)
    assert (await change(client, world, visit=visit))["visit"]["held"]
    body = {**world.body(), "event_type_id": None, "kind": "visit"}
    assert (await post(client, body))["data"]["event_type_id"] == visit
    async with client.get(f"{PATH}/{world.integration_id}/capabilities") as answer:
        results = (await answer.json())["results"]
    assert "visit" in results["kinds"]
    schema = Draft202012Validator(results["operations"]["create"]["schema"])
    assert schema.is_valid(body)
    assert not schema.is_valid(body | {"call_status": "BUSY"})


async def test_every_id_that_is_none_is_named_at_once_and_nothing_is_changed(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world, sibling = await make_world(typed()), await make_world(typed())
    chosen = {
        "note": world.type_of(EventClass.NOTE),
        "task": sibling.type_of(EventClass.TASK),
        "visit": "nothing",
        "chat": world.id(Model.EVENT_TYPES, "elsewhere"),
    }
    async with client.put(path_of(world), json=chosen) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "task": "unknown_reference",
            "visit": "unknown_reference",
            "chat": "not_allowed",
        }
    async with client.put(path_of(world), json={"visit": "nothing"}) as answer:
        await refused(answer, 400, "unknown_reference")
    async with client.put(path_of(world), json={"note": 7, "phone": None}) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "note": "wrong_type",
            "phone": "unknown_field",
        }
    async with client.put(path_of(world), json=[]) as answer:
        await refused(answer, 400, "invalid_request")
    assert {entry["by"] for entry in (await read(client, world)).values()} == {"default"}


async def test_a_pms_without_event_types_holds_notes_and_has_nothing_to_choose(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(untyped())
    shown = await read(client, world)
    assert [kind for kind, entry in shown.items() if entry["held"]] == ["note"]
    assert {entry["event_type_id"] for entry in shown.values()} == {None}
    somewhere = world.resident
    async with client.put(path_of(world), json={"note": somewhere, "visit": somewhere}) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "note": "not_taken",
            "visit": "not_taken",
        }
    assert await change(client, world, note=None) == shown


async def test_a_map_is_its_accounts_and_needs_the_scope(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    make_world: MakeWorld,
    make_account: MakeAccount,
    server: LiveServer,
) -> None:
    world = await make_world(typed())
    for integration_id in (world.integration_id, str(UUID(int=0)), "nothing"):
        path = f"{PATH}/{integration_id}/event-type-map"
        async with strange_client.get(path) as answer:
            await refused(answer, 404, "not_found")
        async with strange_client.put(path, json={"note": None}) as answer:
            await refused(answer, 404, "not_found")
    reader = await make_account(scopes=("admin:read",))
    writer = await make_account(scopes=("admin:write",))
    async with session(server.url, reader) as one, session(server.url, writer) as other:
        async with one.put(path_of(world), json={}) as answer:
            await refused(answer, 403, "forbidden")
        async with one.get(path_of(world)) as answer:
            await refused(answer, 404, "not_found")
        async with other.get(path_of(world)) as answer:
            await refused(answer, 403, "forbidden")
    async with client.get(path_of(world), params={"kind": "note"}) as answer:
        await refused(answer, 400, "invalid_request")


async def test_an_archived_integrations_map_can_be_read_and_not_changed(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    async with client.delete(f"{PATH}/{world.integration_id}") as answer:
        assert answer.status == 200
    assert (await read(client, world))["note"]["held"]
    async with client.put(path_of(world), json={"note": None}) as answer:
        await refused(answer, 409, "conflict")


async def test_changes_of_the_same_kinds_at_the_same_time_follow_each_other(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    one, other = world.type_of(EventClass.NOTE), world.type_of(EventClass.TASK)
    await asyncio.gather(
        *(
            change(client, world, **chosen)
            for chosen in (
                {"visit": one, "chat": None},
                {"chat": one, "visit": None},
                {"chat": other, "visit": other},
            )
            * 4
        )
    )
    shown = await read(client, world)
    ends = {(shown["visit"]["by"], shown["chat"]["by"])}
    assert ends <= {("set", "default"), ("default", "set"), ("set", "set")}
    body = {**world.body(), "event_type_id": None, "kind": "visit"}
    accepted = await post(client, body, path=POST)
    assert accepted["data"]["event_type_id"] == shown["visit"]["event_type_id"]
