"""The rival's API: check the token, look the ids up, insert, commit, enqueue, answer."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.rival.models import ApiToken, Integration, Resident, ResidentEvent
from bench.rival.settings import database_url
from bench.rival.tasks import deliver_event

_engine = create_async_engine(database_url("asyncpg"), pool_size=40, max_overflow=0)
_sessions = async_sessionmaker(_engine, expire_on_commit=False)
_bearer = HTTPBearer()


class EventIn(BaseModel):
    """What Buildium takes."""

    model_config = ConfigDict(extra="forbid")

    integration_id: str
    resident_id: str
    event_type: Literal["Note"] = "Note"
    notes: str = Field(min_length=1, max_length=65_535)


class EventAccepted(BaseModel):
    """The accepted input and the id under which it can be followed."""

    job_id: str
    data: EventIn


class EventStatus(BaseModel):
    """How far an event has come."""

    job_id: str
    status: str
    error: str | None
    x_id: str | None


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(_session)]


async def _account_id(
    session: Db, credentials: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]
) -> str:
    token_hash = hashlib.sha256(credentials.credentials.encode()).hexdigest()
    account_id = await session.scalar(
        select(ApiToken.account_id).where(
            ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None)
        )
    )
    if account_id is None:
        raise HTTPException(401, "unknown token")
    return account_id


AccountId = Annotated[str, Depends(_account_id)]


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await _engine.dispose()


app = FastAPI(title="Resident events", lifespan=_lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@app.post("/v1/events/residents")
async def create_event(event: EventIn, session: Db, account_id: AccountId) -> EventAccepted:
    """Accept an event for a resident: stored and enqueued when this answers."""
    integration = await session.scalar(
        select(Integration).where(
            Integration.id == event.integration_id, Integration.account_id == account_id
        )
    )
    if integration is None or not integration.active:
        raise HTTPException(400, "unknown or inactive integration")
    resident = await session.scalar(
        select(Resident).where(
            Resident.id == event.resident_id, Resident.integration_id == integration.id
        )
    )
    if resident is None:
        raise HTTPException(400, "unknown resident")
    row = ResidentEvent(integration_id=integration.id, resident_id=resident.id, notes=event.notes)
    session.add(row)
    await session.commit()
    # Called on the event loop: one Redis round trip on a local socket costs less than a thread.
    deliver_event.delay(row.id)
    return EventAccepted(job_id=row.id, data=event)


@app.get("/v1/events/residents/{job_id}")
async def event_status(job_id: str, session: Db, account_id: AccountId) -> EventStatus:
    """Say how far an event of the caller's account has come."""
    row = await session.scalar(
        select(ResidentEvent)
        .join(Integration, Integration.id == ResidentEvent.integration_id)
        .where(ResidentEvent.id == job_id, Integration.account_id == account_id)
    )
    if row is None:
        raise HTTPException(404, "unknown job")
    return EventStatus(job_id=row.id, status=row.status, error=row.error, x_id=row.x_id)
