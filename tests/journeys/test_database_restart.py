"""The database is killed and restarted, and then swallowed by the network, under load, with an API and
a worker: callers are told 503, connections are made anew, and every 2xx reaches its PMS once."""

import time
from collections.abc import Iterator

import pytest

from tests.database.proxy import Proxy
from tests.journeys.checking import verdict
from tests.journeys.fleet import fleet, settles_after, settling_within
from tests.journeys.load import Answer, Load
from tests.journeys.replicated import Server
from tests.journeys.served import fresh_data_dir, until

pytestmark = pytest.mark.long

PATIENCE_SECONDS = 2.0
LONGEST_ANSWER_SECONDS = 2 * PATIENCE_SECONDS + 20.0
"""What the operations page states, for this patience."""

SETTLES_WITHIN_SECONDS = 40.0
LOAD_SECONDS = 3.0
AWAY_SECONDS = 4.0
SWALLOWED_SECONDS = 10.0


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that nobody restarts but us."""
    with fresh_data_dir() as data_dir:
        server = Server(data_dir.parent / "p")
        try:
            server.start()
            yield server
        finally:
            server.end()


@pytest.mark.timeout(500)
def test_database_killed_and_then_swallowed_loses_and_doubles_nothing_and_hangs_nobody(
    server: Server,
) -> None:
    folder = server.placement.data_dir.parent
    with (
        Proxy(server.url) as proxy,
        fleet(
            proxy.url,
            folder,
            vendors=settling_within(SETTLES_WITHIN_SECONDS),
            FRONTDESK_DATABASE_PATIENCE_SECONDS=str(PATIENCE_SECONDS),
        ) as running,
    ):
        targets = running.targets(3, SETTLES_WITHIN_SECONDS)
        load = Load(
            [running.api.url], running.api.token, targets, word="restart", pause_seconds=0.1
        )
        with load:
            until(lambda: all(caller.accepted for caller in load.callers), seconds=60)
            time.sleep(LOAD_SECONDS)

            killed_at = time.monotonic()
            server.kill()
            time.sleep(AWAY_SECONDS)
            assert running.api.call("GET", "/readyz")[0] == 503
            restarted_at = time.monotonic()
            server.start()
            until(lambda: _all_went_on(load, time_of=restarted_at), seconds=60)
            assert running.api.call("GET", "/readyz")[0] == 200
            time.sleep(LOAD_SECONDS)

            swallowed_at = time.monotonic()
            proxy.swallow()
            time.sleep(SWALLOWED_SECONDS)
            assert running.api.call("GET", "/healthz")[0] == 200
            flowing_at = time.monotonic()
            # As when the machine is there again, and knows nothing of the connections it had.
            proxy.cut()
            proxy.flow()
            until(lambda: _all_went_on(load, time_of=flowing_at), seconds=90)
            time.sleep(LOAD_SECONDS)

        answers = load.answers
        for begun, over in ((killed_at, restarted_at), (swallowed_at, flowing_at)):
            told = [a for a in answers if begun < a.asked_at and a.at < over]
            assert told, "nobody was told anything while the database was away"
            assert [a for a in told if not a.is_well_formed_503] == []
        assert [a for a in answers if a.status != 200 and not a.is_well_formed_503] == []
        assert _slowest(answers) <= LONGEST_ANSWER_SECONDS
        for process in (running.api.command, *running.workers):
            assert process.process.poll() is None, process.said()[-2000:]
        longest = max(settles_after(target.vendor) for target in targets)
        found = verdict(running.api, load.callers, "restart", patience=longest + 120)
        assert found.accepted == load.accepted > 0
        assert found.holds, found


def _all_went_on(load: Load, *, time_of: float) -> bool:
    return all(
        any(a.status == 200 and a.asked_at > time_of for a in caller.answers[-50:])
        for caller in load.callers
    )


def _slowest(answers: list[Answer]) -> float:
    return max(answer.at - answer.asked_at for answer in answers)
