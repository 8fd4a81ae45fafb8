"""Every example runs as its reader would run it, and does what it says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.served import Served, fresh_data_dir, serving

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A sandboxed Frontdesk with its ready file."""
    with fresh_data_dir() as data_dir, serving(data_dir) as served:
        yield served


def run(served: Served, name: str, *arguments: str) -> str:
    """Run an example on the ready file; what it printed."""
    done = subprocess.run(
        [
            sys.executable,
            str(EXAMPLES / name),
            str(served.data_dir.parent / "ready.json"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test() -> None:
    tested = {"record_note.py", "follow_job.py", "retry_safely.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


def test_record_note_prints_the_ids_of_a_record_that_the_pms_holds(served: Served) -> None:
    printed = run(served, "record_note.py", "An example's note")
    (effect,) = served.effects("An example's note")
    assert printed.startswith("succeeded: ")
    assert f"the PMS's id {effect['x_id']}" in printed


def test_follow_job_shows_every_problem_and_then_the_end(served: Served) -> None:
    printed = run(served, "follow_job.py")
    assert "refused with 400 invalid_request" in printed
    assert "  note: " in printed
    assert "  notes: " in printed
    assert re.search(r"^SUCCESS after \d+ attempt\(s\) \[\]$", printed, re.MULTILINE)
    assert len(served.effects("Wants a key")) == 1
    # One attempt was sent. A machine that keeps a worker waiting past its grant (a quarter of a second
    # at this PMS) ends an attempt before its request leaves, and another is made.
    (job_id,) = re.findall(r"^accepted: (\S+)$", printed, re.MULTILINE)
    logs = served.get(f"/v1/admin/logs/jobs/{job_id}")["results"]
    wire = [served.get(f"/v1/admin/job-logs/{log['id']}/data")["results"] for log in logs]
    assert [data["outcome"] for data in wire if data["request"] is not None] == ["delivered"]
    assert {data["outcome"] for data in wire if data["request"] is None} <= {"not_sent"}


def test_retry_safely_makes_one_job_of_two_requests(served: Served) -> None:
    printed = run(served, "retry_safely.py", "an example's key")
    assert printed == "one job: True, answered from the first: True\n"
    assert len(served.effects("(an example's key)")) <= 1
