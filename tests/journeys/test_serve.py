"""The whole product through its one command: before the restart, again, and after being killed."""

import os
import signal
import stat
import threading
from typing import Any

import pytest

from tests.journeys.served import (
    NOTE_VENDOR,
    Served,
    call,
    fresh_data_dir,
    part_of,
    processes_of,
    serving,
    until,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def test_serve_drains_at_sigterm_and_loses_and_doubles_nothing_when_killed_outright() -> None:
    with fresh_data_dir() as data_dir:
        with serving(data_dir, "--hostile", "5") as hostile:
            was_set_up_in_peace_and_is_hostile(hostile)
            assert hostile.command.stop() == 0, hostile.command.said()

        with serving(data_dir) as first:
            assert first.token == hostile.token
            assert first.integrations == hostile.integrations
            assert seed_of(first) is None
            before = carries_an_event(first)
            in_flight = sigterm_answers_those_who_wait(first)
            leaves_nothing_but_its_data(first)

        with serving(data_dir) as second:
            assert second.token == first.token
            assert second.integrations == first.integrations
            assert second.status(before)["state"] == "succeeded"
            assert len(second.effects("before the restart")) == 1
            # Asked to end, it has finished what was in flight.
            status = second.status(in_flight)
            assert (status["state"], status["attempts"]) == ("succeeded", 1)
            assert len(second.effects("in flight")) == 1
            residents = second.residents(NOTE_VENDOR, 5)
            again = second.send(NOTE_VENDOR, residents[0], "again")
            assert second.ended(again)["state"] == "succeeded"

            jobs = {
                f"killed {number:02d}": second.send(
                    NOTE_VENDOR, residents[number % 5], f"killed {number:02d}"
                )
                for number in range(20)
            }
            second.command.kill()
            until(lambda: not processes_of(data_dir), seconds=30)

        with serving(data_dir) as third:
            assert third.integrations == first.integrations
            for marker, job_id in jobs.items():
                assert third.ended(job_id)["state"] == "succeeded", marker
                assert len(third.effects(marker)) == 1, marker


def carries_an_event(served: Served) -> str:
    """The job of an event that the PMS has, and the API shows."""
    resident = served.residents(NOTE_VENDOR, 1)[0]
    job_id = served.send(NOTE_VENDOR, resident, "before the restart")
    ended = served.ended(job_id)
    assert ended["state"] == "succeeded"
    (effect,) = served.effects("before the restart")
    assert effect["x_resident_id"] == resident["x_id"]
    assert ended["created_records"][0]["x_id"] == effect["x_id"]
    assert served.get(f"/v1/events/{ended['created_record_id']}")["results"]["notes"]
    for name in ("sandbox.token", "encryption.key", "serve.json"):
        assert stat.S_IMODE((served.data_dir / name).stat().st_mode) == 0o600, name
    return job_id


def sigterm_answers_those_who_wait(served: Served) -> str:
    """The job of an event that was in flight when the command was asked to end; it has ended."""
    resident = served.residents(NOTE_VENDOR, 1)[0]
    served.fault(vendor=NOTE_VENDOR, fault="delay", n=1, seconds=4)
    job_id = served.send(NOTE_VENDOR, resident, "in flight")
    until(lambda: served.status(job_id)["state"] == "sending")
    answered: list[tuple[int, Any]] = []
    waiting = threading.Thread(
        target=lambda: answered.append(
            served.call("GET", f"/v1/admin/write-status/{job_id}?wait=30")
        )
    )
    waiting.start()
    until(lambda: served.get("/healthz"))

    assert served.command.stop() == 0, served.command.said()

    waiting.join(5)
    # At once, so with the write still under way: 30 s were asked for, and 4 s it takes.
    assert [(status, body["state"]) for status, body in answered] == [(200, "sending")]
    return job_id


def leaves_nothing_but_its_data(served: Served) -> None:
    assert not (served.data_dir.parent / "ready.json").exists()
    assert not (served.data_dir / "serve.json").exists()
    assert processes_of(served.data_dir) == {}
    assert served.token not in served.command.said()


def seed_of(served: Served) -> object:
    """The seed of the sandbox's hostility; "unreachable" while it is not there."""
    try:
        status, told = call("GET", f"{served.sandbox_url}/_sandbox/hostility")
    except OSError:
        return "unreachable"
    assert status == 200
    return told["seed"]


def was_set_up_in_peace_and_is_hostile(served: Served) -> None:
    """With a world and catalogs, which were made on nothing; and hostile again when it comes back."""
    assert seed_of(served) == 5
    killed = part_of(served.data_dir, "sandbox")
    os.kill(killed, signal.SIGKILL)
    until(lambda: part_of(served.data_dir, "sandbox") != killed, seconds=30)
    until(lambda: seed_of(served) != "unreachable", seconds=30)
    assert seed_of(served) == 5
