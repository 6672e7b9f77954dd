"""A queue: where jobs are put, to be run by workers when what they wait for has ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from redis import Redis

from rqdeps.changing import limit_queue
from rqdeps.codec import Codec, SerializerChoice
from rqdeps.dependency import job_ids_of
from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import datas_of, enqueue_datas, enqueue_job, release
from rqdeps.enqueuer import Enqueuer
from rqdeps.ids import check_queue_name
from rqdeps.job import Job, fetch_jobs, store_of
from rqdeps.overview import counts_of, counts_per_queue, ids_in
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import changes, reads

if TYPE_CHECKING:
    pass

P = ParamSpec("P")
R = TypeVar("R")


class Queue(Enqueuer):
    """A queue of jobs on Redis or Valkey.

    Args:
        name: its name; queues need not be made first.
        connection: a ``redis.Redis`` client of the server, which must not decode responses.
        url: where the server is, instead of a connection: ``redis://``, ``rediss://``, ``unix://`` or
            ``embedded:FOLDER``. By default that of the environment variable ``RQDEPS_URL``, else
            ``redis://localhost:6379``.
        serializer: how arguments and results are written: ``"json"``, ``"pickle"``, or a ``Serializer`` of your own or
            its dotted path. By default that of the environment variable ``RQDEPS_SERIALIZER``, else ``"json"``. Pickles
            are read only where they are chosen: whoever can write to the server can then run any code here.

    Raises:
        ValueError: for a name, URL or serializer that can't be.
        TypeError: if both a connection and a URL are given.
    """

    def __init__(
        self,
        name: str = "default",
        connection: Redis | None = None,
        *,
        url: str | None = None,
        serializer: SerializerChoice | None = None,
    ) -> None:
        self.name = check_queue_name(name)
        self._store = store_of(connection, url).with_serializer(serializer)

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

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._store.codec

    # Enqueueing

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
        given = datas_of(job_datas, Job)
        self._store.perform(enqueue_datas([data for _, data in given], self.name, self._store.registered))
        jobs = [each if isinstance(each, Job) else Job(data.id, self._store) for each, data in given]
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
        self._store.perform(enqueue_job(job, self.name, self._store.registered))
        if job.draft is not None:
            job.is_saved_in(self._store)
        return job

    def release_many(self, jobs: Iterable[Job[Any]]) -> None:
        """Lets held jobs go, each to its own queue, in this order.

        Those of one call are let go all together or not at all, in portions of a few hundred.

        Raises:
            InvalidJobOperationError: one of them is not held.
        """
        self._store.perform(release(job_ids_of(jobs)))

    def _take(self, datas: list[EnqueueData]) -> list[Job[Any]]:
        return self.enqueue_many(datas)

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

    # Looking at it

    @classmethod
    def all(cls, connection: Redis | None = None, *, url: str | None = None) -> list[Queue]:
        """All queues there are, by name."""
        store = store_of(connection, url, create=False)
        return [cls.on(name, store) for name in store.perform(counts_per_queue())]

    @property
    def count(self) -> int:
        """How many jobs are ready and wait for a worker."""
        return self.counts[JobStatus.QUEUED]

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs the queue has of each status."""
        return self._store.perform(counts_of(self.name))

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
        return self._store.perform(ids_in(self.name, status, offset, length))

    def fetch_job(self, job_id: str) -> Job[Any] | None:
        """The job with this id, or ``None``."""
        return fetch_jobs([job_id], self._store)[0]
