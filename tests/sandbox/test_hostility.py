"""A hostile sandbox: its schedule, how it is switched, and what befalls lists and quotas."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sandbox.running import Answer, SandboxClient, SandboxProcess, running_sandbox

from frontdesk.sandbox.faults import Kind
from frontdesk.sandbox.schedule import (
    LONGEST_DELAY_SECONDS,
    Dice,
    Episode,
    episodes_begun,
    lowered,
    planned,
)
from frontdesk.sandbox.simulator import Figures, Limits, Operation, Window

FIGURES = Figures(late_effect_seconds=20.0, read_lag_seconds=2.0)
BUSY = "/buildium/v1/leases/tenants/4121/notes"


def dice(number: int, *, seed: int = 1, intensity: float = 1.0, subject: str = "4105") -> Dice:
    return Dice(seed, "PMS", 1, subject, number, intensity)


async def keys(client: SandboxClient) -> dict[str, str]:
    credentials = (await client.overview())["vendors"]["BUILDIUM"]["credentials"]
    return {
        "x-buildium-client-id": credentials["clientId"],
        "x-buildium-client-secret": credentials["secret"],
    }


async def hostility(client: SandboxClient, **body: object) -> Answer:
    return await client.call("POST", "/_sandbox/hostility", json_body=body)


async def state(client: SandboxClient) -> tuple[int | None, float]:
    answer = (await client.call("GET", "/_sandbox/hostility")).json
    return answer["seed"], answer["intensity"]


def test_every_misfortune_is_drawn_and_none_exceeds_its_bounds() -> None:
    endings: dict[Operation, set[str]] = {}
    delays = []
    for operation in Operation:
        plans = [planned(dice(n), operation, FIGURES) for n in range(1, 3_000)]
        endings[operation] = {plan.end for plan in plans if plan.end is not None}
        delays += [plan.delay for plan in plans]
        late = [plan.ending.seconds for plan in plans if plan.end == Kind.LATE_EFFECT]  # type: ignore[union-attr]  # it has an end
        assert all(0 <= (seconds or 0) < FIGURES.late_effect_seconds for seconds in late)
        assert max(plan.read_lag for plan in plans) < FIGURES.read_lag_seconds
        is_read = operation is Operation.READ
        assert any(plan.repeats for plan in plans) is is_read
        assert any(plan.duplicate is not None for plan in plans) is is_read
        assert any(plan.twin is not None for plan in plans) is (operation is Operation.WRITE)
    assert endings[Operation.WRITE] == {
        "hang_after_effect",
        "late_effect",
        "reset_before_effect",
        "reset_after_effect",
        "truncate",
        "status",
        "status_after_effect",
    }
    assert "late_effect" not in endings[Operation.READ] | endings[Operation.LOGIN]
    # A long tail: most are short, one in a thousand takes seconds.
    assert sorted(delays)[len(delays) // 2] < 0.05
    assert 1.0 < max(delays) <= LONGEST_DELAY_SECONDS
    begun = Counter(e for n in range(1, 20_000) for e in episodes_begun(dice(n)))
    assert set(begun) == set(Episode)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**40),
    st.integers(1, 10**6),
    st.sampled_from(Operation),
    st.floats(0, 1),
)
def test_a_lower_intensity_only_leaves_misfortunes_out(
    seed: int, number: int, operation: Operation, intensity: float
) -> None:
    full = planned(dice(number, seed=seed), operation, FIGURES)
    low = planned(dice(number, seed=seed, intensity=intensity), operation, FIGURES)
    assert low.delay in (0.0, full.delay)
    assert low.read_lag in (0.0, full.read_lag)
    assert low.ending in (None, full.ending)
    assert low.twin in (None, full.twin)
    assert low.duplicate in (None, full.duplicate)
    assert full.repeats or not low.repeats
    begun = episodes_begun(dice(number, seed=seed, intensity=intensity))
    assert begun.items() <= episodes_begun(dice(number, seed=seed)).items()


def test_no_two_residents_nor_customers_meet_the_same() -> None:
    def fate(one: Dice) -> list[float]:
        return [one.drawn(what) for what in ("ending", "delay")]

    first = dice(1)
    others = [
        dice(2),
        dice(1, seed=2),
        dice(1, subject="4106"),
        Dice(1, "PMS", 2, "4105", 1, 1.0),
        Dice(1, "OTHER", 1, "4105", 1, 1.0),
    ]
    assert all(fate(first) != fate(other) for other in others)


def test_a_dropped_quota_halves_the_short_windows_alone() -> None:
    limits = Limits((Window("HOUR", 4_000, 3_600), Window("MINUTE", 151, 60)), concurrency=1)
    low = lowered(limits)
    assert [window.amount for window in low.windows] == [4_000, 75]
    assert low.concurrency == 1
    assert lowered(Limits((Window("5 minutes", 1_000, 300),))).windows[0].amount == 500


async def test_it_is_off_until_asked_for_and_kept_over_a_kill(tmp_path: Path) -> None:
    first = SandboxProcess(tmp_path)
    assert await state(first.client) == (None, 1.0)
    assert (await hostility(first.client, seed=7, intensity=0.25)).status == 200
    first.kill()
    second = SandboxProcess(tmp_path)
    try:
        assert await state(second.client) == (7, 0.25)
        assert (await hostility(second.client, seed=None)).json["seed"] is None
    finally:
        second.kill()
    async with running_sandbox(tmp_path, "BUILDIUM") as third:
        assert (await state(third))[0] is None


async def test_what_was_set_at_run_time_holds_for_the_seed_of_the_command_line(
    tmp_path: Path,
) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM", hostile=3) as client:
        assert await state(client) == (3, 1.0)
        await hostility(client, seed=None)
    async with running_sandbox(tmp_path, "BUILDIUM", hostile=3) as client:
        assert (await state(client))[0] is None
    async with running_sandbox(tmp_path, "BUILDIUM", hostile=4) as client:
        assert await state(client) == (4, 1.0)
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        assert (await state(client))[0] is None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"intensity": 1}',
        b'{"seed": "7"}',
        b'{"seed": true}',
        b'{"seed": 1, "intensity": 1.5}',
        b'{"seed": 1, "intensity": null}',
        b'{"seed": 1, "more": 1}',
    ],
)
async def test_what_sets_no_hostility_is_refused_and_changes_nothing(
    tmp_path: Path, body: bytes
) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        await hostility(client, seed=5, intensity=0.5)
        assert (await client.call("POST", "/_sandbox/hostility", body=body)).status == 400
        assert await state(client) == (5, 0.5)


async def test_no_intensity_plays_nothing_and_full_intensity_tells_what_it_played(
    tmp_path: Path,
) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        headers = await keys(client)
        await hostility(client, seed=1, intensity=0)
        for _ in range(20):
            assert (await client.call("GET", BUSY, headers=headers)).status == 200
        assert (await client.call("GET", "/_sandbox/hostility")).json["played"] == {"BUILDIUM": {}}
        await hostility(client, seed=1)
        await client.fault(vendor="BUILDIUM", fault="delay", seconds=0.01, n=1, match=READ)
        await client.call("GET", BUSY, headers=headers)
        played = (await client.call("GET", "/_sandbox/hostility")).json["played"]["BUILDIUM"]
        assert played["delay"] == 1


READ = {"operation": "read"}


async def test_a_page_that_repeats_shows_the_one_before_and_only_of_the_same_list(
    tmp_path: Path,
) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        headers = await keys(client)

        async def page(query: str, path: str = BUSY) -> Any:
            answer = await client.call("GET", f"{path}{query}", headers=headers)
            assert answer.status == 200
            return answer.json

        tenants = "/buildium/v1/leases/tenants"
        first = await page("?limit=20&offset=0", tenants)
        second = await page("?limit=20&offset=20", tenants)
        assert first != second
        await client.fault(vendor="BUILDIUM", fault="repeat_page", match=READ)
        assert await page("?limit=20&offset=40", tenants) == second
        third = await page("?limit=20&offset=40", tenants)
        assert third not in (first, second)
        # Another list was never read: there is nothing to repeat.
        await client.fault(vendor="BUILDIUM", fault="repeat_page", match=READ)
        units = await page("?limit=20&offset=20", "/buildium/v1/rentals/units")
        assert "UnitNumber" in units[0]
        # The same page, asked for again, is what it is.
        await client.fault(vendor="BUILDIUM", fault="repeat_page", match=READ)
        assert await page("?limit=20&offset=20", "/buildium/v1/rentals/units") == units


async def test_a_duplicated_row_comes_twice_and_no_row_is_missing(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        headers = await keys(client)
        path = "/buildium/v1/leases/tenants?limit=1000"
        plain = [row["Id"] for row in (await client.call("GET", path, headers=headers)).json]
        await client.fault(vendor="BUILDIUM", fault="duplicate_rows", match=READ)
        doubled = [row["Id"] for row in (await client.call("GET", path, headers=headers)).json]
        assert len(doubled) == len(plain) + 1
        assert set(doubled) == set(plain)
        after = [row["Id"] for row in (await client.call("GET", path, headers=headers)).json]
        assert after == plain


async def test_maintenance_and_throttling_come_in_the_vendors_own_words(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM") as client:
        headers = await keys(client)
        for fault, status in (("maintenance", 503), ("throttled", 429)):
            await client.fault(vendor="BUILDIUM", fault=fault, match=READ)
            answer = await client.call("GET", BUSY, headers=headers)
            assert answer.status == status
            assert answer.json["UserMessage"]


async def test_a_quota_drop_shows_in_the_vendors_headers_for_some_requests(tmp_path: Path) -> None:
    body = {
        "auth": {"type": "apikey"},
        "requestId": "1",
        "method": {"name": "getProperties", "version": "r1", "params": {}},
    }
    subject = "read: properties/getProperties"
    seed = next(
        seed
        for seed in range(100_000)
        if set(episodes_begun(Dice(seed, "ENTRATA", 1, subject, 1, 1.0))) == {Episode.QUOTA_DROP}
        and all(
            planned(Dice(seed, "ENTRATA", 1, subject, n, 1.0), Operation.READ, FIGURES).end is None
            and (n == 1 or not episodes_begun(Dice(seed, "ENTRATA", 1, subject, n, 1.0)))
            for n in range(1, 31)
        )
    )
    async with running_sandbox(tmp_path, "ENTRATA") as client:
        vendor = (await client.overview())["vendors"]["ENTRATA"]
        headers = {"X-Api-Key": vendor["credentials"]["apiKey"]}
        await hostility(client, seed=seed)
        limits = []
        for _ in range(30):
            answer = await client.call(
                "POST",
                "/entrata/ext/orgs/sandbox/v1/properties",
                headers=headers,
                json_body=body,
            )
            limits.append(answer.header("X-RateLimit-Limit"))
    assert limits[:10] == ["15000/DAY;1000/HOUR;75/MINUTE"] * 10
    assert limits[-1] == "15000/DAY;1000/HOUR;150/MINUTE"
