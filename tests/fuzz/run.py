"""`make fuzz`: a million inputs for every reader, on every core.

    python -m tests.fuzz.run [--inputs N] [--seed TEXT] [--processes N] [NAME ...]

A name is that of a target, or the beginning of one. Rates are by the processor's time. Memory is
bounded: a reader that takes more than `MEMORY` breaks. Ends with 1 if anything broke, and prints the input.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from multiprocessing.queues import SimpleQueue

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz import answers, requests
from tests.fuzz.driver import search
from tests.fuzz.target import Target

MILLION = 1_000_000
MEMORY = 2 << 30
"""Of addresses, of one process with everything that it has loaded."""

Job = tuple[str, int, str]
News = tuple[str, int, float, str]
_news: "SimpleQueue[News]"


def main() -> int:
    """Run what was asked for."""
    options = _options()
    jobs = [
        (name, options.inputs, options.seed) for name in _names() if _wanted(name, options.names)
    ]
    if not jobs:
        sys.stderr.write("No reader has such a name.\n")
        return 2
    context = multiprocessing.get_context("spawn")
    news: SimpleQueue[News] = context.SimpleQueue()
    console = Console()
    broken = 0
    began = time.monotonic()
    with (
        context.Pool(options.processes, _begin, (news,), maxtasksperchild=1) as pool,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as bar,
    ):
        task = bar.add_task("Inputs", total=len(jobs) * options.inputs)
        done: dict[str, int] = {}
        running = pool.map_async(_work, jobs, chunksize=1)
        waiting = {name for name, _, _ in jobs}
        while waiting:
            if news.empty():
                if running.ready():
                    running.get()
                time.sleep(0.05)
                continue
            name, tried, seconds, crash = news.get()
            done[name] = tried
            bar.update(task, completed=sum(done.values()))
            if crash or tried >= options.inputs:
                waiting.discard(name)
                broken += bool(crash)
                rate = f"{tried / max(seconds, 1e-9):,.0f}/s"
                console.print(
                    f"{name:<36} {tried:>9,} inputs {rate:>10}  {'BROKEN' if crash else 'ok'}"
                )
                if crash:
                    console.print(crash, markup=False, highlight=False, soft_wrap=True)
    total = sum(done.values())
    minutes = (time.monotonic() - began) / 60
    console.print(
        f"{total:,} inputs for {len(jobs)} readers in {minutes:.1f} min; broken: {broken}"
    )
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--inputs", type=int, default=MILLION, help="for each reader")
    parser.add_argument("--seed", default=time.strftime("%Y-%m-%d"), help="default: today")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def _names() -> list[str]:
    return [*(target.name for target in requests.targets()), *answers.CODES]


def _wanted(name: str, asked: list[str]) -> bool:
    return not asked or any(name.startswith(beginning) for beginning in asked)


def _begin(news: "SimpleQueue[News]") -> None:
    global _news
    _news = news


def _work(job: Job) -> None:
    name, inputs, seed = job
    targets = _targets(name)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    began = time.process_time()
    tried = 0

    def told(number: int) -> None:
        nonlocal tried
        tried = number
        if number < inputs:
            _news.put((name, number, 0.0, ""))

    with answers.few_pages():
        crash = search(targets, inputs, seed, told)
    _news.put(
        (name, inputs if crash is None else tried, time.process_time() - began, str(crash or ""))
    )


def _targets(name: str) -> tuple[Target, ...]:
    if name in answers.CODES:
        return answers.targets_of(name)
    return tuple(target for target in requests.targets() if target.name == name)


if __name__ == "__main__":
    raise SystemExit(main())
