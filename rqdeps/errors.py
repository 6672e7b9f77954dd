"""What can go wrong, in words for people: every error says what happened, to which job, and what to do."""

from __future__ import annotations


class RqdepsError(Exception):
    """The base of all errors that rqdeps raises on purpose."""


class NoSuchJobError(RqdepsError, LookupError):
    """No job has this id: it expired or never existed."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id!r}: it expired or never existed")
        self.job_id = job_id


class DuplicateJobError(RqdepsError, ValueError):
    """A job with this id was enqueued before by another call."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"a job with the id {job_id!r} exists already: fetch it with Job.fetch, or enqueue under another id"
        )
        self.job_id = job_id


class DependencyCycleError(RqdepsError, ValueError):
    """Jobs would wait for each other in a circle."""


class GraphTooLargeError(RqdepsError, ValueError):
    """One call holds more jobs and dependencies than the server takes in one step."""


class UnsupportedFunctionError(RqdepsError, ValueError):
    """A worker could not find this function: it is a lambda, nested, bound to an object, or in ``__main__``."""


class SerializationError(RqdepsError, ValueError):
    """A value can't be carried by the serializer, or bytes can't be read by it."""


class JobNotEndedError(RqdepsError):
    """The result of a job was asked for that has not ended yet."""


class ResultExpiredError(RqdepsError, LookupError):
    """A job's return value was asked for after its ``result_ttl``."""


class JobFailedError(RqdepsError):
    """A job that was waited for did not finish.

    Attributes:
        job_id: the job.
        status: how it ended, such as ``"failed"`` or ``"upstream_failed"``.
        exc_info: the traceback from the worker, or ``None`` if the job never ran.
    """

    def __init__(self, job_id: str, status: str, exc_info: str | None, reason: str | None = None) -> None:
        message = f"job {job_id!r} ended as {status}"
        if reason:
            message += f": {reason}"
        if exc_info:
            message += f"\n\nThe traceback from the worker:\n{exc_info}"
        super().__init__(message)
        self.job_id = job_id
        self.status = status
        self.exc_info = exc_info


class JobTimeoutError(RqdepsError):
    """Raised inside a job that runs for longer than its ``job_timeout``."""


class WaitTimeoutError(RqdepsError, TimeoutError):
    """A job had not ended when the time to wait for it was over."""


class DeadlockError(RqdepsError, RuntimeError):
    """A job tried to wait for another job, which could leave no worker to run it."""


class ConnectionUnavailableError(RqdepsError, ConnectionError):
    """No server answers at the URL."""


class SchemaVersionError(RqdepsError):
    """The data on the server has a layout that this version of rqdeps does not know."""


class EmbeddedServerError(RqdepsError):
    """The embedded server could not be found, started or stopped."""
