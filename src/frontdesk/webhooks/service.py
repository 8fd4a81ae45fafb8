"""Webhooks of an account: made, changed, deleted, tried; and what was sent to them.

Nothing here calls a receiver: a delivery, a test's included, is a row that a worker sends. Secrets and
header values are sealed; a secret leaves this module once, in the answer that makes it.
"""

import asyncio
from typing import Any
from uuid import UUID

import orjson

from frontdesk.audit.service import AuditTrail, told
from frontdesk.database.pool import Database, Record
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.http.paging import ListQuery
from frontdesk.ids import new_id
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.outgoing.urls import UrlRefused
from frontdesk.settings import Settings
from frontdesk.vault import CLEAR, Texts, Vault
from frontdesk.webhooks.callback_secrets import CallbackSecrets
from frontdesk.webhooks.dispatch import Dispatcher
from frontdesk.webhooks.receivers import check_receiver
from frontdesk.webhooks.repository import WebhookRepository
from frontdesk.webhooks.schemas import (
    DEFAULT_OVERLAP_HOURS,
    MASK,
    Header,
    RotateSecret,
    TestCall,
    WebhookCreate,
    WebhookUpdate,
)
from frontdesk.webhooks.signing import new_secret
from frontdesk.webhooks.telling import PATIENCE_SECONDS, Outbox, trial_destination
from frontdesk.webhooks.triggers import TRIGGERS, sample_of

MOST_WEBHOOKS = 100
"""Of one account: each event is stored once for each that wants it."""

_TOLD = ("url", "triggers", "model", "active", "header_names")

STATES = ("waiting", "sending", "delivered", "dead")

_OWN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_OWN_PREFIXES = ("frontdesk-", "webhook-")


