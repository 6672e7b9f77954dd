"""How processes that run jobs died, in words for people."""

from __future__ import annotations

import os
import signal

from rqdeps.retry import mro_names
from rqdeps.worker.execution import error_details
from rqdeps.worker.horse import EXIT_WITHOUT_PIPE
from rqdeps.worker.messages import Report
from rqdeps.worker.oom import OutOfMemoryWatch


class Coroner:
    """Says of what a process died."""

    def __init__(self) -> None:
        self._watch = OutOfMemoryWatch()

    def cause(self, wait_status: int) -> str:
        """How a process died that nobody here killed, such as ``was killed by SIGSEGV``.

        Args:
            wait_status: what waiting for it told.
        """
        code = os.waitstatus_to_exitcode(wait_status)
        if code == EXIT_WITHOUT_PIPE:
            return "could not report, as a job had closed its file descriptors"
        if code >= 0:
            return f"ended with exit code {code}"
        ran_out = -code == signal.SIGKILL and self._watch.has_killed()
        return f"was killed by {_name_of(-code)}{', most likely because memory ran out' if ran_out else ''}"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def report_of_death(error: Exception, duration_ns: int) -> Report:
    """What is reported of a job whose process died.

    Args:
        error: what the attempt fails with.
        duration_ns: how long it had run, in nanoseconds.
    """
    names = mro_names(type(error))
    details = error_details(names[0], str(error), f"{names[0]}: {error}\n")
    return Report("died", duration_ns, details, error_names=names)
