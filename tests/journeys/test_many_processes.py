"""Two API and two worker processes against one database: everything once, in order.

With FRONTDESK_TEST_POOLER_URL the processes reach the database through that pooler, in transaction
mode, while the test itself makes the database directly.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count, cycle
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import ENCRYPTION_KEY, url_of
from tests.journeys.fleet import answering_at, new_token, synced
from tests.journeys.served import NOTE_VENDOR, Command, Served, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

POOLER_VARIABLE = "FRONTDESK_TEST_POOLER_URL"


@dataclass(frozen=True)
class Fleet:
    """Several processes of each kind; each `Served` is one API process."""

    apis: list[Served]
    workers: list[Command]
    start_worker: Callable[[], Command]


@pytest.fixture(scope="module")
def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two APIs, two workers and a sandbox, each started as an operator would.

    One sandbox as long as the database lives: a new one would give out the same record ids again,
    as no PMS does, and a record that another write has cannot be this one's.
    """
    folder = tmp_path_factory.mktemp("fleet")
    variables = {
        "DATABASE_URL": database_url,
        "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "FRONTDESK_WORKER_LEASE_SECONDS": "4",
    }
    if pooler := os.environ.get(POOLER_VARIABLE):
        variables["DATABASE_URL"] = url_of(pooler, urlsplit(database_url).path.lstrip("/"))
        variables["FRONTDESK_DATABASE_POOLER"] = "transaction"
    numbers = count()
    with ExitStack() as stack:

        def start(name: str, *options: str) -> Command:
            command = Command(
                *(name, *options, "--data-dir", str(folder / "data")),
                log=folder / f"{name}{next(numbers)}.log",
                **variables,
            )
            stack.callback(command.end)
            return command

        sandbox = start("sandbox", "--port", "0", "--latency", "0.02")
        apis = [start("api", "--port", "0") for _ in range(2)]
        workers = [start("worker") for _ in range(2)]
        sandbox_url, *urls = (answering_at(command) for command in (sandbox, *apis))
        token = new_token(variables, folder)
        served = [
            Served(
                command=command,
                data_dir=folder / "data",
                url=url,
                token=token,
                sandbox_url=sandbox_url,
                integrations={},
            )
            for command, url in zip(apis, urls, strict=True)
        ]
        integrations = synced(served[0], None if pooler else {NOTE_VENDOR})
        served = [replace(api, integrations=integrations) for api in served]
        yield Fleet(served, workers, lambda: start("worker"))


@pytest.fixture
def fleet(running: Fleet) -> Fleet:
    """The fleet with two workers that live, whatever the test before did to them."""
    running.workers[:] = [
        worker if worker.process.poll() is None else running.start_worker()
        for worker in running.workers
    ]
    return running


def _send_in_turns(fleet: Fleet, word: str, per_resident: int) -> dict[str, list[tuple[str, str]]]:
    """Send to eight residents through both APIs in turns: (job id, text) by PMS resident."""
    turns = cycle(fleet.apis)
    residents = fleet.apis[0].residents(NOTE_VENDOR, 8)
    sent: dict[str, list[tuple[str, str]]] = {resident["x_id"]: [] for resident in residents}
    for number in range(per_resident):
        for resident in residents:
            text = f"{word} {number:02d} for {resident['x_id']}"
            job_id = next(turns).send(NOTE_VENDOR, resident, text)
            sent[resident["x_id"]].append((job_id, text))
    return sent


def _assert_once_and_in_order(
    fleet: Fleet, word: str, sent: dict[str, list[tuple[str, str]]]
) -> None:
    api = fleet.apis[1]
    for jobs in sent.values():
        for job_id, text in jobs:
            ended = api.ended(job_id)
            assert ended["state"] == "succeeded", (text, ended)
    effects = api.effects(f"{word} ")
    for x_resident_id, jobs in sent.items():
        mine = [effect for effect in effects if effect["x_resident_id"] == x_resident_id]
        assert [effect["text"] for effect in mine] == [text for _, text in jobs], _story(
            api, jobs, mine
        )


def _story(api: Served, jobs: list[tuple[str, str]], effects: list[dict[str, Any]]) -> str:
    """What happened when, for whoever has to find out why."""
    lines = [f"{effect['written_at']} written: {effect['text']}" for effect in effects]
    for job_id, text in jobs:
        logs = api.get(f"/v1/admin/logs/jobs/{job_id}")["results"]
        lines.append(f"{text}: {api.status(job_id)} {logs}")
    return "\n".join(lines)


def test_two_apis_and_two_workers_deliver_everything_once_and_in_order(fleet: Fleet) -> None:
    _assert_once_and_in_order(fleet, "turn", _send_in_turns(fleet, "turn", 10))


def test_workers_killed_with_requests_out_are_replaced_without_loss_or_double(
    fleet: Fleet,
) -> None:
    api = fleet.apis[0]
    # The simulators do what was asked, after the connection is gone: nobody is told of it.
    api.fault(vendor=NOTE_VENDOR, fault="delay", n=4, seconds=1.5)
    sent = _send_in_turns(fleet, "out", 4)
    out = until(lambda: [job for job in _first(sent) if api.status(job)["state"] == "sending"])
    for worker in fleet.workers:
        worker.kill()
    assert [job for job in out if api.status(job)["state"] == "sending"], "nothing was out"

    fleet.workers[0] = fleet.start_worker()

    _assert_once_and_in_order(fleet, "out", sent)


def _first(sent: dict[str, list[tuple[str, str]]]) -> list[str]:
    return [jobs[0][0] for jobs in sent.values()]


def test_an_idempotency_key_holds_across_api_processes(fleet: Fleet) -> None:
    first, second = fleet.apis
    resident = first.residents(NOTE_VENDOR, 1)[0]
    body = {
        "integration_id": first.integrations[NOTE_VENDOR],
        "resident_id": resident["id"],
        "notes": "only once",
    }
    answers = [
        api.call("POST", "/v1/events/residents", body, Idempotency_Key="the same")
        for api in (first, second, first)
    ]

    assert [status for status, _ in answers] == [200] * 3
    assert len({answer["job_id"] for _, answer in answers}) == 1
    first.ended(answers[0][1]["job_id"])
    assert len(first.effects("only once")) == 1
