"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rqdeps.callback import Callback
from rqdeps.custom import Serializer
from rqdeps.dependency import Dependency
from rqdeps.errors import (
    DependencyCycleError,
    DuplicateJobError,
    DuplicateWorkflowError,
    InvalidJobOperationError,
    JobFailedError,
    JobNotEndedError,
    JobTimeoutError,
    NoSuchJobError,
    NoSuchWorkflowError,
    ResultExpiredError,
    RqdepsError,
    SerializationError,
    WaitTimeoutError,
)
from rqdeps.fallback import Fallback
from rqdeps.job import Job, get_current_job
from rqdeps.job_log_handler import JobLogHandler
from rqdeps.queue import Queue
from rqdeps.retry import DoNotRetry, Retry, Snooze
from rqdeps.secret import Secret
from rqdeps.status import JobStatus
from rqdeps.unbuilt import Unbuilt
from rqdeps.version import __version__
from rqdeps.worker import SimpleWorker, Worker
from rqdeps.workflow import Workflow

if TYPE_CHECKING:
    from rqdeps.aio import AsyncJob, AsyncQueue, AsyncWorkflow
    from rqdeps.graph import Graph

#: What is imported when somebody asks for it, and from where: most programs, and all workers, do without.
_LATER = {
    "AsyncJob": "rqdeps.aio",
    "AsyncQueue": "rqdeps.aio",
    "AsyncWorkflow": "rqdeps.aio",
    "Graph": "rqdeps.graph",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "AsyncJob",
    "AsyncQueue",
    "AsyncWorkflow",
    "Callback",
    "Dependency",
    "DependencyCycleError",
    "DoNotRetry",
    "DuplicateJobError",
    "DuplicateWorkflowError",
    "Fallback",
    "Graph",
    "InvalidJobOperationError",
    "Job",
    "JobFailedError",
    "JobLogHandler",
    "JobNotEndedError",
    "JobStatus",
    "JobTimeoutError",
    "NoSuchJobError",
    "NoSuchWorkflowError",
    "Queue",
    "ResultExpiredError",
    "Retry",
    "RqdepsError",
    "Secret",
    "SerializationError",
    "Serializer",
    "SimpleWorker",
    "Snooze",
    "Unbuilt",
    "WaitTimeoutError",
    "Worker",
    "Workflow",
    "__version__",
    "get_current_job",
]
