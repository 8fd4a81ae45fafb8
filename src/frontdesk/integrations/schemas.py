"""What callers send about integrations, and what they are answered.

Optional fields of a request default to None: absent, and `null` counts as absent.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from frontdesk.http.body import Body
from frontdesk.vendors.registry import vendors

_VENDORS: list[JsonValue] = [*sorted(vendors())]

Cadence = Literal["SECOND", "MINUTE", "HOUR", "DAY"]
ModelName = Literal[
    "properties",
    "units",
    "employees",
    "event_types",
    "event_sub_types",
    "event_results",
    "residents",
    "timezones",
    "events",
]


class IntegrationSettings(Body):
    """The fields that creating and updating share."""

    active: bool | None = Field(
        None,
        description="`false` pauses: waiting writes wait, new ones are refused. Default false.",
    )
    base_url: str | None = Field(
        None,
        max_length=2000,
        description="Where the PMS is called, if not at its usual address: another of the vendor's "
        "hosts, or a sandbox that the operator allows.",
        examples=["https://apisandbox.example.com"],
    )
    max_request_frequency: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="At most so many PMS requests per `max_request_cadence`; only ever lowers the "
        "vendor's own budget.",
    )
    max_request_cadence: Cadence | None = None
    max_job_concurrency: int | None = Field(
        None, ge=1, le=100, description="Writes under way at once. Default: the vendor's."
    )
    sync_frequency: int | None = Field(
        None, ge=1, le=100_000, description="A sync every so many `sync_cadence`. Default 12."
    )
    sync_cadence: Cadence | None = Field(None, description="Default `HOUR`.")
    new_properties_are_enabled: bool | None = Field(None, description="Default true.")
    on_uncertain: Literal["hold", "resend"] | None = Field(
        None,
        description="What becomes of a write whose fate cannot be learnt: `hold` (default) ends it "
        "as uncertain, `resend` sends it again, at the risk of a double.",
    )
    mark_notes: bool | None = Field(
        None,
        description="Append a short reference to each note, so that it can be found again exactly. "
        "Default false.",
    )
    write_expiry_hours: int | None = Field(
        None,
        ge=1,
        le=8760,
        description="Hours after which a waiting write is given up. Default 72.",
    )
    allow_email_send: bool | None = Field(
        None,
        description="Whether `email_send` may be true. Default true, in the sandbox false.",
    )
    timezone: str | None = Field(
        None,
        max_length=64,
        description="IANA zone for properties that have none of their own.",
        examples=["America/Chicago"],
    )


class IntegrationCreate(IntegrationSettings):
    """The body of `POST /v1/admin/integrations/`."""

    integration_vendor: str = Field(
        max_length=50,
        description="The PMS.",
        json_schema_extra={"enum": _VENDORS},
    )
    name: str = Field(min_length=1, max_length=200, examples=["Maple Court"])
    credentials: dict[str, Any] = Field(
        description="The vendor's credential keys; never shown again."
    )
    based_on_integration_id: str | None = Field(
        None,
        max_length=100,
        description="Copy the settings (never the credentials) of this integration of the account; "
        "fields given here win.",
    )


class IntegrationUpdate(IntegrationSettings):
    """The body of `PUT /v1/admin/integrations/{id}`: what is absent stays as it is."""

    name: str | None = Field(None, min_length=1, max_length=200)
    credentials: dict[str, Any] | None = Field(
        None, description="All credential keys anew; they are tried at once."
    )


class ManualSync(Body):
    """The body of `POST …/manual-sync`."""

    models_to_sync: list[ModelName] = Field(
        default_factory=list,
        max_length=20,
        description="The models to read now; empty: all that the vendor has.",
    )
    resident_ids: list[str] = Field(
        default_factory=list, max_length=1000, description="Residents to refresh at once."
    )


class PropertyChange(Body):
    """The body of `PUT …/properties/{id}`."""

    enabled: bool | None = Field(None, description="`false`: no new writes for its residents.")
    timezone: str | None = Field(None, max_length=64, description="IANA zone of the property.")


class IntegrationShape(BaseModel):
    """An integration, as create and update answer it."""

    id: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    name: str
    vendor: str
    active: bool
    system: bool = Field(description="Always false: no integration is the system's own.")
    sync_frequency: int
    sync_cadence: Cadence
    max_request_cadence: Cadence | None
    max_request_frequency: int | None
    max_job_concurrency: int
    customer_id: str | None = Field(description="Always null.")
    is_archived: bool
    ping_results: dict[str, Any] | None
    new_properties_are_enabled: bool
    base_url: str
    on_uncertain: Literal["hold", "resend"]
    mark_notes: bool
    write_expiry_hours: int
    allow_email_send: bool
    timezone: str | None


class ListedIntegration(IntegrationShape):
    """An integration, as lists and `GET …/{id}` answer it."""

    integration_vendor: str
    last_completed_sync: str | None = Field(json_schema_extra={"format": "date-time"})
    can_authenticate: bool | None = Field(description="null: not tried yet.")
    last_data_access_check: str | None = Field(json_schema_extra={"format": "date-time"})
    is_running_sync: bool


class IntegrationResult(BaseModel):
    """Answer of create and update."""

    result: IntegrationShape


class PropertyShape(BaseModel):
    """A property of an integration, and whether it takes part; `id` is this configuration's."""

    id: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    integration_id: str
    property_id: str
    enabled: bool
    timezone: str | None = Field(description="The zone set here; null: the PMS's, if it tells one.")


