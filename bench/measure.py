"""The three measurements, each the same for both sides.

accept: answers 2xx a second and their latency, closed loop, nothing delivering meanwhile.
deliver: a backlog is accepted first, then the delivering side is started; the rate is that of the
arrivals at the PMS between the first and the last fifth, so neither start-up nor tail counts.
delay: events come at a fixed pace to a service at rest; for each, arrival at the PMS minus the
moment the caller had its 2xx. That moment comes after the commit, so arrival minus the moment the
request was *sent* is given too: the delay from the commit lies between the two.
"""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import quote

from bench.load import Order, Report
from bench.processes import BenchError, Children, JsonHttp, carry_out, python
from bench.sides import Side

CLIENTS = (1, 16, 64)


@dataclass(frozen=True)
class Sizes:
    """How long and how much; ``quick`` ones show that everything works, not how fast."""

    accept_seconds: float = 6.0
    warm_up_seconds: float = 2.0
    deliver_seconds: float = 15.0
    """Wished length of the drain; the backlog is made to fit it."""
    delay_seconds: float = 15.0
    delay_rate: float = 100.0
    patience_seconds: float = 120.0


QUICK = Sizes(accept_seconds=2.0, warm_up_seconds=0.5, deliver_seconds=4.0, delay_seconds=4.0)


class Pms:
    """The raw PMS and its own record of what arrived."""

    def __init__(self, children: Children) -> None:
        ready = children.start("pms", python("-m", "bench.pms"), speaks=True).first_line()
        self.url = str(ready["url"])
        self._http = JsonHttp(self.url)

    def state(self) -> dict[str, Any]:
        """Counts since the last reset."""
        state: dict[str, Any] = self._http.call("GET", "/_bench/state")
        return state

    def arrivals(self, prefix: str) -> dict[str, int]:
        """First arrival of each marker with this prefix, CLOCK_MONOTONIC nanoseconds."""
        arrived: dict[str, int] = {}
        for marker, at in self._http.call("GET", f"/_bench/arrivals?prefix={quote(prefix)}"):
            arrived.setdefault(marker, at)
        return arrived

    def reset(self) -> None:
        """Start counting anew."""
        self._http.call("POST", "/_bench/reset")

    def wait_for(self, side: Side, count: int, patience: float) -> int:
        """Wait until so many notes have arrived, or nothing has for a third of ``patience``.

        Raises when what delivers has died.
        """
        began = stalled_since = time.monotonic()
        arrived = -1
        while True:
            now, before, arrived = time.monotonic(), arrived, int(self.state()["arrivals"])
            if arrived >= count:
                return arrived
            side.check()
            if arrived > before:
                stalled_since = now
            if now - stalled_since > patience / 3 or now - began > patience:
                return arrived
            time.sleep(0.1)


def accept(side: Side, clients: int, sizes: Sizes) -> dict[str, float]:
    """Measure accepted events a second with so many keep-alive clients, and the latency."""
    report = _order(
        side,
        Order(
            kind="timed",
            url=side.url,
            token=side.token,
            targets=side.targets,
            prefix=f"a{clients}-",
            clients=clients,
            seconds=sizes.accept_seconds,
            warm_up_seconds=sizes.warm_up_seconds,
        ),
        sizes,
    )
    return {
        "per_second": report.accepted / report.window_seconds,
        "p50_ms": report.latencies_ms["p50"],
        "p99_ms": report.latencies_ms["p99"],
        "load_cpu_share": report.cpu_share,
    }


