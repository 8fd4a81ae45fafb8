"""What an operator sees must never be a credential, however a send ends."""

import pytest

from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import World, eventually


async def test_no_secret_shows_in_an_attempt_an_error_or_a_log(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (integration,) = await world.services.integrations.load([world.integration_id])
    declaration = connector_of(world.vendor).declaration
    secrets = declaration.secrets_of(integration.credentials)
    assert secrets
    (resident, other, *_) = await world.residents()
    await world.fault(fault="status", status=429, retry_after=1, n=1)
    await world.end_of(await world.write(resident, "first throttled, then sent"))
    await world.fault(fault="unauthorised", n=1 if declaration.token is None else 2)
    refused = await world.write(other, "refused")

    async def was_refused() -> bool:
        return bool((await world.row(refused))["errors"])

    await eventually(was_refused)
    database = world.services.database
    seen = [
        *await database.fetch(
            "SELECT a::text AS shown FROM attempts a WHERE integration_id = $1",
            world.integration_id,
        ),
        *await database.fetch(
            "SELECT w::text AS shown FROM writes w WHERE integration_id = $1", world.integration_id
        ),
    ]
    assert len([row for row in seen if "***" in row["shown"]]) >= 3, "attempts show their requests"
    output = capsys.readouterr()
    shown = "\n".join([*(row["shown"] for row in seen), output.out, output.err, caplog.text])
    assert [secret[:3] for secret in secrets if len(secret) > 3 and secret in shown] == []
