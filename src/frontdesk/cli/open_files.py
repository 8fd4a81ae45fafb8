"""How many files a process may have open: as many as the machine allows, not the 1,024 that a shell gives.

Each connection is one. A process that runs out of them can neither take a caller nor reach its database.
"""

import resource

import structlog

RESERVE = 256
"""Open files that are no caller's: the database's connections, listeners, logs, the loop's own."""
_UNBOUNDED = 1 << 20
"""Asked for where there is no limit: the kernel's own for one process, by default."""

_log = structlog.get_logger(__name__)


def raise_open_files() -> int:
    """Raise the limit of open files to what is allowed without privileges; gives that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _UNBOUNDED
    wanted = _UNBOUNDED if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        # Where the hard limit is said to be none, the kernel has one of its own all the same.
        _log.warning("open files stay as they were", limit=soft, error=str(error))
        return soft
    return wanted


def connections_within(wanted: int) -> int:
    """How many connections a process may take of those that its setting wants; says so where it is
    the machine that decides."""
    possible = max(16, raise_open_files() - RESERVE)
    if possible < wanted:
        _log.warning(
            "fewer connections than FRONTDESK_CONNECTIONS asks for: raise the hard limit of open files "
            "(ulimit -Hn, LimitNOFILE)",
            connections=possible,
            wanted=wanted,
        )
    return min(wanted, possible)
