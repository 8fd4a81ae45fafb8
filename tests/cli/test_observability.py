"""Logs: one line an event, the ids of what it is about, and no secret whoever let it slip."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.observability import MASK, about, configure, mask_text, masked
from frontdesk.tracing import spans
from frontdesk.tracing.exporting import tracing
from tests.conftest import make_settings
from tests.tracing.collector import taking

TOKEN = "fd_abcdefghij12_" + "S3cr3t-_" * 5 + "xyz"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The process's own logging as the other tests know it."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
    logging.captureWarnings(False)


def logged(style: str = "json") -> tuple[io.StringIO, Any]:
    """Where lines go, and a logger."""
    stream = io.StringIO()
    configure(
        level="info", style="json" if style == "json" else "console", process="t", stream=stream
    )
    return stream, structlog.get_logger("a test")


def test_a_line_is_json_with_process_level_time_and_the_ids_of_its_block() -> None:
    stream, log = logged()
    with about(request_id="r1", job_id="j1", integration_id="i1"):
        log.info("sent", count=2)
    log.info("later")

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "sent"
    assert first["count"] == 2
    assert first["process"] == "t"
    assert first["level"] == "info"
    assert first["timestamp"].endswith("Z")
    assert (first["request_id"], first["job_id"], first["integration_id"]) == ("r1", "j1", "i1")
    assert not {"request_id", "job_id", "integration_id"} & set(second)


def test_a_line_inside_a_span_bears_the_id_of_its_trace_and_no_other_does() -> None:
    with taking() as collector, tracing(make_settings(traces=collector.url), "t"):
        stream, log = logged()
        log.info("before")
        with spans.begin("outer", "server", {}):
            log.info("outer")
            with spans.begin("inner", "client", {}):
                log.info("inner")
            logging.getLogger("asyncio").warning("foreign")
        log.info("after")
    lines = {line["event"]: line for line in map(json.loads, stream.getvalue().splitlines())}
    (trace,) = {span.trace for span in collector.spans}
    assert {name: line.get("trace_id") for name, line in lines.items()} == {
        "before": None,
        "outer": trace,
        "inner": trace,
        "foreign": trace,
        "after": None,
    }


def test_foreign_loggers_come_out_the_same_way() -> None:
    stream, _ = logged()
    logging.getLogger("asyncio").warning("slow: %s", TOKEN)

    line = json.loads(stream.getvalue())
    assert line["event"] == f"slow: fd_abcdefghij12_{MASK}"
    assert line["process"] == "t"


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_printed_by_name_by_form_or_in_a_traceback(style: str) -> None:
    stream, log = logged(style)

    def fail(password: str) -> None:
        raise ValueError(f"cannot use {TOKEN} at postgresql://me:{password}@db/x")

    password = "p4ss" + "w0rd"  # In two parts: a traceback shows the source of its lines.
    try:
        fail(password)
    except ValueError:
        log.exception(
            "it failed",
            credentials={"clientId": "visible?", "secret": "hidden-1"},
            headers={"Authorization": "Bearer hidden-2-hidden", "accept": "x"},
            nested=[{"deep": {"api_key": "hidden-3"}}],
            said="Basic aGlkZGVuLTQ6aGlkZGVu",
        )

    text = stream.getvalue()
    for secret in ("S3cr3t", password, "hidden-", "aGlkZGVu", "visible?"):
        assert secret not in text
    assert "ValueError" in text
    assert "abcdefghij12" in text  # The prefix may be shown: it says which token it was.


def test_counts_and_absent_values_under_a_secret_sounding_name_stay_readable() -> None:
    assert masked({"tokens": 3, "secret": None, "password": "x"}) == {
        "tokens": 3,
        "secret": None,
        "password": MASK,
    }


def test_a_structure_without_end_is_cut_off_and_not_followed() -> None:
    ring: dict[str, Any] = {}
    ring["next"] = ring
    assert MASK in str(masked(ring))


@given(st.text(), st.text())
def test_a_token_is_masked_wherever_it_stands(before: str, after: str) -> None:
    assert "S3cr3t-_S3cr3t" not in mask_text(f"{before} {TOKEN} {after}")


def test_a_level_below_the_set_one_is_silent() -> None:
    stream, log = logged()
    log.debug("nothing to see")
    assert stream.getvalue() == ""