def deliver(side: Side, pool: int, pms: Pms, sizes: Sizes) -> dict[str, float]:
    """Measure delivered events a second out of a backlog, at the PMS."""
    backlog = _backlog(side, pool, pms, sizes)
    pms.reset()
    prefix = f"d{pool}-"
    _post(side, backlog, prefix, sizes)
    cpu_before = float(pms.state()["cpu_seconds"])
    began = time.monotonic()
    side.start_delivering(pool)
    try:
        arrived = pms.wait_for(side, backlog, sizes.patience_seconds)
    finally:
        side.stop_delivering()
    elapsed = time.monotonic() - began
    state = pms.state()
    times = sorted(pms.arrivals(prefix).values())
    if len(times) < backlog / 2:
        raise BenchError(f"{side.name}: only {arrived} of {backlog} arrived in {elapsed:.0f} s")
    first, last = len(times) // 5, len(times) * 4 // 5
    return {
        "per_second": (last - first) / ((times[last] - times[first]) / 1e9),
        "backlog": backlog,
        "missing": backlog - len(times),
        "duplicates": state["duplicates"],
        "peak_in_flight": state["peak_in_flight"],
        "pms_cpu_share": (float(state["cpu_seconds"]) - cpu_before) / elapsed,
    }


def delay(side: Side, pool: int, pms: Pms, sizes: Sizes) -> dict[str, float]:
    """Measure the time from the 2xx to the arrival at the PMS, at a fixed pace."""
    pms.reset()
    side.start_delivering(pool)
    try:
        _warm(side, pms, sizes)
        prefix = f"p{pool}-"
        report = _order(
            side,
            Order(
                kind="paced",
                url=side.url,
                token=side.token,
                targets=side.targets,
                prefix=prefix,
                clients=64,
                rate=sizes.delay_rate,
                seconds=sizes.delay_seconds,
                warm_up_seconds=sizes.warm_up_seconds,
            ),
            sizes,
        )
        posted = int(sizes.delay_rate * (sizes.delay_seconds + sizes.warm_up_seconds))
        pms.wait_for(side, len(side.targets) + posted, sizes.patience_seconds)
    finally:
        side.stop_delivering()
    arrived = pms.arrivals(prefix)
    timed = [
        ((arrived[marker] - answered) / 1e6, (arrived[marker] - sent) / 1e6)
        for marker, sent, answered in report.events
        if marker in arrived
    ]
    if len(timed) < len(report.events) / 2:
        raise BenchError(f"{side.name}: {len(timed)} of {len(report.events)} paced events arrived")
    after_answer = sorted(entry[0] for entry in timed)
    return {
        "p50_ms": median(after_answer),
        "p99_ms": after_answer[int(len(after_answer) * 0.99)],
        "from_request_p50_ms": median(entry[1] for entry in timed),
        "missing": len(report.events) - len(timed),
    }


def _warm(side: Side, pms: Pms, sizes: Sizes) -> None:
    """Send one event per target through the whole service, so that nothing starts up later."""
    _post(side, len(side.targets), "w-", sizes)
    arrived = pms.wait_for(side, len(side.targets), sizes.patience_seconds)
    if arrived < len(side.targets):
        raise BenchError(f"{side.name}: {arrived} of {len(side.targets)} warm-up events arrived")


def _backlog(side: Side, pool: int, pms: Pms, sizes: Sizes) -> int:
    """Find out how many events make a drain of the wished length: drain a few and see."""
    pms.reset()
    few = len(side.targets) * 2
    prefix = f"b{pool}-"
    _post(side, few, prefix, sizes)
    side.start_delivering(pool)
    try:
        pms.wait_for(side, few, sizes.patience_seconds)
    finally:
        side.stop_delivering()
    times = sorted(pms.arrivals(prefix).values())
    if len(times) < few:
        raise BenchError(f"{side.name}: {len(times)} of {few} events of the trial drain arrived")
    per_second = (few // 2) / max((times[-1] - times[few // 2]) / 1e9, 1e-3)
    return max(few, min(60_000, int(per_second * sizes.deliver_seconds)))


def _post(side: Side, count: int, prefix: str, sizes: Sizes) -> None:
    _order(
        side,
        Order(
            kind="count",
            url=side.url,
            token=side.token,
            targets=side.targets,
            prefix=prefix,
            clients=32,
            count=count,
        ),
        sizes,
    )


def _order(side: Side, order: Order, sizes: Sizes) -> Report:
    timeout = order.seconds + order.warm_up_seconds + sizes.patience_seconds
    try:
        return carry_out(order, timeout)
    except BenchError as error:
        raise BenchError(f"{side.name}: {error}") from error
