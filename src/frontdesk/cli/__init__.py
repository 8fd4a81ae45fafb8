"""The command line: starts processes, keeps their surroundings, and asks the services; no more.

It refuses to hold any rule of the product: what a command does to data, it does through a
feature's service or over HTTP.
"""

import sys


def main() -> None:
    """Entry point of the `frontdesk` script. Exit codes: 0 done, 1 failed, 2 usage or surroundings.

    Imported late, so that a module of this package can be imported without the whole command line.
    """
    from frontdesk.cli.app import run

    sys.exit(run())
