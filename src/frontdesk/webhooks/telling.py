"""Empties the outbox: each notice becomes a delivery for every webhook that wants it, and one for the
write's own callback URL.

Bodies are made here and stored as they will be signed, so that every attempt sends the same bytes. A
notice that nobody wants any more is dropped.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import orjson
import structlog

from frontdesk.catalog.service import shown_stored
from frontdesk.database.pool import Database, Record
from frontdesk.ids import new_id
from frontdesk.vault import CLEAR, Texts
from frontdesk.vendors.declaration import Model
from frontdesk.webhooks.callback_secrets import CallbackSecrets
from frontdesk.webhooks.outbox_repository import NewDelivery, OutboxRepository
from frontdesk.webhooks.triggers import OF_RECORDS, OF_WRITES, body_of, difference
from frontdesk.writes.service import write_status

PATIENCE_SECONDS = 3 * 86_400.0
"""How long a delivery is tried, and an endpoint may fail without a success."""

PORTION = 200

_HOSTS = UUID("6f6e6365-2c20-496e-8f72-6465722e0001")
_TESTS = UUID("6f6e6365-2c20-496e-8f72-6465722e0002")

_log = structlog.get_logger(__name__)

Maker = Callable[[Record, "Told"], dict[str, Any] | None]


class Outbox:
    """The outbox of the whole installation; any process may empty it."""

    def __init__(
        self, database: Database, callback_secrets: CallbackSecrets, texts: Texts = CLEAR
    ) -> None:
        self._database = database
        self._texts = texts
        self._repository = OutboxRepository(database)
        self._callback_secrets = callback_secrets

    async def empty(self) -> bool:
        """Turn one portion of notices into deliveries. Whether there may be more."""
        async with self._database.transaction() as transaction:
            if not await self._repository.alone(transaction):
                return False
            notices = await self._repository.notices(transaction, PORTION)
            if not notices:
                return False
            listeners = await self._repository.listeners(
                transaction, sorted({notice["account_id"] for notice in notices})
            )
            found = [
                delivery
                for notice in notices
                for delivery in _deliveries(notice, listeners, self._texts)
            ]
            per_webhook = Counter(d.webhook_id for d in found if d.webhook_id is not None)
            per_account = Counter(d.account_id for d in found if d.webhook_id is None)
            for account_id in per_account:
                await self._callback_secrets.ensure(account_id)
            next_of = await self._repository.count_up(transaction, per_webhook)
            next_of |= await self._repository.count_up_callbacks(transaction, per_account)
            numbered: list[NewDelivery] = []
            for delivery in found:
                counter = delivery.webhook_id or delivery.account_id
                numbered.append(delivery._replace(sequence=next_of[counter]))
                next_of[counter] += 1
            await self._repository.add(transaction, numbered, PATIENCE_SECONDS)
            await self._repository.forget(transaction, [notice["id"] for notice in notices])
        return len(notices) == PORTION


def host_destination(url: str) -> UUID:
    """Callbacks of one host share their turns, whosever they are."""
    parts = urlsplit(url)
    return uuid5(_HOSTS, f"{parts.scheme}://{parts.netloc.lower()}")


def trial_destination(webhook_id: UUID) -> UUID:
    """Tests have turns of their own: they go out also while the webhook is off."""
    return uuid5(_TESTS, str(webhook_id))


def _deliveries(notice: Record, listeners: Sequence[Record], texts: Texts) -> list[NewDelivery]:
    wanting = [hook for hook in listeners if _wants(hook, notice)]
    if not wanting and notice["callback_url"] is None:
        return []
    try:
        rest = _MAKERS[notice["trigger"]](notice, _opened(notice, texts))
    except (KeyError, TypeError, ValueError):
        # A fault of ours, or a row of another version: one notice must not hold all others back.
        _log.exception("webhook_notice_dropped", notice=notice["id"], trigger=notice["trigger"])
        return []
    if rest is None:
        return []
    body = orjson.dumps(
        body_of(notice["trigger"], str(notice["integration_id"]), notice["vendor"], rest)
    ).decode()
    body = texts.seal_text(notice["account_id"], body)

    def to(webhook_id: UUID | None, url: str | None, destination: UUID) -> NewDelivery:
        return NewDelivery(
            id=new_id(),
            account_id=notice["account_id"],
            webhook_id=webhook_id,
            url=url,
            destination=destination,
            trigger=notice["trigger"],
            sequence=0,
            body=body,
            subject_id=notice["subject_id"],
            resident_id=notice["resident_id"],
        )

    found = [to(hook["id"], None, hook["id"]) for hook in wanting]
    if (url := notice["callback_url"]) is not None:
        found.append(to(None, url, host_destination(url)))
    return found


def _wants(hook: Record, notice: Record) -> bool:
    trigger = notice["trigger"]
    if hook["account_id"] != notice["account_id"] or trigger not in hook["triggers"]:
        return False
    return trigger not in OF_RECORDS or hook["model"] in (None, notice["model"])


class Told(NamedTuple):
    """What a notice holds, opened: what is told, and the record before and after."""

    told: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def _opened(notice: Record, texts: Texts) -> Told:
    def of(name: str) -> Any:
        return None if notice[name] is None else texts.loads(notice["account_id"], notice[name])

    return Told(of("told"), of("before"), of("after"))


def _of_write(notice: Record, found: Told) -> dict[str, Any]:
    told = found.told
    succeeded = told["state"] == "succeeded"
    record_id = notice["event_id"] or told["created_record_id"]
    return {
        "root_job_id": str(notice["subject_id"]),
        "write_status": write_status(told["state"]),
        "errors": [error.get("message") or error.get("code") for error in told["errors"]],
        "created_record_id": str(record_id) if succeeded else None,
        "external_reference": told["external_reference"],
    }


def _as_told(notice: Record, found: Told) -> dict[str, Any]:
    del notice
    return found.told


def _of_new_record(notice: Record, found: Told) -> dict[str, Any]:
    payload = shown_stored(Model(notice["model"]), found.after or {})
    return {**_record(notice, found.told), "payload": payload}


def _of_changed_record(notice: Record, found: Told) -> dict[str, Any] | None:
    model = Model(notice["model"])
    diff = difference(
        shown_stored(model, found.before or {}), shown_stored(model, found.after or {})
    )
    # What callers cannot see has changed: there is nothing to tell.
    return None if diff is None else {**_record(notice, found.told), "diff": diff}


def _record(notice: Record, told: dict[str, Any]) -> dict[str, Any]:
    """The record, and the job that brought it: a read, or the write that made it."""
    job_id, root_job_id, job_type = told["job_id"], notice["root_job_id"], notice["job_type"]
    if job_type is None and notice["operation"] is not None:
        root_job_id, job_type = job_id, f"{notice['operation']}_resident_event"
    return {
        "object": notice["model"],
        "record_id": str(notice["subject_id"]),
        "job_id": job_id,
        "root_job_id": None if root_job_id is None else str(root_job_id),
        "job_type": job_type,
    }


_MAKERS: Mapping[str, Maker] = {
    **dict.fromkeys(OF_WRITES, _of_write),
    **dict.fromkeys(("SYNC_COMPLETE", "FIRST_SYNC_COMPLETE", "JOB_FAILURE"), _as_told),
    "DATA_NEW": _of_new_record,
    "DATA_UPDATE": _of_changed_record,
}
