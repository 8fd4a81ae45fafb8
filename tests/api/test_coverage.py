"""The whole API at the edges of its document: each parameter and field left out, of another type, just in
and just out of its bounds, twice; other media types; and methods that no path documents.

Schemathesis lists these cases, the same ones in every run, in its phase `coverage`.
"""

from collections import Counter
from typing import Any

import pytest
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from frontdesk.errors import ApiError, Code
from frontdesk.http import gate, methods
from tests.api.made_up import EVENTS, EXAMPLES, Made, Operation, Sender, loaded, operations_of
from tests.conftest import LiveServer

pytestmark = pytest.mark.long

PARTS = 6
"""The operations are dealt out to so many tests, which can run beside each other."""

_SHARE = 4
"""Of what is repeated, every so many-th is sent, unless more examples are asked for."""

EXPECTED = {
    "unspecified_http_method",
    "missing_parameter",
    "duplicate_parameter",
    "incorrect_type",
    "value_above_maximum",
    "object_missing_required_property",
    "unsupported_content_type",
    "malformed_content_type",
}
"""Kinds of cases that each part has some of."""


def cases_of(operation: Operation) -> list[Made]:
    """Every case at the edges of the operation's document."""
    document = operation.schema
    config = document.config.generation_for(operation=operation, phase="coverage")
    return list(
        document.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=config,
            extra_data_source=None,
            error_feedback=None,
        )
    )


def kind_of(case: Made) -> str:
    meta: Any = case.meta
    return str(meta.phase.data.scenario.value)


def is_repeated(operation: Operation, case: Made) -> bool:
    """Of another type, at one PMS's own path: its fields are those of the common path, and are read
    by the same code."""
    return operation.path.startswith(f"{EVENTS}/") and kind_of(case) == "incorrect_type"


@pytest.mark.parametrize("part", range(PARTS))
def test_every_answer_at_the_edges_is_as_documented(
    part: int, server: LiveServer, sender: Sender
) -> None:
    document = loaded(server, coverage={"generate-duplicate-query-parameters": True})
    kinds: Counter[str] = Counter()
    wrong: list[str] = []
    for operation in operations_of(document)[part::PARTS]:
        for number, case in enumerate(cases_of(operation)):
            if number % _SHARE and not EXAMPLES and is_repeated(operation, case):
                continue
            kinds[kind_of(case)] += 1
            sender.fill(case)
            wrong += sender.wrong(case)
    assert kinds.keys() >= EXPECTED
    assert not wrong, "\n\n".join(wrong)


def _found(server: LiveServer, sender: Sender, path: str, kind: str) -> set[str]:
    """The names of the checks that say something against the cases of a kind."""
    found: set[str] = set()
    for operation in operations_of(loaded(server)):
        if operation.path != path:
            continue
        for case in cases_of(operation):
            if kind_of(case) != kind:
                continue
            try:
                sender.send(case)
            except FailureGroup as failures:
                found |= {type(failure).__name__ for failure in failures.exceptions}
    return found


def test_a_wrong_allow_header_would_be_found(
    server: LiveServer, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(headers: dict[str, str]) -> ApiError:
        return ApiError(Code.METHOD_NOT_ALLOWED, "Not so.", headers=headers)

    path, kind = "/v1/webhooks", "unspecified_http_method"
    assert _found(server, sender, path, kind) == set()
    monkeypatch.setattr(methods, "not_taken", lambda _: refused({"Allow": "GET"}))
    assert _found(server, sender, path, kind) == {"AllowHeaderMismatch"}
    monkeypatch.setattr(methods, "not_taken", lambda _: refused({}))
    assert _found(server, sender, path, kind) == {"UnsupportedMethodResponse"}


def test_a_header_that_may_be_left_out_although_it_is_needed_would_be_found(
    server: LiveServer, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, kind = "/v1/webhooks", "missing_parameter"
    assert _found(server, sender, path, kind) == set()
    monkeypatch.setattr(gate, "_unauthenticated", lambda: ApiError(Code.CONFLICT, "Not so."))
    assert "MissingHeaderNotRejected" in _found(server, sender, path, kind)
