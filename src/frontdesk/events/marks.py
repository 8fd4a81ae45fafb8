"""The short reference that an integration may have at the end of each new note (`mark_notes`).

A note that bears it is told from every other note, whoever wrote the same words at the same time.
It is made from the job's id, and says nothing about it to whoever reads the note.
"""

import base64
import hashlib
from uuid import UUID

from frontdesk.vendors.contract import Notice

MARK_LENGTH = 16
"""Characters that a mark takes of a text, the blank before it included."""


def mark_of(job_id: UUID) -> str:
    """The mark of this job: always the same. Of 50 bits, so that no two of a resident's meet."""
    digest = hashlib.sha256(b"mark:" + job_id.bytes).digest()
    return f"[fd-{base64.b32encode(digest).decode()[:10].lower()}]"


def marked(text: str, mark: str) -> str:
    """The text with the mark at its end."""
    return f"{text} {mark}"


def notice(mark: str) -> Notice:
    """What a dry run says of it."""
    return Notice(
        "notes",
        "marked",
        f"The integration marks its notes: a reference such as {mark} is added at the end.",
    )
