"""Have an event accepted now, and learn its end later; and read what a refusal says.

Usage: python examples/follow_job.py READY_FILE
"""

import json
import sys
import time
import urllib.error
from pathlib import Path

from record_note import call, takes_a_bare_note


def main(ready_file: str) -> None:
    state = json.loads(Path(ready_file).read_text())
    integration_id = next(
        known for known in state["integrations"].values() if takes_a_bare_note(state, known)
    )
    residents = call(state, "GET", f"/v1/residents?integration_id={integration_id}&limit=1")
    event = {"integration_id": integration_id, "resident_id": residents["results"][0]["id"]}

    # Every problem of a body is told at once, each with its path; nothing is stored.
    try:
        call(state, "POST", "/v1/events/residents", {**event, "note": "misspelt"})
    except urllib.error.HTTPError as refusal:
        error = json.load(refusal)["error"]
        print(f"refused with {refusal.code} {error['code']}:")
        for issue in error["details"]["issues"]:
            print(f"  {'.'.join(map(str, issue['path']))}: {issue['message']}")

    job_id = call(state, "POST", "/v1/events/residents", {**event, "notes": "Wants a key"})[
        "job_id"
    ]
    print(f"accepted: {job_id}")
    while True:
        status = call(state, "GET", f"/v1/admin/write-status/{job_id}")
        if status["write_status"] != "PENDING":
            break
        print(f"  {status['state']}, waiting for {status['waiting_for']}")
        time.sleep(0.2)
    print(f"{status['write_status']} after {status['attempts']} attempt(s) {status['errors']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
