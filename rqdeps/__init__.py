"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from rqdeps.dependency import Dependency
from rqdeps.errors import (
    DuplicateJobError,
    JobFailedError,
    JobTimeoutError,
    NoSuchJobError,
    RqdepsError,
)
from rqdeps.job import Job, get_current_job
from rqdeps.queue import Queue
from rqdeps.retry import DoNotRetry, Retry, Snooze
from rqdeps.status import JobStatus
from rqdeps.version import __version__
from rqdeps.worker import SimpleWorker, Worker

__all__ = [
    "Dependency",
    "DoNotRetry",
    "DuplicateJobError",
    "Job",
    "JobFailedError",
    "JobStatus",
    "JobTimeoutError",
    "NoSuchJobError",
    "Queue",
    "Retry",
    "RqdepsError",
    "SimpleWorker",
    "Snooze",
    "Worker",
    "__version__",
    "get_current_job",
]
