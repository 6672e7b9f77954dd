"""A queue for programs that run on asyncio."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio import Redis

from rqdeps.aio.enqueuer import AsyncEnqueuer
from rqdeps.aio.job import AsyncJob, async_store_of, fetch_async_jobs
from rqdeps.changing import limit_queue
from rqdeps.clearing import clear, delete_queue, remove
from rqdeps.codec import Codec, SerializerChoice
from rqdeps.dependency import job_ids_of
from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import datas_of, enqueue_datas, enqueue_job, grouped, limited, release
from rqdeps.ids import check_queue_name
from rqdeps.options import timeout_ms
from rqdeps.overview import counts_of, counts_per_queue, ids_in
from rqdeps.status import JobStatus
from rqdeps.store import AsyncStore
from rqdeps.store.calls import changes, reads

if TYPE_CHECKING:
    from typing_extensions import Self

    from rqdeps.options import Duration

R = TypeVar("R")


class AsyncQueue(AsyncEnqueuer):
    """A queue of jobs on Redis or Valkey, for programs that run on asyncio. Many tasks may use it at once.

    Close it when the program ends, or let ``async with`` do that::

        async with AsyncQueue(url="redis://localhost") as q:
            job = await q.enqueue(count_words, "report.txt")
            print(await job.wait(timeout=60))

    Args:
        name: its name; queues need not be made first.
        connection: a ``redis.asyncio.Redis`` client of the server, which must not decode responses. It stays open when
            the queue is closed.
        default_timeout: the ``job_timeout`` of jobs that have none of their own.
        url: where the server is, instead of a connection: ``redis://``, ``rediss://``, ``unix://`` or
            ``embedded:FOLDER``. By default that of the environment variable ``RQDEPS_URL``, else that of
            ``[tool.rqdeps]`` in the nearest ``pyproject.toml``, else ``redis://localhost:6379``.
        serializer: how arguments and results are written: ``"json"``, ``"pickle"``, or a ``Serializer`` of your own or
            its dotted path. By default that of the environment variable ``RQDEPS_SERIALIZER``, else ``"json"``. Pickles
            are read only where they are chosen: whoever can write to the server can then run any code here.

    Raises:
        ValueError: for a name, URL, timeout or serializer that can't be.
        TypeError: if both a connection and a URL are given.
    """

    def __init__(
        self,
        name: str = "default",
        connection: Redis | None = None,
        default_timeout: Duration | None = None,
        *,
        url: str | None = None,
        serializer: SerializerChoice | None = None,
    ) -> None:
        self.name = check_queue_name(name)
        self._store = async_store_of(connection, url).with_serializer(serializer)
        self._default_timeout_ms = timeout_ms(default_timeout, "default_timeout")

    @classmethod
    def on(cls, name: str, store: AsyncStore) -> AsyncQueue:
        """The queue of this name in a store that is open already."""
        queue = cls.__new__(cls)
        queue.name = check_queue_name(name)
        queue._store = store
        queue._default_timeout_ms = None
        return queue

    def __repr__(self) -> str:
        return f"AsyncQueue({self.name!r})"

    @property
    def store(self) -> AsyncStore:
        """The deployment that the queue is part of."""
        return self._store

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._store.codec

    async def aclose(self) -> None:
        """Closes the connections of the queue and of its jobs. They are made again if they are needed again."""
        await self._store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # Enqueueing

    async def enqueue_many(
        self, job_datas: Iterable[EnqueueData | AsyncJob[Any]], *, group_id: str | None = None
    ) -> list[AsyncJob[Any]]:
        """Enqueues jobs, all of them or none: nothing of them runs before the last has come.

        Up to a hundred or so, with their dependencies, take one round trip. More go in pieces, unseen by anyone until
        all are there; if the task is cancelled meanwhile, what has come is deleted after a minute.

        Args:
            job_datas: jobs made by ``prepare_data`` or ``AsyncJob.create``. They may depend on each other in any order.
            group_id: the name of a group that they are to be in; see ``Group``.

        Returns:
            The jobs, in the order given. Those that may run at once are queued in that order.

        Raises:
            DependencyCycleError: they would wait for each other in a circle.
            DuplicateJobError: another job with one of the ids exists.
            NoSuchJobError: a job to wait for neither exists nor is among them.
        """
        given = datas_of(job_datas, AsyncJob)
        await self._put(grouped([data for _, data in given], group_id))
        jobs = [each if isinstance(each, AsyncJob) else AsyncJob(data.id, self._store) for each, data in given]
        for job in jobs:
            job.is_saved_in(self._store)
        return jobs

    async def enqueue_job(self, job: AsyncJob[R]) -> AsyncJob[R]:
        """Enqueues a job made by ``AsyncJob.create``, or one that is held: it goes to this queue.

        Args:
            job: the job. If it was saved, it is released.

        Raises:
            InvalidJobOperationError: it was released before.
        """
        if job.draft is not None:
            (job.draft,) = limited([job.draft], self._default_timeout_ms)
        await self._store.perform(enqueue_job(job, self.name, self._store.registered))
        if job.draft is not None:
            job.is_saved_in(self._store)
        return job

    async def release_many(self, jobs: Iterable[AsyncJob[Any]]) -> None:
        """Lets held jobs go, each to its own queue, in this order.

        Those of one call are let go all together or not at all, in portions of a few hundred.

        Raises:
            InvalidJobOperationError: one of them is not held.
        """
        await self._store.perform(release(job_ids_of(jobs)))

    async def _take(self, datas: list[EnqueueData]) -> list[AsyncJob[Any]]:
        await self._put(datas)
        jobs: list[AsyncJob[Any]] = [AsyncJob(data.id, self._store) for data in datas]
        return jobs

    async def _put(self, datas: list[EnqueueData]) -> None:
        datas = limited(datas, self._default_timeout_ms)
        await self._store.perform(enqueue_datas(datas, self.name, self._store.registered))

    # Pausing and limiting it

    async def pause(self) -> None:
        """Stops workers from taking jobs of this queue. What runs goes on, and jobs can be enqueued."""
        await self._store.run(changes.pause(self.name, pauses=True))

    async def resume(self) -> None:
        """Lets workers take jobs of this queue again."""
        await self._store.run(changes.pause(self.name, pauses=False))

    async def is_paused(self) -> bool:
        """Whether workers take no jobs of this queue."""
        return await self._store.run(reads.is_paused(self.name))

    async def limit(self, most: int | None) -> None:
        """Bounds how many jobs of this queue are started at once, over all workers; see ``Queue.limit``.

        Args:
            most: how many, from 1 up; ``None`` for any number.

        Raises:
            TypeError: ``most`` is no whole number.
            ValueError: it is less than 1.
        """
        await self._store.perform(limit_queue(self.name, most))

    async def get_started_limit(self) -> int | None:
        """How many jobs of this queue are started at once at most; ``None`` if any number may be."""
        return await self._store.run(reads.limit_of(self.name))

    # Looking at it

    @classmethod
    async def all(cls, connection: Redis | None = None, *, url: str | None = None) -> list[AsyncQueue]:
        """All queues there are, by name. They share their connections: closing one closes them for all."""
        store = async_store_of(connection, url, create=False)
        names: Iterable[str] = ()
        try:
            names = await store.perform(counts_per_queue())
        finally:
            if not names:  # nobody is left who could close it
                await store.aclose()
        return [cls.on(name, store) for name in names]

    async def get_count(self) -> int:
        """How many jobs are ready and wait for a worker."""
        return (await self.get_counts())[JobStatus.QUEUED]

    async def get_counts(self) -> dict[JobStatus, int]:
        """How many jobs the queue has of each status."""
        return await self._store.perform(counts_of(self.name))

    async def get_job_ids(
        self, offset: int = 0, length: int = -1, *, status: JobStatus | str = JobStatus.QUEUED
    ) -> list[str]:
        """The ids of the queue's jobs that have a status, in the order in which they run, wait or ended.

        Args:
            offset: how many to pass over; of queued ones, entries of jobs that have left the queue count too.
            length: how many at most; -1 for all.
            status: the status.

        Raises:
            TypeError: ``offset`` or ``length`` is no number.
            ValueError: one of them is negative otherwise, or there is no such status.
        """
        return await self._store.perform(ids_in(self.name, status, offset, length))

    async def get_jobs(
        self, offset: int = 0, length: int = -1, *, status: JobStatus | str = JobStatus.QUEUED
    ) -> list[AsyncJob[Any]]:
        """The queue's jobs that have a status; see ``get_job_ids``. One that is deleted meanwhile is left out."""
        ids = await self.get_job_ids(offset, length, status=status)
        return [job for job in await fetch_async_jobs(ids, self._store) if job is not None]

    async def fetch_job(self, job_id: str) -> AsyncJob[Any] | None:
        """The job with this id, or ``None`` if there is none, or it belongs to another queue."""
        (job,) = await fetch_async_jobs([job_id], self._store)
        return job if job is not None and job.origin == self.name else None

    async def is_empty(self) -> bool:
        """Whether no job is ready."""
        return await self.get_count() == 0

    # Clearing it

    async def empty(self) -> int:
        """Deletes all jobs that are ready. What waits for them is canceled. Returns how many jobs were deleted."""
        return await self._store.perform(clear(self.name))

    async def remove(self, job_or_id: AsyncJob[Any] | str) -> int:
        """Takes a job out of the queue: it is canceled, as a job that stands nowhere would be lost.

        Args:
            job_or_id: the job, or its id.

        Returns:
            1, or 0 if it was not ready in this queue.
        """
        return await self._store.perform(remove(self.name, job_or_id if isinstance(job_or_id, str) else job_or_id.id))

    async def delete(self, delete_jobs: bool = True) -> None:
        """Deletes all jobs that are ready, and forgets that the queue was paused or limited; see ``Queue.delete``.

        Args:
            delete_jobs: whether to delete jobs. Without, the queue must be empty.

        Raises:
            InvalidJobOperationError: jobs are ready, and are not to be deleted.
        """
        await self._store.perform(delete_queue(self.name, delete_jobs=delete_jobs))
