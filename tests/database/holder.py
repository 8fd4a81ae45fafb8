"""A command that holds an embedded server until its standard input closes, to be killed by tests.

Prints one JSON line when the server answers: url, supervisor, postmaster. Any further argument
makes it insert rows without pause, and print the number of each row that was committed.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import asyncpg
import structlog

from frontdesk.database.embedded import attach_or_start


async def main() -> None:
    async with await attach_or_start(Path(sys.argv[1])) as server:
        say(
            json.dumps(
                {
                    "url": server.url,
                    "supervisor": server.supervisor_pid,
                    "postmaster": server.postmaster_pid,
                }
            )
        )
        if len(sys.argv) > 2:
            with contextlib.suppress(
                OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
            ):
                await write(server.url)
        await asyncio.to_thread(sys.stdin.read)


async def write(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS rows (number bigserial, filler text)")
    while True:
        number = await connection.fetchval(
            "INSERT INTO rows (filler) VALUES (repeat('x', 500)) RETURNING number"
        )
        say(str(number))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main())
