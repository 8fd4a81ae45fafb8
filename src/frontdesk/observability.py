"""Structured logs: one line an event, with the ids of what it is about, and no secret in any.

Everything that logs in a process goes through here: our own loggers, uvicorn's, asyncio's. It
refuses to print a token, a credential or an `Authorization` header, whoever put it into a message
or let it slip into an exception; a resident's text is never logged by anybody, so it is not
looked for. Metrics and traces are not made here.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

MASK = "***"

# Our own tokens keep their prefix, which may be shown and tells an operator which one it was.
_OWN_TOKEN = re.compile(r"(fd_[A-Za-z0-9]{4,}_)[A-Za-z0-9_\-]{16,}")
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[A-Za-z0-9._~+/=\-]{6,}")
_URL_PASSWORD = re.compile(r"(?P<head>\b[a-z][a-z0-9+.\-]*://[^\s/@:]*:)[^\s@/]+(?=@)")
_SECRET_NAME = re.compile(
    r"(?i)(authorization|password|passwd|secret|credential|api[-_]?key|licen[sc]e[-_]?key"
    r"|private[-_]?key|encryption[-_]?key$|^token$|[-_]token$|apitoken|cookie)"
)
_DEEPEST = 8


def configure(
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["auto", "json", "console"] = "auto",
    process: str,
    stream: TextIO | None = None,
) -> None:
    """Set this process's logging up; call once, before anything logs.

    `style` `auto` is for people on a terminal and JSON elsewhere. `process` (`api`, `worker` …)
    stands in every line. Lines go to `stream`, stderr if not given: stdout belongs to a command's
    answer.
    """
    target = stream if stream is not None else sys.stderr
    readable = style == "console" or (style == "auto" and target.isatty())
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _named(process),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=target.isatty(),
            sort_keys=False,
            # The pretty one shows local variables: credentials among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first,
            # Masked last, directly before the line is made: a traceback is text by then, and what
            # another processor added is in sight.
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_secrets,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "aiohttp.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # That it starts and stops is said by the commands, in words of ours.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))
    # One line a request is the attempt's and the write's own record, not the log's.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.captureWarnings(True)


@contextmanager
def about(
    *,
    request_id: str | None = None,
    job_id: object | None = None,
    integration_id: object | None = None,
) -> Iterator[None]:
    """Put these ids into every line that this task (and the tasks it starts) logs in the block."""
    ids = {"request_id": request_id, "job_id": job_id, "integration_id": integration_id}
    with structlog.contextvars.bound_contextvars(
        **{name: str(value) for name, value in ids.items() if value is not None}
    ):
        yield


def mask_secrets(logger: object, method: str, event: EventDict) -> EventDict:
    """A structlog processor: masks secrets in every value, by its name and by its form."""
    del logger, method
    for name, value in list(event.items()):
        event[name] = MASK if _is_secret(name, value) else masked(value)
    return event


def masked(value: object, depth: int = 0) -> Any:
    """The same value without secrets. Strings are searched; mappings and lists are copied."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bytes | bytearray):
        return mask_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        # A structure as deep as this is data that slipped in, and data is not for the log.
        if depth >= _DEEPEST:
            return MASK
        return {
            str(key): MASK if _is_secret(str(key), inner) else masked(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return MASK if depth >= _DEEPEST else [masked(inner, depth + 1) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask_text(str(value))


def mask_text(text: str) -> str:
    """The text with every token, authorization value and URL password in it masked."""
    text = _OWN_TOKEN.sub(rf"\g<1>{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\g<1>\g<2>{MASK}", text)
    return _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)


def _is_secret(name: str, value: object) -> bool:
    # None, and a count or a flag called like a secret, tell nothing and are worth reading.
    return not (value is None or isinstance(value, bool | int | float)) and bool(
        _SECRET_NAME.search(name)
    )


def _named(process: str) -> Processor:
    def add_process(
        logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        del logger, method
        event.setdefault("process", process)
        return event

    return add_process
