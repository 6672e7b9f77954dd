"""When a worker gives signs of life, and looks after what time brings in all queues."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from rqdeps.store import Call
from rqdeps.store.calls import upkeep
from rqdeps.store.calls.call import Argument
from rqdeps.store.calls.inbox import Message
from rqdeps.version import __version__

log = logging.getLogger("rqdeps.worker")

#: The longest pause between signs of life, in seconds; short leases make it shorter.
_BEAT_SECONDS = 1.0

#: How many beats a lease has at least.
_BEATS_PER_LEASE = 4


@dataclass
class Upkeep:
    """Says which call of upkeep is due.

    Args:
        worker: the worker's name.
        queues: the queues it serves, which are looked after whether the server lists them or not.
        processes: how many horses it has.
        lease_ms: how long its claims hold.
        hear: called with the messages that were in the worker's inbox.
    """

    worker: str
    queues: list[str]
    processes: int
    lease_ms: int
    hear: Callable[[list[Message]], None]
    finished: int = 0
    failed: int = 0
    next_at: float = 0.0
    _next_beat_at: float = 0.0
    _known: list[str] = field(default_factory=list)
    _waiting: deque[list[str]] = field(default_factory=deque)
    _started_at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))

    def due_call(self) -> tuple[Call[Any], Callable[[Any], None]] | None:
        """The call that is due, and what to do with its result."""
        now = time.monotonic()
        if now >= self._next_beat_at:  # first: however much is due, the worker lives
            return upkeep.beat(self.worker, self._facts()), self._beaten
        if self._waiting:
            return upkeep.maintain(self._waiting[0], lease_ms=self.lease_ms), self._maintained
        if now >= self.next_at:
            self._plan(self.queues)
            return self.due_call()
        return None

    def _facts(self) -> dict[str, Argument]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": " ".join(self.queues),  # names hold no white space
            "processes": self.processes,
            "lease_ms": self.lease_ms,
            "started_at": self._started_at,
            "version": __version__,
            "finished": self.finished,
            "failed": self.failed,
        }

    def _beaten(self, beaten: upkeep.Beaten) -> None:
        self.hear(beaten.messages)
        self._next_beat_at = time.monotonic() + min(_BEAT_SECONDS, self.lease_ms / 1000 / _BEATS_PER_LEASE)
        self._plan(list(dict.fromkeys([*self.queues, *sorted(beaten.queues)])))

    def _plan(self, names: list[str]) -> None:
        """Has queues looked after, behind those that wait for that already."""
        size = upkeep.QUEUES_PER_CALL
        groups = [names[i : i + size] for i in range(0, len(names), size)]
        self._waiting.extend(group for group in groups if group not in self._waiting)
        self.next_at = self._next_beat_at

    def _maintained(self, result: upkeep.Maintained) -> None:
        group = self._waiting.popleft()
        if result.has_more:  # others come first
            self._waiting.append(group)
        if result.next_due_ms is not None:
            self.due_in(result.next_due_ms)
        for job_id in result.recovered:
            log.warning("job %s was taken back from a worker that is gone", job_id)
        for job_id in result.expired:
            log.warning("job %s was canceled: its ttl ran out before it started", job_id)

    def due_in(self, delay_ms: int) -> None:
        """Something is due in so many milliseconds."""
        self.next_at = min(self.next_at, time.monotonic() + delay_ms / 1000 + 0.001)
