"""The rival's Celery task: take one accepted event to Buildium, retry with backoff.

Each prefork child holds one database connection and one keep-alive HTTP session.
"""

import random
from http import HTTPStatus

import requests
from celery import Celery, Task
from celery.signals import worker_process_init
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from bench.rival.models import Integration, Resident, ResidentEvent
from bench.rival.settings import REDIS_URL, database_url

MAX_RETRIES = 8
CONNECT_SECONDS, READ_SECONDS = 5, 30

celery = Celery("rival", broker=REDIS_URL)
celery.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    # A task that a dead child held is redelivered; the price is a possible second note.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=8,
    worker_send_task_events=False,
    broker_pool_limit=10,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
)

_engine = create_engine(database_url("psycopg"), pool_size=1, max_overflow=1)
_sessions: sessionmaker[Session] = sessionmaker(_engine, expire_on_commit=False)
_http = requests.Session()


@worker_process_init.connect
def _renew_connections(**_: object) -> None:
    # A socket inherited through fork would be shared by all children.
    _engine.dispose(close=False)


@celery.task(bind=True, max_retries=MAX_RETRIES)
def deliver_event(self: "Task[[str], None]", event_id: str) -> None:
    """Post one event's note to its tenant and record what came of it.

    Connection failures, 429 and 5xx are retried with exponential backoff and full jitter, 4xx end
    it. A lost answer is retried like any other failure, which may write the note twice.
    """
    with _sessions() as session:
        row = session.execute(
            select(ResidentEvent.notes, ResidentEvent.status, Resident.x_id, Integration)
            .join(Resident, Resident.id == ResidentEvent.resident_id)
            .join(Integration, Integration.id == ResidentEvent.integration_id)
            .where(ResidentEvent.id == event_id)
        ).one_or_none()
    if row is None or row.status == "succeeded":
        return
    integration: Integration = row.Integration
    try:
        answer = _http.post(
            f"{integration.base_url}/v1/leases/tenants/{row.x_id}/notes",
            json={"Note": row.notes},
            headers={
                "x-buildium-client-id": integration.client_id,
                "x-buildium-client-secret": integration.secret,
            },
            timeout=(CONNECT_SECONDS, READ_SECONDS),
        )
    except requests.RequestException as error:
        _record(event_id, status="retrying", error=str(error))
        raise self.retry(exc=error, countdown=_backoff(self.request.retries)) from error
    if answer.status_code == HTTPStatus.CREATED:
        _record(event_id, status="succeeded", x_id=str(answer.json()["Id"]), error=None)
    elif answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or answer.status_code >= 500:
        _record(event_id, status="retrying", error=answer.text[:1000])
        raise self.retry(countdown=_backoff(self.request.retries))
    else:
        _record(event_id, status="failed", error=answer.text[:1000])


def _backoff(retries: int) -> float:
    """Give the seconds until the next try: full jitter over 0.2 s doubling, at most a minute."""
    return random.uniform(0, min(60.0, 0.2 * 2**retries))


def _record(event_id: str, **values: str | None) -> None:
    with _sessions.begin() as session:
        session.execute(
            update(ResidentEvent)
            .where(ResidentEvent.id == event_id)
            .values(attempts=ResidentEvent.attempts + 1, **values)
        )
