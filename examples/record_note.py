"""Record a note about a resident, and learn the ids of the record that it became.

Usage: python examples/record_note.py READY_FILE [TEXT]
"""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any


def call(state: dict[str, Any], method: str, path: str, body: object | None = None) -> Any:
    """One call with the token; the JSON of the answer. An error status raises HTTPError."""
    request = urllib.request.Request(
        state["url"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {state['token']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def takes_a_bare_note(state: dict[str, Any], integration_id: str) -> bool:
    """Whether a resident and a text are enough there: the capabilities tell."""
    path = f"/v1/admin/integrations/{integration_id}/capabilities"
    create = call(state, "GET", path)["results"]["operations"]["create"]
    needed = set(create["schema"]["required"]) if create["supported"] else {"?"}
    return needed <= {"integration_id", "resident_id", "notes"}


def main(ready_file: str, text: str = "Called about the dryer, will ring back on Friday") -> None:
    state = json.loads(Path(ready_file).read_text())
    integration_id = next(
        known for known in state["integrations"].values() if takes_a_bare_note(state, known)
    )
    residents = call(state, "GET", f"/v1/residents?integration_id={integration_id}&limit=1")
    resident = residents["results"][0]
    # `wait` holds the answer until the PMS has the note, or ten seconds are over.
    answer = call(
        state,
        "POST",
        "/v1/events/residents?wait=10",
        {"integration_id": integration_id, "resident_id": resident["id"], "notes": text},
    )
    write = answer["write"]
    print(f"{write['state']}: {resident['first_name']} {resident['last_name']}")
    for record in write["created_records"]:
        print(f"Frontdesk's id {record['id']}, the PMS's id {record['x_id']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
