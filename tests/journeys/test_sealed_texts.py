"""With `FRONTDESK_ENCRYPT_PERSONAL_DATA` a note goes through API, worker and PMS, is read back, told
to a webhook, changed, looked for after a lost answer and retried, while a key takes another's place:
it is nowhere in the database or its files, and everybody who may read it reads it."""

import asyncio
import http.server
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from frontdesk.database.embedded import attach_or_start
from frontdesk.database.pool import Database
from frontdesk.vault import KEY_FILE, Keyring
from tests.journeys.planted import Planted
from tests.journeys.served import NOTE_VENDOR, Served, finished, fresh_data_dir, serving, until
from tests.journeys.test_canaries import VENDORS, dump, files, note_for

pytestmark = pytest.mark.long

PATH = "/v1/events/residents?ignore_unknown_fields=true"
CHANGING = [declaration for declaration in VENDORS if declaration.update is not None]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with fresh_data_dir() as folder:
        yield folder


@contextmanager
def receiver(told: list[str]) -> Iterator[str]:
    """A receiver's URL; what comes to it goes into the list."""

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: what is told goes to the list."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


class Canaries(Planted):
    """Texts of notes that can be told from everything else."""

    def new(self, name: str) -> str:
        text = f"canary {secrets.token_hex(12)}"
        self.add(name, text.split()[1])
        return text


def sent(served: Served, declaration: Any, place: int, text: str) -> tuple[str, str]:
    """Accept a note for one of the vendor's residents; its job and its resident."""
    resident = served.residents(declaration.vendor, 6)[place]
    body = note_for(served.integrations[declaration.vendor], resident, text)
    key = {"Idempotency_Key": f"{declaration.vendor}-{place}"}
    answers = [served.call("POST", PATH, body, **key) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 200], answers
    first, again = (answer for _, answer in answers)
    assert first == again, "a replay says what was said"
    assert text in first["data"]["notes"]
    status, rehearsed = served.call("POST", f"{PATH}&dry_run=true", body)
    assert (status, text in json.dumps(rehearsed)) == (200, True)
    return first["job_id"], resident["id"]


def events_of(served: Served, resident_id: str) -> list[dict[str, Any]]:
    """The resident's events, as the API lists them."""
    found: list[dict[str, Any]] = served.get(f"/v1/events?resident_id={resident_id}&limit=250")[
        "results"
    ]
    return found


def listed(served: Served, resident_id: str, text: str) -> Mapping[str, Any]:
    """The one event with this text, once the API lists it with the PMS's id."""

    def look() -> dict[str, Any] | None:
        (event, *more) = [e for e in events_of(served, resident_id) if text in (e["notes"] or "")]
        assert not more
        return event if event["x_id"] is not None else None

    return until(look, seconds=60)


def read_again(served: Served, declaration: Any, residents: list[str]) -> None:
    """Have the residents' events read from the PMS, and wait for it."""
    integration_id = served.integrations[declaration.vendor]
    before = {e["id"]: e["last_seen"] for r in residents for e in events_of(served, r)}
    status, answer = served.call(
        "POST",
        f"/v1/admin/integrations/{integration_id}/manual-sync",
        {"resident_ids": residents},
    )
    assert status in (200, 202), answer

    def seen() -> bool:
        now = {e["id"]: e["last_seen"] for r in residents for e in events_of(served, r)}
        return all(now[event_id] > moment for event_id, moment in before.items())

    until(seen, seconds=60)


