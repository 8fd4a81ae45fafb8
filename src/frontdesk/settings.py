"""Every setting of Frontdesk: `FRONTDESK_<NAME>` in the environment, with its default and meaning.

`DATABASE_URL` alone has no prefix, because every platform sets it by that name. A setting is read
once, when a process starts; nothing else in the project reads the environment, but OpenTelemetry its own `OTEL_*`.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from frontdesk.outgoing.addresses import networks_of


class Settings(BaseSettings):
    """The process's settings. Field descriptions are what `frontdesk settings` prints."""

    model_config = SettingsConfigDict(env_prefix="FRONTDESK_", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL to use (15 or newer). Not set: the embedded server of the data directory.",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        description="`transaction` where a pooler in transaction mode (pgbouncer) stands before the database: "
        "no LISTEN, no named prepared statements; workers poll instead.",
    )
    database_connections: int = Field(
        10, ge=2, le=200, description="Most database connections a process opens."
    )
    database_patience_seconds: float = Field(
        15.0,
        ge=1,
        le=300,
        description="Seconds after which a statement that the database has not answered is given up, and its "
        "connections are made anew.",
    )
    database_start_seconds: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Seconds that `api` and `worker` wait for a database that is away when they start; then they "
        "end with exit code 2.",
    )
    migrate_on_start: bool = Field(
        True,
        description="Whether api and worker apply pending migrations when they start. Off: a step of your deploy runs "
        "`frontdesk migrate`, before or after; they serve on the schema of this release or of the one before it.",
    )
    data_dir: Path | None = Field(
        None,
        description="Folder of the embedded server, keys and token. Default: /var/lib/frontdesk as root, "
        "else ~/.local/share/frontdesk.",
    )
    postgres_bin: Path | None = Field(
        None,
        description="Folder with the PostgreSQL programs for the embedded server; found by itself if not set.",
    )
    encryption_key: SecretStr | None = Field(
        None,
        description="Key that encrypts credentials: 32 bytes, base64 (`frontdesk keys new` prints one). "
        "Several are separated by commas: the first encrypts, all decrypt. Not set: the key file.",
    )
    encryption_key_file: Path | None = Field(
        None,
        description="File with the key, or several, one a line: the first encrypts, all decrypt; read again when it "
        "changes. Default with the embedded server: made in the data directory on first start.",
    )
    encrypt_personal_data: bool = Field(
        False,
        description="Encrypt what is said of residents wherever it is stored: the texts of events and writes (notes, "
        "messages, phone numbers), what went over the wire in each attempt, errors' words, bodies of webhooks. For API "
        "and workers alike; may be switched at any time, and what is stored stays readable.",
    )
    allowed_addresses: str = Field(
        "",
        description="Address ranges (CIDR, comma-separated) that an integration's base_url may reach although they "
        "are private, such as 127.0.0.0/8 for a sandbox. Elsewhere only the vendor's own hosts.",
    )
    trusted_proxies: str = Field(
        "",
        description="Address ranges (CIDR, comma-separated) of the proxies in front of the API. Only what comes from "
        "them may say with X-Forwarded-For and X-Forwarded-Proto who the caller is.",
    )
    budget_factor: float = Field(
        1.0, gt=0, description="Multiplies every vendor's budget. Only for sandboxes and benches."
    )
    templates_dir: Path | None = Field(
        None,
        description="Folder with your own versions of vendor templates: `<vendor>/<file>`; "
        "`frontdesk vendors --templates` lists what can be replaced.",
    )
    connections: int = Field(
        20_000,
        ge=16,
        le=1_000_000,
        description="Connections that an API process holds; fewer where the limit of open files (`ulimit -Hn`), "
        "less 256, is fewer. Past it the one that has waited longest for a request makes room; where none waits, 503.",
    )
    connection_head_seconds: float = Field(
        10.0, ge=0.5, le=300, description="Seconds that a request's head has to arrive whole."
    )
    connection_body_seconds: float = Field(
        30.0,
        ge=0.5,
        le=600,
        description="Seconds of a body, each time, in which at least 1 KiB a second must arrive.",
    )
    connection_idle_seconds: float = Field(
        75.0,
        ge=1,
        le=3600,
        description="Seconds that a connection is kept for its next request: more than a proxy in front keeps it.",
    )
    connection_unread_seconds: float = Field(
        30.0,
        ge=0.5,
        le=600,
        description="Seconds of an unread answer, each time, in which at least 1 KiB a second must be read.",
    )
    intake_queue: int = Field(
        2000,
        ge=1,
        description="Requests that may wait for a commit in one API process; past it 503.",
    )
    intake_batch: int = Field(128, ge=1, le=512, description="Most writes in one commit.")
    request_limit_slow_down: bool = Field(
        False, description="Delay answers by 2 s from 80 % of an account's request limit on."
    )
    failed_authentications: int = Field(
        30,
        ge=0,
        description="Tokens that are none, from one client address in a minute, after which an API process looks at "
        "nothing more from there until the minute is over (429). 0: no limit.",
    )
    waiters: int = Field(
        1000, ge=0, description="Requests with `wait` that one API process holds open."
    )
    worker_lease_seconds: float = Field(
        10.0,
        ge=4,
        le=60,
        description="Seconds without a heartbeat after which a worker's integrations are taken over.",
    )
    worker_slots: int = Field(
        256,
        ge=1,
        le=2000,
        description="Writes that one worker process has in its hands at once. Those whose PMS takes longer than 2 s "
        "count apart, up to four times as many: PMSs that hang hold nobody else back.",
    )
    webhook_slots: int = Field(
        64, ge=1, le=1000, description="Webhook deliveries that one worker process has under way."
    )
    webhook_timeout_seconds: float = Field(
        15.0, ge=1, le=60, description="Seconds that a webhook's receiver has to answer."
    )
    webhook_signature_header: str = Field(
        "frontdesk-signature",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,80}$",
        description="Name of the header with the hex HMAC-SHA256 of a webhook's body: the name that your receivers "
        "know already. The Standard Webhooks headers are sent beside it.",
    )
    drain_seconds: float = Field(
        25.0,
        ge=0,
        le=300,
        description="Seconds that a stopping process gives to what is in flight.",
    )
    purge_every_hours: float | None = Field(
        None,
        ge=0.01,
        description="Hours between purges that the workers make by themselves. Not set: only "
        "`frontdesk purge` deletes anything.",
    )
    keep_writes_days: int = Field(
        90, ge=8, description="Days that a write is kept after its end, for `purge`."
    )
    keep_attempts_days: int = Field(90, ge=8, description="Days that attempts are kept.")
    keep_attempt_bodies_days: int = Field(
        30, ge=1, description="Days that an attempt's request and answer are kept."
    )
    keep_idempotency_keys_days: int = Field(
        1, ge=1, description="Days that idempotency keys are kept; they hold for 24 hours."
    )
    keep_read_jobs_days: int = Field(30, ge=1, description="Days that ended syncs are kept.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port on which each process shows its figures to Prometheus, at /metrics; 0: a free one, which is "
        "logged. Under `serve` the parts take this port and those after it. Not set: nowhere.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of that port. Nothing is asked of who reads there: keep it inside.",
    )
    traces: str | None = Field(
        None,
        description="URL of an OpenTelemetry collector that takes spans by OTLP over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces. Needs `frontdesk[traces]`. Not set: no spans are made.",
    )
    traces_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of traces that are recorded, of those that begin here; a caller who sends `traceparent` "
        "decides about his own.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: for people on a terminal, JSON elsewhere."
    )

    @field_validator("traces")
    @classmethod
    def _is_a_collector(cls, url: str | None) -> str | None:
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(
                "it must be an http or https URL, such as http://127.0.0.1:4318/v1/traces; what the collector "
                "asks for goes into OTEL_EXPORTER_OTLP_HEADERS"
            )
        return url

    @field_validator("allowed_addresses", "trusted_proxies")
    @classmethod
    def _are_ranges(cls, text: str) -> str:
        # Here, so that the process that cannot read them does not start.
        for _ in networks_of(text):
            pass
        return text
