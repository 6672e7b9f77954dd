"""Has reports come in late: while other workers run the jobs that they are about."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos.jobs import Deed
from chaos.workers import LEASE

#: What workers do while they are cut off: a job that ends only when others have it, and that these run for longer
#: than the first need to be heard again; and one that spawns another before that, which must come to nothing.
DEEDS: list[Deed] = [
    {"do": "spawn", "seconds": LEASE / 2, "children": [{"do": "return", "retry": 1}]},
    {"do": "return", "seconds": 2 * LEASE},
]

#: How long the jobs have to begin, and then to end while others run them, in seconds.
_TO_BEGIN = 1.0
LASTS = 4 * LEASE

#: How often one looks, in seconds.
_LOOK = 0.05

After = Callable[[float, Callable[[], None]], None]


class LateReports:
    """Cuts the workers off that run some jobs, until these have ended there and others have begun them.

    Args:
        ids: the jobs, just enqueued.
        jobs_log: where they write.
        after: calls a function after some seconds.
        cut_off: called with the process ids of workers that are cut off, and for how long that may last.

    Attributes:
        pids: the process ids of the workers that are cut off now.
    """

    def __init__(
        self, ids: list[str], jobs_log: Path, after: After, cut_off: Callable[[list[int], float], None]
    ) -> None:
        self._ids = ids
        self._jobs_log = jobs_log
        self._begins_at = jobs_log.stat().st_size
        self._after = after
        self._cut_off = cut_off
        self._until = time.monotonic() + _TO_BEGIN
        self.pids: frozenset[int] = frozenset()
        self._is_over = False
        self._after(_LOOK, self._await_workers)

    def end(self) -> None:
        """Lets the workers be heard again, in any case."""
        self._is_over = True
        self.pids = frozenset()

    def _await_workers(self) -> None:
        if self._is_over:
            return
        runs = self._runs()
        if not all(runs.values()) and time.monotonic() < self._until:
            self._after(_LOOK, self._await_workers)
            return
        self.pids = frozenset(begun[0]["supervisor"] for begun in runs.values() if begun)
        self._cut_off(sorted(self.pids), LASTS)
        self._until = time.monotonic() + LASTS
        self._after(_LOOK, self._await_others)

    def _await_others(self) -> None:
        if self._is_over:
            return
        are_late = all(len(begun) > 1 and begun[0]["has_ended"] for begun in self._runs().values())
        if are_late or time.monotonic() > self._until:
            self.end()
        else:
            self._after(_LOOK, self._await_others)

    def _runs(self) -> dict[str, list[dict[str, Any]]]:
        """Of each job: how it was begun, one time after the other, with whether that has ended."""
        found: dict[str, list[dict[str, Any]]] = {job_id: [] for job_id in self._ids}
        by_name: dict[str, dict[str, Any]] = {}
        with self._jobs_log.open("rb") as log:
            if self._begins_at:
                log.seek(self._begins_at - 1)
                log.readline()  # the rest of a line that was being written when this began
            for line in log:
                facts = json.loads(line) if line.endswith(b"\n") else {"what": "is being written"}
                if facts["what"] == "start" and facts["job"] in found:
                    by_name[facts["run"]] = facts | {"has_ended": False}
                    found[facts["job"]].append(by_name[facts["run"]])
                elif facts["what"] == "end" and facts["run"] in by_name:
                    by_name[facts["run"]]["has_ended"] = True
        return found
