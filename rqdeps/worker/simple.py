"""A worker that runs its jobs in its own process, one at a time: for tests, debuggers, and systems without fork."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.claims import Outcome, Settled
from rqdeps.worker.execution import execute
from rqdeps.worker.held import Held
from rqdeps.worker.journal import note_outcome
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.upkeep import Upkeep

T = TypeVar("T")

log = logging.getLogger("rqdeps.worker")

#: How long to wait before looking again when there was nothing to do, in seconds.
_PAUSE = 0.05


class Loop:
    """Claims a job, runs it here, reports it while claiming the next, and so on.

    Args:
        store: the deployment.
        options: how to work; the number of processes has no meaning here.
    """

    def __init__(self, store: Store, options: WorkerOptions) -> None:
        self._store = store
        self._options = options
        self._upkeep = Upkeep(options.name, options.queues, 1, options.lease_ms)
        self._holder = f"{options.name}.1"
        self._lost_reply = False  # then there may be claims that this worker does not know of
        self._held: Held | None = None
        self._over = threading.Event()
        self.jobs_done = 0

    def run(self) -> int:
        """Works until stopped, or in burst mode until nothing is left. Returns the exit code."""
        renewer = threading.Thread(target=self._renew_leases, name="rqdeps-leases", daemon=True)
        renewer.start()
        try:
            with self._stopping_on_signals():
                self._work()
        finally:
            self._over.set()
            renewer.join()
            with suppress(ConnectionUnavailableError):
                self._store.run(upkeep.depart(self._options.name))
        return 0

    def stop(self) -> None:
        """Ends the work after the job that runs."""
        self._over.set()

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the work after the job that runs. Python handles signals in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(number: int, stack: FrameType | None) -> None:
            log.warning("%s: finishing what runs, then ending", signal.Signals(number).name)
            self.stop()

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _work(self) -> None:
        while not self._over.is_set():
            self._keep_up()
            self._held = self._claim(self._settle(None, want=1))
            while self._held is not None:
                self._keep_up()
                outcome, duration_ns = self._run(self._held)
                self.jobs_done += 1
                settled = self._settle(outcome, want=0 if self._is_enough() else 1)
                note_outcome(outcome, settled.statuses[0], duration_ns, [job_id for job_id, _ in settled.released])
                self._held = self._claim(settled)
            if self._is_enough():
                return
            if self._options.burst and not self._ask(upkeep.pending(self._options.queues)):
                return
            self._over.wait(_PAUSE)

    def _is_enough(self) -> bool:
        maximum = self._options.max_jobs
        return self._over.is_set() or (maximum is not None and self.jobs_done >= maximum)

    def _run(self, held: Held) -> tuple[Outcome, int]:
        while held.cursor is not None:
            held.add_outputs(*self._ask(reads.outputs(held.claim.id, held.cursor)))
        report = execute(held.task(), self._store)
        return held.outcome(report), report.duration_ns

    def _settle(self, outcome: Outcome | None, *, want: int) -> Settled:
        """Reports and claims. A call whose reply is lost is made again, and what it may have claimed is given back."""
        while True:
            call = claims.settle(
                [] if outcome is None else [outcome],
                holder=self._holder,
                lease_ms=self._options.lease_ms,
                queues=self._options.queues,
                want=want,
                begin=want,
            )
            try:
                if self._lost_reply:
                    self._reclaim()
                settled = self._store.run(call, resend=False)
            except ConnectionUnavailableError as error:
                log.warning("%s; trying again", error)
                self._lost_reply = True
                self._over.wait(_PAUSE)
                continue
            left = settled.cascades_left
            while left:
                left = self._ask(upkeep.cascade())
            return settled

    def _reclaim(self) -> None:
        known = [] if self._held is None else [self._held.claim]
        for queue in self._options.queues:
            offset = 0
            while offset >= 0:
                offset, _ = self._ask(claims.reclaim(queue, holder=self._holder, offset=offset, known=known))
        self._lost_reply = False

    def _claim(self, settled: Settled) -> Held | None:
        if not settled.claimed:
            return None
        return Held.of(settled.claimed[0], now=time.monotonic(), begins=True)

    def _keep_up(self) -> None:
        while (due := self._upkeep.due_call()) is not None:
            call, then = due
            then(self._ask(call))

    def _ask(self, call: Call[T]) -> T:
        """Makes a call, again and again while the server does not answer."""
        while True:
            try:
                return self._store.run(call)
            except ConnectionUnavailableError as error:
                log.warning("%s; trying again", error)
                time.sleep(_PAUSE)

    def _renew_leases(self) -> None:
        while not self._over.wait(self._options.lease_ms / 3000):
            held = self._held
            if held is not None:
                with suppress(ConnectionUnavailableError):
                    self._store.run(claims.renew([(held.claim, True)], lease_ms=self._options.lease_ms))