class PropertyResult(BaseModel):
    """Answer of a property's change."""

    result: PropertyShape


class Success(BaseModel):
    """Answer of an operation that has nothing to show."""

    success: bool


class SuccessResult(BaseModel):
    """The same, wrapped."""

    result: Success


class BeganDataAccess(BaseModel):
    """What starting a data-access check answers."""

    began_data_access: bool


class BeganDataAccessResult(BaseModel):
    """Answer of `POST …/data-access`."""

    result: BeganDataAccess


class AccessShape(BaseModel):
    """Whether one operation on one model works: tried (`status`), not tried, or not there."""

    status: Literal["SUCCESS", "FAILED", "PROCESSING"] | None = None
    error_message: str | None = None
    unsupported: bool | None = None
    untested: bool | None = None


class ModelAccess(BaseModel):
    """The access to one model."""

    read: AccessShape
    create: AccessShape
    update: AccessShape


class DataAccess(BaseModel):
    """What the last data-access check found."""

    models: Mapping[str, ModelAccess]
    last_data_access_check: str | None = Field(json_schema_extra={"format": "date-time"})
    data_access_check_in_process: bool


class DataAccessResult(BaseModel):
    """Answer of `GET …/data-access`."""

    result: DataAccess


class ApiLimit(BaseModel):
    """One API of the PMS and its limits; null: none known."""

    api: str
    updated_at: str | None = Field(json_schema_extra={"format": "date-time"})
    minute_limit: int | None
    hour_limit: int | None
    day_limit: int | None
    windows: list[dict[str, Any]] = Field(
        description="The windows as they are: requests, seconds, what is left."
    )
    blocked_until: str | None = Field(
        json_schema_extra={"format": "date-time"},
        description="The PMS asked for a pause until then.",
    )


class RateLimits(BaseModel):
    """An integration's budget as it stands."""

    integration_id: str
    updated_at: str | None = Field(json_schema_extra={"format": "date-time"})
    api_ratelimits: list[ApiLimit]
    max_job_concurrency: int
    queue_depth: int = Field(description="Writes that wait.")
    oldest_waiting_since: str | None = Field(json_schema_extra={"format": "date-time"})
    expected_start: str | None = Field(
        json_schema_extra={"format": "date-time"},
        description="When a write accepted now may be sent; null: it cannot be told.",
    )


class RateLimitsResult(BaseModel):
    """Answer of `GET …/rate-limits`."""

    results: RateLimits
