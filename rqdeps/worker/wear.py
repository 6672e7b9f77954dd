"""When a process that runs jobs has done enough, and a fresh one takes over."""

from __future__ import annotations

import resource
import sys
import time

from rqdeps.worker.options import DEFAULT_MAX_JOBS_PER_PROCESS, HorseOptions

#: How old a process is at least, in seconds, when it is replaced for its many jobs: to replace it takes as long as very
#: many tiny ones. Who wants fewer jobs in a process than usual gets what they ask for.
MIN_SECONDS = 1.0

_STATM = "/proc/self/statm"


class Wear:
    """Counts what a process has been through.

    Args:
        options: how much that may be.
    """

    def __init__(self, options: HorseOptions) -> None:
        self._jobs_left = options.max_jobs
        is_exact = options.max_jobs is not None and options.max_jobs < DEFAULT_MAX_JOBS_PER_PROCESS
        self._over_from = time.monotonic() + (0 if is_exact else MIN_SECONDS)
        self._max_memory = options.max_memory

    def is_over_after_job(self) -> bool:
        """Notes one more job. Returns whether that was the last."""
        if self._jobs_left is not None:
            self._jobs_left -= 1
            if self._jobs_left <= 0 and time.monotonic() >= self._over_from:
                return True
        return self._max_memory is not None and memory_in_use() > self._max_memory


def memory_in_use() -> int:
    """How much memory this process has in use, in bytes; where the system does not tell, the most it has had."""
    try:
        with open(_STATM, "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
