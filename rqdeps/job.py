"""A job, as a program holds it in its hands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from redis import Redis

from rqdeps.attempts import Attempt
from rqdeps.callbacks import Callback
from rqdeps.dependency import Dependency, Output
from rqdeps.enqueueing import draft_of
from rqdeps.errors import NoSuchJobError
from rqdeps.explain import explain
from rqdeps.graph import graph_of
from rqdeps.here import get_current_job, patience_for, store_of
from rqdeps.job_at_work import JobAtWork
from rqdeps.lineage import dependents_of, spawned_by
from rqdeps.options import AllOptions, JobOptions
from rqdeps.reading import (
    JobDependency,
    attempts_of,
    dependencies_of,
    fetch_fields,
    last_traceback,
    result_of,
    return_value_of,
)
from rqdeps.results import Result, results_of
from rqdeps.retry import Retry
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads
from rqdeps.waiting import Patience, has_ended

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rqdeps.codec import SerializerChoice
    from rqdeps.graph import Graph
    from rqdeps.options import Duration

P = ParamSpec("P")
R = TypeVar("R")
R2 = TypeVar("R2")
D = TypeVar("D")


class Job(JobAtWork, Generic[R]):
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
        id: str | None = None,  # noqa: A002 - RQ's name
        timeout: Duration | None = None,
        origin: str | None = None,
        serializer: SerializerChoice | None = None,
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
            id: RQ's other name for ``job_id``.
            timeout: RQ's other name for ``job_timeout``.
            origin: RQ's other name for ``queue``.
            serializer: how arguments and result are written; see ``Queue``.
            **options: see ``AllOptions``.

        Raises:
            UnsupportedFunctionError: a worker could not find the function.
            SerializationError: an argument can't be carried.
            TypeError: the arguments don't fit the function's signature.
            ValueError: an option makes no sense.
        """
        named = JobOptions.named(options, job_id=id, job_timeout=timeout, queue=origin)
        store = store_of(connection, url).with_serializer(serializer)
        draft = draft_of(func, args, kwargs, named, store.codec)
        job: Job[R] = cls(draft.id, store)
        job.draft = draft
        return job

    @classmethod
    def fetch(
        cls,
        id: str,  # noqa: A002 - RQ's name
        connection: Redis | None = None,
        serializer: SerializerChoice | None = None,
        *,
        url: str | None = None,
    ) -> Job[Any]:
        """The job with this id.

        Args:
            id: the id.
            connection: a client of the server.
            serializer: how its arguments and result are read; see ``Queue``.
            url: where the server is, instead of a connection.

        Raises:
            NoSuchJobError: it expired or never existed.
        """
        job = cls.fetch_many([id], connection, serializer, url=url)[0]
        if job is None:
            raise NoSuchJobError(id)
        return job

    @classmethod
    def fetch_many(
        cls,
        job_ids: Iterable[str],
        connection: Redis | None = None,
        serializer: SerializerChoice | None = None,
        *,
        url: str | None = None,
    ) -> list[Job[Any] | None]:
        """The jobs with these ids, in their order; ``None`` for each that does not exist; see ``fetch``."""
        return fetch_jobs(job_ids, store_of(connection, url, create=False).with_serializer(serializer))

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
        return cast(R, self._store.perform(result_of(self, self.codec)))

    def return_value(self, refresh: bool = False) -> R | None:
        """What the job returned, or ``None`` if it has not finished or its value is kept no longer, as in RQ.

        Args:
            refresh: has no effect: the server is always asked.
        """
        return cast("R | None", self._store.perform(return_value_of(self, self.codec)))

    def results(self) -> list[Result]:
        """How its attempts ended, the last first, by RQ's names: those of ``attempts``, and the one that finished."""
        self.refresh()
        return self._store.perform(results_of(self, self.codec))

    def latest_result(self, timeout: float = 0) -> Result | None:
        """How its last attempt ended, or ``None`` if none has, by RQ's names.

        Args:
            timeout: how long to wait for the job's end if no attempt has ended yet, in seconds.

        Raises:
            DeadlockError: called inside a job, and told to wait.
        """
        results = self.results()
        if not results and timeout > 0:
            patience = patience_for(self, timeout)
            while patience.until_next_look > 0 and not self.has_ended_within(patience):
                pass
            results = self.results()
        return results[0] if results else None

    @property
    def attempts(self) -> list[Attempt]:
        """The last 10 attempts that did not finish, oldest first."""
        return self._store.perform(attempts_of(self.id))

    @property
    def exc_info(self) -> str | None:
        """The traceback of the last attempt that failed, or ``None``."""
        return self._store.perform(last_traceback(self.id))

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
        patience = patience_for(self, timeout)
        while not self.has_ended_within(patience):
            patience.check()
        return self.result

    def has_ended_within(
        self, patience: Patience, look: Callable[[], None] | None = None, *, every: float = math.inf
    ) -> bool:
        """Listens for word of the job's end, until that comes, time is over or the connection breaks.

        Args:
            patience: how long to wait.
            look: called before each wait.
            every: how often to call it at least, in seconds.
        """
        with self._store.word_of_end(self.id) as listen:
            while not self._store.perform(has_ended(self.id)):
                if look is not None:
                    look()
                left = min(patience.until_next_look, every)
                if left <= 0 or not listen(left):
                    return False
        return True

    # Its neighbours

    def dependencies(self) -> list[JobDependency]:
        """The jobs that this one depends on, group by group."""
        return self._store.perform(dependencies_of(self))

    @property
    def dependency_ids(self) -> list[str]:
        """The ids of the jobs that this one depends on."""
        return [dependency.id for dependency in self.dependencies()]

    @property
    def dependency(self) -> Job[Any] | None:
        """The first job that this one depends on; ``None`` without any, or if it has been deleted."""
        found = self.fetch_dependencies()
        return found[0] if found else None

    def fetch_dependencies(self) -> list[Job[Any]]:
        """The jobs that this one depends on, but for those that have been deleted."""
        return [job for job in fetch_jobs(self.dependency_ids, self._store) if job is not None]

    @property
    def dependent_ids(self) -> list[str]:
        """The ids of the jobs that depend on this one: its fallback first, then in the order of their linking."""
        return self._store.perform(dependents_of(self.id))

    @property
    def spawned_ids(self) -> list[str]:
        """The ids of the jobs that this one has spawned, once it has returned; of a workflow's own job, its members."""
        return self._store.perform(spawned_by(self.id))

    def graph(self, most: int | None = None) -> Graph:
        """The graph around the job: whatever is connected with it, above and below, with status, rules and times.

        Args:
            most: how many jobs to read at most; the nearest come first. Without it, 20,000.

        Raises:
            NoSuchJobError: the job has been deleted.
            InvalidJobOperationError: the job is not saved yet.
        """
        return self._store.perform(graph_of(self.saved_id, most))

    def get_position(self) -> int | None:
        """How many jobs come before this one in its queue; ``None`` if it is not ready, or more than 10,000 do.

        Entries of jobs that have left the queue, and have yet to be cleared up, count too.
        """
        return self._store.run(reads.standing(self.saved_id)).ahead

    def explain(self) -> str:
        """One sentence for people on where the job stands: why it does not run, or how it ended."""
        return self._store.perform(explain(self))


