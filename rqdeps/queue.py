"""A queue: where jobs are put, to be run by workers when what they wait for has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from redis import Redis

from rqdeps.dependency import job_ids_of
from rqdeps.durations import to_ms
from rqdeps.enqueue_data import EnqueueData, FunctionCall, delayed, reusable, scheduled
from rqdeps.enqueueing import carry_on_cascades, enqueue_datas
from rqdeps.ids import check_queue_name
from rqdeps.job import Job, fetch_jobs, store_of
from rqdeps.options import AllOptions, JobOptions, Options, at_ms
from rqdeps.registry import counts_of, counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import changes, reads
from rqdeps.store.scripts import JOBS_PER_CALL

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
R = TypeVar("R")

#: No queue has more: lists and sets on the server end here.
MOST_JOBS = 2**32 - 1


class Queue:
    """A queue of jobs on Redis or Valkey.

    Args:
        name: its name; queues need not be made first.
        connection: a ``redis.Redis`` client of the server, which must not decode responses.
        url: where the server is, instead of a connection: ``redis://``, ``rediss://``, ``unix://`` or
            ``embedded:FOLDER``. By default that of the environment variable ``RQDEPS_URL``, else
            ``redis://localhost:6379``.

    Raises:
        ValueError: for a name or URL that can't be.
        TypeError: if both a connection and a URL are given.
    """

    def __init__(self, name: str = "default", connection: Redis | None = None, *, url: str | None = None) -> None:
        self.name = check_queue_name(name)
        self._store = store_of(connection, url)

    @classmethod
    def on(cls, name: str, store: Store) -> Queue:
        """The queue of this name in a store that is open already."""
        queue = cls.__new__(cls)
        queue.name = check_queue_name(name)
        queue._store = store
        return queue

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    @property
    def store(self) -> Store:
        """The deployment that the queue is part of."""
        return self._store

    # Enqueueing

    @overload
    def enqueue(self, f: Callable[..., R], /, *args: Any, **kwargs: Any) -> Job[R]: ...

    @overload
    def enqueue(self, f: str, /, *args: Any, **kwargs: Any) -> Job[Any]: ...

    def enqueue(self, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueues a function call.

        Args:
            f: a function that workers can import, or its dotted path.
            *args: the function's arguments. ``job.output`` anywhere inside stands for that job's return value.
            **kwargs: the function's arguments by name, and options by the names of ``Options``. With ``args=`` or
                ``kwargs=``, these alone are the function's arguments.

        Returns:
            The job.

        Raises:
            NoSuchJobError: a job to wait for does not exist.
            DuplicateJobError: a job with the ``job_id`` exists already.
            UnsupportedFunctionError: a worker could not find the function.
            SerializationError: an argument can't be carried.
            TypeError: the arguments don't fit the function's signature.
            ValueError: an option makes no sense.
            ConnectionUnavailableError: the server did not answer.
        """
        return self._enqueue_one(FunctionCall.split(f, args, kwargs).data())

    def enqueue_call(
        self,
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        timeout: int | float | str | timedelta | None = None,
        **options: Unpack[Options],
    ) -> Job[Any]:
        """Enqueues a function call whose arguments are given apart from the options.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``Options``.
        """
        return self._enqueue_one(self.prepare_data(func, args, kwargs, timeout, **options))

    def enqueue_at(self, datetime: datetime, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueues a function call that runs no earlier than at a moment.

        Args:
            datetime: the moment, with its time zone.
            f: a function that workers can import, or its dotted path.
            *args: as for ``enqueue``.
            **kwargs: as for ``enqueue``.

        Raises:
            ValueError: the moment has no time zone.
        """
        moment = at_ms(datetime)
        return self._enqueue_one(scheduled(FunctionCall.split(f, args, kwargs).data(), moment))

    def enqueue_in(
        self, time_delta: timedelta | int | float | str, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> Job[Any]:
        """Enqueues a function call that runs no earlier than after a while.

        Args:
            time_delta: how long, as a ``timedelta``, in seconds, or as a text such as ``"1h30m"``.
            f: a function that workers can import, or its dotted path.
            *args: as for ``enqueue``.
            **kwargs: as for ``enqueue``.
        """
        delay_ms = to_ms(time_delta, "time_delta")
        if delay_ms is None:
            raise TypeError("time_delta says after how long, and can't be None: use enqueue, or 0")
        return self._enqueue_one(delayed(FunctionCall.split(f, args, kwargs).data(), delay_ms))

    @staticmethod
    def prepare_data(
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        timeout: int | float | str | timedelta | None = None,
        **options: Unpack[AllOptions],
    ) -> EnqueueData:
        """Makes a job to be, for ``enqueue_many``. Others of the same call may depend on it or take its ``output``.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``AllOptions``.
        """
        named = JobOptions.named(options, job_timeout=timeout)
        return reusable(FunctionCall.apart(func, args, kwargs, JobOptions.read(named)).data())

    def enqueue_many(self, job_datas: Iterable[EnqueueData | Job[Any]]) -> list[Job[Any]]:
        """Enqueues jobs, all of them or none: nothing of them runs before the last has come.

        Up to a hundred or so, with their dependencies, take one round trip. More go in pieces, unseen by anyone until
        all are there. A job that was enqueued by an earlier call with the same ``EnqueueData`` is left as it is, so
        that a call which ended in an error of the connection can be made again.

        Args:
            job_datas: jobs made by ``prepare_data`` or ``Job.create``, which may depend on each other in any order.

        Returns:
            The jobs, in the order given. Those that may run at once are queued in that order.

        Raises:
            DependencyCycleError: they would wait for each other in a circle.
            DuplicateJobError: another job with one of the ids exists.
            NoSuchJobError: a job to wait for neither exists nor is among them.
        """
        given = _several(job_datas)
        datas = [_data_of(each) for each in given]
        enqueue_datas(datas, self._store, self.name)
        jobs = [
            each if isinstance(each, Job) else Job(data.id, self._store)
            for each, data in zip(given, datas, strict=True)
        ]
        for job in jobs:
            job.is_saved_in(self._store)
        return jobs

    def enqueue_job(self, job: Job[R]) -> Job[R]:
        """Enqueues a job made by ``Job.create``, or one that is held: it goes to this queue.

        Args:
            job: the job. If it was saved, it is released.

        Raises:
            InvalidJobOperationError: it was released before.
        """
        if job.draft is None:
            carry_on_cascades(self._store, self._store.run(changes.release([job.id], queue=self.name)))
        else:
            enqueue_datas([replace(job.draft, queue=self.name)], self._store, self.name)
            job.is_saved_in(self._store)
        return job

    def release_many(self, jobs: Iterable[Job[Any]]) -> None:
        """Lets held jobs go, each to its own queue, in this order.

        Those of one call are let go all together or not at all, in portions of a few hundred.

        Raises:
            InvalidJobOperationError: one of them is not held.
        """
        job_ids = list(job_ids_of(jobs))
        for i in range(0, len(job_ids), JOBS_PER_CALL):
            carry_on_cascades(self._store, self._store.run(changes.release(job_ids[i : i + JOBS_PER_CALL])))

    def options(self, **options: Unpack[AllOptions]) -> QueueWithOptions:
        """This queue with options set, so that ``enqueue`` takes nothing but the function's own arguments.

        Type checkers then hold the arguments against the function's signature: ``q.options(retry=3).enqueue(fn, 1)``.
        """
        return QueueWithOptions(self, JobOptions.read(options))

    def _enqueue_one(self, data: EnqueueData) -> Job[Any]:
        return self.enqueue_many([data])[0]

    # Pausing it

    def pause(self) -> None:
        """Stops workers from taking jobs of this queue. What runs goes on, and jobs can be enqueued."""
        self._store.run(changes.pause(self.name, pauses=True))

    def resume(self) -> None:
        """Lets workers take jobs of this queue again."""
        self._store.run(changes.pause(self.name, pauses=False))

    @property
    def is_paused(self) -> bool:
        """Whether workers take no jobs of this queue."""
        return self._store.run(reads.is_paused(self.name))

    # Looking at it

    @classmethod
    def all(cls, connection: Redis | None = None, *, url: str | None = None) -> list[Queue]:
        """All queues there are, by name."""
        store = store_of(connection, url, create=False)
        return [cls.on(name, store) for name in counts_per_queue(store)]

    @property
    def count(self) -> int:
        """How many jobs are ready and wait for a worker."""
        return self.counts[JobStatus.QUEUED]

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs the queue has of each status."""
        return counts_of(self._store, self.name)

    def job_ids(self, status: JobStatus | str = JobStatus.QUEUED, offset: int = 0, length: int = 1000) -> list[str]:
        """The ids of the queue's jobs that have a status, in the order in which they run, wait or ended.

        Args:
            status: the status.
            offset: how many to pass over; of queued ones, entries of jobs that have left the queue count too.
            length: how many at most.

        Raises:
            TypeError: ``offset`` or ``length`` is no number.
            ValueError: one of them is negative, or there is no such status.
        """
        wanted = _status(status).value
        first, most = _natural(offset, "offset"), _natural(length, "length")
        found: list[str] = []
        while first >= 0 and len(found) < most:
            first, ids = self._store.run(reads.list_ids(self.name, wanted, offset=first, count=most - len(found)))
            found += ids
        return found

    def fetch_job(self, job_id: str) -> Job[Any] | None:
        """The job with this id, or ``None``."""
        return fetch_jobs([job_id], self._store)[0]


class QueueWithOptions:
    """A queue with options set. Made by ``Queue.options``."""

    def __init__(self, queue: Queue, options: JobOptions) -> None:
        self._queue = queue
        self._options = options

    def enqueue(self, f: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueues a function call with these options.

        Args:
            f: a function that workers can import.
            *args: the function's arguments.
            **kwargs: the function's arguments by name; no name is reserved.
        """
        return self._queue._enqueue_one(EnqueueData.make(f, args, kwargs, self._options, kwargs_are_meant=True))


def _several(job_datas: object) -> list[object]:
    if not isinstance(job_datas, Iterable):
        raise TypeError(f"enqueue_many takes a list of jobs to be, not {type(job_datas).__name__}")
    return list(job_datas)


def _data_of(job: object) -> EnqueueData:
    data = job.draft if isinstance(job, Job) else job
    if data is None and isinstance(job, Job):
        raise TypeError(f"{job!r} is enqueued already; enqueue_many takes jobs to be")
    if not isinstance(data, EnqueueData):
        raise TypeError(f"enqueue_many takes what Queue.prepare_data(...) makes, not {type(job).__name__}")
    return data


def _status(status: object) -> JobStatus:
    try:
        return JobStatus(status)
    except ValueError:
        raise ValueError(f"there is no status {status!r}; there are: {', '.join(JobStatus)}") from None


def _natural(number: object, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} is a number of jobs, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"{name} is a number of jobs from 0 up, not {number}")
    return min(number, MOST_JOBS)
