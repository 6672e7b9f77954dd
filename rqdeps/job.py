"""A job, as a program holds it in its hands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from redis import Redis

from rqdeps.attempts import Attempt
from rqdeps.dependency import Output
from rqdeps.enqueue_data import FunctionCall, reusable
from rqdeps.errors import (
    DeadlockError,
    JobFailedError,
    JobNotEndedError,
    NoSuchJobError,
    ResultExpiredError,
    WaitTimeoutError,
)
from rqdeps.explain import explain
from rqdeps.ids import check_queue_name
from rqdeps.job_changes import JobChanges
from rqdeps.lineage import edges_of
from rqdeps.options import AllOptions, JobOptions
from rqdeps.serializers import loads
from rqdeps.status import JobStatus
from rqdeps.store import Store, connect
from rqdeps.store.calls import reads
from rqdeps.store.scripts import BUDGET

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rqdeps.options import Duration

R = TypeVar("R")
D = TypeVar("D")

#: How long to wait for word of a job's end before looking again, in seconds: a published message can be lost.
_LOOK_AGAIN = 15.0


@dataclass(frozen=True)
class JobDependency:
    """One job that a job depends on.

    Attributes:
        id: the job waited for.
        group: the number of the group it stands in, from 0.
        rule: that group's trigger rule.
        outcome: how it ended, as far as the dependent has been told; ``None`` while that is open.
        status: its status now; ``None`` if it has been deleted, or nobody has asked, as this job is not saved yet.
        wants_output: whether its return value is passed on.
    """

    id: str
    group: int
    rule: str
    outcome: JobStatus | None
    status: JobStatus | None
    wants_output: bool


class Job(JobChanges, Generic[R]):
    """A function call that a worker makes, now or later, here or elsewhere. Made by ``Queue.enqueue``."""

    __rqdeps_job__ = True

    # Making and finding jobs

    @classmethod
    def create(
        cls,
        func: Callable[..., R] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        connection: Redis | None = None,
        *,
        url: str | None = None,
        queue: str = "default",
        id: str | None = None,  # noqa: A002 - RQ's name
        timeout: Duration | None = None,
        **options: Unpack[AllOptions],
    ) -> Job[R]:
        """Makes a job that nobody knows of yet: ``save()`` holds it on the server, ``Queue.enqueue_job`` enqueues it.

        Others may depend on it, be it only once it is saved. ``Queue.enqueue_many`` takes several in any order.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            connection: a client of the server.
            url: where the server is, instead of a connection.
            queue: the name of the job's queue.
            id: RQ's other name for ``job_id``.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``AllOptions``.

        Raises:
            UnsupportedFunctionError: a worker could not find the function.
            SerializationError: an argument can't be carried.
            TypeError: the arguments don't fit the function's signature.
            ValueError: an option makes no sense.
        """
        named = JobOptions.named(options, job_id=id, job_timeout=timeout)
        data = FunctionCall.apart(func, args, kwargs, JobOptions.read(named)).data()
        job: Job[R] = cls(data.id, store_of(connection, url))
        job.draft = replace(reusable(data), queue=check_queue_name(queue))
        return job

    @classmethod
    def fetch(cls, job_id: str, connection: Redis | None = None, *, url: str | None = None) -> Job[Any]:
        """The job with this id.

        Args:
            job_id: the id.
            connection: a client of the server.
            url: where the server is, instead of a connection.

        Raises:
            NoSuchJobError: it expired or never existed.
        """
        job = cls.fetch_many([job_id], connection, url=url)[0]
        if job is None:
            raise NoSuchJobError(job_id)
        return job

    @classmethod
    def fetch_many(
        cls, job_ids: Iterable[str], connection: Redis | None = None, *, url: str | None = None
    ) -> list[Job[Any] | None]:
        """The jobs with these ids, in their order; ``None`` for each that does not exist."""
        return fetch_jobs(job_ids, store_of(connection, url, create=False))

    @classmethod
    def exists(cls, job_id: str, connection: Redis | None = None, *, url: str | None = None) -> bool:
        """Whether there is a job with this id."""
        return cls.fetch_many([job_id], connection, url=url)[0] is not None

    # Outputs

    @property
    def output(self) -> R:
        """Stands for the job's return value in the arguments of another job, which then waits for this one."""
        return cast(R, Output(self.id))

    def output_or(self, default: D) -> R | D:
        """Like ``output``, with a value to pass where this job has not finished."""
        return cast("R | D", Output(self.id, default))

    # What happened to it

    @property
    def result(self) -> R:
        """What the job returned.

        Raises:
            JobNotEndedError: it has not ended yet.
            JobFailedError: it has ended, but not finished.
            ResultExpiredError: it finished longer than its ``result_ttl`` ago.
        """
        if self.draft is not None:
            raise JobNotEndedError(f"job {self.id!r} is not saved yet: Queue.enqueue_job enqueues it")
        status, value = self._store.run(reads.read_part(self.id, "result"))
        if status is None:
            raise NoSuchJobError(self.id)
        if not JobStatus(status).is_terminal:
            raise JobNotEndedError(f"job {self.id!r} is {status}; wait for it with job.wait()")
        if status != JobStatus.FINISHED:
            self.refresh()
            raise JobFailedError(self.id, status, self.exc_info, self.reason or self._blamed())
        if value is None:
            raise ResultExpiredError(f"job {self.id!r} finished, but its result is kept no longer (result_ttl)")
        return cast(R, loads(value))

    def _blamed(self) -> str | None:
        """The dependencies whose end has kept the job from running."""
        if self.get_status(refresh=False) not in (JobStatus.UPSTREAM_FAILED, JobStatus.SKIPPED):
            return None
        return explain(self, self._store)

    def return_value(self, refresh: bool = False) -> R | None:
        """What the job returned, or ``None`` if it has not finished or its value is kept no longer, as in RQ.

        Args:
            refresh: has no effect: the server is always asked.
        """
        try:
            return self.result
        except (JobNotEndedError, JobFailedError, ResultExpiredError):
            return None

    @property
    def attempts(self) -> list[Attempt]:
        """The last 10 attempts that did not finish, oldest first."""
        return [Attempt.read(record) for record in self._store.run(reads.attempts(self.id))]

    @property
    def exc_info(self) -> str | None:
        """The traceback of the last attempt that failed, or ``None``."""
        tracebacks = [attempt.traceback for attempt in self.attempts if attempt.traceback]
        return tracebacks[-1] if tracebacks else None

    def wait(self, timeout: float | None = None) -> R:
        """Waits for the job's end, woken by the server, and returns what it returned.

        Args:
            timeout: how long to wait at most, in seconds; without one, for ever.

        Raises:
            JobFailedError: it ended, but did not finish; with the traceback from the worker.
            WaitTimeoutError: it has not ended in time.
            DeadlockError: called inside a job, where it could wait for itself. Use ``depends_on``.
            ConnectionUnavailableError: the server did not answer.
        """
        if get_current_job() is not None:
            raise DeadlockError(
                f"a job can't wait for job {self.id!r}: it would keep a worker that the other may need. "
                f"Enqueue what comes after it with depends_on, or pass its output on"
            )
        self._check_saved()
        deadline = None if timeout is None else time.monotonic() + _seconds(timeout)
        while not self._has_ended_by(deadline):
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError(f"job {self.id!r} has not ended after {timeout:g} s")
        return self.result

    def _has_ended_by(self, deadline: float | None) -> bool:
        """Listens for word of the job's end until then, or until the connection breaks. Says whether it has ended."""
        with self._store.word_of_end(self.id) as listen:
            while not JobStatus(self._store.run(reads.watch(self.id))).is_terminal:
                left = _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())
                if left <= 0 or not listen(left):
                    return False
        return True

    # Its neighbours

    def dependencies(self) -> list[JobDependency]:
        """The jobs that this one depends on, group by group."""
        found = edges_of(self.id, self._store) if self.draft is None else self.draft.edges()
        edges = sorted(found, key=lambda edge: (edge.group, edge.dependency_id))
        return [
            JobDependency(
                id=edge.dependency_id,
                group=edge.group,
                rule=edge.rule,
                outcome=JobStatus(edge.outcome) if edge.outcome else None,
                status=JobStatus(edge.status) if edge.status else None,
                wants_output=edge.kind == "output",
            )
            for edge in edges
        ]

    @property
    def dependency_ids(self) -> list[str]:
        """The ids of the jobs that this one depends on."""
        return [dependency.id for dependency in self.dependencies()]

    @property
    def dependent_ids(self) -> list[str]:
        """The ids of the jobs that depend on this one: its fallback first, then in the order of their linking."""
        found: list[str] = []
        page = self._store.run(reads.dependents(self.id))
        while page:
            found += [job_id for job_id, _ in page if job_id]
            page = self._store.run(reads.dependents(self.id, page[-1][1]))
        return found

    def explain(self) -> str:
        """One sentence for people on where the job stands: why it does not run, or how it ended."""
        return explain(self, self._store)


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout is a number of seconds, not {type(timeout).__name__}")
    if math.isnan(timeout):
        raise ValueError("timeout is a number of seconds, not nan; leave it out to wait for ever")
    return timeout


