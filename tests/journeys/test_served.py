"""What leaves a `serve` running, or puts it right again: a part that dies, a pause, a second `serve`,
commands beside it, another key, and events to every PMS."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontdesk.vault import KEY_FILE, Keyring
from tests.journeys.kinds import CALL, NOTE, arrived
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
    """One `serve` for all of them."""
    with fresh_data_dir() as data_dir, serving(data_dir) as served:
        yield served


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


def test_the_same_note_arrives_at_every_pms_without_what_it_does_not_take(served: Served) -> None:
    for vendor, answer in arrived(served, NOTE, "ignore_unknown_fields=true").items():
        assert answer["data"]["notes"] == NOTE["notes"]
        lost = {w["field"] for w in answer["warnings"] if w["code"] == "dropped"}
        assert {name for name in NOTE if answer["data"][name] is None} == lost, vendor


def test_the_same_call_arrives_at_every_pms_as_a_call_or_as_a_note_that_states_it(
    served: Served,
) -> None:
    for vendor, answer in arrived(served, CALL, "kind_fallback=note").items():
        moved = {w["field"] for w in answer["warnings"] if w["code"] == "moved_to_notes"}
        lost = {name for name in CALL if answer["data"][name] is None}
        assert lost == moved, vendor
        head, _, notes = answer["data"]["notes"].rpartition("\n\n")
        assert notes == CALL["notes"], vendor
        assert head.startswith("Incoming call\n") is bool(moved), vendor
        for name in moved:
            assert str(CALL[name]) in head, (vendor, name)


class Traffic:
    """Sends notes until it is stopped; every answer is kept."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.jobs: list[str] = []
        self.wrong: list[str] = []

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more have been accepted."""
        aim = len(self.jobs) + count
        until(lambda: len(self.jobs) >= aim or self.wrong, seconds=60)

    def _run(self) -> None:
        residents = self._served.residents(NOTE_VENDOR, 4)
        while not self._stop.wait(0.1):
            body = {
                "integration_id": self._served.integrations[NOTE_VENDOR],
                "resident_id": residents[len(self.jobs) % 4]["id"],
                "notes": f"under rotation {len(self.jobs)}",
            }
            status, answer = self._served.call("POST", "/v1/events/residents", body)
            if status == 200:
                self.jobs.append(answer["job_id"])
            else:
                self.wrong.append(f"{status}: {answer}")


def test_a_key_is_replaced_while_everything_serves(served: Served) -> None:
    (old,) = Keyring.of_file(served.data_dir / KEY_FILE).keys
    with Traffic(served) as traffic:
        traffic.more(3)
        added = served.run("keys", "add")["fingerprint"]
        traffic.more(3)
        rotated = served.run("keys", "rotate")
        assert rotated["fingerprint"] == added
        assert rotated["resealed"]["integrations.credentials"] == len(served.integrations)
        assert rotated["unreadable"] == {}
        traffic.more(3)
        served.run("keys", "drop", old.fingerprint[:12])
        traffic.more(3)
    assert traffic.wrong == []
    for job_id in traffic.jobs:
        assert served.ended(job_id)["state"] == "succeeded"
    states = served.run("keys", "list")
    assert [(s["fingerprint"], s["seals"], s["known"]) for s in states] == [(added, True, True)]
    assert served.run("doctor")["ok"]
    assert "not read again" not in served.command.said()
    assert len(served.effects("under rotation")) == len(traffic.jobs)
