"""An integration as workers and the intake hold it, credentials in hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Cadence = Literal["SECOND", "MINUTE", "HOUR", "DAY"]


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration as workers and the intake need it. `base_url` has no trailing slash."""

    id: UUID
    account_id: UUID
    vendor: str
    name: str
    active: bool
    is_archived: bool
    base_url: str
    credentials: Mapping[str, Any] = field(repr=False)
    credentials_version: int
    budget_scope: str
    max_request_frequency: int | None
    max_request_cadence: Cadence | None
    max_job_concurrency: int
    sync_frequency: int
    sync_cadence: Cadence
    new_properties_are_enabled: bool
    on_uncertain: Literal["hold", "resend"]
    mark_notes: bool
    write_expiry_hours: int
    allow_email_send: bool
    timezone: str | None
    last_completed_sync: datetime | None
    updated_at: datetime
