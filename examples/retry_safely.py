"""Repeat a request whose answer was lost, without recording the note twice.

The same `Idempotency-Key` with the same request gives the same job for 24 hours, whichever API
process it meets. Make the key out of what happened (the call, the message), not out of chance: then
a program that starts anew after a crash makes the same key again.

Usage: python examples/retry_safely.py READY_FILE [KEY]
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from record_note import call, takes_a_bare_note

TRIES = 5


def send(state: dict[str, Any], event: dict[str, Any], key: str) -> tuple[str, bool]:
    """Send until it is accepted; the job's id, and whether an earlier try had been accepted."""
    for number in range(TRIES):
        request = urllib.request.Request(
            state["url"] + "/v1/events/residents",
            method="POST",
            data=json.dumps(event).encode(),
            headers={
                "Authorization": f"Bearer {state['token']}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                replayed = answer.headers.get("Idempotent-Replayed") == "true"
                return json.load(answer)["job_id"], replayed
        except urllib.error.HTTPError as error:
            # 429 and 503 ask for patience; any other 4xx would be refused again.
            if error.code not in (429, 500, 503):
                raise
            time.sleep(float(error.headers.get("Retry-After", 2**number)))
        except (urllib.error.URLError, TimeoutError):
            # Nobody knows whether it was accepted: that is what the key is for.
            time.sleep(2**number)
    raise SystemExit("Frontdesk does not answer.")


def main(ready_file: str, key: str = "call-4711") -> None:
    state = json.loads(Path(ready_file).read_text())
    integration_id = next(
        known for known in state["integrations"].values() if takes_a_bare_note(state, known)
    )
    residents = call(state, "GET", f"/v1/residents?integration_id={integration_id}&limit=1")
    event = {
        "integration_id": integration_id,
        "resident_id": residents["results"][0]["id"],
        "notes": f"Asked for a parking space ({key})",
    }
    first, _ = send(state, event, key)
    again, replayed = send(state, event, key)
    print(f"one job: {first == again}, answered from the first: {replayed}")


if __name__ == "__main__":
    main(*sys.argv[1:])
