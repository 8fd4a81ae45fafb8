"""Find ``redis-server``, install it where that is possible, or say how.

Redis is the rival's need alone: nothing in the product uses it.
"""

import os
import shutil
import subprocess
import sys

from bench.processes import BenchError

HOW = (
    "The rival needs redis-server. Install it and run `make bench` again:\n"
    "  Debian, Ubuntu: sudo apt-get install redis-server\n"
    "  Fedora:         sudo dnf install redis\n"
    "  macOS:          brew install redis"
)


class NoRedisError(BenchError):
    """There is no Redis, and none could be had; the message says how to get one."""


def redis_server() -> str:
    """Give the path of ``redis-server``; as root on a Debian machine it is installed if missing."""
    found = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NoRedisError(HOW)
    print("redis-server is missing: installing it with apt-get", file=sys.stderr)
    # RUNLEVEL=1 keeps the package from starting a server of its own on the default port.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = [apt, "install", "-y", "--no-install-recommends", "redis-server"]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        # The lists of packages may be missing or old, as in a fresh container.
        subprocess.run([apt, "update"], env=environment, capture_output=True, check=False)
        done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    found = shutil.which("redis-server")
    if done.returncode or found is None:
        raise NoRedisError(f"{HOW}\napt-get said: {done.stderr[-500:]}")
    return found
