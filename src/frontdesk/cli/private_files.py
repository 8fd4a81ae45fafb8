"""The files of a data directory that hold a secret: their owner's alone, and never half written."""

import os
import secrets
from pathlib import Path

TOKEN_FILE = "sandbox.token"  # noqa: S105 (a file's name)
"""In the data directory: the token that `serve --sandbox` made."""


def write_whole(path: Path, text: str) -> None:
    """Write a private file so that a reader sees all of it or none."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
