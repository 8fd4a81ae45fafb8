"""How a command says that it could not: one sentence for people, one exit code for scripts."""

FAILED = 1
"""It was tried, and did not work out."""

SURROUNDINGS = 2
"""It was not tried: the command line, a setting, the machine or the database is not as needed."""


class CommandFailed(Exception):  # noqa: N818 (the end of a command, told to a person)
    """Ends a command. The message says what to do about it and holds no secret."""

    def __init__(self, message: str, *, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
