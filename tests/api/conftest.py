"""Who makes up requests: an account that may do everything, with an integration of each vendor."""

from collections.abc import Iterator

import pytest
import requests

from frontdesk.application import open_services
from frontdesk.vendors.registry import vendors
from tests.api.made_up import SECONDS, Sender, no_names
from tests.conftest import CallerAccount, LiveServer, in_a_thread, make_settings
from tests.integrations.world import PATH, body_of


async def _caller(database_url: str) -> CallerAccount:
    services = await open_services(make_settings(), database_url, role="command")
    try:
        account = await services.accounts.create_account("made-up requests", None)
        made = await services.accounts.create_token(account.id, "all scopes")
        return CallerAccount(account.id, made.secret, made.token.id)
    finally:
        await services.close()


@pytest.fixture(scope="module")
def caller(database_url: str) -> CallerAccount:
    """An account that may do everything."""
    return in_a_thread(_caller(database_url))


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def sender(caller: CallerAccount, integration_ids: list[str]) -> Iterator[Sender]:
    """Sends what was made up."""
    with no_names():
        sender = Sender(caller, integration_ids)
        yield sender
        sender.close()
