"""Where the rival's database and broker are: two environment variables, nothing else."""

import os
from typing import Final

DATABASE_URL: Final = os.environ.get("RIVAL_DATABASE_URL", "postgresql://localhost/rival")
"""A PostgreSQL URL without driver, e.g. ``postgresql://user@/name?host=/socket/directory``."""

REDIS_URL: Final = os.environ.get("RIVAL_REDIS_URL", "redis://localhost:6379/0")
"""The broker: ``redis://host:port/0`` or ``redis+socket:///path``."""


def database_url(driver: str) -> str:
    """Give the database URL in SQLAlchemy's form, for ``asyncpg`` (API) or ``psycopg`` (tasks)."""
    return f"postgresql+{driver}://{DATABASE_URL.partition('://')[2]}"
