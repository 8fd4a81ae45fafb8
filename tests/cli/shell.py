"""Commands as a script meets them, run in the test's own process: exit code, stdout, stderr."""

import json
from typing import Any

import pytest

from frontdesk.cli.app import run


class Shell:
    """Runs commands in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.errors = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What the command printed; its exit code must be `code`."""
        self._capture.readouterr()
        ended = run(list(arguments))
        printed = self._capture.readouterr()
        self.errors = printed.err
        assert ended == code, printed.out + printed.err
        return printed.out

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The JSON that the command printed, and nothing else."""
        return json.loads(self(*arguments, "--json", code=code))
