"""Secrets are planted in every vendor's credentials, and looked for in all that the system says or
keeps: logs at debug level, traces, every answer, the dump of the database, and the files of its server.

The vendors and their secret keys are found by their declarations. Each has an integration with good
credentials, whose events arrive, fail and are refused, and one whose credentials are all canaries.
"""

import asyncio
import json
import re
import secrets
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from frontdesk.database.embedded import attach_or_start
from frontdesk.database.pool import Database
from frontdesk.vendors.declaration import CredentialKey, Declaration
from frontdesk.vendors.registry import vendors
from tests.journeys.planted import Planted
from tests.journeys.served import Served, call, fresh_data_dir, serving, until
from tests.tracing.collector import Taken, taking

pytestmark = pytest.mark.long

VENDORS = [
    vendor.declaration for vendor in vendors().values() if vendor.connector and vendor.declaration
]
# Characters that every format escapes in a way of its own.
AWKWARD = "&<\"'/+%="


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with fresh_data_dir() as folder:
        yield folder


def canaries(keys: Sequence[CredentialKey], good: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials with a canary for every secret; what is none stays, so that the PMS gets as far
    as looking at the rest."""
    planted: dict[str, Any] = {}
    for key in keys:
        value = good.get(key.name)
        if key.inner and isinstance(value, Mapping):
            planted[key.name] = {name: canaries(key.inner, inner) for name, inner in value.items()}
        elif key.secret and not key.is_url and value is not None:
            planted[key.name] = f"canary{AWKWARD}{secrets.token_hex(8)}"
        elif value is not None:
            planted[key.name] = value
    return planted


def integrations(served: Served, planted: Planted) -> dict[str, str]:
    """A second integration of every vendor, of canaries alone; all secrets are noted."""
    status, overview = call("GET", f"{served.sandbox_url}/_sandbox")
    assert status == 200
    made: dict[str, str] = {}
    for declaration in VENDORS:
        for good in overview["vendors"][declaration.vendor]["credential_sets"]:
            values = {value for value in good.values() if isinstance(value, str)}
            planted.public |= values - set(declaration.secrets_of(good))
    for declaration in VENDORS:
        known = overview["vendors"][declaration.vendor]
        for number, good in enumerate(known["credential_sets"]):
            _note(planted, declaration, f"good {number}", good)
        credentials = canaries(declaration.credentials, known["credential_sets"][0])
        _note(planted, declaration, "canary", credentials)
        status, answer = served.call(
            "POST",
            "/v1/admin/integrations",
            {
                "integration_vendor": declaration.vendor,
                "name": "a cage",
                "credentials": credentials,
                "base_url": known["base_url"],
                "active": True,
            },
        )
        assert status == 200, answer
        made[declaration.vendor] = answer["result"]["id"]
    return made


def _note(
    planted: Planted, declaration: Declaration, what: str, credentials: Mapping[str, Any]
) -> None:
    for number, secret in enumerate(declaration.secrets_of(credentials)):
        planted.add(f"{declaration.vendor} {what} {number}", secret)


def note_for(integration_id: str, resident: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A body that every vendor takes."""
    return {
        "integration_id": integration_id,
        "resident_id": resident["id"],
        "kind": "note",
        "notes": text,
        "event_datetime": "2026-05-04T16:30:00Z",
    }


def traffic(served: Served, shown: dict[str, bytes]) -> None:
    """Events that arrive, that meet errors, and that are only rehearsed."""
    path = "/v1/events/residents?ignore_unknown_fields=true"
    jobs: list[str] = []
    for declaration in VENDORS:
        integration_id = served.integrations[declaration.vendor]
        good, bad, *_ = served.residents(declaration.vendor, 6)
        for fault in ({"fault": "status", "status": 500}, {"fault": "unauthorised"}):
            served.fault(
                vendor=declaration.vendor, n=1, match={"x_resident_id": bad["x_id"]}, **fault
            )
        for resident in (good, bad):
            body = note_for(integration_id, resident, f"for the canaries {declaration.vendor}")
            for query in ("&dry_run=true", ""):
                status, answer = served.call("POST", f"{path}{query}", body)
                shown[f"answer {declaration.vendor} {query}"] = json.dumps(answer).encode()
                if query == "" and status == 200:
                    jobs.append(answer["job_id"])
    assert len(jobs) >= len(VENDORS)
    # What meets an error may take its time; the good half has arrived by then.
    done = [served.status(job, wait=5)["finished_at"] is not None for job in jobs]
    assert any(done)


def answers(served: Served, shown: dict[str, bytes]) -> None:
    """What every operation that only reads answers, and each attempt as it went over the wire."""
    status, document = call("GET", f"{served.url}/openapi.json")
    assert status == 200
    shown["openapi.json"] = json.dumps(document).encode()
    for path, item in document["paths"].items():
        if "get" in item and "{" not in path:
            _, answer = served.call("GET", path)
            shown[f"GET {path}"] = json.dumps(answer).encode()
    name = "{integration_id}"
    for integration in served.get("/v1/admin/integrations?limit=250")["results"]:
        for path in document["paths"]:
            if "get" in document["paths"][path] and re.findall(r"{\w+}", path) == [name]:
                filled = path.replace(name, integration["id"])
                shown[f"GET {filled}"] = json.dumps(served.call("GET", filled)[1]).encode()
    logs = served.get("/v1/admin/logs/jobs?limit=250")["results"]
    assert logs
    masked = 0
    for log in logs:
        data = json.dumps(served.get(f"/v1/admin/job-logs/{log['id']}/data")).encode()
        shown[f"job log {log['id']}"] = data
        masked += b"***" in data
    assert masked, "attempts show their requests, with a mask where the secret was"


def figures(served: Served, shown: dict[str, bytes]) -> None:
    """What each process shows to Prometheus; where, it says in its log."""
    urls = set(re.findall(r"http://127\.0\.0\.1:\d+/metrics", served.command.said()))
    assert len(urls) >= 2, "the API and the worker show figures"
    for url in urls:
        with urllib.request.urlopen(url, timeout=30) as answer:
            shown[f"figures {url}"] = answer.read()
            assert b"frontdesk" in shown[f"figures {url}"]


async def dump(data_dir: Path) -> bytes:
    """Every row of every table as text."""
    parts: list[bytes] = []
    async with await attach_or_start(data_dir) as server:
        database = await Database.connect(server.url, maximum=1)
        try:
            tables = await database.fetch(
                "SELECT c.oid::regclass::text AS name FROM pg_class c "
                "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            )
            for table in tables:
                rows = await database.fetch(f"SELECT t::text AS row FROM {table['name']} AS t")
                parts += [row["row"].encode() for row in rows]
        finally:
            await database.close()
    return b"\n".join(parts)


def traces(collector: Taken, shown: dict[str, bytes]) -> None:
    """Every span of every process, as it went to the collector."""
    spans = collector.spans
    assert {span.process for span in spans} == {"api", "worker"}
    assert {span.kind for span in spans} >= {"server", "client", "consumer"}
    shown["traces"] = b"\n".join(collector.bodies)
    # Nor is any event's text in them.
    assert b"for the canaries" not in shown["traces"]


def files(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """The data directory but for what is there to hold secrets: the key, the token, and the
    simulators, which must know whom they let in."""
    for path in sorted(data_dir.rglob("*")):
        inside = path.relative_to(data_dir)
        if path.is_file() and inside.parts[0] not in ("encryption.key", "sandbox.token", "sandbox"):
            yield str(inside), path.read_bytes()


def walked(served: Served, planted: Planted, shown: dict[str, bytes], data_dir: Path) -> None:
    """Everything happens that may show a secret."""
    cages = integrations(served, planted)
    assert len(planted) >= 2 * len(VENDORS)
    traffic(served, shown)

    def all_tried() -> bool:
        """Every cage's PMS was called with its canaries, and refused them."""
        logs = [
            served.get(f"/v1/admin/logs/jobs?integration_id={cage}")["results"]
            for cage in cages.values()
        ]
        return all(any(log["status"] == "FAILURE" for log in mine) for mine in logs)

    until(all_tried, seconds=120)
    answers(served, shown)
    figures(served, shown)
    shown["dump of the database"] = asyncio.run(dump(data_dir))


@pytest.mark.timeout(400)
def test_no_secret_shows_in_anything_that_is_said_or_kept(data_dir: Path) -> None:
    planted, shown = Planted(), dict[str, bytes]()
    settings = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "METRICS_PORT": "0"}
    variables = {f"FRONTDESK_{name}": value for name, value in settings.items()}
    with taking() as collector:
        with serving(data_dir, FRONTDESK_TRACES=collector.url, **variables) as served:
            walked(served, planted, shown, data_dir)
        # Ended, they have exported what was left.
        traces(collector, shown)
    log = served.command.said()
    assert re.search(r'"level": ?"debug"', log), "nothing was logged at debug level"
    shown["logs"] = log.encode()
    planted.add("our token", served.token.rpartition("_")[2])
    planted.add("our key", (data_dir / "encryption.key").read_text().strip())
    shown.update(files(data_dir))
    assert len(shown["dump of the database"]) > 100_000
    found = {where: names for where, text in shown.items() if (names := planted.found_in(text))}
    assert found == {}
