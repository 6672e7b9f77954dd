"""Runs all that is ready, in the process of a test, and never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rqdeps.durations import LONGEST_MS
from rqdeps.job import Job
from rqdeps.overview import counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.conversation import ask
from rqdeps.testing.errors import EndlessDrainError
from rqdeps.testing.fake_server import Clock
from rqdeps.testing.history import Run
from rqdeps.testing.substitutes import Substitutes
from rqdeps.worker.execution import Ran, execute, limit_of, stack_of
from rqdeps.worker.following import Handler
from rqdeps.worker.held import Held
from rqdeps.worker.messages import Task
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.simple import Runner

#: What a job may raise that tells of the job. Anything else beyond ``Exception`` tells of the test: Ctrl-C, or what
#: pytest raises where a test is to end.
_OF_JOBS = (Exception, SystemExit, asyncio.CancelledError, GeneratorExit)


class Stage:
    """What jobs run on in a test: a clock, what runs in place of functions, and an account of what ran.

    Args:
        clock: the server's clock.

    Attributes:
        substitutes: what runs in place of functions.
        runs: all attempts that were made, in order.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.substitutes = Substitutes()
        self.runs: list[Run] = []
        self._task: Task | None = None
        self._began_at_ms = 0

    @property
    def is_running(self) -> bool:
        """Whether a job runs."""
        return self._task is not None

    @contextmanager
    def running(self, task: Task) -> Iterator[None]:
        """While entered, a job runs."""
        before = self._task, self._began_at_ms
        self._task, self._began_at_ms = task, self.clock.ahead_ms
        try:
            yield
        finally:
            self._task, self._began_at_ms = before

    def pass_time(self, ms: int) -> None:
        """Sets the clock ahead.

        Raises:
            JobTimeoutError: a job runs, and its time is over.
        """
        self.clock.ahead_ms += ms
        task = self._task
        if task is not None and 0 <= task.timeout_ms <= self.clock.ahead_ms - self._began_at_ms:
            raise limit_of(task).error()

    def run_out_of_time(self) -> None:
        """Sets the clock ahead to when the time of the job that runs is over.

        Raises:
            JobTimeoutError: it is.
            ValueError: it has no ``job_timeout``.
        """
        assert self._task is not None
        if self._task.timeout_ms < 0:
            raise ValueError(f"job {self._task.job_id!r} can't run out of time: it has no job_timeout")
        self.pass_time(max(0, self._began_at_ms + self._task.timeout_ms - self.clock.ahead_ms))


class Drain(Runner):
    """Runs what is ready, one job after the other, until nothing is.

    Args:
        store: the deployment.
        stage: what the jobs run on.
        queues: the queues, in order of preference; ``None`` stands for all others.
        handlers: exception handlers.
    """

    def __init__(
        self, store: Store, stage: Stage, queues: Sequence[str | None], handlers: Sequence[Handler] = ()
    ) -> None:
        store = store.with_codec(store.codec.for_worker())
        super().__init__(store, WorkerOptions("drain", [name for name in queues if name], lease_ms=LONGEST_MS))
        self._wanted = queues
        self._stage = stage
        self._handlers = handlers
        self._error: BaseException | None = None

    def run_ready(self, *, raises: bool, most: int) -> list[Run]:
        """Makes attempts, as long as there are jobs that are ready.

        Args:
            raises: whether the exception of a job is raised that has failed for good, and for which nothing stands in.
            most: how many attempts at most.

        Returns:
            The attempts, in order.

        Raises:
            EndlessDrainError: there is more to do after that many.
        """
        __tracebackhide__ = True  # of what pytest shows, when it is the job that has failed
        done: list[Run] = []
        while (held := self._next()) is not None:
            if len(done) == most:
                self._store.run(claims.give_back([held.claim]))
                raise EndlessDrainError(run.function for run in done)
            done.append(self._attempt(held))
            self._raise_if_due(done[-1], raises=raises)
        return done

    def _next(self) -> Held | None:
        """The next job that is ready, claimed. What time has brought is looked for only once there is none."""
        held = self._claim(self._settle(None, want=1)[0]) if self._options.queues else None
        if held is None:
            self._store.perform(look_after_all())
            self._options = replace(self._options, queues=self._store.perform(named(self._wanted)))
            held = self._claim(self._settle(None, want=1)[0])
        return held

    def _attempt(self, held: Held) -> Run:
        self._error = None
        status = self._run_and_report(held).statuses[0]
        self._held = None
        number = len(self._stage.runs)
        run = Run(held.claim.id, held.claim.function, status, number, number)
        self._stage.runs.append(run)
        return run

    def _execute(self, task: Task) -> Ran:
        with self._stage.running(task):
            ran = execute(task, self._store, find=self._stage.substitutes.find)
        self._error = ran.error
        return ran

    def _raise_if_due(self, run: Run, *, raises: bool) -> None:
        __tracebackhide__ = True
        error = self._error
        if error is None:
            return
        is_of_test = not isinstance(error, _OF_JOBS)
        if is_of_test or (raises and run.status == JobStatus.FAILED and not self._has_fallback(run.job_id)):
            raise error.with_traceback(stack_of(error))

    def _has_fallback(self, job_id: str) -> bool:
        job: Job[object] = Job(job_id, self._store)
        job.refresh()
        return job.fallback_id is not None


def named(wanted: Sequence[str | None]) -> Conversation[list[str]]:
    """The names of queues, where ``None`` stands for all others there are."""
    known = yield from counts_per_queue()
    others = [name for name in sorted(known) if name not in wanted]
    return [name for each in wanted for name in ([each] if each is not None else others)]


def look_after_all() -> Conversation[int | None]:
    """Does what time has brought in all queues, as workers would.

    Returns:
        How long until a job is due next, in milliseconds; ``None`` if none is known.
    """
    names = yield from named([None])
    due: list[int] = []
    size = upkeep.QUEUES_PER_CALL
    for i in range(0, len(names), size):
        has_more = True
        while has_more:
            maintained = yield from ask(upkeep.maintain(names[i : i + size], lease_ms=LONGEST_MS))
            has_more = maintained.has_more
        if maintained.next_due_ms is not None:
            due.append(maintained.next_due_ms)
    return min(due, default=None)
