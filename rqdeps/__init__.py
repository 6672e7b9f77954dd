"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from rqdeps.dependency import Dependency
from rqdeps.errors import (
    DependencyCycleError,
    DuplicateJobError,
    InvalidJobOperationError,
    JobFailedError,
    JobTimeoutError,
    NoSuchJobError,
    RqdepsError,
)
from rqdeps.fallback import Fallback
from rqdeps.job import Job, get_current_job
from rqdeps.queue import Queue
from rqdeps.retry import DoNotRetry, Retry, Snooze
from rqdeps.status import JobStatus
from rqdeps.version import __version__
from rqdeps.worker import SimpleWorker, Worker

__all__ = [
    "Dependency",
    "DependencyCycleError",
    "DoNotRetry",
    "DuplicateJobError",
    "Fallback",
    "InvalidJobOperationError",
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
