"""The torture run, short: processes killed and stopped under load, PMSs that misbehave."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torture.processes import ROOT

from tests.journeys.served import surroundings

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

SECONDS = "45"
"""Six kills: one every eight seconds, as in any run."""
CUSTOMERS = "3"
"""Of each vendor: with three vendors, three integrations for each worker."""
SETTLES_WITHIN_SECONDS = "40"
"""Vendors whose lost answers take minutes to settle are left to `make torture`."""


def test_nothing_is_lost_doubled_or_out_of_order_while_everything_is_killed(tmp_path: Path) -> None:
    outcome = tmp_path / "outcome.json"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "torture", "--seconds", SECONDS, "--json", str(outcome)),
            *("--customers", CUSTOMERS),
            *("--settles-within", SETTLES_WITHIN_SECONDS, "--drain-seconds", "240"),
        ],
        cwd=ROOT,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )

    found = json.loads(outcome.read_text()) if outcome.exists() else {}
    assert found.get("misses") == [], f"{ended.stdout}\n{ended.stderr}"
    assert ended.returncode == 0
    assert found["kills"] >= 5
    assert all(verdict["accepted"] > 0 for verdict in found["verdicts"].values())
