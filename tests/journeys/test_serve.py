"""The whole product through its one command: from nothing, again, and after being killed."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.served import (
    NOTE_VENDOR,
    Command,
    Served,
    call,
    fresh_data_dir,
    part_of,
    processes_of,
    serving,
    until,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One `serve` for the tests that leave it running."""
    with fresh_data_dir() as data_dir, serving(data_dir) as served:
        yield served


def test_serve_starts_on_nothing_carries_an_event_and_is_the_same_after_a_restart() -> None:
    with fresh_data_dir() as data_dir:
        ready_file = data_dir.parent / "ready.json"
        with serving(data_dir) as first:
            resident = first.residents(NOTE_VENDOR, 1)[0]
            job_id = first.send(NOTE_VENDOR, resident, "from nothing")
            ended = first.ended(job_id)
            assert ended["state"] == "succeeded"
            (effect,) = first.effects("from nothing")
            assert effect["x_resident_id"] == resident["x_id"]
            assert ended["created_records"][0]["x_id"] == effect["x_id"]
            assert first.get(f"/v1/events/{ended['created_record_id']}")["results"]["notes"]
            for name in ("sandbox.token", "encryption.key", "serve.json"):
                assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600, name

            assert first.command.stop() == 0, first.command.said()
            assert not ready_file.exists()
            assert not (data_dir / "serve.json").exists()
            assert processes_of(data_dir) == {}
            assert first.token not in first.command.said()

        with serving(data_dir) as second:
            assert second.token == first.token
            assert second.integrations == first.integrations
            assert second.status(job_id)["state"] == "succeeded"
            assert second.ended(second.send(NOTE_VENDOR, resident, "again"))["state"] == "succeeded"
            assert len(second.effects("from nothing")) == 1


def test_serve_killed_outright_leaves_no_process_and_no_accepted_event_is_lost_or_doubled() -> None:
    with fresh_data_dir() as data_dir:
        with serving(data_dir) as first:
            residents = first.residents(NOTE_VENDOR, 5)
            jobs = {
                f"killed {number:02d}": first.send(
                    NOTE_VENDOR, residents[number % 5], f"killed {number:02d}"
                )
                for number in range(20)
            }
            first.command.kill()
            until(lambda: not processes_of(data_dir), seconds=30)

        with serving(data_dir) as second:
            assert second.integrations == first.integrations
            for marker, job_id in jobs.items():
                assert second.ended(job_id)["state"] == "succeeded", marker
                assert len(second.effects(marker)) == 1, marker


@pytest.mark.parametrize("part", ["api", "worker", "sandbox"])
def test_a_part_that_is_killed_comes_back_and_the_product_with_it(
    served: Served, part: str
) -> None:
    killed = part_of(served.data_dir, part)
    os.kill(killed, signal.SIGKILL)
    until(lambda: part_of(served.data_dir, part) != killed, seconds=30)
    resident = served.residents(NOTE_VENDOR, 1)[0]
    marker = f"after the {part} was killed"

    # Accepted as soon as the API answers; delivered whenever worker and sandbox are back.
    ended = served.ended(served.send(NOTE_VENDOR, resident, marker))

    assert ended["state"] == "succeeded", ended
    assert len(served.effects(marker)) == 1


def test_a_paused_integration_keeps_what_waits_and_delivers_it_in_order_when_it_is_resumed(
    served: Served,
) -> None:
    resident = served.residents(NOTE_VENDOR, 2)[1]
    integration = f"/v1/admin/integrations/{served.integrations[NOTE_VENDOR]}"
    served.fault(
        vendor=NOTE_VENDOR,
        fault="delay",
        n=1,
        seconds=3,
        match={"x_resident_id": resident["x_id"]},
    )
    jobs = [served.send(NOTE_VENDOR, resident, f"paused {number}") for number in range(3)]
    until(lambda: served.status(jobs[0])["state"] == "sending")

    assert served.call("PUT", integration, {"active": False})[0] == 200
    # What is out goes on; what waits, waits.
    assert served.ended(jobs[0])["state"] == "succeeded"
    waiting = until(
        lambda: found if (found := served.status(jobs[1]))["waiting_for"] == "paused" else None
    )
    assert waiting["write_status"] == "PENDING"
    refused, answer = served.call(
        "POST",
        "/v1/events/residents",
        {
            "integration_id": served.integrations[NOTE_VENDOR],
            "resident_id": resident["id"],
            "notes": "while paused",
        },
    )
    assert (refused, answer["error"]["code"]) == (409, "conflict")
    assert len(served.effects("paused ")) == 1

    assert served.call("PUT", integration, {"active": True})[0] == 200
    assert [served.ended(job)["state"] for job in jobs] == ["succeeded"] * 3
    assert [effect["text"] for effect in served.effects("paused ")] == [
        "paused 0",
        "paused 1",
        "paused 2",
    ]


def test_sigterm_answers_those_who_wait_and_finishes_what_is_in_flight() -> None:
    with fresh_data_dir() as data_dir:
        with serving(data_dir) as served:
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

        with serving(data_dir) as again:
            status = again.status(job_id)
            assert (status["state"], status["attempts"]) == ("succeeded", 1)
            assert len(again.effects("in flight")) == 1


def test_a_second_serve_on_the_same_data_directory_is_refused(served: Served) -> None:
    second = Command(
        *("serve", "--port", "0", "--data-dir", str(served.data_dir)),
        log=served.data_dir.parent / "second.log",
    )
    assert second.process.wait(30) == 2
    assert "Another serve runs" in second.said()
    assert call("GET", f"{served.url}/readyz")[0] == 200


def test_a_command_attaches_to_the_running_server_and_a_revocation_holds_at_once(
    served: Served, tmp_path: Path
) -> None:
    def run(*arguments: str) -> str:
        log = tmp_path / f"{arguments[0]}-{arguments[1]}.log"
        command = Command(*arguments, "--data-dir", str(served.data_dir), log=log)
        assert command.process.wait(60) == 0, command.said()
        return command.said()

    account = served.get("/v1/admin/integrations")["results"][0]
    assert account
    run("account", "create")
    listed = run("account", "list", "--json")
    assert listed.count('"id"') == 2
    assert "api" in str(processes_of(served.data_dir))
    assert call("GET", f"{served.url}/readyz")[0] == 200


def seed_of(served: Served) -> object:
    """The seed of the sandbox's hostility; "unreachable" while it is not there."""
    try:
        status, told = call("GET", f"{served.sandbox_url}/_sandbox/hostility")
    except OSError:
        return "unreachable"
    assert status == 200
    return told["seed"]


def test_a_hostile_serve_is_set_up_in_peace_and_hostile_when_it_is_ready() -> None:
    with fresh_data_dir() as data_dir:
        with serving(data_dir, "--hostile", "5") as hostile:
            assert seed_of(hostile) == 5
            killed = part_of(data_dir, "sandbox")
            os.kill(killed, signal.SIGKILL)
            until(lambda: part_of(data_dir, "sandbox") != killed, seconds=30)
            until(lambda: seed_of(hostile) != "unreachable", seconds=30)
            assert seed_of(hostile) == 5
            assert hostile.command.stop() == 0, hostile.command.said()
        with serving(data_dir) as friendly:
            assert seed_of(friendly) is None
