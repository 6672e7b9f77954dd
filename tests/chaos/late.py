"""Has reports come in late: while other workers run the jobs that they are about."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from chaos.jobs import Deed
from chaos.workers import LEASE

#: What workers do while they are stopped: a job that ends when the lease does, and one that spawns another before that,
#: which must come to nothing.
DEEDS: list[Deed] = [
    {"do": "spawn", "seconds": LEASE / 2, "children": [{"do": "return", "retry": 1}]},
    {"do": "return", "seconds": LEASE},
]

#: How long the jobs have to begin, and others to run them too, in seconds.
_TO_BEGIN = 1.0
_TO_BEGIN_AGAIN = 3 * LEASE

#: How often one looks, in seconds.
_LOOK = 0.05

After = Callable[[float, Callable[[], None]], None]


class LateReports:
    """Stops the workers that run some jobs, and lets them go on once others have begun these.

    Args:
        ids: the jobs, just enqueued.
        jobs_log: where they write.
        after: calls a function after some seconds.
        stopped: called with the process ids of workers that were stopped, and for how long that may last.
    """

    def __init__(
        self, ids: list[str], jobs_log: Path, after: After, stopped: Callable[[list[int], float], None]
    ) -> None:
        self._ids = ids
        self._jobs_log = jobs_log
        self._begins_at = jobs_log.stat().st_size
        self._after = after
        self._stopped = stopped
        self._until = time.monotonic() + _TO_BEGIN
        self._pids: list[int] = []
        self._is_over = False
        self._after(_LOOK, self._stop_workers)

    def end(self) -> None:
        """Lets the workers go on, in any case."""
        self._is_over = True
        self._go_on()

    def _stop_workers(self) -> None:
        if self._is_over:
            return
        runs = self._supervisors()
        if not all(runs.values()) and time.monotonic() < self._until:
            self._after(_LOOK, self._stop_workers)
            return
        self._pids = sorted({pids[0] for pids in runs.values() if pids})
        for pid in self._pids:
            _send(pid, signal.SIGSTOP)
        self._stopped(self._pids, _TO_BEGIN_AGAIN)
        self._until = time.monotonic() + _TO_BEGIN_AGAIN
        self._after(_LOOK, self._look_for_others)

    def _look_for_others(self) -> None:
        if self._is_over:
            return
        if all(len(pids) > 1 for pids in self._supervisors().values()) or time.monotonic() > self._until:
            self._go_on()
        else:
            self._after(_LOOK, self._look_for_others)

    def _go_on(self) -> None:
        for pid in self._pids:
            _send(pid, signal.SIGCONT)
        self._pids = []

    def _supervisors(self) -> dict[str, list[int]]:
        """Of each job: the workers that have begun it so far, one after the other."""
        found: dict[str, list[int]] = {job_id: [] for job_id in self._ids}
        with self._jobs_log.open("rb") as log:
            log.seek(self._begins_at)
            for line in log:
                if line.endswith(b"\n") and b'"start"' in line:
                    facts = json.loads(line)
                    if facts["what"] == "start" and facts["job"] in found:
                        found[facts["job"]].append(facts["supervisor"])
        return found


def _send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)
