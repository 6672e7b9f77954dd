"""A queue: where jobs are put, to be run by workers when what they wait for has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from redis import Redis

from rqdeps.changing import limit_queue
from rqdeps.codec import Codec, SerializerChoice
from rqdeps.dependency import job_ids_of
from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import datas_of, enqueue_datas, enqueue_job, grouped, limited, release
from rqdeps.enqueuer import Enqueuer
from rqdeps.here import store_of
from rqdeps.ids import check_queue_name
from rqdeps.job import Job
from rqdeps.options import timeout_ms
from rqdeps.overview import counts_per_queue
from rqdeps.queue_contents import QueueContents
from rqdeps.store import Store
from rqdeps.store.calls import changes, reads

if TYPE_CHECKING:
    from rqdeps.options import Duration

P = ParamSpec("P")
R = TypeVar("R")


class Queue(Enqueuer, QueueContents):
    """A queue of jobs on Redis or Valkey.

    Args:
        name: its name; queues need not be made first.
        connection: a ``redis.Redis`` client of the server, which must not decode responses.
        default_timeout: the ``job_timeout`` of jobs that have none of their own.
        is_async: whether workers run the jobs. With ``False`` each is run at once, in this process, by whoever enqueues
            it, and so is what it releases in this queue: for tests and for looking into things. What is delayed is
            left to workers. Errors of jobs are recorded, not raised.
        url: where the server is, instead of a connection: ``redis://``, ``rediss://``, ``unix://`` or
            ``embedded:FOLDER``. By default that of the environment variable ``RQDEPS_URL``, else that of
            ``[tool.rqdeps]`` in the nearest ``pyproject.toml``, else ``redis://localhost:6379``.
        serializer: how arguments and results are written: ``"json"``, ``"pickle"``, or a ``Serializer`` of your own or
            its dotted path. By default that of the environment variable ``RQDEPS_SERIALIZER``, else ``"json"``. Pickles
            are read only where they are chosen: whoever can write to the server can then run any code here.

    Attributes:
        name: its name.
        is_async: whether workers run the jobs.

    Raises:
        ValueError: for a name, URL, timeout or serializer that can't be.
        TypeError: if both a connection and a URL are given.
    """

    def __init__(
        self,
        name: str = "default",
        connection: Redis | None = None,
        default_timeout: Duration | None = None,
        is_async: bool = True,
        *,
        url: str | None = None,
        serializer: SerializerChoice | None = None,
    ) -> None:
        self.name = check_queue_name(name)
        self._store = store_of(connection, url).with_serializer(serializer)
        self._default_timeout_ms = timeout_ms(default_timeout, "default_timeout")
        self.is_async = is_async

    @classmethod
    def on(cls, name: str, store: Store) -> Queue:
        """The queue of this name in a store that is open already."""
        queue = cls.__new__(cls)
        queue.name = check_queue_name(name)
        queue._store = store
        queue._default_timeout_ms = None
        queue.is_async = True
        return queue

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._store.codec

    # Enqueueing

    def enqueue_many(
        self, job_datas: Iterable[EnqueueData | Job[Any]], *, group_id: str | None = None
    ) -> list[Job[Any]]:
        """Enqueues jobs, all of them or none: nothing of them runs before the last has come.

        Up to a hundred or so, with their dependencies, take one round trip. More go in pieces, unseen by anyone until
        all are there. A job that was enqueued by an earlier call with the same ``EnqueueData`` is left as it is, so
        that a call which ended in an error of the connection can be made again.

        Args:
            job_datas: jobs made by ``prepare_data`` or ``Job.create``, which may depend on each other in any order.
            group_id: the name of a group that they are to be in; see ``Group``.

        Returns:
            The jobs, in the order given. Those that may run at once are queued in that order.

        Raises:
            DependencyCycleError: they would wait for each other in a circle.
            DuplicateJobError: another job with one of the ids exists.
            NoSuchJobError: a job to wait for neither exists nor is among them.
        """
        given = datas_of(job_datas, Job)
        self._put(grouped([data for _, data in given], group_id))
        for each, _ in given:
            if isinstance(each, Job):
                each.is_saved_in(self._store)
        jobs = [each if isinstance(each, Job) else Job(data.id, self._store) for each, data in given]
        self._have_run(jobs)
        return jobs

    def enqueue_job(self, job: Job[R]) -> Job[R]:
        """Enqueues a job made by ``Job.create``, or one that is held: it goes to this queue.

        Args:
            job: the job. If it was saved, it is released.

        Raises:
            InvalidJobOperationError: it was released before.
        """
        if job.draft is not None:
            (job.draft,) = limited([job.draft], self._default_timeout_ms)
        self._store.perform(enqueue_job(job, self.name, self._store.registered))
        if job.draft is not None:
            job.is_saved_in(self._store)
        self._have_run([job])
        return job

    def release_many(self, jobs: Iterable[Job[Any]]) -> None:
        """Lets held jobs go, each to its own queue, in this order.

        Those of one call are let go all together or not at all, in portions of a few hundred.

        Raises:
            InvalidJobOperationError: one of them is not held.
        """
        self._store.perform(release(job_ids_of(jobs)))

    def _take(self, datas: list[EnqueueData]) -> list[Job[Any]]:
        self._put(datas)
        jobs: list[Job[Any]] = [Job(data.id, self._store) for data in datas]
        self._have_run(jobs)
        return jobs

    def _put(self, datas: list[EnqueueData]) -> None:
        datas = limited(datas, self._default_timeout_ms)
        self._store.perform(enqueue_datas(datas, self.name, self._store.registered))

    def _have_run(self, jobs: Sequence[Job[Any]]) -> None:
        """Has jobs run now that were enqueued, if this is not left to workers."""
        if not self.is_async:
            run_at_once(self._store, self.name, [job.id for job in jobs])

    # Pausing and limiting it

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

    def limit(self, most: int | None) -> None:
        """Bounds how many jobs of this queue are started at once, over all workers. It holds until it is set anew.

        Made for what must not be used too much at a time, such as an API or a licence: put those jobs in a queue of
        their own. What is started beyond a limit that is lowered goes on. A job counts from its claim until its outcome
        is reported, and as long as its lease lasts if its worker is lost.

        Args:
            most: how many, from 1 up; ``None`` for any number.

        Raises:
            TypeError: ``most`` is no whole number.
            ValueError: it is less than 1.
        """
        self._store.perform(limit_queue(self.name, most))

    @property
    def started_limit(self) -> int | None:
        """How many jobs of this queue are started at once at most; ``None`` if any number may be."""
        return self._store.run(reads.limit_of(self.name))

    # Others

    @classmethod
    def all(cls, connection: Redis | None = None, *, url: str | None = None) -> list[Queue]:
        """All queues there are, by name."""
        store = store_of(connection, url, create=False)
        return [cls.on(name, store) for name in store.perform(counts_per_queue())]

    def __eq__(self, other: object) -> bool:
        return other.name == self.name if isinstance(other, Queue) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self.name < other.name if isinstance(other, Queue) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)


def run_at_once(store: Store, queue: str, job_ids: Sequence[str]) -> None:
    """Runs jobs in this process, if they are ready, and what they release in a queue.

    What runs jobs stands above queues, and is called by its name: a program that leaves that to workers does without.
    """
    run: Callable[[Store, str, Sequence[str]], None] = import_module("rqdeps.worker.at_once").run_at_once
    run(store, queue, job_ids)
