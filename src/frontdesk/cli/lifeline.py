"""What ties a process to the `serve` that started it: it ends with it, and says when it is up.

Only for children of our own: a process that a person or a service manager starts has no lifeline.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Annotated, Any

import typer

ParentOption = Annotated[int | None, typer.Option("--parent", hidden=True)]
ReadyOption = Annotated[int | None, typer.Option("--ready-fd", hidden=True)]
ListenOption = Annotated[int | None, typer.Option("--listen-fd", hidden=True)]

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5


def end_with(parent: int | None) -> None:
    """End this process, at once, when its parent ends, in whichever way. Call from the main thread.

    SIGKILL and not a drain: the parent is gone unforeseen, its successor may start this instant and
    needs the port; what was in flight is looked for after the restart, as after any crash.
    """
    if parent is None:
        return
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # It may have ended before the kernel was told.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def report_ready(descriptor: int | None, **news: Any) -> None:
    """Tell the parent that requests are answered now; `news` is what it wants to know."""
    if descriptor is None:
        return
    # A parent that does not read any more is on its way out, and takes us with it.
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "w") as pipe:
        pipe.write(json.dumps(news) + "\n")


def inherited_socket(descriptor: int) -> socket.socket:
    """The listening socket that the parent opened. It stays open there, so that a restart of this
    process refuses no connection."""
    return socket.socket(fileno=descriptor)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
