"""The API against its own OpenAPI document: whatever a caller sends that the document allows, and
some of what it does not, is answered as the document says, and never with a 500.

The requests are made up by Schemathesis; an integration of each vendor exists, so that some of them
get past the first door. What the answers mean is asked elsewhere.
"""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS as KNOWN_CHECKS
from schemathesis.core.failures import FailureGroup

from frontdesk.application import open_services
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.record_repository import upsert
from frontdesk.catalog.records import rows_of
from frontdesk.vendors.contract import Record
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import vendors
from tests.api.made_up import (
    CHECKS,
    EXAMPLES,
    EXCLUDED,
    Made,
    Operation,
    Sender,
    loaded,
    operations_of,
)
from tests.conftest import CallerAccount, LiveServer, in_a_thread, make_settings

pytestmark = pytest.mark.long

PARTS = 4
"""The operations are dealt out to so many tests, which can run beside each other."""


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_answer_is_as_documented(
    mode: GenerationMode, part: int, server: LiveServer, sender: Sender
) -> None:
    operations = operations_of(loaded(server))
    assert len(operations) > PARTS
    wrong: list[str] = []
    for operation in operations[part::PARTS]:
        if mode is GenerationMode.NEGATIVE and not _takes_anything(operation):
            continue
        wrong += _tried(operation, mode, sender)
    assert not wrong, "\n\n".join(wrong)


def test_every_check_is_known_and_those_left_out_exist() -> None:
    assert {"negative_data_rejection", "ignored_auth"} <= {check.__name__ for check in CHECKS}
    assert EXCLUDED.keys() <= set(KNOWN_CHECKS.get_all_names())


def _takes_anything(operation: Operation) -> bool:
    """Whether there is anything that can be sent wrong."""
    return bool(list(operation.iter_parameters())) or bool(list(operation.body))


def _tried(operation: Operation, mode: GenerationMode, sender: Sender) -> list[str]:
    """What is wrong with the answers of one operation."""

    @settings(
        max_examples=EXAMPLES or 8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Made) -> None:
        sender.fill(case)
        sender.send(case)

    try:
        attempt()
    except FailureGroup as failures:
        return [f"{operation.label}: {failures}", *map(str, failures.exceptions)]
    return []


async def _add_resident(database_url: str, caller: CallerAccount, integration_id: str) -> None:
    """A resident as a sync would bring him."""
    record = Record(Model.RESIDENTS, "4711", {"first_name": "Ada", "email_1": "ada@example.com"})
    spec = SPECS[Model.RESIDENTS]
    services = await open_services(make_settings(), database_url, role="command")
    try:
        integration = await services.integrations.get_owned(caller.id, UUID(integration_id))
        assert integration is not None
        rows = rows_of(spec, [record], vendors()[integration.vendor].declaration)
        async with services.database.transaction() as connection:
            await upsert(connection, spec, caller.id, integration.id, integration.vendor, rows)
    finally:
        await services.close()


def test_an_accepted_write_is_answered_as_documented_wherever_it_shows(
    database_url: str,
    server: LiveServer,
    caller: CallerAccount,
    integration_ids: list[str],
    sender: Sender,
) -> None:
    for integration_id in integration_ids:
        in_a_thread(_add_resident(database_url, caller, integration_id))
    document = loaded(server)

    def called(path: str, method: str, **parts: Any) -> Any:
        case = document[path][method].Case(**parts)
        answer = case.call_and_validate(checks=CHECKS, **sender.arguments)
        return answer.json() if answer.status_code == 200 else None

    residents = called("/v1/residents", "get")["results"]
    assert len(residents) == len(integration_ids)
    jobs: list[str] = []
    for resident in residents:
        called("/v1/residents/{record_id}", "get", path_parameters={"record_id": resident["id"]})
        body = {
            "integration_id": resident["integration_id"],
            "resident_id": resident["id"],
            "notes": "As documented",
        }
        parts = {"body": body, "media_type": "application/json"}
        called("/v1/events/residents", "post", query={"dry_run": "true"}, **parts)
        accepted = called("/v1/events/residents", "post", **parts)
        jobs += [accepted["job_id"]] if accepted else []
    assert jobs, "no vendor takes a plain note"
    for job_id in jobs:
        places = (
            ("/v1/admin/write-status/{root_job_id}", "root_job_id"),
            ("/v1/admin/logs/jobs/{job_id}", "job_id"),
        )
        for path, name in places:
            assert called(path, "get", path_parameters={name: job_id}) is not None, path
    assert called("/v1/admin/integrations", "get")["results"]
