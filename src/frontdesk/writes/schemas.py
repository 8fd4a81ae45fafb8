"""The shapes of everything that is answered about a write. Documents, not validators: the answers
are built elsewhere and not checked again."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from frontdesk.writes.status import Resolution, State, WaitingFor, WriteStatus


class ErrorDetail(BaseModel):
    """One reason why a write has not arrived; `message` holds the PMS's own words."""

    code: str
    message: str
    retryable: bool
    upstream_status: int | None = Field(description="HTTP status of the PMS's answer.")


class CreatedRecord(BaseModel):
    """The record that a write made or changed."""

    model: Literal["events"]
    id: str = Field(description="Frontdesk's id; answers at /v1/events/{id}.")
    x_id: str | None = Field(description="The PMS's id; null until it is known.")
    resolution: Resolution = Field(
        description="How the PMS's id is known: `exact` from its answer, `matched` by reading "
        "back, `pending` while it is not."
    )


class WriteState(BaseModel):
    """A write, as far as it has come."""

    write_status: WriteStatus
    errors: list[str]
    created_record_id: str | None
    job_id: str
    integration_id: str
    vendor: str
    operation: Literal["create", "update"]
    state: State
    waiting_for: WaitingFor | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    next_attempt_at: datetime | None
    attempts: int
    error_details: list[ErrorDetail]
    external_reference: str | None
    retry_of: str | None
    created_records: list[CreatedRecord]


class Retried(BaseModel):
    """The job that goes on with a failed write."""

    success: Literal[True]
    job_id: str


class Cancelled(BaseModel):
    """The write will not be sent."""

    success: Literal[True]
    job_id: str


class WriteLog(BaseModel):
    """One write in the log of writes."""

    id: str
    created_at: datetime
    job_id: str
    job_log_id: str | None = Field(description="The latest attempt; null before the first.")
    status: WriteStatus
    integration_id: str
    job_type: str
    parameters: dict[str, Any] = Field(description="What the caller said.")
    error: str | None
    name: str = Field(description="The integration's name.")
    vendor: str
    external_reference: str | None


class WriteLogs(BaseModel):
    """The logs of a page."""

    logs: list[WriteLog]


class WriteLogsAnswer(BaseModel):
    """The log of writes, newest first."""

    results: WriteLogs


class JobLog(BaseModel):
    """One attempt: a send, a read-back, or a step of a sync."""

    id: str
    job_id: str
    created_at: datetime
    job_type: str
    status: Literal["PENDING", "SUCCESS", "FAILURE"]
    parent_job_id: str | None
    root_job_id: str
    job_schedule_id: str | None
    integration_id: str
    associated_property_id: str | None


class JobLogData(BaseModel):
    """What went over the wire in one attempt, secrets masked; null where nothing did."""

    id: str
    job_id: str
    request: dict[str, Any] | None
    answer: dict[str, Any] | None
    outcome: str | None
    code: str | None
    message: str | None
    upstream_status: int | None
    sent_at: datetime | None
    finished_at: datetime | None
