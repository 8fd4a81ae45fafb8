"""The web framework can trace and log by itself. What it would say is not masked, so it says nothing."""

import pytest
from tests.conftest import CallerAccount, LiveServer, make_settings, session
from tests.tracing.collector import taking


async def test_the_framework_exports_nothing_of_its_own_even_where_it_is_told_to(
    database_url: str, account: CallerAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/admin/integrations?secret=in-the-query"
    with taking() as collector:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/v1/traces"))
        server = LiveServer(database_url, make_settings()).start()
        try:
            async with session(server.url, account) as client, client.get(path) as answer:
                assert answer.status == 400
        finally:
            server.stop()
        # It would have flushed at its end.
        assert collector.bodies == []
