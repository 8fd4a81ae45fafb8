"""The primary is killed and its synchronous standby promoted, under load: the drill of `make failover`,
smaller. One test: it is one failover."""

import pytest

from tests.journeys.failover import GOES_ON_WITHIN_SECONDS, drill
from tests.journeys.served import fresh_data_dir

pytestmark = pytest.mark.long


@pytest.mark.timeout(500)
def test_killed_primary_stops_writes_with_503_and_its_standby_goes_on_with_every_2xx() -> None:
    with fresh_data_dir() as data_dir:
        measured = drill(data_dir.parent)
    assert measured.accepted_before > 0
    assert measured.refused > 0
    assert measured.malformed == []
    assert measured.accepted_meanwhile == 0
    assert measured.accepted_after > 0
    assert measured.went_on_last <= GOES_ON_WITHIN_SECONDS
    assert measured.processes_ended == []
    assert measured.commands_failed == []
    assert measured.verdict.holds, measured.verdict
