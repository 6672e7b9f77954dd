"""A horse: a process forked by the supervisor, which runs user code, one job after the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from rqdeps.store import Store
from rqdeps.worker.execution import execute
from rqdeps.worker.pipe import Pipe

_PR_SET_PDEATHSIG = 1

# Found before the fork, where it can't fail any more.
_prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def run_horse(pipe: Pipe, store: Store, supervisor_pid: int, let_go: Callable[[], None]) -> None:
    """What a horse does, from the fork to its end. Does not return.

    Args:
        pipe: the pipe to the supervisor.
        store: what jobs that ask for a connection get.
        supervisor_pid: the process id of the supervisor.
        let_go: closes what belongs to the supervisor alone.
    """
    code = 1
    try:
        _set_up(pipe, supervisor_pid, let_go)
        store.codec.load()
        while (turn := pipe.next_task()) is not None:
            number, task = turn
            pipe.board.begin(number)
            report = execute(task, store)
            pipe.report(number, report)
            pipe.board.end()
        code = 0
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the supervisor is gone
    except BaseException:  # what happens here must not reach the supervisor's own code, of which this is a copy
        traceback.print_exc()
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        finally:
            os._exit(code)


def _set_up(pipe: Pipe, supervisor_pid: int, let_go: Callable[[], None]) -> None:
    # A horse never outlives its supervisor: whoever claims its job next must not run beside it.
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(0)
    # A terminal, or a service manager, sends these to the whole group; when a horse ends is the supervisor's business.
    # Handlers that do nothing, unlike SIG_IGN, are not passed on to programs that a job starts.
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _do_nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pipe.become_horse()
    let_go()
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = os.fdopen(0, closefd=False)


def _do_nothing(signum: int, stack: FrameType | None) -> None:
    pass
