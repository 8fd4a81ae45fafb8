"""``python -m torture``: run everything, break it, and print what became of every accepted event.

Exit code 0 only if every target is met, 1 if one was missed or the run could not be made, 130 when
interrupted. Progress goes to stderr, the table to stdout. Of a run that missed something, the logs,
the clients' record, the simulators' effects and a dump are kept, and their place is printed.
"""

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.processes import BenchError
from rich.console import Console

from torture import clock
from torture.processes import TortureError
from torture.report import show
from torture.run import Asked, Run

SECONDS_PER_KILL = 8.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; give the exit code."""
    wanted = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    seed = secrets.randbelow(1_000_000) if wanted.seed is None else wanted.seed
    kills = round(wanted.seconds / SECONDS_PER_KILL) if wanted.kills is None else wanted.kills
    asked = Asked(
        seconds=wanted.seconds,
        seed=seed,
        kills=kills,
        vendors=tuple(wanted.vendors.upper().split(",")) if wanted.vendors else None,
        settles_within=wanted.settles_within,
        customers=wanted.customers,
        lanes=wanted.lanes,
        stated_rate=wanted.rate,
        intensity=wanted.intensity,
        drain_seconds=wanted.drain_seconds,
    )
    errors = Console(stderr=True)
    began = clock.now()

    def tell(what: str) -> None:
        errors.print(f"{clock.now() - began:7.1f} s  {what}", highlight=False, markup=False)

    folder = _folder(wanted.keep)
    kept = True
    try:
        tell(f"seed {seed}; in {folder}")
        outcome = asyncio.run(Run(asked, folder, tell).run())
        (folder / "outcome.json").write_text(json.dumps(outcome.as_json(), indent=1))
        if wanted.json:
            wanted.json.write_text(json.dumps(outcome.as_json(), indent=1) + "\n")
        show(outcome, Console(width=max(130, Console().width)))
        kept = bool(wanted.keep) or bool(outcome.misses())
        return 1 if outcome.misses() else 0
    except (TortureError, BenchError) as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    finally:
        if kept:
            errors.print(f"logs and evidence: {folder}", highlight=False, markup=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(keep: Path | None) -> Path:
    if keep is not None:
        keep.mkdir(parents=True)
        keep = keep.resolve()
    folder = keep or Path(tempfile.mkdtemp(prefix="fdt-", dir="/tmp"))
    # The database server drops root, and has to reach its files below this folder.
    folder.chmod(0o755)
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=1800.0, help="how long load and chaos last (1800)")
    add("--seed", type=int, help="chooses moments, victims and faults (default: a new one)")
    add("--kills", type=int, help="SIGKILLs over the run (default: one every 8 s)")
    add("--vendors", help="only these, comma-separated (default: all that hold resident events)")
    add(
        "--settles-within",
        type=float,
        metavar="SECONDS",
        help="only vendors whose published figures let a lost answer be settled in this time",
    )
    add("--customers", type=int, default=4, help="integrations of each vendor (4)")
    # A lane carries one write at a time, and a lost answer holds it for the vendor's two figures: over
    # few lanes a hostile PMS settles more slowly than the load comes, and the rest cannot be drained.
    add("--lanes", type=int, default=100, help="residents of each integration, at most (100)")
    add(
        "--rate",
        type=float,
        default=0.5,
        help="events a second for an integration whose vendor states no windows (0.5)",
    )
    add("--intensity", type=float, default=1.0, help="how hostile the sandbox is, 0 to 1 (1)")
    add("--drain-seconds", type=float, default=900.0, help="longest time to drain (900)")
    add("--keep", type=Path, metavar="DIR", help="make this folder and keep all evidence there")
    add("--json", type=Path, metavar="PATH", help="write the outcome to a file")
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
