"""A worker that runs its jobs in its own process, one at a time: for tests, debuggers, and systems without fork."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.calls.claims import Outcome, Settled
from rqdeps.worker.execution import Ran, execute
from rqdeps.worker.following import Handler, what_follows
from rqdeps.worker.held import Held, ReportRefusedError
from rqdeps.worker.holder import Holder
from rqdeps.worker.idleness import Idleness
from rqdeps.worker.inbox import Inbox
from rqdeps.worker.journal import note_outcome
from rqdeps.worker.link import is_refusal
from rqdeps.worker.messages import Task
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.set_up import initialise, load
from rqdeps.worker.upkeep import Upkeep

T = TypeVar("T")
Ask = Callable[[Call[Any]], Any]

log = logging.getLogger("rqdeps.worker")

#: How long to wait before looking again when there was nothing to do, in seconds.
_PAUSE = 0.05

#: The longest pause before a report is tried again, in seconds.
_LONGEST_PAUSE = 2.0

#: How often the connection may break at a result larger than this before that counts as the reason, in bytes.
_BREAKS, _LARGE = 5, 1 << 20

#: How often a lease and the queues are looked after while a job runs: at least so often in a lease, and every second.
_LOOKS_PER_LEASE = 6


class Runner:
    """Runs jobs here that it has claimed, one after the other, each until its outcome is reported.

    Args:
        store: the deployment.
        options: how to work; the number of processes has no meaning here.

    Attributes:
        jobs_done: how many it has run.
    """

    def __init__(self, store: Store, options: WorkerOptions) -> None:
        self._store = store
        self._options = options
        self._holder = Holder(options)
        self._handlers: Sequence[Handler] = ()
        self._held: Held | None = None
        self._has_run = False  # what it holds, which is being reported
        self._has_ended = threading.Event()
        self.jobs_done = 0

    # What workers, and tests, do otherwise

    def _wants_another(self) -> bool:
        """Whether a report claims the next job; else nothing is held once a job has been reported."""
        return False

    def _keep_up(self, ask: Ask) -> None:
        """Does what is due while a job runs that takes long."""

    def _execute(self, task: Task) -> Ran:
        return execute(task, self._store)

    # From the claim to the report

    def _run_and_report(self, held: Held) -> Settled:
        self._held, self._has_run = held, False
        outcome, duration_ns = self._run(held)
        self._has_run = True
        self.jobs_done += 1
        return self._report(held, outcome, duration_ns)

    def _run(self, held: Held) -> tuple[Outcome, int]:
        while not held.has_outputs:
            held.add_outputs(*self._ask(held.fetch_outputs()))
        task = held.task()
        ran = self._execute(task)
        what_follows(task, ran, self._handlers).run()
        return held.outcome(ran.report), ran.report.duration_ns

    def _report(self, held: Held, outcome: Outcome, duration_ns: int) -> Settled:
        """Reports an outcome, and claims the next job if wanted. What the server refuses fails the job."""
        want = 1 if self._wants_another() else 0
        try:
            settled, again = self._settle(outcome, want=want)
        except (ReportRefusedError, ResponseError) as refusal:
            outcome = held.refused_outcome(outcome, str(refusal))
            try:
                settled, again = self._settle(outcome, want=want)
            except ResponseError as error:
                log.error("the server refuses every report of job %s: %s; given up", held.claim.id, error)
                self._held = None
                return self._settle(None, want=want)[0]
        if settled.statuses[0] != "stale" or not again:  # else an earlier report was accepted, and its reply was lost
            note_outcome(outcome, settled.statuses[0], duration_ns, [job_id for job_id, _ in settled.released])
        return settled

    def _settle(self, outcome: Outcome | None, *, want: int) -> tuple[Settled, bool]:
        """Reports and claims. A call whose reply is lost is made again, and what it may have claimed is given back.

        Returns:
            The reply, and whether it is that to a further sending.

        Raises:
            ResponseError: the server refuses the outcome.
            ReportRefusedError: the connection breaks at it again and again.
        """
        breaks = 0
        while True:
            call = claims.settle(
                [] if outcome is None else [outcome],
                holder=self._holder.name,
                lease_ms=self._options.lease_ms,
                queues=self._options.queues,
                want=want,
                begin=want,
            )
            try:
                self._reclaim()
                self._holder.asks(want)
                settled = self._store.run(call, resend=False)
            except (ConnectionUnavailableError, ResponseError) as error:
                if is_refusal(error):
                    raise
                breaks += 1
                self._holder.loses_connection()
                if breaks == _BREAKS and outcome is not None and len(outcome.value) > _LARGE:
                    raise ReportRefusedError(f"the connection broke {_BREAKS} times in the middle of it") from error
                log.warning("%s; trying again", error)
                time.sleep(min(_LONGEST_PAUSE, _PAUSE * 2**breaks))
                continue
            self._holder.is_answered()
            left = settled.cascades_left
            while left:
                left = self._ask(upkeep.cascade())
            return settled, breaks > 0

    def _reclaim(self) -> None:
        known = [] if self._held is None else [self._held.claim]
        while self._holder.may_hold_more:
            self._holder.has_given_back(self._ask(self._holder.give_back(known)))

    def _claim(self, settled: Settled) -> Held | None:
        if not settled.claimed:
            return None
        return Held.of(settled.claimed[0], now=time.monotonic(), begins=True)

    def _ask(self, call: Call[T]) -> T:
        """Makes a call, again and again while the server does not answer."""
        while True:
            try:
                return self._store.run(call)
            except ConnectionUnavailableError as error:
                log.warning("%s; trying again", error)
                time.sleep(_PAUSE)

    # Beside a job that takes long: a thread

    @contextmanager
    def _taking_care(self) -> Iterator[None]:
        """While entered, the lease of the job that runs is renewed, and what is due is done as between jobs."""
        caretaker = threading.Thread(target=self._take_care, name="rqdeps-care", daemon=True)
        caretaker.start()
        try:
            yield
        finally:
            self._has_ended.set()
            caretaker.join()

    def _take_care(self) -> None:
        while not self._has_ended.wait(min(1.0, self._options.lease_ms / 1000 / _LOOKS_PER_LEASE)):
            held = self._held
            if held is None or self._has_run:
                continue
            try:
                self._renew(held)
                self._keep_up(self._store.run)
            except (ConnectionUnavailableError, RedisError) as error:
                log.debug("%s; trying again", error)  # the main thread says it aloud if it lasts

    def _renew(self, held: Held) -> None:
        now = time.monotonic()
        if held.is_lost or now - held.renewed_at < self._options.lease_ms / 3000:
            return
        (state,) = self._store.run(claims.renew([(held.claim, True)], lease_ms=self._options.lease_ms))
        held.renewed_at = now
        if state == "lost" and self._held is held and not self._has_run:
            held.is_lost = True
            log.warning(
                "the claim of job %s was lost: it runs on, as it can't be stopped here, but its outcome does not count",
                held.claim.id,
            )


class Loop(Runner):
    """A worker's: claims a job, runs it here, reports it while claiming the next, and so on.

    Args:
        store: the deployment.
        options: how to work; the number of processes has no meaning here.
    """

    def __init__(self, store: Store, options: WorkerOptions) -> None:
        super().__init__(store, options)
        inbox = Inbox(self._cannot_stop, self.stop)
        self._upkeep = Upkeep(options.name, options.queues, 1, options.lease_ms, inbox.hear)
        self._idleness = Idleness(options.max_idle_ms)
        self._over = threading.Event()
        self._keeping_up = threading.Lock()

    def run(self) -> int:
        """Works until stopped, or in burst mode until nothing is left. Returns the exit code.

        Raises:
            SetUpError: it can't be set up.
        """
        ready = load(self._options.horse, self._store.codec)
        initialise(ready)
        self._handlers = ready.exception_handlers
        try:
            with self._taking_care(), self._stopping_on_signals():
                self._work()
        finally:
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
            self._keep_up(self._ask)
            self._held = self._claim(self._settle(None, want=1)[0])
            has_work = self._held is not None
            while self._held is not None:
                self._keep_up(self._ask)
                self._held = self._claim(self._run_and_report(self._held))
            if not self._wants_another() or self._idleness.is_over(has_work=has_work):
                return
            if self._options.burst and not self._ask(upkeep.pending(self._options.queues)):
                return
            self._over.wait(_PAUSE)

    def _wants_another(self) -> bool:
        maximum = self._options.max_jobs
        return not self._over.is_set() and (maximum is None or self.jobs_done < maximum)

    def _keep_up(self, ask: Ask) -> None:
        with self._keeping_up:
            while (due := self._upkeep.due_call()) is not None:
                call, then = due
                then(ask(call))

    def _cannot_stop(self, wanted: list[tuple[str, int]]) -> None:
        for job_id, _ in wanted:
            log.warning(
                "job %s runs on: it was asked to stop, which works only for jobs in processes of their own", job_id
            )
