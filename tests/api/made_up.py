"""Requests that Schemathesis makes up from the OpenAPI document, and its checks of their answers: what the
tests of its phases share.

`FRONTDESK_MADE_UP_EXAMPLES=200` makes so many instead of a few wherever the number is open.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import requests
import schemathesis
from schemathesis import Case
from schemathesis.checks import CHECKS as KNOWN_CHECKS
from schemathesis.checks import CheckFunction, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema

from tests.conftest import CallerAccount, LiveServer

load_all_checks()
EXCLUDED = {
    "positive_data_acceptance": "which ids an account has, and what two fields or parameters mean only "
    "together, no schema states (`x_id` without `integration_id`, a field ordered by twice); the 400 is "
    "documented, and the paths of a PMS that takes no events are there to answer 405",
}
"""Checks that do not hold here, and why."""

CHECKS: list[CheckFunction] = [
    cast("CheckFunction", KNOWN_CHECKS.get_one(name))
    for name in KNOWN_CHECKS.get_all_names()
    if name not in EXCLUDED
]
"""Whatever the library knows: a new one comes with its release."""
EVENTS = "/v1/events/residents"
BULK = f"{EVENTS}/bulk"
EXAMPLES = int(os.environ.get("FRONTDESK_MADE_UP_EXAMPLES", "0"))
"""0: as few as a run of all tests has time for."""

SECONDS = 20
"""For one answer: far above what any takes, so that a hang is a failure."""

Operation = APIOperation[Any, Any, Any, Any]
Made = Case[Any]


def loaded(server: LiveServer, **phases: Any) -> BaseSchema:
    """The server's document. `phases`: the library's settings of them."""
    config = schemathesis.Config.from_dict({"phases": phases})
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json", config=config)


def operations_of(document: BaseSchema) -> list[Operation]:
    """All of them; one that the library cannot read is an error."""
    found = list(document.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    return operations


class Sender:
    """Sends cases as the caller, over one connection, and has the answers checked."""

    def __init__(self, caller: CallerAccount, integration_ids: list[str]) -> None:
        self._caller = caller
        self._integration_ids = integration_ids
        self._connection = requests.Session()
        # No look at the environment for a proxy at every request: that took a sixth of the time.
        self._connection.trust_env = False

    @property
    def arguments(self) -> dict[str, Any]:
        """For `Case.call` and what goes with it."""
        return {
            "headers": self._caller.headers,
            "session": self._connection,
            "timeout": SECONDS,
        }

    def close(self) -> None:
        self._connection.close()

    def fill(self, case: Made) -> None:
        """Put integrations that there are in the place of some that there are not."""
        ids = self._integration_ids
        if isinstance(case.body, dict) and "integration_id" in case.body:
            case.body["integration_id"] = ids[len(case.body) % len(ids)]
        parameters = case.path_parameters or {}
        if "integration_id" in parameters and len(str(parameters["integration_id"])) % 2:
            parameters["integration_id"] = ids[0]

    def send(self, case: Made) -> None:
        """Raises FailureGroup."""
        case.call_and_validate(checks=checks_of(case), **self.arguments)

    def wrong(self, case: Made) -> Iterator[str]:
        """What a check says against the answer."""
        try:
            self.send(case)
        except FailureGroup as failures:
            yield from (f"{case.operation.label}: {failure}" for failure in failures.exceptions)


def checks_of(case: Made) -> list[CheckFunction]:
    """Those that hold for the case."""
    keyed_dry_run = (case.query or {}).get("dry_run") and "Idempotency-Key" in (case.headers or {})
    if keyed_dry_run or case.operation.path == BULK:
        # The contract ignores the key of a dry run, whatever its form; and of many events, each
        # has a result of its own: the call is answered, and what is wrong stands in it.
        return [check for check in CHECKS if check.__name__ != "negative_data_rejection"]
    return CHECKS


@contextmanager
def no_names() -> Iterator[None]:
    """No name is looked up, there is none: a name server would be asked for made-up hosts, and wait for
    seconds where it reaches nobody."""
    look_up = socket.getaddrinfo

    def numbers_only(
        host: Any, port: Any, family: int = 0, kind: int = 0, protocol: int = 0, flags: int = 0
    ) -> Any:
        return look_up(host, port, family, kind, protocol, flags | socket.AI_NUMERICHOST)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", numbers_only)
        yield
