"""The state machine of test_model.py can fail: it finds bugs that are put into the queue's functions."""

import asyncio

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.delivery.test_model import STEPS, desk

EXAMPLES = 150
"""Most runs that it may need; most bugs are found within ten."""

SEEDED = {
    "a completion without its lease": (
        "finish_attempts(uuid, jsonb)",
        "AND l.worker_id = worker AND l.epoch IS NOT DISTINCT FROM r.epoch",
        "",
    ),
    "a completion of an older attempt": (
        "finish_attempts(uuid, jsonb)",
        "AND w.attempts = r.number AND w.state = r.from_state",
        "",
    ),
    "an end that leaves its lane closed": (
        "finish_attempts(uuid, jsonb)",
        "PERFORM open_lanes(ended_integrations, ended_residents);",
        "NULL;",
    ),
    "a claim of what a lane holds back": (
        "claim_writes(uuid, jsonb, double precision)",
        "AND w.ready_at <= clock_timestamp()",
        "AND w.finished_at IS NULL AND w.state IN ('queued', 'retrying')",
    ),
    "a claim without a lease": (
        "claim_writes(uuid, jsonb, double precision)",
        "WHERE l.worker_id = worker AND",
        "WHERE",
    ),
    "a claim of a paused integration": (
        "claim_writes(uuid, jsonb, double precision)",
        "AND i.active",
        "",
    ),
    "a lane that opens behind its head": (
        "accept_writes(jsonb)",
        "AND earlier.resident_id = w.resident_id AND earlier.finished_at IS NULL",
        "AND earlier.resident_id = w.resident_id AND earlier.state = 'queued'",
    ),
    "a retry of an uncertain write that is sent before it is looked for": (
        "accept_writes(jsonb)",
        "CASE WHEN old.state = 'uncertain' THEN 'reconciling'",
        "CASE WHEN old.state = 'uncertain' THEN 'queued'",
    ),
    "a dead worker's attempt that is sent again": (
        "abandon_attempts(uuid[], text)",
        "SET state = 'reconciling', ready_at = clock_timestamp(), unsettled = true",
        "SET state = 'retrying', ready_at = clock_timestamp()",
    ),
    "a cancel of what is out": (
        "end_writes(uuid[], text, text, text)",
        "IN ('scheduled', 'queued', 'retrying')",
        "IN ('scheduled', 'queued', 'retrying', 'sending')",
    ),
    "a lane that opens at its end": (
        "open_lanes(uuid[], uuid[])",
        "ORDER BY head.lane_number LIMIT 1",
        "ORDER BY head.lane_number DESC LIMIT 1",
    ),
}
"""Bugs of the queue's functions: which one, and what stands in it instead of what."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", SEEDED)
async def test_the_machine_finds_a_seeded_bug(bug: str, database_url: str) -> None:
    function, right, wrong = SEEDED[bug]
    async with asyncio.timeout(500):
        await asyncio.to_thread(_find, database_url, function, right, wrong)


def _find(url: str, function: str, right: str, wrong: str) -> None:
    with desk(url) as machine:
        sound: str = machine.run(
            machine.database.fetch_value("SELECT pg_get_functiondef($1::regprocedure)", function)
        )
        assert right in sound, "the function reads differently now: seed the bug anew"
        machine.run(machine.database.execute(sound.replace(right, wrong)))
        try:
            with pytest.raises(Exception):  # noqa: B017 — however the bug shows itself
                run_state_machine_as_test(
                    machine,
                    settings=settings(
                        max_examples=EXAMPLES,
                        stateful_step_count=STEPS,
                        derandomize=True,
                        database=None,
                        report_multiple_bugs=False,
                        phases=[Phase.generate],
                    ),
                )
        finally:
            machine.run(machine.database.execute(sound))
