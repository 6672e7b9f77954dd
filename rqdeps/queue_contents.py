"""What is in a queue: looked at, and cleared."""

from __future__ import annotations

from typing import Any

from redis import Redis

from rqdeps.clearing import clear, delete_queue, remove
from rqdeps.job import Job, fetch_jobs
from rqdeps.overview import counts_of, ids_in
from rqdeps.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rqdeps.status import JobStatus
from rqdeps.store import Store


class QueueContents:
    """What is in a queue.

    Attributes:
        name: its name.
    """

    name: str
    _store: Store

    @property
    def store(self) -> Store:
        """The deployment that the queue is part of."""
        return self._store

    @property
    def connection(self) -> Redis:
        """A client of the server."""
        return self._store.client

    # How much there is

    @property
    def count(self) -> int:
        """How many jobs are ready and wait for a worker."""
        return self.counts[JobStatus.QUEUED]

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs the queue has of each status."""
        return self._store.perform(counts_of(self.name))

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True  # it is there, with jobs or without

    def is_empty(self) -> bool:
        """Whether no job is ready."""
        return self.count == 0

    # Which jobs

    def get_job_ids(
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
        return self._store.perform(ids_in(self.name, status, offset, length))

    @property
    def job_ids(self) -> list[str]:
        """The ids of all jobs that are ready, the next first."""
        return self.get_job_ids()

    def get_jobs(
        self, offset: int = 0, length: int = -1, *, status: JobStatus | str = JobStatus.QUEUED
    ) -> list[Job[Any]]:
        """The queue's jobs that have a status; see ``get_job_ids``. One that is deleted meanwhile is left out."""
        jobs = fetch_jobs(self.get_job_ids(offset, length, status=status), self._store)
        return [job for job in jobs if job is not None]

    @property
    def jobs(self) -> list[Job[Any]]:
        """All jobs that are ready, the next first."""
        return self.get_jobs()

    def fetch_job(self, job_id: str) -> Job[Any] | None:
        """The job with this id, or ``None`` if there is none, or it belongs to another queue."""
        (job,) = fetch_jobs([job_id], self._store)
        return job if job is not None and job.origin == self.name else None

    def get_job_position(self, job_or_id: Job[Any] | str) -> int | None:
        """How many jobs come before a job in the queue; ``None`` if it is not ready, or more than 10,000 do.

        Entries of jobs that have left the queue, and have yet to be cleared up, count too.

        Args:
            job_or_id: the job, or its id.
        """
        job = self.fetch_job(job_or_id if isinstance(job_or_id, str) else job_or_id.id)
        return None if job is None else job.get_position()

    # Its registries, by RQ's names

    @property
    def started_job_registry(self) -> StartedJobRegistry:
        """The jobs that workers have."""
        return StartedJobRegistry(queue=self)

    @property
    def finished_job_registry(self) -> FinishedJobRegistry:
        """The jobs that returned a value."""
        return FinishedJobRegistry(queue=self)

    @property
    def failed_job_registry(self) -> FailedJobRegistry:
        """The jobs that failed for good."""
        return FailedJobRegistry(queue=self)

    @property
    def deferred_job_registry(self) -> DeferredJobRegistry:
        """The jobs that wait for others."""
        return DeferredJobRegistry(queue=self)

    @property
    def scheduled_job_registry(self) -> ScheduledJobRegistry:
        """The jobs that wait for their time."""
        return ScheduledJobRegistry(queue=self)

    @property
    def canceled_job_registry(self) -> CanceledJobRegistry:
        """The jobs that were canceled before they ran."""
        return CanceledJobRegistry(queue=self)

    # Clearing it

    def empty(self) -> int:
        """Deletes all jobs that are ready. What waits for them is canceled.

        Returns:
            How many jobs were deleted.
        """
        return self._store.perform(clear(self.name))

    def remove(self, job_or_id: Job[Any] | str) -> int:
        """Takes a job out of the queue: it is canceled, as a job that stands nowhere would be lost.

        Args:
            job_or_id: the job, or its id.

        Returns:
            1, or 0 if it was not ready in this queue.
        """
        return self._store.perform(remove(self.name, job_or_id if isinstance(job_or_id, str) else job_or_id.id))

    def delete(self, delete_jobs: bool = True) -> None:
        """Deletes all jobs that are ready, and forgets that the queue was paused or limited.

        Jobs in other states stay, and with them the name of the queue, until they are deleted.

        Args:
            delete_jobs: whether to delete jobs. Without, the queue must be empty.

        Raises:
            InvalidJobOperationError: jobs are ready, and are not to be deleted.
        """
        self._store.perform(delete_queue(self.name, delete_jobs=delete_jobs))
