"""What can go wrong, in words for people: every error says what happened, to which job, and what to do."""

from __future__ import annotations

from collections.abc import Sequence


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
    """More was asked for than the server takes in one step, in a place where it has to be one."""


class GraphGivenUpError(RqdepsError):
    """A large graph was given up, because nothing came for a minute before its last piece. Nothing of it is left."""

    def __init__(self) -> None:
        super().__init__(
            "more than a minute passed between two pieces of this graph, so it was given up: enqueue it again"
        )


class GraphAbandonedError(RqdepsError):
    """An earlier attempt of a job has left behind what it spawned; that is given up before another graph is staged.

    Attributes:
        gate: the gate behind which it stands.
    """

    def __init__(self, gate: str) -> None:
        super().__init__(f"an earlier attempt has left a graph behind gate {gate!r}")
        self.gate = gate


class ClaimLostError(RqdepsError):
    """A worker no longer holds the job that it runs: another may run it by now, and what this attempt does is void."""


class NoSuchGroupError(RqdepsError, LookupError):
    """No group has this name: it was never filled, or the last of its jobs is gone."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no group {name!r}: it was never filled, or the last of its jobs has been deleted")
        self.name = name


class NoSuchWorkflowError(RqdepsError, LookupError):
    """No workflow has this id: it expired or never existed."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"there is no workflow {workflow_id!r}: it expired or never existed")
        self.workflow_id = workflow_id


class DuplicateWorkflowError(RqdepsError, ValueError):
    """A workflow, or a job, with this id exists already."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(
            f"a workflow or job with the id {workflow_id!r} exists already: fetch it with Workflow.fetch, give another "
            f"id, or pass exist_ok=True to leave it as it is"
        )
        self.workflow_id = workflow_id


class NotLoadedError(RqdepsError):
    """An ``AsyncJob`` was asked for something stored before it was read from the server."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id!r} has not been read from the server yet: `await job.refresh()` does that")
        self.job_id = job_id


class InvalidJobOperationError(RqdepsError, ValueError):
    """This can't be done with a job in its present status."""


class UpstreamFailedError(InvalidJobOperationError):
    """A job can't be requeued, because what it depends on does not let it run.

    Attributes:
        job_id: the job.
        status: what its dependencies make of it: ``"upstream_failed"`` or ``"skipped"``.
        culprits: the jobs to requeue instead, with the status of each; ``"deleted"`` where there is none any more.
        is_canceled: whether it was canceled, so that this is only what would become of it.
    """

    def __init__(
        self,
        job_id: str,
        status: str,
        culprits: Sequence[tuple[str, str]] = (),
        *,
        more: bool = False,
        is_canceled: bool = False,
    ) -> None:
        way_out = "requeue what it waited for, or use requeue(force=True) to run it all the same"
        ends = {"deleted": "has been deleted", "finished": "has finished"}  # to requeue these is of no use
        if left := [f"{culprit!r} ({how})" for culprit, how in culprits if how not in ends]:
            named = f"{', '.join(left)}{' and others' if more else ''}"
            way_out = f"requeue {named} instead, or use force=True to run it all the same"
        elif culprits:
            named = ", ".join(f"{culprit!r} {ends[how]}" for culprit, how in culprits)
            way_out = f"{named}; requeue(force=True) runs it all the same"
        now = f"is canceled, and would be {status}" if is_canceled else f"is {status}"
        super().__init__(f"job {job_id!r} {now}, so it can't run by itself: {way_out}")
        self.job_id = job_id
        self.status = status
        self.culprits = list(culprits)
        self.is_canceled = is_canceled


class FallbackReleasedError(InvalidJobOperationError):
    """A failed job can't be requeued, because its fallback stands in for it already."""

    def __init__(self, job_id: str, fallback_id: str, status: str) -> None:
        super().__init__(
            f"job {job_id!r} has failed and its fallback {fallback_id!r} is {status}: requeue(force=True) runs the job "
            f"again all the same"
        )
        self.job_id = job_id
        self.fallback_id = fallback_id


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


class SetUpError(RqdepsError):
    """A worker can't set up processes for jobs: what it was told to load or to call can't be, or raised something."""


class HorseDiedError(RqdepsError):
    """The process that ran a job died, or was killed. What an attempt fails with then; it is not raised anywhere."""


class JobStoppedError(RqdepsError):
    """A person had a job stopped while it ran. What its attempt is noted with; it is not raised anywhere."""


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
