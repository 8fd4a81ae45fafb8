"""Callers who keep sending, each to one resident: the next event only after the last one's 2xx.

Every event has an Idempotency-Key, and is sent with it again and again until it is accepted, as the
guide tells callers to. What was answered when is kept: it is what the database and the simulators
are held against afterwards.
"""

import asyncio
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any

import aiohttp

EVENTS = "/v1/events/residents?ignore_unknown_fields=true"
# Longer than the longest answer: what the API is about to say must be heard.
_REQUEST_SECONDS = 90.0
_PAUSE_SECONDS = 0.1
_LONGEST_RETRY_AFTER_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """Whom a caller writes to."""

    vendor: str
    integration_id: str
    resident_id: str
    x_resident_id: str


@dataclass(frozen=True)
class Answer:
    """One answer of the API. `status` 0: the connection broke. Times by `time.monotonic`."""

    asked_at: float
    at: float
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def is_well_formed_503(self) -> bool:
        """Whether it says what a caller needs: that it is unavailable, and when to come again."""
        error = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        return (
            error.get("code") == "unavailable"
            and error.get("details", {}).get("outcome") in ("not_accepted", "unknown")
            and self.headers.get("Retry-After", "").isdecimal()
        )


@dataclass
class Caller:
    """One caller: his accepted events in their order, and every answer he got."""

    target: Target
    accepted: list[tuple[str, str]] = field(default_factory=list)
    """(job id, text)"""
    answers: list[Answer] = field(default_factory=list)


class Load:
    """All callers, in a thread with a loop of its own. `with load:` starts and ends them; at the
    end each gets the answer that he waits for."""

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        targets: Sequence[Target],
        *,
        word: str,
        pause_seconds: float,
        give_up_seconds: float = 120.0,
    ) -> None:
        self.callers = [Caller(target) for target in targets]
        self._urls = urls
        self._token = token
        self._word = word
        self._pause_seconds = pause_seconds
        self._give_up_seconds = give_up_seconds
        self._stop = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        # Callers that gave up because of what the block raised would hide it.
        if self._problem is not None and error is None:
            raise self._problem

    @property
    def answers(self) -> list[Answer]:
        """Every answer, in the order in which they came."""
        return sorted((a for caller in self.callers for a in caller.answers), key=lambda a: a.at)

    @property
    def accepted(self) -> int:
        """How many events got their 2xx."""
        return sum(len(caller.accepted) for caller in self.callers)

    def _run(self) -> None:
        try:
            asyncio.run(self._call())
        except BaseException as error:
            self._problem = error
            raise

    async def _call(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for place, caller in enumerate(self.callers):
                group.create_task(self._go_on(session, caller, self._urls[place % len(self._urls)]))

    async def _go_on(self, session: aiohttp.ClientSession, caller: Caller, url: str) -> None:
        for number in count():
            if self._stop.is_set():
                return
            text = f"{self._word} {number:05d} for {caller.target.x_resident_id}."
            caller.accepted.append((await self._accepted(session, caller, url, text), text))
            await asyncio.sleep(self._pause_seconds)

    async def _accepted(
        self, session: aiohttp.ClientSession, caller: Caller, url: str, text: str
    ) -> str:
        target = caller.target
        key = uuid.uuid4().hex
        body = {
            "integration_id": target.integration_id,
            "resident_id": target.resident_id,
            "kind": "note",
            "event_datetime": "2026-03-02T16:30:00Z",
            "notes": text,
        }
        give_up_at = time.monotonic() + self._give_up_seconds
        while time.monotonic() < give_up_at:
            answer = await _asked(session, f"{url}{EVENTS}", body, key)
            caller.answers.append(answer)
            if answer.status == 200:
                return str(answer.body["job_id"])
            told = answer.headers.get("Retry-After", "")
            pause = float(told) if told.isdecimal() else _PAUSE_SECONDS
            await asyncio.sleep(min(pause, _LONGEST_RETRY_AFTER_SECONDS))
        raise AssertionError(f"{text} was never accepted: {caller.answers[-3:]}")


async def _asked(session: aiohttp.ClientSession, url: str, body: object, key: str) -> Answer:
    asked_at = time.monotonic()
    try:
        async with session.post(url, json=body, headers={"Idempotency-Key": key}) as response:
            told = await response.json(content_type=None)
            return Answer(asked_at, time.monotonic(), response.status, dict(response.headers), told)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Answer(asked_at, time.monotonic(), 0, {}, type(error).__name__)
