"""Holds what callers were told against what the API says of each job and what the PMSs really hold."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

from tests.journeys.load import Caller
from tests.journeys.served import Served, call

PAGE = 100


@dataclass(frozen=True)
class Verdict:
    """What became of the accepted events; each entry names one."""

    accepted: int
    lost: list[str]
    """not at the PMS"""
    not_succeeded: list[str]
    doubled: list[str]
    unasked: list[str]
    """at the PMS, and never accepted"""
    out_of_order: list[str]

    @property
    def holds(self) -> bool:
        """Once, in order."""
        wrong = (self.lost, self.not_succeeded, self.doubled, self.unasked, self.out_of_order)
        return not any(wrong)


def verdict(api: Served, callers: Sequence[Caller], word: str, *, patience: float) -> Verdict:
    """Wait until every accepted event has ended, then look."""
    states = _ended(api, callers, time.monotonic() + patience)
    status, effects = call("GET", f"{api.sandbox_url}/_sandbox/effects")
    assert status == 200
    by_resident: dict[tuple[str, str], list[str]] = defaultdict(list)
    for effect in effects:
        if f"{word} " in effect["text"] and effect["origin"] == "api":
            by_resident[effect["vendor"], effect["x_resident_id"]].append(effect["text"])
    lost, doubled, out_of_order = [], [], []
    accepted_texts: set[str] = set()
    for caller in callers:
        target = caller.target
        texts = [text for _, text in caller.accepted]
        accepted_texts |= {f"{target.vendor}: {text}" for text in texts}
        held = by_resident[target.vendor, target.x_resident_id]
        times = Counter(text for text in texts for at_pms in held if text in at_pms)
        lost += [f"{target.vendor}: {text}" for text in texts if times[text] == 0]
        doubled += [f"{target.vendor}: {text}" for text in texts if times[text] > 1]
        first_seen = [next((t for t in texts if t in at_pms), None) for at_pms in held]
        order = list(dict.fromkeys(text for text in first_seen if text is not None))
        if order != [text for text in texts if times[text]]:
            out_of_order.append(f"{target.vendor}: {target.x_resident_id}")
    unasked = [
        f"{vendor}: {at_pms}"
        for (vendor, _), held in by_resident.items()
        for at_pms in held
        if not any(known.removeprefix(f"{vendor}: ") in at_pms for known in accepted_texts)
    ]
    return Verdict(
        accepted=len(states),
        lost=lost,
        not_succeeded=[f"{job}: {state}" for job, state in states.items() if state != "succeeded"],
        doubled=doubled,
        unasked=unasked,
        out_of_order=out_of_order,
    )


def _ended(api: Served, callers: Sequence[Caller], give_up_at: float) -> dict[str, str]:
    jobs = [job for caller in callers for job, _ in caller.accepted]
    succeeded = _succeeded(api)

    def end_of(job: str) -> str:
        while True:
            # A 404 here would be a 2xx that was lost: it ends the look with what was said.
            status, body = api.call("GET", f"/v1/admin/write-status/{job}?wait=10")
            if status != 200:
                return f"{status} {body}"
            if body["finished_at"] is not None:
                return str(body["state"])
            if time.monotonic() > give_up_at:
                return f"still {body['state']} ({body.get('waiting_for')})"

    others = [job for job in jobs if job not in succeeded]
    with ThreadPoolExecutor(8) as pool:
        ends = dict(zip(others, pool.map(end_of, others), strict=True))
    return {job: ends.get(job, "succeeded") for job in jobs}


def _succeeded(api: Served) -> set[str]:
    """The jobs that have, as listed: a thousand need not be asked for one by one."""
    found: set[str] = set()
    for offset in count(0, PAGE):
        logs = api.get(f"/v1/admin/logs/writes?limit={PAGE}&offset={offset}")["results"]["logs"]
        found |= {log["job_id"] for log in logs if log["status"] == "SUCCESS"}
        if len(logs) < PAGE:
            return found
    raise AssertionError("a list without an end")