def fetch_jobs(job_ids: Iterable[str], store: Store) -> list[Job[Any] | None]:
    """The jobs with these ids, in their order; ``None`` for each that does not exist.

    Raises:
        TypeError: one of them is no text, or text was given in place of a list.
    """
    found = store.perform(fetch_fields(job_ids))
    return [None if fields is None else Job(job_id, store, fields) for job_id, fields in found]


def cancel_job(
    job_id: str,
    connection: Redis | None = None,
    serializer: SerializerChoice | None = None,
    enqueue_dependents: bool = False,
    *,
    url: str | None = None,
) -> None:
    """Cancels the job with this id; see ``Job.cancel``.

    Args:
        job_id: the id.
        connection: a client of the server.
        serializer: has no effect: nothing of the job is read.
        enqueue_dependents: see ``Job.cancel``.
        url: where the server is, instead of a connection.

    Raises:
        NoSuchJobError: there is no such job.
        ValueError: dependents are to run all the same.
    """
    Job.fetch(job_id, connection, url=url).cancel(enqueue_dependents=enqueue_dependents)


def requeue_job(
    job_id: str,
    connection: Redis | None = None,
    serializer: SerializerChoice | None = None,
    *,
    url: str | None = None,
) -> Job[Any]:
    """Gives the job with this id another life; see ``Job.requeue``.

    Args:
        job_id: the id.
        connection: a client of the server.
        serializer: how its arguments and result are read; see ``Queue``.
        url: where the server is, instead of a connection.

    Returns:
        The job.

    Raises:
        InvalidJobOperationError: it has not ended, or has finished.
        NoSuchJobError: there is no such job.
    """
    return Job.fetch(job_id, connection, serializer, url=url).requeue()


__all__ = [
    "Attempt",
    "Callback",
    "Dependency",
    "Job",
    "JobDependency",
    "JobStatus",
    "Retry",
    "cancel_job",
    "get_current_job",
    "requeue_job",
]
