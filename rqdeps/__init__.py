"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from rqdeps.aio import AsyncJob, AsyncQueue, AsyncWorkflow
from rqdeps.dependency import Dependency
from rqdeps.errors import (
    DependencyCycleError,
    DuplicateJobError,
    DuplicateWorkflowError,
    InvalidJobOperationError,
    JobFailedError,
    JobTimeoutError,
    NoSuchJobError,
    NoSuchWorkflowError,
    RqdepsError,
)
from rqdeps.fallback import Fallback
from rqdeps.job import Job, get_current_job
from rqdeps.job_log_handler import JobLogHandler
from rqdeps.queue import Queue
from rqdeps.retry import DoNotRetry, Retry, Snooze
from rqdeps.status import JobStatus
from rqdeps.version import __version__
from rqdeps.worker import SimpleWorker, Worker
from rqdeps.workflow import Workflow

__all__ = [
    "AsyncJob",
    "AsyncQueue",
    "AsyncWorkflow",
    "Dependency",
    "DependencyCycleError",
    "DoNotRetry",
    "DuplicateJobError",
    "DuplicateWorkflowError",
    "Fallback",
    "InvalidJobOperationError",
    "Job",
    "JobFailedError",
    "JobLogHandler",
    "JobStatus",
    "JobTimeoutError",
    "NoSuchJobError",
    "NoSuchWorkflowError",
    "Queue",
    "Retry",
    "RqdepsError",
    "SimpleWorker",
    "Snooze",
    "Worker",
    "Workflow",
    "__version__",
    "get_current_job",
]
