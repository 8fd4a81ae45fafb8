"""The state machine of test_model.py can fail: bugs that are put into the queue's functions are found.

Each comes with the shortest story that shows it. The same story must pass where there is no bug, or it
would prove nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from tests.delivery.test_model import POSSIBLE, Chance, Desk, desk

pytestmark = pytest.mark.long

Step = tuple[str, Chance]


def step(what: str, **chance: object) -> Step:
    """A step of the machine; where nothing else is said, it goes well."""
    usual = Chance(0, 0, fate="delivered", lag=0.0, seconds=0.5, mood="well", texts=["hello"])
    return what, replace(usual, **chance)  # type: ignore[arg-type] # its own fields


@dataclass(frozen=True)
class Bug:
    """Where it is, what stands there instead of what, and what must happen for it to show."""

    function: str
    right: str
    wrong: str
    story: Sequence[Step]


BUGS = {
    "a completion without its lease": Bug(
        "finish_attempts(uuid, jsonb)",
        "AND l.worker_id IS NOT DISTINCT FROM worker AND l.epoch IS NOT DISTINCT FROM r.epoch",
        "",
        [
            step("accept", number=1),
            step("claim"),
            step("send", fate="lost_before"),
            step("record"),
            step("claim"),
            step("oversleep"),
            step("look", number=1),
            step("record"),
        ],
    ),
    "a completion of an older attempt": Bug(
        "finish_attempts(uuid, jsonb)",
        "AND w.attempts = r.number AND w.state = r.from_state",
        "",
        [
            step("accept"),
            step("claim"),
            step("send", fate="not_now"),
            step("record"),
            step("claim"),
            step("record_again"),
        ],
    ),
    "an end that leaves its lane closed": Bug(
        "finish_attempts(uuid, jsonb)",
        "WHERE next.id = first.id",
        "WHERE false",
        [step("accept", texts=["one", "two"]), step("claim"), step("send"), step("record")],
    ),
    "a claim of what a lane holds back": Bug(
        "claim_writes(uuid, jsonb, double precision)",
        "AND w.ready_at <= clock_timestamp()",
        "AND w.finished_at IS NULL AND w.state IN ('queued', 'retrying')",
        [step("accept", texts=["one", "two"]), step("claim", second=2)],
    ),
    "a claim without a lease": Bug(
        "claim_writes(uuid, jsonb, double precision)",
        "WHERE l.worker_id = worker AND",
        "WHERE",
        [step("accept"), step("start_worker"), step("claim")],
    ),
    "a claim of a paused integration": Bug(
        "claim_writes(uuid, jsonb, double precision)",
        "AND i.active",
        "",
        [step("accept"), step("pause"), step("claim")],
    ),
    "a lane that opens behind its head": Bug(
        "accept_writes(jsonb)",
        "AND earlier.resident_id = w.resident_id AND earlier.finished_at IS NULL",
        "AND earlier.resident_id = w.resident_id AND earlier.state = 'queued'",
        [step("accept"), step("claim"), step("accept")],
    ),
    "a retry of an uncertain write that is sent before it is looked for": Bug(
        "accept_writes(jsonb)",
        "CASE WHEN old.state = 'uncertain' THEN 'reconciling'",
        "CASE WHEN old.state = 'uncertain' THEN 'queued'",
        [
            step("accept", number=1),
            step("claim"),
            step("send", fate="lost_after"),
            step("record"),
            step("pms", number=1, mood="unaskable"),
            step("claim"),
            step("look"),
            step("record"),
            step("pms", number=1),
            step("retry"),
            step("claim"),
            step("send"),
        ],
    ),
    "a dead worker's attempt that is sent again": Bug(
        "abandon_attempts(uuid[], text)",
        "SET state = 'reconciling', ready_at = clock_timestamp(), unsettled = true",
        "SET state = 'retrying', ready_at = clock_timestamp()",
        [
            step("accept"),
            step("claim"),
            step("send", fate="lost_after"),
            step("crash"),
            step("time_passes", seconds=11.0),
            step("start_worker"),
            step("claim"),
            step("send"),
        ],
    ),
    "a cancel of what is out": Bug(
        "end_writes(uuid[], text, text, text)",
        "IN ('scheduled', 'queued', 'retrying')",
        "IN ('scheduled', 'queued', 'retrying', 'sending')",
        [step("accept"), step("claim"), step("cancel")],
    ),
    "a lane that goes on at its end": Bug(
        "finish_attempts(uuid, jsonb)",
        "ORDER BY head.lane_number LIMIT 1",
        "ORDER BY head.lane_number DESC LIMIT 1",
        [
            step("accept", texts=["one", "two", "three"]),
            step("claim"),
            step("send"),
            step("record"),
        ],
    ),
    "a lane that opens at its end": Bug(
        "open_lanes(uuid[], uuid[])",
        "ORDER BY head.lane_number LIMIT 1",
        "ORDER BY head.lane_number DESC LIMIT 1",
        [step("accept", texts=["one", "two", "three"]), step("cancel")],
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_found(name: str, database_url: str) -> None:
    bug = BUGS[name]
    with desk(database_url) as machine:
        sound: str = machine.run(
            machine.database.fetch_value(
                "SELECT pg_get_functiondef($1::regprocedure)", bug.function
            )
        )
        assert bug.right in sound, "the function reads differently now: seed the bug anew"
        _tell(machine, bug.story)
        machine.run(machine.database.execute(sound.replace(bug.right, bug.wrong)))
        try:
            with pytest.raises(AssertionError):
                _tell(machine, bug.story)
        finally:
            machine.run(machine.database.execute(sound))


def _tell(machine: type[Desk], story: Sequence[Step]) -> None:
    state = machine()
    state.open()
    try:
        for what, chance in story:
            # Without the bug, the last steps of some stories cannot happen.
            if what not in POSSIBLE or POSSIBLE[what](state):
                getattr(state, what)(chance)
            state.promised()
    finally:
        state.teardown()
