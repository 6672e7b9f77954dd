"""The name under which a worker claims jobs, and what it may have claimed without being told."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Sequence

from rqdeps.store import Call
from rqdeps.store.calls import claims
from rqdeps.store.calls.claims import Claimed
from rqdeps.worker.options import WorkerOptions

log = logging.getLogger("rqdeps.worker")


class Holder:
    """Claims under one name, until the reply to a claim is lost: then under another, so that the lost ones can be told.

    Args:
        options: how to work.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._worker = options.name
        self._number = options.holder
        self._queues: Sequence[str] = options.queues
        self._has_asked = False
        self._lost: deque[tuple[str, str, int]] = deque()  # queue, name, and how many of its claims have been looked at

    @property
    def name(self) -> str:
        """The name to claim under now."""
        return f"{self._worker}.{self._number}"

    @property
    def may_hold_more(self) -> bool:
        """Whether there may be claims that the worker does not know of, and has not given back yet."""
        return bool(self._lost)

    def asks(self, wanted: int) -> None:
        """So many jobs are asked for."""
        self._has_asked = wanted > 0

    def is_answered(self) -> None:
        """The reply has come, with whatever was claimed."""
        self._has_asked = False

    def loses_connection(self) -> None:
        """What was asked for last may have been claimed, and nobody is told any more."""
        if self._has_asked:
            self._lost.extend((queue, self.name, 0) for queue in self._queues)
            self._number += 1
            self._has_asked = False

    def give_back(self, known: Collection[Claimed]) -> Call[tuple[int, int]]:
        """The call that gives back more of what was claimed without the worker's knowledge.

        Args:
            known: the claims that it knows of.
        """
        queue, name, offset = self._lost[0]
        return claims.reclaim(queue, holder=name, offset=offset, known=known)

    def has_given_back(self, reply: tuple[int, int]) -> None:
        """Takes the reply to that."""
        offset, returned = reply
        queue, name, _ = self._lost.popleft()
        if offset >= 0:
            self._lost.appendleft((queue, name, offset))
        if returned:
            log.warning("%d jobs went back to %s: the reply that named them was lost", returned, queue)
