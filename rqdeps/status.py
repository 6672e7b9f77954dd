"""The statuses a job can have, under RQ's and Airflow's names."""

from __future__ import annotations

from enum import Enum


class JobStatus(str, Enum):
    """Where a job is in its life. Compares equal to its plain name: ``job.get_status() == "queued"``."""

    CREATED = "created"  #: saved, not yet part of what runs
    DEFERRED = "deferred"  #: waits for its dependencies
    SCHEDULED = "scheduled"  #: waits for a time: a delay, or the next attempt
    QUEUED = "queued"  #: ready, waits for a worker
    STARTED = "started"  #: claimed by a worker
    JOINING = "joining"  #: has run; waits for the jobs it spawned
    FINISHED = "finished"  #: returned a value
    FAILED = "failed"  #: raised, died or timed out, and has no attempt left
    STOPPED = "stopped"  #: stopped by a person while it ran
    CANCELED = "canceled"  #: ended before it ran
    UPSTREAM_FAILED = "upstream_failed"  #: its rule can't be met any more, because of a failure
    SKIPPED = "skipped"  #: its rule can't be met, and nothing failed: the branch not taken

    def __str__(self) -> str:
        return self.value

    @property
    def is_terminal(self) -> bool:
        """Whether a job with this status has ended."""
        return self in TERMINAL_STATUSES


def check_status(status: object) -> JobStatus:
    """The status, if there is such a one.

    Raises:
        ValueError: there is none.
    """
    try:
        return JobStatus(status)
    except ValueError:
        raise ValueError(f"there is no status {status!r}; there are: {', '.join(JobStatus)}") from None


TERMINAL_STATUSES = frozenset(
    {
        JobStatus.FINISHED,
        JobStatus.FAILED,
        JobStatus.STOPPED,
        JobStatus.CANCELED,
        JobStatus.UPSTREAM_FAILED,
        JobStatus.SKIPPED,
    }
)
