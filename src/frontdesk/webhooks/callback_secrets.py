"""The account's callback secret: made when it is first needed, shown when it is rotated, sealed
otherwise."""

from typing import Any
from uuid import UUID

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database
from frontdesk.vault import Vault
from frontdesk.webhooks.repository import WebhookRepository
from frontdesk.webhooks.schemas import DEFAULT_OVERLAP_HOURS, RotateSecret
from frontdesk.webhooks.signing import new_secret


class CallbackSecrets:
    """Callback secrets by account."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._repository = WebhookRepository(database)
        self._audit = AuditTrail()
        self._vault = vault

    async def ensure(self, account_id: UUID) -> None:
        """Make one unless there is one: a callback must not wait for somebody to ask for it."""
        if await self._repository.callback_secret(account_id) is None:
            sealed = self._vault.seal_text(account_id, new_secret())
            await self._repository.first_callback_secret(account_id, sealed)

    async def shown(self, account_id: UUID) -> dict[str, Any]:
        """What may be known of it."""
        row = await self._repository.callback_secret(account_id)
        names = ("created_at", "rotated_at", "previous_secret_until")
        return {name: None if row is None else row[name] for name in names}

    async def rotate(self, account_id: UUID, body: RotateSecret) -> dict[str, Any]:
        """A new secret, shown this once; the one before signs as well for a while."""
        secret = body.secret or new_secret()
        overlap = DEFAULT_OVERLAP_HOURS if body.overlap_hours is None else body.overlap_hours
        sealed = self._vault.seal_text(account_id, secret)
        async with self._database.transaction() as transaction:
            row = await self._repository.rotate_callback_secret(
                transaction, account_id, sealed, overlap
            )
            await self._audit.record(
                transaction,
                account_id,
                "callback_secret.rotate",
                account_id,
                after={"overlap_hours": overlap},
            )
        return {**dict(row), "secret": secret}
