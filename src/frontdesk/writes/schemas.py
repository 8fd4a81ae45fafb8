"""The shapes of everything that is answered about a write, and of the one body that is read here. The
answers' are documents, not validators: answers are built elsewhere and not checked again."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from frontdesk.http.body import Body
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


class RetryFilter(Body):
    """Which failed writes: those that fit every field that is given; at least one must be."""

    integration_id: str | None = Field(None, description="Only this integration.")
    time_range: Literal["hour", "day", "week", "month"] | None = Field(
        None, description="Only those submitted in so long a time until now."
    )
    states: list[Literal["failed", "uncertain", "expired", "cancelled"]] | None = Field(
        None,
        min_length=1,
        max_length=4,
        description="Only those that ended so; without it `failed`, `uncertain` and `expired`. An "
        "uncertain write is looked for before it is sent again.",
    )
    error_code: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Only those with this code in their `error_details`.",
    )
    external_reference: str | None = Field(
        None, min_length=1, max_length=255, description="Only this reference of yours."
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("filter must name at least one thing to retry by.")
        return self


class RetryWrites(Body):
    """Retry the failed writes that fit a filter."""

    filter: RetryFilter
    limit: int = Field(100, ge=1, le=500, description="Most writes to retry in this call.")
    dry_run: bool = Field(False, description="Only say which writes it would be.")


class RetriedWrite(BaseModel):
    """A failed write, and the job that goes on with it."""

    root_job_id: str
    job_id: str | None = Field(description="Null in a dry run.")
    integration_id: str
    state: Literal["failed", "uncertain", "expired", "cancelled"] = Field(
        description="How the write had ended."
    )
    error_code: str | None
    external_reference: str | None


class NotRetried(BaseModel):
    """A write that could not be retried just now, and why; the next call takes it."""

    root_job_id: str
    error: dict[str, Any]


class RetriedWrites(BaseModel):
    """What a bulk retry did."""

    success: bool = Field(description="Whether every one of them was retried.")
    dry_run: bool
    jobs: list[RetriedWrite] = Field(description="In the order in which they had been accepted.")
    failed: list[NotRetried]
    hasMore: bool = Field(description="Whether more writes fit: call again.")  # noqa: N815 — as in lists


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
