"""The rival's tables. Created with ``create_all``: a day's work has no migrations."""

import uuid
from datetime import UTC, datetime

from sqlalchemy import DateTime, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The declarative base of every table."""


class ApiToken(Base):
    """A bearer token, kept as the SHA-256 of its text."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    account_id: Mapped[str] = mapped_column(String(36))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Integration(Base):
    """One customer's Buildium account, with its keys as they are."""

    __tablename__ = "integrations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    account_id: Mapped[str] = mapped_column(String(36), index=True)
    base_url: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(default=True)


class Resident(Base):
    """A resident, as the last sync left it."""

    __tablename__ = "residents"
    __table_args__ = (UniqueConstraint("integration_id", "x_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    integration_id: Mapped[str] = mapped_column(ForeignKey("integrations.id"), index=True)
    x_id: Mapped[str] = mapped_column(Text)


class ResidentEvent(Base):
    """An accepted event and how far it has come: ``queued retrying succeeded failed``."""

    __tablename__ = "resident_events"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    integration_id: Mapped[str] = mapped_column(ForeignKey("integrations.id"))
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"), index=True)
    notes: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    x_id: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=_now, onupdate=_now
    )
