"""The command line: starts processes, keeps their surroundings, and asks the services; no more.

It refuses to hold any rule of the product: what a command does to data, it does through a
feature's service or over HTTP.
"""

import gc
import sys

GARBAGE_THRESHOLDS = (20_000, 20, 20)
"""Objects made between two collections of the youngest generation, and so on (`gc.set_threshold`)."""


def main() -> None:
    """Entry point of the `frontdesk` script. Exit codes: 0 done, 1 failed, 2 usage or surroundings.

    Imported late, so that a module of this package can be imported without the whole command line.
    """
    # Before all imports: they make a million objects that stay, and to look through them again and
    # again for garbage was a seventh of every start (measured).
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    from frontdesk.cli.app import run

    sys.exit(run())
