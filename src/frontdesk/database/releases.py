"""Which release came before this one, and how far its schema went.

During a deploy, processes of both serve on one database: the migrations since then only add
(`tests/database/test_expansion.py`), the old program runs on the new schema, and this one on the old
(`tests/database/test_previous_release.py`). What only the previous release needed goes with the next.
"""

from dataclasses import dataclass
from importlib import resources

from frontdesk.database.migrate import current_version
from frontdesk.database.pool import Database


@dataclass(frozen=True, slots=True)
class Release:
    """A commit, and the number of its newest migration."""

    commit: str
    schema_version: int


def previous_release() -> Release:
    """What the file `previous_release` names: a commit and its schema's version."""
    text = (resources.files("frontdesk.database") / "previous_release").read_text(encoding="utf-8")
    commit, version = text.split()
    return Release(commit, int(version))


async def is_served(database: Database) -> bool:
    """Whether this program serves on the database's schema: this release's, or the one before."""
    return await current_version(database) >= previous_release().schema_version
