"""A queue: where jobs are put, to be run by workers when what they wait for has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from redis import Redis

from rqdeps.durations import to_ms
from rqdeps.enqueue_data import EnqueueData, check_batch, delayed, reusable, scheduled
from rqdeps.ids import check_queue_name
from rqdeps.job import Job, fetch_jobs, store_of
from rqdeps.options import OPTION_NAMES, RESERVED_NAMES, JobOptions, Options, at_ms
from rqdeps.registry import counts_of, counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads, upkeep
from rqdeps.store.calls.enqueue import enqueue

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
R = TypeVar("R")

_EXPLICIT = ("args", "kwargs")

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
        return self._enqueue_one(_split(f, args, kwargs))

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
        return self._enqueue_one(scheduled(_split(f, args, kwargs), moment))

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
        return self._enqueue_one(delayed(_split(f, args, kwargs), delay_ms))

    @staticmethod
    def prepare_data(
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        timeout: int | float | str | timedelta | None = None,
        **options: Unpack[Options],
    ) -> EnqueueData:
        """Makes a job to be, for ``enqueue_many``. Others of the same call may depend on it or take its ``output``.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``Options``.
        """
        named: dict[str, Any] = dict(options)
        if timeout is not None and named.get("job_timeout") is not None:
            raise TypeError("timeout and job_timeout are two names of one option; give one")
        if timeout is not None:
            named["job_timeout"] = timeout
        checked = JobOptions.read(named)
        data = EnqueueData.make(func, _sequence(args), _mapping(kwargs), checked, kwargs_are_meant=True)
        return reusable(data)

    def enqueue_many(self, job_datas: Iterable[EnqueueData]) -> list[Job[Any]]:
        """Enqueues jobs in one call and one round trip: all of them or none.

        A job that was enqueued by an earlier call with the same ``EnqueueData`` is left as it is, so that a call which
        ended in an error of the connection can be made again.

        Args:
            job_datas: jobs made by ``prepare_data``, which may depend on each other in any order.

        Returns:
            The jobs, in the order given. Those that may run at once are queued in that order.

        Raises:
            DependencyCycleError: they would wait for each other in a circle.
            GraphTooLargeError: they are more than one call takes.
            NoSuchJobError: a job to wait for neither exists nor is among them.
        """
        datas = _datas(job_datas)
        jobs = [data.new_job(self.name) for data in datas]
        check_batch(jobs)
        if not jobs:
            return []
        queues = self._store.new_queues([self.name])
        enqueued = self._store.run(enqueue(jobs, new_queues=queues))
        self._store.remember_queues(queues)
        left = enqueued.cascades_left
        while left:
            left = self._store.run(upkeep.cascade())
        return [Job(data.id, self._store) for data in datas]

    def options(self, **options: Unpack[Options]) -> QueueWithOptions:
        """This queue with options set, so that ``enqueue`` takes nothing but the function's own arguments.

        Type checkers then hold the arguments against the function's signature: ``q.options(retry=3).enqueue(fn, 1)``.
        """
        return QueueWithOptions(self, JobOptions.read(options))

    def _enqueue_one(self, data: EnqueueData) -> Job[Any]:
        return self.enqueue_many([data])[0]

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
            offset: how many to pass over.
            length: how many at most.

        Raises:
            TypeError: ``offset`` or ``length`` is no number.
            ValueError: one of them is negative, or there is no such status.
        """
        wanted = _status(status).value
        first, most = _natural(offset, "offset"), _natural(length, "length")
        return self._store.run(reads.list_ids(self.name, wanted, offset=first, count=most)) if most else []

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


def _split(f: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> EnqueueData:
    """Tells the function's arguments from the options."""
    named = {name: kwargs.pop(name) for name in (*OPTION_NAMES, *RESERVED_NAMES) if name in kwargs}
    options = JobOptions.read(named)
    explicit = {name: kwargs.pop(name) for name in _EXPLICIT if name in kwargs}
    if not explicit:
        return EnqueueData.make(f, args, kwargs, options)
    if args or kwargs:
        extra = ", ".join([*map(repr, args), *(f"{name}=" for name in kwargs)])
        raise TypeError(f"with args= or kwargs=, these alone are the function's arguments; {extra} came beside them")
    return EnqueueData.make(
        f, _sequence(explicit.get("args")), _mapping(explicit.get("kwargs")), options, kwargs_are_meant=True
    )


def _datas(job_datas: object) -> list[EnqueueData]:
    if not isinstance(job_datas, Iterable):
        raise TypeError(f"enqueue_many takes a list of jobs to be, not {type(job_datas).__name__}")
    datas = list(job_datas)
    for data in datas:
        if not isinstance(data, EnqueueData):
            raise TypeError(f"enqueue_many takes what Queue.prepare_data(...) makes, not {type(data).__name__}")
    return datas


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


def _sequence(args: object) -> Sequence[Any]:
    if args is None:
        return ()
    if not isinstance(args, (list, tuple)):
        raise TypeError(f"args= is a list or a tuple of the function's arguments, not {type(args).__name__}")
    return args


def _mapping(kwargs: object) -> Mapping[str, Any]:
    if kwargs is None:
        return {}
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise TypeError("kwargs= is a dictionary of the function's arguments by name")
    return kwargs
