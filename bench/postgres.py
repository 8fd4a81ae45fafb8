"""A PostgreSQL server for one side: the product's embedded one, on a data directory of its own.

``python -m bench.postgres DIR`` starts it, prints ``{"url", "version"}`` and holds it until stdin
ends. Both sides get theirs this way, so binaries and configuration are the same.
"""

import asyncio
import json
import sys
from pathlib import Path

from frontdesk.database.embedded import attach_or_start


async def hold(data_dir: Path) -> None:
    """Start the server (or attach to it) and leave it when nobody holds our stdin any more."""
    async with await attach_or_start(data_dir) as server:
        print(json.dumps({"url": server.url, "version": server.version}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    asyncio.run(hold(folder))
