"""A process of one well-behaved caller: `python -m tests.attack.steady`.

Reads one `Order` as JSON from stdin, calls at an even pace whether or not the earlier calls were answered,
and writes one `Report` as JSON. A call's time counts from the moment at which it was due.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field

import aiohttp
import uvloop

SECONDS = 60.0
"""For one answer: beyond that it counts as none."""
CONNECTIONS = 32


@dataclass(frozen=True)
class Order:
    """What to call: every other call posts an event, the others read."""

    url: str
    token: str
    targets: list[tuple[str, str]]
    """Integration id and resident id, gone through in turn."""
    rate: float
    seconds: float


@dataclass
class Report:
    """What came of it; milliseconds."""

    answered: dict[str, int] = field(default_factory=dict)
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


async def run(order: Order) -> Report:
    """Carry out one order."""
    answered: Counter[str] = Counter()
    times: list[float] = []
    targets = itertools.cycle(order.targets)
    loop = asyncio.get_running_loop()

    async def call(number: int, due: float) -> None:
        integration_id, resident_id = next(targets)
        if number % 2:
            path, body = f"/v1/residents?integration_id={integration_id}&limit=5", None
        else:
            path = "/v1/events/residents"
            body = {
                "integration_id": integration_id,
                "resident_id": resident_id,
                "notes": f"Called about the broken dryer, for the {number}th time",
            }
        try:
            async with session.request(
                "GET" if body is None else "POST", path, json=body
            ) as answer:
                await answer.read()
                answered[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            answered[type(error).__name__] += 1
        times.append((loop.time() - due) * 1000)

    async with aiohttp.ClientSession(
        order.url,
        headers={"Authorization": f"Bearer {order.token}"},
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=SECONDS),
    ) as session:
        began = loop.time()
        async with asyncio.TaskGroup() as calls:
            for number in range(round(order.rate * order.seconds)):
                due = began + number / order.rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                calls.create_task(call(number, due))
    times.sort()
    return Report(
        answered=dict(answered),
        p50=times[len(times) // 2],
        p99=times[min(len(times) - 1, len(times) * 99 // 100)],
        worst=times[-1],
    )


def main() -> None:
    """One order."""
    found = json.loads(sys.stdin.readline())
    targets = [(str(one), str(other)) for one, other in found.pop("targets")]
    order = Order(**found, targets=targets)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(run(order))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()
