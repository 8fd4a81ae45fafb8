"""Operations one after another, along the links of the OpenAPI document: what was made is read, changed,
deleted, and is gone.

Schemathesis walks them, in its phase `stateful`: it takes the ids out of the answers and checks what only a
row of requests can show. Guesses at further links, from names, are left out: those of the document are the
ones that are promised.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response

from frontdesk.database.pool import Database, Record
from frontdesk.errors import not_found
from frontdesk.webhooks.service import WebhookService
from tests.api.made_up import EXAMPLES, Made, Sender, checks_of, loaded
from tests.api.walk import Filler, Operation, settled
from tests.conftest import CallerAccount, LiveServer, in_a_thread, session
from tests.events.world import POST

pytestmark = pytest.mark.long

ROUNDS = 10
"""Most times to start walking, each time from another seed, until every link was followed."""

# The first is always the simplest there is.
SCENARIOS = EXAMPLES or 2
STEPS = 12

NOT_FOLLOWED = {
    "streamWriteStatus": "a stream ends with its write, and nobody delivers here",
    "getEvent": "no status names an event that nobody delivered",
}
"""Ends of links that no chain here can come to, and why."""

KEPT = "/v1/admin/integrations"
"""What is deleted here is archived: the contract lets it be read for ever."""


async def _filler(database_url: str, server: LiveServer, caller: CallerAccount) -> Filler:
    database = await Database.connect(database_url, minimum=0, maximum=2)
    try:
        async with session(server.url, caller) as client:
            return await settled(client, database, caller)
    finally:
        await database.close()


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from item.values()


def _leading(operation: Mapping[str, Any], targets: Collection[str]) -> dict[str, Any]:
    """The operation with links to these alone."""
    answers = {
        status: {
            **answer,
            "links": {
                name: link
                for name, link in answer.get("links", {}).items()
                if link["operationId"] in targets
            },
        }
        for status, answer in operation["responses"].items()
    }
    return {**operation, "responses": answers}


def _name_of(case: Made) -> str:
    return str(case.operation.definition.raw["operationId"])


@pytest.fixture(scope="module")
def filler(database_url: str, server: LiveServer, caller: CallerAccount) -> Filler:
    """Bodies with the ids of an account that has residents."""
    return in_a_thread(_filler(database_url, server, caller))


class Walk:
    """Walks the links of one operation at a time, and counts what it followed: from, to, and the status at
    the end."""

    def __init__(self, server: LiveServer, filler: Filler, sender: Sender) -> None:
        self.followed: Counter[tuple[str, str, int]] = Counter()
        self._url = server.url
        self._document = loaded(server).raw_schema
        self._filler = filler
        self._sender = sender
        self._machines: dict[str, type[Any]] = {}

    def links(self) -> dict[str, set[str]]:
        """From an operation to those that its answers lead to, by their ids."""
        found: dict[str, set[str]] = {}
        for operation in _operations(self._document):
            targets = {
                link["operationId"]
                for answer in operation["responses"].values()
                for link in answer.get("links", {}).values()
            } - NOT_FOLLOWED.keys()
            if targets:
                found[operation["operationId"]] = targets
        return found

    def _machine(self, beginning: str) -> type[Any]:
        """The library chooses where to begin by what it guesses of the operations that lead on: with the
        links of one, there is no choice."""
        targets = self.links()[beginning]
        paths = {
            path: {
                method: _leading(
                    operation, targets if operation["operationId"] == beginning else ()
                )
                for method, operation in item.items()
                if operation["operationId"] in {beginning, *targets}
            }
            for path, item in self._document["paths"].items()
        }
        document = {
            **self._document,
            "paths": {path: item for path, item in paths.items() if item},
        }
        config = schemathesis.Config.from_dict(
            {
                "base-url": self._url,
                # The token is the sender's. One made up beside the ids would be a value that no answer
                # gave, and a record is only missed where every value came from answers.
                "generation": {"with-security-parameters": False},
                "phases": {
                    "stateful": {
                        "generation": {"mode": "positive"},
                        "inference": {"algorithms": []},
                    }
                },
            }
        )
        return schemathesis.openapi.from_dict(document, config=config).as_state_machine()

    def run(self, beginning: str, seed: int) -> None:
        """Some scenarios from there. Raises FailureGroup."""
        walk = self
        if beginning not in self._machines:
            self._machines[beginning] = self._machine(beginning)

        machine: Any = self._machines[beginning]

        class Scenario(machine):  # type: ignore[misc]
            def before_call(self, case: Made) -> None:
                walk.prepare(case, is_first=self.recorder.cases[case.id].parent_id is None)

            def get_call_kwargs(self, case: Made) -> dict[str, Any]:
                del case
                return walk._sender.arguments

            def validate_response(
                self, response: Response, case: Made, *others: Any, **arguments: Any
            ) -> None:
                del others
                checks = checks_of(case)
                if case.operation.path.startswith(KEPT):
                    checks = [check for check in checks if check.__name__ != "use_after_free"]
                case.validate_response(
                    response,
                    checks=checks,
                    transport_kwargs=arguments,
                    headers=arguments["headers"],
                    recorder=self.recorder,
                )
                step = self.recorder.cases[case.id]
                if step.parent_id is not None and step.is_transition_applied:
                    before = _name_of(self.recorder.cases[step.parent_id].value)
                    walk.followed[before, _name_of(case), response.status_code] += 1

        hypothesis.seed(seed)(Scenario)
        Scenario.run(
            settings=hypothesis.settings(
                max_examples=SCENARIOS,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
        )

    def prepare(self, case: Made, *, is_first: bool) -> None:
        """A chain begins with what is accepted: the document's example, of the account's own records."""
        if case.query:
            # Nobody delivers here: a wait would last as long as it may.
            case.query.pop("wait", None)
        about = case.operation.definition.raw
        operation = Operation(case.operation.method, case.operation.path, about)
        if is_first:
            case.query.clear()
            case.headers.pop("Idempotency-Key", None)
            for name in operation.path_ids:
                case.path_parameters[name] = self._filler.id_for(name, operation)
        elif len(str(case.body)) % 2:
            return
        world = self._filler.world(operation)
        if operation.method == "post" and operation.path.startswith(POST) and world is not None:
            # The example of the general path is not any vendor's.
            case.body = world.body()
        elif operation.content is not None:
            case.body = self._filler.body(operation)


@pytest.fixture
def walk(server: LiveServer, filler: Filler, sender: Sender) -> Walk:
    return Walk(server, filler, sender)


def test_every_link_of_the_document_is_followed_and_answered_as_documented(walk: Walk) -> None:
    links = walk.links()
    assert {"createWebhook", "createIntegration", "createResidentEvent"} <= links.keys()
    for beginning, targets in links.items():
        left = set(targets)
        for seed in range(ROUNDS):
            walk.run(beginning, seed)
            left -= {after for before, after, _ in walk.followed if before == beginning}
            if not left and not EXAMPLES:
                break
        assert not left, (beginning, walk.followed)


def test_what_was_made_is_there_until_it_is_deleted(walk: Walk) -> None:
    chain = {
        ("createWebhook", "getWebhook", 200),
        ("createWebhook", "deleteWebhook", 200),
        ("createWebhook", "getWebhook", 404),
    }
    for seed in range(ROUNDS):
        walk.run("createWebhook", seed)
        if chain <= walk.followed.keys():
            break
    assert chain <= walk.followed.keys()


def _found(walk: Walk) -> set[str]:
    """What a walk from a new webhook finds wrong."""
    for seed in range(ROUNDS):
        try:
            walk.run("createWebhook", seed)
        except FailureGroup as failures:
            return {type(failure).__name__ for failure in failures.exceptions}
    return set()


def test_a_webhook_that_can_be_read_after_it_was_deleted_would_be_found(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def delete(*_: object) -> None:
        """Says so, and does not."""

    monkeypatch.setattr(WebhookService, "delete", delete)
    assert "UseAfterFree" in _found(walk)


def test_a_webhook_that_is_not_there_after_it_was_made_would_be_found(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one(*_: object) -> Record:
        raise not_found("webhook")

    monkeypatch.setattr(WebhookService, "one", one)
    assert "EnsureResourceAvailability" in _found(walk), walk.followed