def store_of(connection: Redis | None, url: str | None, *, create: bool = True) -> Store:
    """The data behind a connection or a URL, of which at most one is given.

    Raises:
        TypeError: both are given.
    """
    if connection is not None and url is not None:
        raise TypeError("give a connection or a url, not both")
    return Store(connection) if connection is not None else connect(url, create=create)


def fetch_jobs(job_ids: Iterable[str], store: Store) -> list[Job[Any] | None]:
    """The jobs with these ids, in their order; ``None`` for each that does not exist.

    Raises:
        TypeError: one of them is no text, or text was given in place of a list.
    """
    if isinstance(job_ids, (str, bytes)) or not isinstance(job_ids, Iterable):
        raise TypeError(f"a list of ids is wanted here, not {type(job_ids).__name__}")
    ids = list(job_ids)
    for job_id in ids:
        if not isinstance(job_id, str):
            raise TypeError(f"a job's id is a str, not {type(job_id).__name__}")
    jobs: list[Job[Any] | None] = []
    for i in range(0, len(ids), BUDGET):
        page = ids[i : i + BUDGET]
        found = store.run(reads.fetch(page))
        jobs += [
            None if fields is None else Job(job_id, store, fields) for job_id, fields in zip(page, found, strict=True)
        ]
    return jobs


current_job: ContextVar[Job[Any] | None] = ContextVar("current_job", default=None)


def get_current_job() -> Job[Any] | None:
    """The job that this code runs in, or ``None`` outside of one."""
    return current_job.get()


__all__ = ["Attempt", "Job", "JobDependency", "JobStatus", "get_current_job"]
