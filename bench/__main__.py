"""``python -m bench``: measure this service beside the hand-written rival and print the table.

Exit code 0 when everything was measured (a missed target says so in the table), 2 when there is
no Redis to be had, 1 when something failed, 130 when interrupted. Both sides start from an empty
database in each run, alone on the machine but for the PMS and the load generator, and take turns.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from bench.measure import CLIENTS, QUICK, Pms, Sizes, accept, delay, deliver
from bench.ours import Frontdesk
from bench.pace import pace
from bench.processes import BenchError, Children
from bench.redis import NoRedisError, redis_server
from bench.report import Figures, best_pool, machine, medians, show, verdicts
from bench.sides import Rival, Side

KINDS = ("delay", "deliver", "accept")
"""In this order: accepting leaves a backlog behind, so it comes last."""

Tell = Callable[[str], None]
Start = Callable[[Children, Path, str], Side]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; give the exit code."""
    asked = _parser().parse_args(arguments)
    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    kinds = [kind for kind in KINDS if asked.only in (None, kind)]
    sizes, runs = (QUICK, 1) if asked.quick else (Sizes(), asked.runs)
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="fdb-"))
    # The database server drops root, and has to reach its files below this folder.
    folder.chmod(0o755)
    kept = False
    try:
        starts: dict[str, Start] = {}
        if asked.side != "rival":
            starts["frontdesk"] = Frontdesk
        if asked.side != "frontdesk":
            redis = redis_server()
            starts["rival"] = lambda children, place, url: Rival(children, place, url, redis)
        about = machine()
        figures: dict[str, list[Figures]] = {"frontdesk": [], "rival": []}
        began = time.monotonic()
        with console.status("starting") as status:
            for run in range(1, runs + 1):
                for name, start in starts.items():

                    def tell(what: str, name: str = name, run: int = run) -> None:
                        elapsed = time.monotonic() - began
                        status.update(f"run {run} of {runs}, {name}: {what} ({elapsed:.0f} s)")

                    place = folder / f"{name}-{run}"
                    figures[name].append(measure_side(start, place, kinds, sizes, tell))
        ours, rival = medians(figures["frontdesk"]), medians(figures["rival"])
        show(ours, rival, runs, about)
        if asked.json:
            result = {
                "machine": about,
                "runs": figures,
                "median": {"frontdesk": ours, "rival": rival},
                "targets": verdicts(ours, rival),
            }
            asked.json.write_text(json.dumps(result, indent=2) + "\n")
    except NoRedisError as error:
        console.print(str(error), highlight=False, markup=False)
        return 2
    except BenchError as error:
        kept = True
        console.print(f"{error}\nlogs: {folder}", style="red", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    else:
        return 0
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def measure_side(
    start: Start, place: Path, kinds: Sequence[str], sizes: Sizes, tell: Tell
) -> Figures:
    """Start one side on nothing, measure it, and end it."""
    place.mkdir()
    figures: Figures = {"pace": pace()}
    with Children(place / "logs") as children:
        tell("starting")
        pms = Pms(children)
        side = start(children, place, pms.url)
        if "delay" in kinds:
            per_pool = {}
            for pool in side.pools:
                tell(f"delay at {sizes.delay_rate:.0f}/s, pool {pool}")
                per_pool[pool] = delay(side, pool, pms, sizes)
            best = best_pool(per_pool, "p50_ms", least=True)
            figures |= {f"delay.{key}": value for key, value in best.items()}
        if "deliver" in kinds:
            per_pool = {}
            for pool in side.pools:
                tell(f"delivered/s, pool {pool}")
                per_pool[pool] = deliver(side, pool, pms, sizes)
            best = best_pool(per_pool, "per_second", least=False)
            figures |= {f"deliver.{key}": value for key, value in best.items()}
        if "accept" in kinds:
            for clients in CLIENTS:
                tell(f"accepted/s, {clients} clients")
                measured = accept(side, clients, sizes)
                figures |= {f"accept_{clients}.{key}": value for key, value in measured.items()}
        tell("stopping")
    shutil.rmtree(place, ignore_errors=True)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=_positive, default=3, help="interleaved runs (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short run: does it all work")
    parser.add_argument("--only", choices=sorted(KINDS), help="measure this alone")
    parser.add_argument("--side", choices=("frontdesk", "rival"), help="measure this side alone")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write every figure to a file")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
