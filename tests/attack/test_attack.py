"""Attacks, small: whoever behaves is answered, whoever attacks is cut off, and nothing is left of them.

How fast others are answered meanwhile is measured by `make attack`, with a thousand connections and more.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.field import Field
from tests.journeys.fleet import Ground, fleet, ground
from tests.journeys.served import NOTE_VENDOR, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

CONNECTIONS = 200
SECONDS = 6.0
RATE = 20.0
ROOM = 160 << 20
"""Bytes that an API process may grow by, whatever comes. A longest answer for each who does not read it, or
a body for each who sends monsters, would be more."""
SPARE = 8
"""Files that the process opens in its own business: connections to its database."""

CUT_OFF = {
    "idle": {"closed"},
    "kept": {"closed"},
    "slow-head": {"408", "closed", "reset"},
    "slow-body": {"408", "closed", "reset"},
    "unread": {"200", "closed", "reset"},
    "half-open": {"408", "closed", "reset"},
    "oversized": {"400", "408", "413", "431", "200", "closed", "reset"},
}
"""What each kind of attacker is told."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attack")


@pytest.fixture(scope="module")
def standing(database_url: str, folder: Path) -> Iterator[Ground]:
    with ground(database_url, folder) as standing:
        yield standing


@pytest.fixture(scope="module")
def field(database_url: str, folder: Path, standing: Ground) -> Iterator[Field]:
    """A server that loses its patience within two seconds."""
    bounds = {
        f"FRONTDESK_CONNECTION_{name}_SECONDS": "2" for name in ("HEAD", "BODY", "IDLE", "UNREAD")
    }
    with fleet(
        database_url, folder, on=standing, vendors={NOTE_VENDOR}, settings=bounds
    ) as running:
        field = Field(running.api, running.api.command.process.pid)
        field.steady(RATE, 1)
        yield field


@pytest.mark.parametrize("kind", CUT_OFF)
def test_others_are_answered_and_attackers_are_cut_off_without_a_trace(
    field: Field, kind: str
) -> None:
    before = field.figures()
    # Those with monsters each send a mebibyte a second: a few are as much work.
    count = 20 if kind == "oversized" else CONNECTIONS
    with field.attacked(kind, count) as report:
        steady = field.steady(RATE, SECONDS)
        during = field.figures()
    assert set(steady.answered) == {"200"}, steady.answered
    assert sum(steady.answered.values()) == RATE * SECONDS
    assert report.made >= count
    assert sum(report.ended.values()) >= count / 2, report
    assert set(report.ended) <= CUT_OFF[kind], report
    assert during.rss - before.rss < ROOM
    until(lambda: field.figures().open_files <= before.open_files + SPARE, seconds=30)


def test_with_all_connections_taken_by_the_idle_whoever_asks_is_answered(
    field: Field, database_url: str, standing: Ground, tmp_path: Path
) -> None:
    most = 50
    # They would be left alone for an hour: it is the room that they are ended for.
    patient = {
        f"FRONTDESK_CONNECTION_{name}_SECONDS": "300" for name in ("HEAD", "BODY", "IDLE", "UNREAD")
    }
    patient["FRONTDESK_CONNECTIONS"] = str(most)
    # An API beside the other, whose worker has read the catalog.
    with fleet(
        database_url, tmp_path, on=standing, vendors={NOTE_VENDOR}, workers=0, settings=patient
    ) as running:
        crowded = Field(running.api, running.api.command.process.pid)
        with crowded.attacked("idle", 4 * most) as report:
            steady = crowded.steady(RATE, SECONDS)
            open_files = crowded.figures().open_files
    assert set(steady.answered) == {"200"}, steady.answered
    assert report.ended.get("closed", 0) >= 2 * most, report
    assert open_files < 2 * most
