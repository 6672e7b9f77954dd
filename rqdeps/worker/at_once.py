"""Jobs of queues that are not left to workers: run at once, in the process that enqueues them."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence

from rqdeps.enqueueing import carry_on_cascades
from rqdeps.job_record import JobRecord
from rqdeps.lineage import dependents_of, spawned_by
from rqdeps.reading import fetch_fields
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import claims
from rqdeps.worker.held import Held
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.simple import Runner


def run_at_once(store: Store, queue: str, job_ids: Sequence[str]) -> None:
    """Runs jobs here and now, as far as they are ready, and then what they release or spawn in a queue.

    Args:
        store: the deployment.
        queue: the queue.
        job_ids: the jobs, of whatever queue.

    Raises:
        ConnectionUnavailableError: the server did not answer.
    """
    AtOnce(store, queue).run_jobs(job_ids)


class AtOnce(Runner):
    """Claims jobs by their ids, and runs them here. It is no worker: nobody hears of it, and it looks after nothing.

    Args:
        store: the deployment.
        queue: the queue of what is run beside the jobs that are named.
    """

    def __init__(self, store: Store, queue: str) -> None:
        super().__init__(store, WorkerOptions(f"at-once-{os.getpid()}-{secrets.token_hex(2)}", [queue]))
        self._queue = queue
        self._taken = 0

    def run_jobs(self, job_ids: Sequence[str]) -> None:
        """Runs jobs, and what they release or spawn."""
        named = frozenset(job_ids)
        waiting = deque(job_ids)
        with self._taking_care():
            while waiting:
                job_id = waiting.popleft()
                has_run = False
                while (held := self._take(job_id)) is not None:  # again, if another attempt comes at once
                    self._run_and_report(held)
                    has_run = True
                if has_run:
                    waiting += self._store.perform(_below(job_id, self._queue, named))

    def _take(self, job_id: str) -> Held | None:
        # Each claim has a name of its own: that of a job whose report was refused for good is left to its lease.
        self._taken += 1
        holder = f"{self._options.name}.{self._taken}"
        call = claims.take(job_id, holder=holder, lease_ms=self._options.lease_ms)
        claimed, left = self._store.run(call)
        self._store.perform(carry_on_cascades(left))
        return None if claimed is None else Held.of(claimed, now=time.monotonic(), begins=True)


def _below(job_id: str, queue: str, named: frozenset[str]) -> Conversation[list[str]]:
    """What depends on a job, is spawned by it, or by or on any of these, and is in a queue, or is named."""
    found: dict[str, None] = {}
    looked_at: deque[str] = deque([job_id])
    while looked_at:
        above = looked_at.popleft()
        neighbours = [*(yield from dependents_of(above)), *(yield from spawned_by(above))]
        new = [each for each in neighbours if each not in found]
        ours = yield from _ours(new, queue, named)
        found.update(dict.fromkeys(ours))
        looked_at += ours
    return list(found)


def _ours(job_ids: Iterable[str], queue: str, named: frozenset[str]) -> Conversation[list[str]]:
    jobs = yield from fetch_fields(list(job_ids))
    return [each for each, fields in jobs if each in named or (fields and JobRecord(each, fields).origin == queue)]
