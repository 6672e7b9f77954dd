"""Registries: a queue's jobs of one status, by RQ's names.

A job is at all times in exactly the one registry that its status names, so that nothing can be added by hand, and what
is removed is deleted or canceled.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from redis import Redis

from rqdeps.attempts import moment
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError
from rqdeps.here import store_of
from rqdeps.ids import check_queue_name
from rqdeps.job import Job, fetch_jobs
from rqdeps.overview import counts_of, slice_of
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads

if TYPE_CHECKING:
    from rqdeps.codec import SerializerChoice


class HasJobs(Protocol):
    """A queue, as far as a registry is concerned."""

    name: str

    @property
    def store(self) -> Store:
        """The deployment that it is part of."""


class BaseRegistry:
    """The jobs of a queue that have one status. There is a class for each status.

    Args:
        name: the queue's name.
        connection: a client of the server.
        queue: the queue, instead of name and connection.
        serializer: how values are written and read; see ``Queue``.
        url: where the server is, instead of a connection.

    Attributes:
        name: the queue's name.

    Raises:
        TypeError: both a connection and a URL are given, or a queue and one of these.
        ValueError: the name can't be that of a queue.
    """

    status: ClassVar[JobStatus]

    def __init__(
        self,
        name: str = "default",
        connection: Redis | None = None,
        *,
        queue: HasJobs | None = None,
        serializer: SerializerChoice | None = None,
        url: str | None = None,
    ) -> None:
        if queue is not None and not (connection is None and url is None):
            raise TypeError("give a queue, or where it is; not both")
        self.name = check_queue_name(name) if queue is None else queue.name
        self._store = (store_of(connection, url) if queue is None else queue.store).with_serializer(serializer)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseRegistry):
            return NotImplemented
        server, other_server = self._store.pool.connection_kwargs, other._store.pool.connection_kwargs
        return (self.status, self.name, server) == (other.status, other.name, other_server)

    def __hash__(self) -> int:
        return hash((self.status, self.name))

    @property
    def connection(self) -> Redis:
        """A client of the server."""
        return self._store.client

    # Looking at it

    @property
    def count(self) -> int:
        """How many jobs it holds."""
        return self._store.perform(counts_of(self.name))[self.status]

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True  # it is there, with jobs or without

    def get_job_count(self, cleanup: bool = True) -> int:
        """How many jobs it holds.

        Args:
            cleanup: has no effect: workers keep it clean.
        """
        return self.count

    def get_job_ids(self, start: int = 0, end: int = -1, desc: bool = False, cleanup: bool = True) -> list[str]:
        """The ids of its jobs, in the order in which they came, are due, or will be deleted.

        Args:
            start: the first place to list, from 0; below 0, so many from the end.
            end: the last place to list; -1 is the last of all.
            desc: whether to begin at the end.
            cleanup: has no effect: workers keep it clean.
        """
        return self._store.perform(slice_of(self.name, self.status, start, end, desc=desc))

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, (str, Job)):
            return False
        (job,) = fetch_jobs([_id_of(item)], self._store)
        return job is not None and self._holds(job)

    def _holds(self, job: Job[Any]) -> bool:
        return (job.loaded_status, job.origin) == (self.status, self.name)

    # Changing it

    def requeue(self, job_or_id: Job[Any] | str, at_front: bool = False) -> Job[Any]:
        """Gives one of its jobs another life; see ``Job.requeue``.

        Args:
            job_or_id: the job, or its id.
            at_front: whether it goes to the front of its queue.

        Returns:
            The job.

        Raises:
            InvalidJobOperationError: the job is not here, or has not ended.
            NoSuchJobError: there is no such job.
        """
        job = self._job(job_or_id)
        return job.requeue(force=self.status is JobStatus.FINISHED, at_front=at_front)

    def remove(self, job: Job[Any] | str, *, delete_job: bool = False) -> None:
        """Takes a job out of the registry.

        One that has ended is deleted; one that waits is canceled, or deleted if that is wished: a job that stands
        nowhere would be lost.

        Args:
            job: the job, or its id.
            delete_job: whether it is deleted in any case.

        Raises:
            InvalidJobOperationError: the job is not here, or runs.
            NoSuchJobError: there is no such job.
        """
        found = self._job(job)
        if self.status is JobStatus.STARTED and not delete_job:
            raise InvalidJobOperationError(f"job {found.id!r} runs: cancel() has its worker stop it")
        if delete_job or self.status.is_terminal:
            found.delete()
        else:
            found.cancel()

    def cleanup(self) -> None:
        """Has no effect: workers keep it clean."""

    def _job(self, job_or_id: Job[Any] | str) -> Job[Any]:
        job_id = _id_of(job_or_id)
        (job,) = fetch_jobs([job_id], self._store)
        if job is None:
            raise NoSuchJobError(job_id)
        if not self._holds(job):
            raise InvalidJobOperationError(
                f"job {job_id!r} is {job.loaded_status} in queue {job.origin!r}, and not {self.status} in {self.name!r}"
            )
        return job


def _id_of(job: Job[Any] | str) -> str:
    return job if isinstance(job, str) else job.id


class CreatedJobRegistry(BaseRegistry):
    """Jobs that are held."""

    status = JobStatus.CREATED


class DeferredJobRegistry(BaseRegistry):
    """Jobs that wait for others."""

    status = JobStatus.DEFERRED


class ScheduledJobRegistry(BaseRegistry):
    """Jobs that wait for their time: a delay, or another attempt."""

    status = JobStatus.SCHEDULED

    def get_scheduled_time(self, job_or_id: Job[Any] | str) -> datetime:
        """When a job will be put into its queue.

        Raises:
            NoSuchJobError: the job is not here.
        """
        job_id = _id_of(job_or_id)
        standing = self._store.run(reads.standing(job_id))
        if (standing.status, standing.queue) != (self.status, self.name):
            raise NoSuchJobError(job_id)
        return moment(standing.now_ms + standing.due_ms)


class StartedJobRegistry(BaseRegistry):
    """Jobs that a worker has."""

    status = JobStatus.STARTED


class JoiningJobRegistry(BaseRegistry):
    """Jobs that have run, and wait for what they spawned; and workflows' own jobs."""

    status = JobStatus.JOINING


class FinishedJobRegistry(BaseRegistry):
    """Jobs that returned a value."""

    status = JobStatus.FINISHED


class FailedJobRegistry(BaseRegistry):
    """Jobs that failed for good."""

    status = JobStatus.FAILED


class StoppedJobRegistry(BaseRegistry):
    """Jobs that a person stopped while they ran. RQ counts them among the failed ones."""

    status = JobStatus.STOPPED


class CanceledJobRegistry(BaseRegistry):
    """Jobs that were canceled before they ran."""

    status = JobStatus.CANCELED


class UpstreamFailedJobRegistry(BaseRegistry):
    """Jobs that can't run because of a failure above them. In RQ they wait among the deferred ones for ever."""

    status = JobStatus.UPSTREAM_FAILED


class SkippedJobRegistry(BaseRegistry):
    """Jobs on the branch not taken."""

    status = JobStatus.SKIPPED


__all__ = [
    "BaseRegistry",
    "CanceledJobRegistry",
    "CreatedJobRegistry",
    "DeferredJobRegistry",
    "FailedJobRegistry",
    "FinishedJobRegistry",
    "JoiningJobRegistry",
    "ScheduledJobRegistry",
    "SkippedJobRegistry",
    "StartedJobRegistry",
    "StoppedJobRegistry",
    "UpstreamFailedJobRegistry",
]
