"""The API against its own OpenAPI document: whatever a caller sends that the document allows, and
some of what it does not, is answered as the document says, and never with a 500.

The requests are made up by Schemathesis; an integration of each vendor exists, so that some of them
get past the first door. What the answers mean is asked elsewhere.
"""

from typing import Any, cast
from uuid import UUID

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS as KNOWN_CHECKS
from schemathesis.checks import CheckFunction, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from frontdesk.application import open_services
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.record_repository import upsert
from frontdesk.catalog.records import rows_of
from frontdesk.vendors.contract import Record
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import vendors
from tests.conftest import CallerAccount, LiveServer, in_a_thread, make_settings
from tests.integrations.world import PATH, body_of

pytestmark = pytest.mark.long

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
BULK = "/v1/events/residents/bulk"
EXAMPLES = 8
PARTS = 4
"""The operations are dealt out to so many tests, which can run beside each other."""

SECONDS = 20
"""For one answer: far above what any takes, so that a hang is a failure."""


async def _caller(database_url: str) -> CallerAccount:
    services = await open_services(make_settings(), database_url, role="command")
    try:
        account = await services.accounts.create_account("made-up requests", None)
        made = await services.accounts.create_token(account.id, "all scopes")
        return CallerAccount(account.id, made.secret, made.token.id)
    finally:
        await services.close()


@pytest.fixture
def caller(database_url: str) -> CallerAccount:
    """An account that may do everything."""
    return in_a_thread(_caller(database_url))


@pytest.fixture
def integration_ids(server: LiveServer, caller: CallerAccount) -> list[str]:
    """An active integration of each vendor that can be integrated."""
    found: list[str] = []
    for vendor in vendors().values():
        if vendor.connector is None:
            continue
        answer = requests.post(
            f"{server.url}{PATH}/",
            json=body_of(vendor, active=True),
            headers=caller.headers,
            timeout=SECONDS,
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["result"]["id"])
    return found


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_answer_is_as_documented(
    mode: GenerationMode,
    part: int,
    server: LiveServer,
    caller: CallerAccount,
    integration_ids: list[str],
) -> None:
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == len(list(document.get_all_operations()))
    assert len(operations) > PARTS
    wrong: list[str] = []
    for operation in operations[part::PARTS]:
        if mode is GenerationMode.NEGATIVE and not _takes_anything(operation):
            continue
        wrong += _tried(operation, mode, caller, integration_ids)
    assert not wrong, "\n\n".join(wrong)


def test_every_check_is_known_and_those_left_out_exist() -> None:
    assert {"negative_data_rejection", "ignored_auth"} <= {check.__name__ for check in CHECKS}
    assert EXCLUDED.keys() <= set(KNOWN_CHECKS.get_all_names())


def _takes_anything(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether there is anything that can be sent wrong."""
    return bool(list(operation.iter_parameters())) or bool(list(operation.body))


def _tried(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    caller: CallerAccount,
    integration_ids: list[str],
) -> list[str]:
    """What is wrong with the answers of one operation."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Case[Any]) -> None:
        if isinstance(case.body, dict) and "integration_id" in case.body:
            case.body["integration_id"] = integration_ids[len(case.body) % len(integration_ids)]
        parameters = case.path_parameters or {}
        if "integration_id" in parameters and len(str(parameters["integration_id"])) % 2:
            parameters["integration_id"] = integration_ids[0]
        checks = CHECKS
        keyed_dry_run = (case.query or {}).get("dry_run") and "Idempotency-Key" in (
            case.headers or {}
        )
        if keyed_dry_run or operation.path == BULK:
            # The contract ignores the key of a dry run, whatever its form; and of many events, each
            # has a result of its own: the call is answered, and what is wrong stands in it.
            checks = [check for check in CHECKS if check.__name__ != "negative_data_rejection"]
        case.call_and_validate(checks=checks, headers=caller.headers, timeout=SECONDS)

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
    database_url: str, server: LiveServer, caller: CallerAccount, integration_ids: list[str]
) -> None:
    for integration_id in integration_ids:
        in_a_thread(_add_resident(database_url, caller, integration_id))
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")

    def called(path: str, method: str, **parts: Any) -> Any:
        case = document[path][method].Case(**parts)
        answer = case.call_and_validate(checks=CHECKS, headers=caller.headers, timeout=SECONDS)
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
