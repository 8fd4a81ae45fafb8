"""Plans as they lie in the database."""

from typing import Any
from uuid import UUID

import orjson
import structlog

from frontdesk.vault import Texts, UnreadableError

log = structlog.get_logger(__name__)


def opened_plan(texts: Texts, write_id: UUID, raw: str) -> dict[str, Any]:
    """A stored plan, opened. One that no key opens is left as it lies there, and is no plan to
    anybody: whoever has it in hand fails alone, and not the others of his batch."""
    try:
        return texts.open_json(write_id, raw)
    except UnreadableError as error:
        # Without the traceback: the reason says it all, and it may come often.
        log.error("plan_unreadable", job_id=str(write_id), reason=str(error))  # noqa: TRY400
        stored: dict[str, Any] = orjson.loads(raw)
        return stored
