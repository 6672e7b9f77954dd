"""The locks in a folder, which say who lives and who is at work there, and how to wait for them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from rqdeps.embedded.explain import fail, whereabouts
from rqdeps.embedded.keeper import LOG, START_LOCK, take_lock

#: Seconds in which a server must be reachable, or gone.
PATIENCE_SECONDS = 30.0
#: Seconds between two looks while we wait for that.
STEP_SECONDS = 0.003


@contextlib.contextmanager
def start_lock(folder: Path, deadline: float) -> Iterator[None]:
    """Keep everybody else from starting, stopping or hiding the folder's server."""
    while (lock := take_lock(folder / START_LOCK)) is None:
        pause(folder, deadline)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough if a process was forked meanwhile
        os.close(lock)


def is_held(lock: Path) -> bool:
    """Whether somebody holds a lock; creates nothing."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def pause(folder: Path, deadline: float) -> None:
    """Wait a little; after the deadline, say why nothing comes of it."""
    if time.monotonic() > deadline:
        fail(
            folder,
            f"it can't be reached from here ({whereabouts(folder)}). Machines or containers that share the folder "
            f"must share the socket's folder too; a server that hangs can be ended with kill. See {folder / LOG}",
        )
    time.sleep(STEP_SECONDS)
