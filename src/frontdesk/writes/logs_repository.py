"""All SQL of the logs: lists of writes and of attempts, and the failed writes that may be retried.

Invariant: an account sees what belongs to its own integrations, and nothing else. A list walks each
of them along an index in the order of the list and merges the heads, so that a page costs the same
with a thousand rows as with millions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from frontdesk.database.pool import Database, Record

# ruff: noqa: S608 — conditions are columns and placeholders of this module, never a caller's text

# As the partial indexes of migration 0015 have it: a parameter would not be seen to fit them.
_FAILED = "w.state IN ('failed', 'uncertain', 'cancelled', 'expired')"

_ATTEMPT = """
SELECT a.id, a.job_id, a.created_at, a.job_type, a.kind, a.outcome, a.finished_at,
    a.integration_id, j.parent_job_id, coalesce(j.root_job_id, a.job_id) AS root_job_id,
    w.event->>'property_id' AS property_id
FROM {source} AS a
LEFT JOIN read_jobs AS j ON a.kind = 'read' AND j.id = a.job_id
LEFT JOIN writes AS w ON a.kind <> 'read' AND w.id = a.job_id
"""

_ONE_ATTEMPT = f"{_ATTEMPT.format(source='attempts')} WHERE a.account_id = $1 AND a.id = $2"

_ATTEMPT_DATA = """
SELECT id, job_id, request::text AS request, answer::text AS answer, outcome, code, message,
    upstream_status, sent_at, finished_at
FROM attempts WHERE account_id = $1 AND id = $2
"""

_JOB_EXISTS = """
SELECT EXISTS (SELECT FROM writes WHERE account_id = $1 AND id = $2)
    OR EXISTS (SELECT FROM read_jobs WHERE account_id = $1 AND id = $2)
"""

_SIGN = {"asc": ">", "desc": "<"}


@dataclass(frozen=True, slots=True)
class WriteFilter:
    """Which writes of an account; None: whatever it is. `states` of which all are failures are found
    among the failures alone."""

    integration_id: UUID | None = None
    since: datetime | None = None
    states: Collection[str] | None = None
    only_failures: bool = False
    error_code: str | None = None
    external_reference: str | None = None


class _Arguments:
    """The arguments of a statement, and their placeholders."""

    def __init__(self, *first: object) -> None:
        self.values: list[object] = list(first)

    def add(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


async def writes(
    database: Database, account_id: UUID, wanted: WriteFilter, *, limit: int, offset: int
) -> list[Record]:
    """The account's writes, newest first."""
    arguments = _Arguments(account_id)
    conditions = _conditions(wanted, arguments)
    most, skipped = f"{arguments.add(limit)}::bigint", f"{arguments.add(offset)}::bigint"
    order = "submitted_at DESC, id"
    # `latest`: the last attempt to send, whose request and answer a developer looks for first.
    return await database.fetch(
        f"""
        WITH page AS MATERIALIZED (
            SELECT w.* FROM {_owned("writes", "w", conditions, order, f"{most} + {skipped}")}
            ORDER BY {order} LIMIT {most} OFFSET {skipped})
        SELECT w.id, w.submitted_at, w.state, w.integration_id, w.operation, w.input, w.errors,
            w.vendor, w.external_reference, i.name, latest.id AS job_log_id
        FROM page AS w
        JOIN integrations AS i ON i.id = w.integration_id
        LEFT JOIN LATERAL (
            SELECT a.id FROM attempts AS a
            WHERE a.job_id = w.id AND a.kind = 'send' ORDER BY a.number DESC LIMIT 1
        ) AS latest ON true
        ORDER BY w.submitted_at DESC, w.id
        """,
        *arguments.values,
    )


async def to_retry(
    database: Database, account_id: UUID, wanted: WriteFilter, *, limit: int
) -> list[Record]:
    """Failed writes that nobody has retried yet and that could be retried now, in the order in which
    they were accepted, each with what the retry of one write needs. What could not, because its
    integration or property is switched off, or would send a message that its integration does not allow
    any more, is left out: it would fill every portion."""
    arguments = _Arguments(account_id)
    conditions = [
        *_conditions(wanted, arguments),
        "w.retried_by IS NULL",
        # Of a write whose resident was erased nothing is left to be sent.
        "w.plan <> '{}'::jsonb",
        "i.active AND NOT i.is_archived",
        "(i.allow_email_send OR w.input->'email_send' IS DISTINCT FROM 'true')",
        """NOT EXISTS (
            SELECT FROM integration_properties AS p
            WHERE p.integration_id = w.integration_id AND NOT p.enabled
                AND p.property_id = (w.event->>'property_id')::uuid)""",
    ]
    most = arguments.add(limit)
    return await database.fetch(
        f"""
        WITH page AS MATERIALIZED (
            SELECT w.* FROM {_owned("writes", "w", conditions, "lane_number", most)}
            ORDER BY lane_number LIMIT {most})
        SELECT w.id, w.integration_id, w.vendor, w.operation, w.resident_id, w.budget_key, w.state,
            w.input, w.plan, w.event, w.warnings, w.event_id, w.external_reference, w.retry_of,
            w.error_code, i.write_expiry_hours
        FROM page AS w JOIN integrations AS i ON i.id = w.integration_id
        ORDER BY w.lane_number
        """,
        *arguments.values,
    )