@pytest.mark.timeout(500)
def test_a_note_is_nowhere_in_the_database_and_everybody_who_may_reads_it(data_dir: Path) -> None:
    canaries, told = Canaries(), list[str]()
    variables = {
        "FRONTDESK_ENCRYPT_PERSONAL_DATA": "true",
        "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "FRONTDESK_LOG_LEVEL": "debug",
    }
    with receiver(told) as url, serving(data_dir, **variables) as served:
        hook = {
            "url": url,
            "triggers": ["DATA_NEW", "DATA_UPDATE", "WRITE_OPERATION_FAILURE"],
            "active": True,
        }
        status, made = served.call("POST", "/v1/webhooks/", hook)
        assert status == 200, made

        arriving: dict[str, tuple[str, str, str]] = {}
        for declaration in VENDORS:
            vendor = declaration.vendor
            text = canaries.new(f"{vendor} arrives")
            arriving[vendor] = (*sent(served, declaration, 0, text), text)
        for declaration in VENDORS:
            job_id, resident_id, text = arriving[declaration.vendor]
            assert served.ended(job_id)["state"] == "succeeded", declaration.vendor
            (effect,) = served.effects(text)
            logs = served.get(f"/v1/admin/logs/jobs/{job_id}")["results"]
            wire = [served.get(f"/v1/admin/job-logs/{log['id']}/data") for log in logs]
            assert any(text in json.dumps(data) for data in wire)
            if declaration.read_back.possible:
                assert listed(served, resident_id, text)["x_id"] == effect["x_id"]
        parameters = [
            log["parameters"] for log in served.get("/v1/admin/logs/writes")["results"]["logs"]
        ]
        assert all(
            any(text in (given["notes"] or "") for given in parameters)
            for _, _, text in arriving.values()
        )

        # An answer that was lost: the record is found by its text.
        askable = [d for d in VENDORS if d.read_back.possible and d.read_back.late_effect_s < 15]
        lost: dict[str, str] = {}
        for declaration in askable:
            resident = served.residents(declaration.vendor, 6)[1]
            served.fault(
                vendor=declaration.vendor,
                fault="reset_after_effect",
                n=1,
                match={"x_resident_id": resident["x_id"]},
            )
            text = canaries.new(f"{declaration.vendor} lost")
            lost[text] = sent(served, declaration, 1, text)[0]
        for text, job_id in lost.items():
            end = until(partial(ended, served, job_id), seconds=150)
            assert end["state"] == "succeeded"
            assert len(served.effects(text)) == 1

        # One that was refused, and retried.
        refusing = next(d for d in VENDORS if d.vendor == NOTE_VENDOR)
        resident = served.residents(NOTE_VENDOR, 6)[2]
        text = canaries.new("refused")
        served.fault(
            vendor=NOTE_VENDOR,
            fault="status",
            status=400,
            body="vendor",
            n=1,
            match={"x_resident_id": resident["x_id"]},
        )
        job_id, _ = sent(served, refusing, 2, text)
        refused = served.ended(job_id)
        assert refused["state"] == "failed"
        assert "frontdesk:sealed" not in json.dumps(refused)
        status, retried = served.call("POST", f"/v1/admin/retry-write/{job_id}")
        assert status == 200, retried
        assert served.ended(retried["job_id"])["state"] == "succeeded"
        assert len(served.effects(text)) == 1

        # A change of what was written.
        for declaration in CHANGING:
            _, resident_id, text = arriving[declaration.vendor]
            if not declaration.read_back.possible:
                continue
            event = listed(served, resident_id, text)
            text = canaries.new(f"{declaration.vendor} changed")
            status, answer = served.call(
                "PUT", f"/v1/events/residents/{event['id']}", {"notes": text}
            )
            assert status == 200, answer
            assert served.ended(answer["job_id"])["state"] == "succeeded"
            assert listed(served, resident_id, text)["id"] == event["id"]
            arriving[declaration.vendor] = (answer["job_id"], resident_id, text)

        stored = asyncio.run(dump(data_dir))
        assert len(stored) > 100_000
        assert canaries.found_in(stored) == set()

        # What is read again has not changed, and nobody is told that it has; nor after a rotation.
        readers = [d for d in VENDORS if d.read_back.possible]
        for declaration in readers:
            read_again(served, declaration, [arriving[declaration.vendor][1]])
        before = {d.vendor: events_of(served, arriving[d.vendor][1]) for d in readers}
        until(lambda: len(told) > 0 and not waiting(served, made), seconds=60)
        changes = [body for body in told if '"DATA_UPDATE"' in body and '"events"' in body]
        (old,) = Keyring.of_file(data_dir / KEY_FILE).keys
        served.run("keys", "add")
        served.run("keys", "drop", old.fingerprint, code=1)
        rotated = served.run("keys", "rotate")
        assert rotated["unreadable"] == {}
        assert {"writes.input", "writes.plan", "events.data", "idempotency_keys.answer"} <= set(
            rotated["resealed"]
        )
        served.run("keys", "drop", old.fingerprint)
        for declaration in readers:
            read_again(served, declaration, [arriving[declaration.vendor][1]])
            after = events_of(served, arriving[declaration.vendor][1])
            moving = {"last_seen": None}
            assert [{**event, **moving} for event in after] == [
                {**event, **moving} for event in before[declaration.vendor]
            ]
        until(lambda: not waiting(served, made), seconds=60)
        assert [b for b in told if '"DATA_UPDATE"' in b and '"events"' in b] == changes

        # Webhooks were told in the clear.
        for _, _, text in arriving.values():
            assert any(text in body for body in told)
        listing = served.get(f"/v1/webhooks/{made['result']['id']}/deliveries?limit=250")["results"]
        assert {delivery["body"] for delivery in listing} & set(told)

        assert canaries.found_in(asyncio.run(dump(data_dir))) == set()
    shown = {"log": served.command.said().encode(), **dict(files(data_dir))}
    assert {name: found for name, text in shown.items() if (found := canaries.found_in(text))} == {}


def ended(served: Served, job_id: str) -> dict[str, Any] | None:
    """The status of a write that has ended."""
    return finished(served.status(job_id, wait=10))


async def notices(data_dir: Path) -> int:
    """How many changes are put down and not yet turned into deliveries."""
    async with await attach_or_start(data_dir) as server:
        database = await Database.connect(server.url, maximum=1)
        try:
            return int(await database.fetch_value("SELECT count(*) FROM webhook_notices"))
        finally:
            await database.close()


def waiting(served: Served, hook: Mapping[str, Any]) -> bool:
    """Whether something is still to be told: a notice that is no delivery yet counts too."""
    path = f"/v1/webhooks/{hook['result']['id']}/deliveries"
    return asyncio.run(notices(served.data_dir)) > 0 or any(
        served.get(f"{path}?state={s}")["results"] for s in ("waiting", "sending")
    )
