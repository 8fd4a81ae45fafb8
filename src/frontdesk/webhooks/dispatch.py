"""The worker's second loop: empties the outbox and sends deliveries, beside the writes and apart from
them.

At least once: a delivery is claimed for a time, and one whose end was not recorded is sent again. A
failing delivery holds back no other. A receiver that hangs gives its slot up after moments and gets
one attempt at a time: it costs its own deliveries time, and nobody else's.
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import structlog

from frontdesk.audit.actor import SYSTEM, Actor, acting_as
from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database, DatabaseUnavailable, Record
from frontdesk.metrics import counts
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.settings import Settings
from frontdesk.tracing import spans
from frontdesk.tracing.spans import Value
from frontdesk.vault import CLEAR, Texts, UnreadableError, Vault
from frontdesk.webhooks.outbox_repository import OutboxRepository
from frontdesk.webhooks.sending import Parcel, Result, Sender
from frontdesk.webhooks.signing import Secrets
from frontdesk.webhooks.telling import PATIENCE_SECONDS, Outbox
from frontdesk.writes.plans import TRACEPARENT

POLL_SECONDS = 0.5
PAUSE_SECONDS = 2.0
TIDY_EVERY_SECONDS = 60.0
TIDY_PORTION = 1000
KEPT_DAYS = 30
"""How long a delivery that has ended can be looked at and sent again."""

EACH = 4
"""Deliveries of one receiver that a process has under way at once, once it has answered promptly; of
any other one."""

_MOST_REMEMBERED = 1000

FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 6 * 3600.0

# All connections at once, those to receivers that hang among them, are so many times the slots.
_MOST = 2

_DISABLED = "No delivery was taken for 3 days; the last failed because: "

log = structlog.get_logger(__name__)


def backoff(attempts: int, draw: float) -> float:
    """Seconds until the next attempt after so many: full jitter under an exponential bound. `draw`
    is a random number from 0 to 1."""
    bound = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 20))
    return bound * draw


class Dispatcher:
    """One process's share of the deliveries."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        outbox: Outbox,
        settings: Settings,
        allowed: AllowedAddresses,
        texts: Texts = CLEAR,
    ) -> None:
        self._database = database
        self._texts = texts
        self._repository = OutboxRepository(database)
        self._audit = AuditTrail()
        self._vault = vault
        self._outbox = outbox
        self._settings = settings
        self._allowed = allowed
        self._slots = settings.webhook_slots
        # As long as an attempt may take, and time to record it.
        self._claimed_seconds = settings.webhook_timeout_seconds + 15.0
        self._under_way: Counter[UUID] = Counter()
        self._prompt: dict[UUID, None] = {}
        self._slow: dict[UUID, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then give what is in flight `FRONTDESK_DRAIN_SECONDS`. What is cut off
        is sent again by whoever comes next."""
        sender = Sender(
            self._allowed,
            connections=self._slots * _MOST,
            timeout_seconds=self._settings.webhook_timeout_seconds,
            signature_header=self._settings.webhook_signature_header,
        )

        async def send() -> bool:
            return await self._send(sender)

        parts: list[tuple[Callable[[], Awaitable[bool]], Callable[[], Awaitable[None]]]] = [
            (self._tell, lambda: _pause(POLL_SECONDS, stop)),
            (send, lambda: _either(self._freed, stop, POLL_SECONDS)),
            (self._tidy, lambda: _pause(TIDY_EVERY_SECONDS, stop)),
        ]
        loops = [
            asyncio.create_task(self._for_ever(work, wait, stop), name=f"webhooks {work.__name__}")
            for work, wait in parts
        ]
        try:
            await asyncio.gather(*loops)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._settings.drain_seconds)
        finally:
            for task in (*loops, *self._tasks):
                task.cancel()
            await asyncio.gather(*loops, *self._tasks, return_exceptions=True)
            await sender.close()

    # --- loops ------------------------------------------------------------------------------------

    async def _for_ever(
        self,
        work: Callable[[], Awaitable[bool]],
        wait: Callable[[], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """Do it again and again, after a wait where it returns False. Whatever goes wrong here must
        not end the process, which has events to deliver: it is logged, and tried again."""
        while not stop.is_set():
            try:
                if not await work():
                    await wait()
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", doing=work.__name__, reason=str(error))
                await _pause(PAUSE_SECONDS, stop)
            except Exception as error:
                log.exception("webhooks_failed", doing=work.__name__, error=type(error).__name__)
                await _pause(PAUSE_SECONDS, stop)

    async def _tell(self) -> bool:
        more = await self._outbox.empty()
        self._freed.set()
        return more

    async def _send(self, sender: Sender) -> bool:
        self._freed.clear()
        if (free := self._free()) <= 0:
            return False
        claimed = await self._repository.claim(
            self._turns(), each=1, limit=free, seconds=self._claimed_seconds
        )
        traces = await self._traces(claimed) if spans.is_on() else {}
        for row in claimed:
            self._start(sender, row, traces.get(row["subject_id"]))
        return bool(claimed)

    async def _tidy(self) -> bool:
        return await self._repository.tidy(TIDY_PORTION, KEPT_DAYS)

    # --- turns ------------------------------------------------------------------------------------

    def _free(self) -> int:
        """Slots that are left: a receiver that hangs has given its slot up."""
        hanging = sum(self._under_way[one] for one in self._slow)
        return min(
            self._slots - (len(self._tasks) - hanging), self._slots * _MOST - len(self._tasks)
        )

    def _turns(self) -> Mapping[UUID, int]:
        """How many more each receiver may have under way, where it is not one. Those that hang have
        one each, and together as many as a quarter of the slots."""
        turns = dict.fromkeys(self._prompt, EACH)
        for destination, many in self._under_way.items():
            turns[destination] = max(0, turns.get(destination, 1) - many)
        left = max(1, self._slots // 4) - sum(self._under_way[one] for one in self._slow)
        for destination in list(self._slow):
            turns[destination] = 0
            if left > 0 and not self._under_way[destination]:
                turns[destination] = 1
                left -= 1
                # To the end of the line: those behind it have their turn next.
                del self._slow[destination]
                self._slow[destination] = None
        return turns

    async def _traces(self, claimed: Sequence[Record]) -> Mapping[UUID, str]:
        """The traces that these deliveries go on with."""
        try:
            plans = await self._repository.plans([row["subject_id"] for row in claimed])
            opened = {write: self._vault.open_json(write, plan) for write, plan in plans.items()}
        except (DatabaseUnavailable, UnreadableError) as error:
            # They are claimed, and go out all the same: each begins a trace.
            log.warning("webhook_traces_unknown", reason=str(error))
            return {}
        return {write: plan[TRACEPARENT] for write, plan in opened.items() if TRACEPARENT in plan}

    def _start(self, sender: Sender, row: Record, trace: str | None) -> None:
        destination: UUID = row["destination"]
        self._under_way[destination] += 1
        task = asyncio.create_task(self._attempt(sender, row, trace))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._under_way[destination] -= 1
            if not self._under_way[destination]:
                del self._under_way[destination]
            self._freed.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                # Its claim runs out, and it is sent again.
                log.error("webhook_attempt_failed", error=type(error).__name__, exc_info=error)

        task.add_done_callback(ended)

    # --- one attempt ------------------------------------------------------------------------------

    async def _attempt(self, sender: Sender, row: Record, trace: str | None) -> None:
        structlog.contextvars.bind_contextvars(delivery_id=str(row["id"]))
        hanging = asyncio.Event()
        hangs = asyncio.get_running_loop().call_later(
            self._settings.webhook_timeout_seconds / 5, self._hangs, row["destination"], hanging
        )
        try:
            parcel = self._parcel(row)
        except UnreadableError:
            result = Result(None, "it cannot be decrypted with this installation's keys")
        else:
            result = await _sent(sender, parcel, row, trace)
        finally:
            hangs.cancel()
        if not hanging.is_set():
            self._is_prompt(row["destination"])
        try:
            await self._record(row, result)
        except DatabaseUnavailable as error:
            # Not recorded, so sent again when the claim runs out: at least once.
            log.warning("database_unavailable", doing="webhook result", reason=str(error))

    def _hangs(self, destination: UUID, hanging: asyncio.Event) -> None:
        hanging.set()
        self._prompt.pop(destination, None)
        self._slow[destination] = None
        self._freed.set()

    def _is_prompt(self, destination: UUID) -> None:
        self._slow.pop(destination, None)
        self._prompt.pop(destination, None)
        self._prompt[destination] = None
        if len(self._prompt) > _MOST_REMEMBERED:
            # The one that was heard of longest ago begins with one again.
            del self._prompt[next(iter(self._prompt))]

    def _parcel(self, row: Record) -> Parcel:
        owner: UUID = row["webhook_id"] or row["account_id"]
        previous = row["previous_secret"]
        secrets = Secrets(
            self._vault.open_text(owner, row["secret"]),
            None if previous is None else self._vault.open_text(owner, previous),
        )
        headers: list[tuple[str, str]] = []
        if row["headers"] is not None:
            headers = orjson.loads(self._vault.open_text(owner, row["headers"]))
        return Parcel(
            message_id=str(row["id"]),
            url=row["url"],
            body=self._texts.open_whole_text(row["account_id"], row["body"]),
            sequence=row["sequence"],
            secrets=secrets,
            headers=dict(headers),
            test=row["test"],
        )

    async def _record(self, row: Record, result: Result) -> None:
        counts.webhook_attempted(delivered=result.error is None)
        if result.error is None:
            await self._repository.delivered(row["id"], row["claims"], result.status or 0)
            return
        # Spreads the attempts; nobody's secret hangs on it.
        draw = random.random()  # noqa: S311 — see above
        async with self._database.transaction() as transaction:
            disabled = await self._repository.failed(
                transaction,
                row["id"],
                row["claims"],
                delay=max(backoff(row["attempts"], draw), result.retry_after),
                status=result.status,
                error=result.error,
                patience=PATIENCE_SECONDS,
                reason=_DISABLED,
            )
            if disabled is not None:
                # Whoever started this worker did not ask for it.
                with acting_as(Actor(SYSTEM, f"worker@{socket.gethostname()}")):
                    await self._audit.record(
                        transaction,
                        disabled["account_id"],
                        "webhook.disable",
                        disabled["id"],
                        before={"active": True, "disabled_reason": None},
                        after={"active": False, "disabled_reason": disabled["disabled_reason"]},
                    )
        if disabled is not None:
            counts.webhook_disabled()
            log.warning(
                "webhook_disabled",
                webhook_id=str(disabled["id"]),
                account_id=str(disabled["account_id"]),
                reason=result.error,
            )


async def _sent(sender: Sender, parcel: Parcel, row: Record, trace: str | None) -> Result:
    """Send it, in a span that goes on with the trace of the write that it tells of."""
    if not spans.is_on():
        return await sender.send(parcel)
    attributes: dict[str, Value] = {
        spans.METHOD: "POST",
        spans.HOST: urlsplit(parcel.url).hostname or "",
        spans.ACCOUNT_ID: str(row["account_id"]),
        "frontdesk.webhook_trigger": row["trigger"],
        "frontdesk.attempt": row["attempts"],
    }
    with spans.begin("send webhook", "client", attributes, parent=trace) as span:
        result = await sender.send(parcel)
        if result.status is not None:
            span.tell({spans.STATUS: result.status})
        if result.error is not None:
            span.fail("not_delivered" if result.status is None else str(result.status))
    return result


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _either(event: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Wait for one of the two, or so long."""
    waits = [asyncio.create_task(event.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