async def integration(database: Database, account_id: UUID, integration_id: UUID) -> Record | None:
    """Whether the account's integration is `active` and `is_archived`; None where there is none."""
    return await database.fetch_row(
        "SELECT active, is_archived FROM integrations WHERE account_id = $1 AND id = $2",
        account_id,
        integration_id,
    )


async def attempts(
    database: Database,
    account_id: UUID,
    *,
    job_id: UUID | None,
    integration_id: UUID | None,
    directions: tuple[str, str],
    after: tuple[datetime, UUID] | None,
    limit: int,
    offset: int,
) -> list[Record]:
    """Attempts of writes and reads, by (created_at, id) in these directions."""
    by_time, by_id = directions
    arguments = _Arguments(account_id)
    conditions = _attempts_of(job_id, integration_id, arguments)
    if after is not None:
        time, place = arguments.add(after[0]), arguments.add(after[1])
        # The first bound is what the index is entered by.
        conditions.append(
            f"a.created_at {_SIGN[by_time]}= {time} AND (a.created_at {_SIGN[by_time]} {time}"
            f" OR a.id {_SIGN[by_id]} {place})"
        )
    most, skipped = f"{arguments.add(limit)}::bigint", f"{arguments.add(offset)}::bigint"
    order = f"created_at {by_time}, id {by_id}"
    source = (
        _owned("attempts", "a", conditions, order, f"{most} + {skipped}")
        if job_id is None
        # A job has few attempts, and an index of its own.
        else f"attempts AS a WHERE a.account_id = $1 AND {' AND '.join(conditions)}"
    )
    return await database.fetch(
        f"""
        WITH page AS MATERIALIZED (
            SELECT a.* FROM {source} ORDER BY {order} LIMIT {most} OFFSET {skipped})
        {_ATTEMPT.format(source="page")}
        ORDER BY a.created_at {by_time}, a.id {by_id}
        """,
        *arguments.values,
    )


async def count_attempts(
    database: Database,
    account_id: UUID,
    *,
    job_id: UUID | None,
    integration_id: UUID | None,
    at_most: int,
) -> int:
    """How many attempts there are; stops counting past `at_most`."""
    arguments = _Arguments(account_id)
    conditions = _attempts_of(job_id, integration_id, arguments)
    if job_id is None:
        source = "integrations AS i JOIN attempts AS a ON a.integration_id = i.id"
        conditions.append("i.account_id = $1")
    else:
        source = "attempts AS a"
        conditions.append("a.account_id = $1")
    counted: int = await database.fetch_value(
        f"SELECT count(*) FROM (SELECT FROM {source} WHERE {' AND '.join(conditions)} "
        f"LIMIT {at_most + 1}) AS counted",
        *arguments.values,
    )
    return counted


async def attempt(database: Database, account_id: UUID, attempt_id: UUID) -> Record | None:
    """One attempt."""
    return await database.fetch_row(_ONE_ATTEMPT, account_id, attempt_id)


async def attempt_data(database: Database, account_id: UUID, attempt_id: UUID) -> Record | None:
    """The masked request and answer of an attempt, as JSON text."""
    return await database.fetch_row(_ATTEMPT_DATA, account_id, attempt_id)


async def job_exists(database: Database, account_id: UUID, job_id: UUID) -> bool:
    """Whether the account has a write or a read job with this id."""
    exists: bool = await database.fetch_value(_JOB_EXISTS, account_id, job_id)
    return exists


def _owned(table: str, name: str, conditions: Sequence[str], order: str, most: str) -> str:
    """A FROM clause: the first `most` rows of each integration of account $1, named `name`."""
    where = " AND ".join((f"{name}.integration_id = i.id", *conditions))
    ordered = ", ".join(f"{name}.{part}" for part in order.split(", "))
    return (
        f"integrations AS i CROSS JOIN LATERAL (SELECT {name}.* FROM {table} AS {name} "
        f"WHERE {where} ORDER BY {ordered} LIMIT {most}) AS {name} WHERE i.account_id = $1"
    )


def _conditions(wanted: WriteFilter, arguments: _Arguments) -> list[str]:
    conditions = []
    if wanted.integration_id is not None:
        conditions.append(f"w.integration_id = {arguments.add(wanted.integration_id)}")
    if wanted.since is not None:
        conditions.append(f"w.submitted_at >= {arguments.add(wanted.since)}")
    if wanted.only_failures:
        conditions.append(_FAILED)
    if wanted.states is not None:
        conditions.append(f"w.state = ANY ({arguments.add(list(wanted.states))}::text[])")
    if wanted.error_code is not None:
        conditions.append(f"w.error_code = {arguments.add(wanted.error_code)}")
    if wanted.external_reference is not None:
        # Named with its account, which is what its index begins with.
        conditions.append(
            f"w.account_id = $1 AND w.external_reference = {arguments.add(wanted.external_reference)}"
        )
    return conditions


def _attempts_of(
    job_id: UUID | None, integration_id: UUID | None, arguments: _Arguments
) -> list[str]:
    conditions = []
    if job_id is not None:
        conditions.append(f"a.job_id = {arguments.add(job_id)}")
    if integration_id is not None:
        conditions.append(f"a.integration_id = {arguments.add(integration_id)}")
    return conditions
