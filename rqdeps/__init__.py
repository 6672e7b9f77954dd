"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rqdeps.version import __version__

if TYPE_CHECKING:
    from rqdeps.aio import AsyncJob, AsyncQueue, AsyncWorkflow
    from rqdeps.callbacks import Callback
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
    from rqdeps.graph import Graph
    from rqdeps.job import Job, cancel_job, get_current_job, requeue_job
    from rqdeps.job_log_handler import JobLogHandler
    from rqdeps.queue import Queue
    from rqdeps.repeat import Repeat
    from rqdeps.retry import DoNotRetry, Retry, Snooze
    from rqdeps.secret import Secret
    from rqdeps.status import JobStatus
    from rqdeps.unbuilt import Unbuilt
    from rqdeps.worker import SimpleWorker, Worker
    from rqdeps.workflow import Workflow

#: Where each name comes from. It is imported when somebody asks for it: a program that enqueues needs no worker, and a
#: run of somebody's tests, which loads the fixtures of this package, mostly nothing of it.
_HOMES = {
    "AsyncJob": "rqdeps.aio",
    "AsyncQueue": "rqdeps.aio",
    "AsyncWorkflow": "rqdeps.aio",
    "Callback": "rqdeps.callbacks",
    "Serializer": "rqdeps.custom",
    "Dependency": "rqdeps.dependency",
    "DependencyCycleError": "rqdeps.errors",
    "DuplicateJobError": "rqdeps.errors",
    "DuplicateWorkflowError": "rqdeps.errors",
    "InvalidJobOperationError": "rqdeps.errors",
    "JobFailedError": "rqdeps.errors",
    "JobNotEndedError": "rqdeps.errors",
    "JobTimeoutError": "rqdeps.errors",
    "NoSuchJobError": "rqdeps.errors",
    "NoSuchWorkflowError": "rqdeps.errors",
    "ResultExpiredError": "rqdeps.errors",
    "RqdepsError": "rqdeps.errors",
    "SerializationError": "rqdeps.errors",
    "WaitTimeoutError": "rqdeps.errors",
    "Fallback": "rqdeps.fallback",
    "Graph": "rqdeps.graph",
    "Job": "rqdeps.job",
    "cancel_job": "rqdeps.job",
    "get_current_job": "rqdeps.job",
    "requeue_job": "rqdeps.job",
    "JobLogHandler": "rqdeps.job_log_handler",
    "Queue": "rqdeps.queue",
    "DoNotRetry": "rqdeps.retry",
    "Repeat": "rqdeps.repeat",
    "Retry": "rqdeps.retry",
    "Snooze": "rqdeps.retry",
    "Secret": "rqdeps.secret",
    "JobStatus": "rqdeps.status",
    "Unbuilt": "rqdeps.unbuilt",
    "SimpleWorker": "rqdeps.worker",
    "Worker": "rqdeps.worker",
    "Workflow": "rqdeps.workflow",
}


if not TYPE_CHECKING:  # else a name that does not exist would be known as anything

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found


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
    "Repeat",
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
    "cancel_job",
    "get_current_job",
    "requeue_job",
]
