"""What code finds where it runs: the job around it, and that job's deployment where nobody has said another."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from redis import Redis

from rqdeps.codec import Codec
from rqdeps.errors import DeadlockError
from rqdeps.job_record import JobRecord
from rqdeps.store import Store, connect
from rqdeps.waiting import Patience

if TYPE_CHECKING:
    from rqdeps.job import Job

current_job: ContextVar[Job[Any] | None] = ContextVar("current_job", default=None)


def get_current_job() -> Job[Any] | None:
    """The job that this code runs in, or ``None`` outside of one."""
    return current_job.get()


def store_of(connection: Redis | None, url: str | None, *, create: bool = True) -> Store:
    """The data behind a connection or a URL, of which at most one is given; without, inside a job, that of the job.

    Raises:
        TypeError: both are given.
    """
    if connection is not None and url is not None:
        raise TypeError("give a connection or a url, not both")
    here = current_job.get()
    if connection is None and url is None and here is not None:
        return here._store
    return Store(connection) if connection is not None else connect(url, create=create)


def codec_here() -> Codec:
    """How values are written and read where nobody has said so: as the environment has it, or the job that runs here.

    Raises:
        ValueError: the environment says something that can't be.
    """
    here = current_job.get()
    return Codec.of_environment() if here is None else here.codec


def patience_for(job: JobRecord, timeout: float | None) -> Patience:
    """How long to wait for a job.

    Args:
        job: the job.
        timeout: how long at most, in seconds; ``None`` for ever.

    Raises:
        DeadlockError: called inside a job.
        InvalidJobOperationError: the job is not saved yet.
    """
    if get_current_job() is not None:
        raise DeadlockError(
            f"a job can't wait for job {job.id!r}: it would keep a worker that the other may need. "
            f"Enqueue what comes after it with depends_on, or pass its output on"
        )
    return Patience(job.saved_id, timeout)