class WebhookService:
    """The webhooks of every account; each call names whose."""

    def __init__(
        self, database: Database, vault: Vault, settings: Settings, texts: Texts = CLEAR
    ) -> None:
        """Raises ValueError where the setting of allowed addresses names no range."""
        self._database = database
        self._texts = texts
        self._repository = WebhookRepository(database)
        self._vault = vault
        self._settings = settings
        self._allowed = AllowedAddresses.parse(settings.allowed_addresses)
        self._audit = AuditTrail()
        self.callback_secrets = CallbackSecrets(database, vault)

    # --- for others -------------------------------------------------------------------------------

    def url_problems(self, path: str, url: str) -> list[Problem]:
        """What is wrong with a receiver's URL; `path` is the field that holds it."""
        try:
            check_receiver(url, self._allowed)
        except UrlRefused as refused:
            return [Problem("invalid_value", (path,), f"{path} {refused.message}")]
        return []

    async def dispatch(self, stop: asyncio.Event) -> None:
        """A worker's part: send what there is to send, until `stop`."""
        outbox = Outbox(self._database, self.callback_secrets, self._texts)
        await Dispatcher(
            self._database, self._vault, outbox, self._settings, self._allowed, self._texts
        ).run(stop)

    # --- webhooks ---------------------------------------------------------------------------------

    async def create(self, account_id: UUID, body: WebhookCreate) -> dict[str, Any]:
        """A new webhook, with its secret. Raises ApiError 400 with every problem, 409."""
        if problems := [*self.url_problems("url", body.url), *self._header_problems(body.headers)]:
            raise invalid(problems)
        webhook_id, secret = new_id(), body.secret or new_secret()
        async with self._database.transaction() as transaction:
            if await self._repository.count(transaction, account_id) >= MOST_WEBHOOKS:
                raise ApiError(
                    Code.CONFLICT, f"This account has {MOST_WEBHOOKS} webhooks; delete one first."
                )
            row = await self._repository.insert(
                transaction,
                {
                    "id": webhook_id,
                    "account_id": account_id,
                    "url": body.url,
                    "triggers": list(body.triggers),
                    "model": None if body.model is None else str(body.model),
                    **self._sealed_headers(webhook_id, body.headers or [], []),
                    "active": bool(body.active),
                    "secret": self._vault.seal_text(webhook_id, secret),
                },
            )
            await self._audit.record(
                transaction, account_id, "webhook.create", webhook_id, after=told(row, _TOLD)
            )
        return {**self.shown(row), "secret": secret}

    async def change(
        self, account_id: UUID, webhook_id: UUID | None, body: WebhookUpdate
    ) -> dict[str, Any]:
        """Change what the body names. Raises ApiError 400, 404."""
        current = await self.one(account_id, webhook_id)
        problems = self._header_problems(body.headers)
        if body.url is not None:
            problems += self.url_problems("url", body.url)
        if problems:
            raise invalid(problems)
        return await self._changed(
            account_id, current["id"], body, DEFAULT_OVERLAP_HOURS, "webhook.update"
        )

    async def rotate(
        self, account_id: UUID, webhook_id: UUID | None, body: RotateSecret
    ) -> dict[str, Any]:
        """A new secret, shown this once; the one before signs as well for a while. Raises ApiError
        404."""
        current = await self.one(account_id, webhook_id)
        overlap = DEFAULT_OVERLAP_HOURS if body.overlap_hours is None else body.overlap_hours
        change = WebhookUpdate(secret=body.secret or new_secret())
        return await self._changed(
            account_id, current["id"], change, overlap, "webhook.rotate_secret"
        )

    async def delete(self, account_id: UUID, webhook_id: UUID | None) -> None:
        """Raises ApiError 404."""
        if webhook_id is None:
            raise not_found("webhook")
        async with self._database.transaction() as transaction:
            before = await self._repository.lock(transaction, account_id, webhook_id)
            if before is None:
                raise not_found("webhook")
            await self._repository.delete(transaction, account_id, webhook_id)
            await self._audit.record(
                transaction, account_id, "webhook.delete", webhook_id, before=told(before, _TOLD)
            )

    async def one(self, account_id: UUID, webhook_id: UUID | None) -> Record:
        """The webhook's row. Raises ApiError 404; None is an id that no record can have."""
        row = None
        if webhook_id is not None:
            row = await self._repository.one(account_id, webhook_id)
        if row is None:
            raise not_found("webhook")
        return row

    async def page(self, account_id: UUID, query: ListQuery) -> tuple[list[Record], int]:
        """The account's webhooks; up to `limit + 1` rows. Raises ApiError 400."""
        wanted: dict[str, Any] = {}
        if (active := query.filters.get("active")) is not None:
            if active not in ("true", "false"):
                raise invalid(
                    [Problem("invalid_value", ("active",), "active must be true or false.")]
                )
            wanted["active"] = active == "true"
        return await self._repository.page(account_id, query, wanted)

    def shown(self, row: Record) -> dict[str, Any]:
        """A webhook as its owner sees it: no secret, and no header's value."""
        names = (
            *("id", "created_at", "updated_at", "url", "triggers", "active", "model"),
            *("previous_secret_until", "last_success_at", "failing_since"),
            *("disabled_at", "disabled_reason"),
        )
        return {
            **{name: row[name] for name in names},
            "headers": [{"header": name, "value": MASK} for name in row["header_names"]],
        }

    # --- deliveries -------------------------------------------------------------------------------

    async def deliveries(
        self, account_id: UUID, webhook_id: UUID | None, query: ListQuery
    ) -> tuple[list[Record], int]:
        """What was sent, or will be; up to `limit + 1` rows. Raises ApiError 400, 404."""
        webhook = await self.one(account_id, webhook_id)
        choices = {"state": STATES, "trigger": TRIGGERS}
        problems = [
            Problem("invalid_value", (name,), f"{name} must be one of: {', '.join(words)}.")
            for name, words in choices.items()
            if query.filters.get(name, words[0]) not in words
        ]
        if problems:
            raise invalid(problems)
        return await self._repository.deliveries(account_id, webhook["id"], query, query.filters)

    def body_of(self, delivery: Record) -> str:
        """The body of a delivery as it is sent."""
        return self._texts.open_text(delivery["account_id"], delivery["body"])

    async def redeliver(
        self, account_id: UUID, webhook_id: UUID | None, delivery_id: UUID | None
    ) -> Record:
        """Send it again now, whatever became of it. Raises ApiError 404, 409."""
        webhook = await self.one(account_id, webhook_id)
        found = None
        if delivery_id is not None:
            found = await self._repository.delivery(account_id, webhook["id"], delivery_id)
        if found is None:
            raise not_found("delivery of this webhook")
        if not webhook["active"] and not found["test"]:
            raise ApiError(
                Code.CONFLICT, "This webhook is not active; set `active` before sending again."
            )
        async with self._database.transaction() as transaction:
            again = await self._repository.redeliver(
                transaction, account_id, webhook["id"], found["id"], PATIENCE_SECONDS
            )
            if again is None:
                return found
            await self._audit.record(
                transaction,
                account_id,
                "webhook.redeliver",
                webhook["id"],
                after={"delivery_id": found["id"], "trigger": found["trigger"]},
            )
        return again

    async def test(self, account_id: UUID, webhook_id: UUID | None, body: TestCall) -> Record:
        """A delivery with an invented body, tried once, also while the webhook is off. Raises
        ApiError 404."""
        webhook = await self.one(account_id, webhook_id)
        trigger = body.trigger or webhook["triggers"][0]
        async with self._database.transaction() as transaction:
            row = await self._repository.add_test(
                transaction,
                account_id,
                webhook["id"],
                new_id(),
                trial_destination(webhook["id"]),
                trigger,
                orjson.dumps(sample_of(trigger)).decode(),
            )
            if row is None:
                raise not_found("webhook")
            await self._audit.record(
                transaction,
                account_id,
                "webhook.test",
                webhook["id"],
                after={"delivery_id": row["id"], "trigger": trigger},
            )
        return row

    # --- inside -----------------------------------------------------------------------------------

    async def _changed(
        self,
        account_id: UUID,
        webhook_id: UUID,
        body: WebhookUpdate,
        overlap_hours: int,
        action: str,
    ) -> dict[str, Any]:
        async with self._database.transaction() as transaction:
            row = await self._repository.lock(transaction, account_id, webhook_id)
            if row is None:
                raise not_found("webhook")
            before = told(row, _TOLD)
            values: dict[str, Any] = {
                name: value
                for name in ("url", "active")
                if (value := getattr(body, name)) is not None
            }
            if body.triggers is not None:
                values["triggers"] = list(body.triggers)
            if body.model is not None:
                values["model"] = str(body.model)
            if body.headers is not None:
                kept = orjson.loads(self._vault.open_text(webhook_id, row["headers"]))
                values |= self._sealed_headers(webhook_id, body.headers, kept)
            if body.secret is not None:
                values["secret"] = self._vault.seal_text(webhook_id, body.secret)
            row = await self._repository.change(
                transaction, webhook_id, values, overlap_hours=overlap_hours
            )
            # Of what is secret, and of the rest of a URL, only that it was set anew.
            set_anew = sorted(
                name for name in body.model_fields_set if getattr(body, name) is not None
            )
            await self._audit.record(
                transaction,
                account_id,
                action,
                webhook_id,
                before=before,
                after={**told(row, _TOLD), "set_anew": set_anew},
            )
        return {**self.shown(row), "secret": body.secret}

    def _sealed_headers(
        self, webhook_id: UUID, headers: list[Header], kept: list[list[str]]
    ) -> dict[str, Any]:
        """The columns that hold them; one that came back masked has the value that it had."""
        before = {name.lower(): value for name, value in kept}
        pairs = [
            [item.header, before.get(item.header.lower(), item.value)]
            if item.value == MASK
            else [item.header, item.value]
            for item in headers
        ]
        sealed = self._vault.seal_text(webhook_id, orjson.dumps(pairs).decode())
        return {"header_names": [name for name, _ in pairs], "headers": sealed}

    def _header_problems(self, headers: list[Header] | None) -> list[Problem]:
        problems: list[Problem] = []
        seen: set[str] = set()
        for place, item in enumerate(headers or ()):
            name = item.header.lower()
            path = ("headers", place, "header")
            signature = self._settings.webhook_signature_header.lower()
            if (
                name in _OWN_HEADERS
                or name.startswith(_OWN_PREFIXES)
                or name in (signature, f"{signature}-previous")
            ):
                problems.append(
                    Problem("invalid_value", path, f"{item.header} is set by Frontdesk itself.")
                )
            elif name in seen:
                problems.append(Problem("repeated_field", path, f"{item.header} stands twice."))
            seen.add(name)
        return problems
