"""How the demo runs: a `serve` of its own, the events, and the simulators' word on each.

An event counts as arrived only if the simulators' record of effects has it once, about the right
resident and under the id that Frontdesk told.
"""

import asyncio
import json
import os
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from frontdesk.cli.calls import ask, call
from frontdesk.cli.children import frontdesk_command
from frontdesk.cli.demo_events import EVENTS, Prepared, Preparer
from frontdesk.cli.failure import CommandFailed
from frontdesk.cli.output import (
    answers,
    asides,
    print_json,
    print_table,
    progress_bar,
)
from frontdesk.cli.private_files import TOKEN_FILE
from frontdesk.cli.processes import DEFAULT_PORT
from frontdesk.cli.serve import STATE_FILE

START_PATIENCE = 120.0
ARRIVAL_PATIENCE = 120.0
_LOOK_SECONDS = 0.1
_WAIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """How one event fared. `milliseconds`: from its acceptance to its end at Frontdesk."""

    vendor: str
    event: str
    job_id: str
    outcome: str
    event_id: str | None
    x_id: str | None
    milliseconds: int | None
    arrived: bool


async def run_demo(data_dir: Path, *, keep: bool, as_json: bool) -> bool:
    """Run the whole demo and print it; gives whether every event arrived."""
    async with _serving(data_dir, DEFAULT_PORT if keep else 0) as state:
        headers = {"Authorization": f"Bearer {state['token']}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            rows, last = await _run(session, state)
        ok = bool(rows) and all(row.arrived for row in rows)
        if as_json:
            print_json({"ok": ok, "events": [asdict(row) for row in rows]})
        else:
            _show(rows)
            _show_what_next(data_dir, state["url"] if keep else None, last)
        if keep and ok:
            await _asked_to_stop()
    return ok


@asynccontextmanager
async def _serving(data_dir: Path, port: int) -> AsyncIterator[dict[str, Any]]:
    """What the ready file says of a `serve --sandbox` on the data directory: ours while it is
    needed, or one that runs already."""
    path = data_dir / STATE_FILE
    if (state := _read(path)) is not None and await _answers(state):
        if not state.get("sandbox_url"):
            raise CommandFailed(f"The serve on {data_dir} has no sandbox; pass another --data-dir.")
        yield state
        return
    log_path = data_dir / "demo.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *frontdesk_command(
                *("serve", "--sandbox", "--port", str(port)),
                *("--data-dir", str(data_dir), "--parent", str(os.getpid())),
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with asides().status("Starting database, API, worker and simulators"):
            state = await _until_ready(process, path, log_path)
        yield state
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        with asides().status("Stopping"):
            await process.wait()


async def _until_ready(
    process: asyncio.subprocess.Process, path: Path, log: Path
) -> dict[str, Any]:
    deadline = asyncio.get_running_loop().time() + START_PATIENCE
    while process.returncode is None:
        if (state := _read(path)) is not None and await _answers(state):
            return state
        if asyncio.get_running_loop().time() > deadline:
            raise CommandFailed(f"Not ready within {START_PATIENCE:.0f} s; see {log}.")
        await asyncio.sleep(_LOOK_SECONDS)
    raise CommandFailed(f"It could not be started:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return state


async def _answers(state: Mapping[str, Any]) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            return (await call(session, "GET", f"{state['url']}/readyz")).status == 200
        except CommandFailed:
            # Left behind by a kill: nobody is there.
            return False


async def _run(
    session: aiohttp.ClientSession, state: Mapping[str, Any]
) -> tuple[list[Row], Prepared | None]:
    url, sandbox = str(state["url"]), str(state["sandbox_url"])
    run = secrets.token_hex(4)
    before = await ask(session, "GET", f"{sandbox}/_sandbox/effects")
    seen = max((effect["sequence"] for effect in before), default=0)
    preparer = Preparer(session, url, run)
    prepared: list[Prepared] = []
    with asides().status("Asking the API what each PMS takes"):
        for vendor, integration_id in state["integrations"].items():
            prepared += await preparer.prepare(vendor, integration_id)
    with progress_bar() as bar:
        task = bar.add_task("Events on their way", total=len(prepared))

        async def follow(event: Prepared) -> Row:
            row = await _follow(session, url, run, event)
            bar.advance(task)
            return row

        rows = await asyncio.gather(*(follow(event) for event in prepared))
    effects = await ask(session, "GET", f"{sandbox}/_sandbox/effects?since={seen}")
    return [
        _judged(row, event, effects) for row, event in zip(rows, prepared, strict=True)
    ], prepared[0] if prepared else None


async def _follow(session: aiohttp.ClientSession, url: str, run: str, event: Prepared) -> Row:
    """Send one event, and wait for its end and for the PMS's id of the record."""
    accepted = await call(
        session,
        "POST",
        f"{url}{EVENTS}",
        dict(event.body),
        {"Idempotency-Key": f"{run}-{event.marker}"},
    )
    if accepted.status != 200:
        return Row(
            event.vendor,
            _named(event),
            "",
            f"refused with {accepted.status}",
            None,
            None,
            None,
            False,
        )
    job_id = str(accepted.body["job_id"])
    status_url = f"{url}/v1/admin/write-status/{job_id}"
    status = await _ended(session, status_url)
    record = next(iter(status["created_records"]), None)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ARRIVAL_PATIENCE
    while record and record["x_id"] is None and loop.time() < deadline:
        # The PMS's answer named no id: it follows by read-back.
        await asyncio.sleep(_LOOK_SECONDS)
        status = await ask(session, "GET", status_url)
        record = next(iter(status["created_records"]), None)
    return Row(
        vendor=event.vendor,
        event=_named(event),
        job_id=job_id,
        outcome=_outcome(status),
        event_id=status["created_record_id"],
        x_id=record["x_id"] if record else None,
        milliseconds=_milliseconds(status),
        arrived=False,
    )


async def _ended(session: aiohttp.ClientSession, status_url: str) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ARRIVAL_PATIENCE
    while True:
        status: dict[str, Any] = await ask(session, "GET", f"{status_url}?wait={_WAIT_SECONDS}")
        if status["finished_at"] is not None or loop.time() > deadline:
            return status


def _judged(row: Row, event: Prepared, effects: Sequence[Mapping[str, Any]]) -> Row:
    """The row with the simulators' own word on it: there, once, under the id that we were told."""
    found = [
        effect
        for effect in effects
        if effect["vendor"] == event.vendor
        and effect["x_resident_id"] == event.x_resident_id
        and event.marker in effect["text"]
    ]
    once = len(found) == 1 and str(found[0]["x_id"]) == row.x_id
    values = asdict(row) | {"arrived": row.outcome == "succeeded" and once}
    if row.outcome == "succeeded" and not once:
        values["outcome"] = f"succeeded, yet {len(found)} such records are at the PMS"
    return Row(**values)


def _named(event: Prepared) -> str:
    return f"{event.name} ({event.kind})"


def _outcome(status: Mapping[str, Any]) -> str:
    state = str(status["state"])
    reasons = "; ".join(status["errors"])
    waits = status["waiting_for"]
    return state + (f": {reasons}" if reasons else f" ({waits})" if waits else "")


def _milliseconds(status: Mapping[str, Any]) -> int | None:
    if status["finished_at"] is None:
        return None
    began, ended = (
        datetime.fromisoformat(status[name]) for name in ("submitted_at", "finished_at")
    )
    return round((ended - began).total_seconds() * 1000)


def _show(rows: Sequence[Row]) -> None:
    print_table(
        ("vendor", "event", "job id", "outcome", "Frontdesk's id", "PMS's id", "ms"),
        (
            (
                row.vendor,
                row.event,
                row.job_id,
                row.outcome,
                row.event_id,
                row.x_id,
                row.milliseconds,
            )
            for row in rows
        ),
    )
    arrived = sum(row.arrived for row in rows)
    answers().print(
        f"{arrived} of {len(rows)} events arrived, each once, by the simulators' own record."
    )


def _show_what_next(data_dir: Path, url: str | None, event: Prepared | None) -> None:
    if event is None:
        return
    body = {**event.body, "notes": "Called about the dryer, will ring back on Friday"}
    address = url or f"http://127.0.0.1:{DEFAULT_PORT}"
    if url is None:
        serve = f"{_program()} serve --sandbox --data-dir {shlex.quote(str(data_dir))}"
        answers().print(f"\nTo keep it running:\n\n  {serve}\n\nThen, in another terminal:\n")
    else:
        answers().print("\nIt runs until Ctrl-C. In another terminal:\n")
    token = shlex.quote(str(data_dir / TOKEN_FILE))
    answers().print(
        f"  curl -sS '{address}{EVENTS}?wait=10' -H \"Authorization: Bearer $(cat {token})\" "
        f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}\n",
        markup=False,
    )


def _program() -> str:
    """How this very program is called from here."""
    if shutil.which("frontdesk"):
        return "frontdesk"
    script = Path(sys.executable).parent / "frontdesk"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m frontdesk"
    with suppress(ValueError):
        script = script.relative_to(Path.cwd())
    return shlex.quote(str(script))


async def _asked_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
