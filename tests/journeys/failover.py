"""The failover drill, measured: `make failover`. `python -m tests.journeys.failover --help`.

A primary with a synchronous standby, API and worker processes with both hosts in DATABASE_URL, and
callers who do not stop. The primary is killed, the standby promoted. Everything is on this machine's
Unix sockets and loopback; the PMSs are the sandbox's simulators.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.journeys.checking import Verdict, verdict
from tests.journeys.fleet import fleet, settles_after, settling_within
from tests.journeys.load import Answer, Load, Target
from tests.journeys.replicated import ReplicatedPair
from tests.journeys.served import until

GOES_ON_WITHIN_SECONDS = 10.0
"""The promise: from the promotion to a 2xx for every caller."""

# An answer that was on its way when the primary died.
_IN_FLIGHT_SECONDS = 1.0
_WORD = "failover"


@dataclass(frozen=True)
class Measured:
    """What one drill showed. Times in seconds."""

    callers: int
    vendors: int
    outage: float
    """from the kill to the end of the promotion"""
    promotion: float
    accepted_before: int
    accepted_after: int
    accepted_meanwhile: int
    """later than an answer on its way could be: none may be"""
    refused: int
    malformed: list[Answer]
    """neither a 2xx nor a 503 that says when to come again"""
    slowest_refusal: float
    went_on_first: float
    """from the promotion to the first 2xx of any caller"""
    went_on_last: float
    """from the promotion to the first 2xx of the last caller"""
    processes_ended: list[str]
    commands_failed: list[str]
    verdict: Verdict

    @property
    def findings(self) -> dict[str, bool]:
        """Each thing that must hold, and whether it does."""
        return {
            "writes stop with 503 and Retry-After": self.refused > 0
            and not self.malformed
            and self.accepted_meanwhile == 0,
            "writes go on by themselves within 10 s of the promotion": self.accepted_after > 0
            and self.went_on_last <= GOES_ON_WITHIN_SECONDS,
            "no process ended": not self.processes_ended,
            "migrate and doctor work with the old primary gone": not self.commands_failed,
            "every 2xx is there, and reached its PMS": not self.verdict.lost
            and not self.verdict.not_succeeded,
            "nothing was sent twice, nothing unasked": not self.verdict.doubled
            and not self.verdict.unasked,
            "every lane is in order": not self.verdict.out_of_order,
        }

    @property
    def holds(self) -> bool:
        return all(self.findings.values())


def drill(
    folder: Path,
    *,
    apis: int = 1,
    workers: int = 1,
    callers: int = 3,
    settles_within: float = 40.0,
    load_seconds: float = 4.0,
    outage_seconds: float = 3.0,
) -> Measured:
    """One failover. `callers` to each vendor at whom a lost answer is settled within
    `settles_within` seconds. Call from the main thread."""
    pair = ReplicatedPair(folder)
    try:
        pair.start()
        vendors = settling_within(settles_within)
        with fleet(pair.url, folder, apis=apis, workers=workers, vendors=vendors) as running:
            targets = running.targets(callers, settles_within)
            load = Load(
                [api.url for api in running.apis],
                running.api.token,
                targets,
                word=_WORD,
                pause_seconds=0.1,
            )
            with load:
                _until_all_were_accepted(load, 1)
                time.sleep(load_seconds)
                assert pair.sync_state() == "sync", "the standby fell out of step before the kill"
                killed_at = time.monotonic()
                pair.primary.kill()
                pair.primary.fence()
                time.sleep(outage_seconds)
                begun_at = time.monotonic()
                pair.promote()
                promoted_at = time.monotonic()
                until(lambda: _went_on(load, promoted_at), seconds=120)
                time.sleep(load_seconds)
            processes = [*(api.command for api in running.apis), *running.workers]
            ended = [c.said()[-2000:] for c in processes if c.process.poll() is not None]
            commands = [running.run(name, "--json") for name in ("migrate", "doctor")]
            longest = max(settles_after(target.vendor) for target in targets)
            found = verdict(running.api, load.callers, _WORD, patience=longest + 120)
            return _measured(
                targets,
                load,
                (killed_at, begun_at, promoted_at),
                ended,
                [c.stdout + c.stderr for c in commands if c.returncode != 0],
                found,
            )
    finally:
        pair.end()


def _until_all_were_accepted(load: Load, times: int) -> None:
    until(lambda: all(len(caller.accepted) >= times for caller in load.callers), seconds=60)


def _went_on(load: Load, since: float) -> bool:
    return all(
        any(answer.status == 200 and answer.at > since for answer in caller.answers[-50:])
        for caller in load.callers
    )


def _measured(
    targets: list[Target],
    load: Load,
    moments: tuple[float, float, float],
    ended: list[str],
    failed: list[str],
    found: Verdict,
) -> Measured:
    killed_at, begun_at, promoted_at = moments
    answers = load.answers
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    first_after = [
        min(a.at for a in caller.answers if a.status == 200 and a.at > promoted_at) - promoted_at
        for caller in load.callers
    ]
    return Measured(
        callers=len(load.callers),
        vendors=len({target.vendor for target in targets}),
        outage=promoted_at - killed_at,
        promotion=promoted_at - begun_at,
        accepted_before=sum(a.at <= killed_at for a in accepted),
        accepted_after=sum(a.at > promoted_at for a in accepted),
        accepted_meanwhile=sum(killed_at + _IN_FLIGHT_SECONDS < a.at < begun_at for a in accepted),
        refused=len(refused),
        malformed=[
            a for a in answers if a.status != 200 and not (a.status == 503 and a.is_well_formed_503)
        ],
        slowest_refusal=max((a.at - a.asked_at for a in refused), default=0.0),
        went_on_first=min(first_after),
        went_on_last=max(first_after),
        processes_ended=ended,
        commands_failed=failed,
        verdict=found,
    )


def report(measured: Measured, console: Console) -> None:
    """The table, and whatever is wrong."""
    found = measured.verdict
    table = Table("measured", "", title="Failover")
    rows: dict[str, object] = {
        "callers, vendors": f"{measured.callers}, {measured.vendors}",
        "accepted before, after": f"{measured.accepted_before}, {measured.accepted_after}",
        "outage, of it promotion": f"{measured.outage:.1f} s, {measured.promotion:.1f} s",
        "refused with 503 meanwhile": measured.refused,
        "accepted meanwhile": measured.accepted_meanwhile,
        "other answers": len(measured.malformed),
        "slowest 503": f"{measured.slowest_refusal:.1f} s",
        "promotion to first 2xx": f"{measured.went_on_first:.1f} s",
        "promotion to every caller's 2xx": f"{measured.went_on_last:.1f} s",
        "lost": len(found.lost),
        "ended otherwise than succeeded": len(found.not_succeeded),
        "sent twice": len(found.doubled),
        "sent and never accepted": len(found.unasked),
        "lanes out of order": len(found.out_of_order),
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print(table)
    for name, holds in measured.findings.items():
        console.print(f"{'ok  ' if holds else 'FAIL'}  {name}")
    details = [*measured.malformed[:5], *measured.processes_ended, *measured.commands_failed]
    details += [*found.lost, *found.not_succeeded, *found.doubled, *found.unasked]
    for detail in [*details, *found.out_of_order][:40]:
        console.print(f"      {detail}", markup=False)


def main() -> int:
    """Run one drill; 0 only if everything holds."""
    parser = argparse.ArgumentParser(description="Kill a primary, promote its standby, and look.")
    parser.add_argument("--apis", type=int, default=2, help="API processes")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--callers", type=int, default=4, help="callers to each vendor")
    parser.add_argument("--outage", type=float, default=5.0, help="seconds from kill to promotion")
    parser.add_argument("--load", type=float, default=10.0, help="seconds of load around it")
    parser.add_argument(
        "--settles-within",
        type=float,
        default=80.0,
        help="leave out vendors at whom a lost answer takes more seconds to settle",
    )
    given = parser.parse_args()
    # Directly under /tmp, and to be passed through: PostgreSQL has an account of its own.
    with tempfile.TemporaryDirectory(
        prefix="fd-failover-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 (the permission is the point)
        measured = drill(
            Path(folder),
            apis=given.apis,
            workers=given.workers,
            callers=given.callers,
            settles_within=given.settles_within,
            load_seconds=given.load,
            outage_seconds=given.outage,
        )
    report(measured, Console())
    return 0 if measured.holds else 1


if __name__ == "__main__":
    sys.exit(main())
