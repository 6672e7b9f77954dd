"""A job, as a program holds it in its hands."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar, cast

from redis import Redis

from rqdeps.dependency import Output
from rqdeps.errors import (
    DeadlockError,
    JobFailedError,
    JobNotEndedError,
    NoSuchJobError,
    ResultExpiredError,
    WaitTimeoutError,
)
from rqdeps.options import DEFAULT_TIMEOUT_MS
from rqdeps.serializers import decode_call, dumps, loads
from rqdeps.status import JobStatus
from rqdeps.store import Store, connect
from rqdeps.store.calls import reads

R = TypeVar("R")

#: How long to wait for word of a job's end before looking again, in seconds: a published message can be lost.
_LOOK_AGAIN = 15.0


@dataclass(frozen=True)
class Attempt:
    """An attempt of a job that did not finish.

    Attributes:
        number: which attempt it was, from 1.
        outcome: ``"failed"``, or ``"lost"`` where the worker died.
        started_at: when the worker took the job.
        ended_at: when the outcome was reported.
        worker: the worker's name.
        error_type: the class of the exception, as a dotted path; empty where there is none.
        message: what the exception said.
        traceback: the traceback from the worker.
    """

    number: int
    outcome: str
    started_at: datetime
    ended_at: datetime
    worker: str
    error_type: str
    message: str
    traceback: str


@dataclass(frozen=True)
class JobDependency:
    """One job that a job depends on.

    Attributes:
        id: the job waited for.
        group: the number of the group it stands in, from 0.
        rule: that group's trigger rule.
        outcome: how it ended, as far as the dependent has been told; ``None`` while that is open.
        status: its status now; ``None`` if it has been deleted.
        wants_output: whether its return value is passed on.
    """

    id: str
    group: int
    rule: str
    outcome: JobStatus | None
    status: JobStatus | None
    wants_output: bool


class Job(Generic[R]):
    """A function call that a worker makes, now or later, here or elsewhere. Made by ``Queue.enqueue``.

    What a job knows of itself is read when first asked for; ``refresh()`` reads it again.

    Attributes:
        id: the job's id.
    """

    __rqdeps_job__ = True

    def __init__(self, job_id: str, store: Store, fields: dict[str, bytes] | None = None) -> None:
        self.id = job_id
        self._store = store
        self._loaded = fields
        self._meta: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    # Finding jobs

    @classmethod
    def fetch(cls, job_id: str, connection: Redis | None = None, *, url: str | None = None) -> Job[Any]:
        """The job with this id.

        Args:
            job_id: the id.
            connection: a client of the server.
            url: where the server is, instead of a connection.

        Raises:
            NoSuchJobError: it expired or never existed.
        """
        job = cls.fetch_many([job_id], connection, url=url)[0]
        if job is None:
            raise NoSuchJobError(job_id)
        return job

    @classmethod
    def fetch_many(
        cls, job_ids: Sequence[str], connection: Redis | None = None, *, url: str | None = None
    ) -> list[Job[Any] | None]:
        """The jobs with these ids, in their order; ``None`` for each that does not exist."""
        return fetch_jobs(job_ids, store_of(connection, url, create=False))

    @classmethod
    def exists(cls, job_id: str, connection: Redis | None = None, *, url: str | None = None) -> bool:
        """Whether there is a job with this id."""
        return cls.fetch_many([job_id], connection, url=url)[0] is not None

    def refresh(self) -> None:
        """Reads the job again.

        Raises:
            NoSuchJobError: it has been deleted.
        """
        fields = self._store.run(reads.fetch([self.id]))[0]
        if fields is None:
            raise NoSuchJobError(self.id)
        self._loaded = fields
        self._meta = None

    # Outputs

    @property
    def output(self) -> R:
        """Stands for the job's return value in the arguments of another job, which then waits for this one."""
        return cast(R, Output(self.id))

    def output_or(self, default: R) -> R:
        """Like ``output``, with a value to pass where this job has not finished."""
        return cast(R, Output(self.id, default))

    # What happened to it

    def get_status(self, refresh: bool = True) -> JobStatus:
        """Where the job is in its life.

        Args:
            refresh: whether to ask the server anew.
        """
        if refresh:
            self.refresh()
        return JobStatus(self._text("status"))

    @property
    def is_created(self) -> bool:
        """Whether the job is saved, but not yet part of what runs."""
        return self.get_status() is JobStatus.CREATED

    @property
    def is_deferred(self) -> bool:
        """Whether the job waits for its dependencies."""
        return self.get_status() is JobStatus.DEFERRED

    @property
    def is_scheduled(self) -> bool:
        """Whether the job waits for a time."""
        return self.get_status() is JobStatus.SCHEDULED

    @property
    def is_queued(self) -> bool:
        """Whether the job is ready and waits for a worker."""
        return self.get_status() is JobStatus.QUEUED

    @property
    def is_started(self) -> bool:
        """Whether a worker has the job."""
        return self.get_status() is JobStatus.STARTED

    @property
    def is_finished(self) -> bool:
        """Whether the job has returned a value."""
        return self.get_status() is JobStatus.FINISHED

    @property
    def is_failed(self) -> bool:
        """Whether the job has failed for good."""
        return self.get_status() is JobStatus.FAILED

    @property
    def is_stopped(self) -> bool:
        """Whether the job was stopped while it ran."""
        return self.get_status() is JobStatus.STOPPED

    @property
    def is_canceled(self) -> bool:
        """Whether the job was canceled before it ran."""
        return self.get_status() is JobStatus.CANCELED

    @property
    def is_upstream_failed(self) -> bool:
        """Whether the job can't run because of a failure above it."""
        return self.get_status() is JobStatus.UPSTREAM_FAILED

    @property
    def is_skipped(self) -> bool:
        """Whether the job is on the branch not taken."""
        return self.get_status() is JobStatus.SKIPPED

    @property
    def result(self) -> R:
        """What the job returned.

        Raises:
            JobNotEndedError: it has not ended yet.
            JobFailedError: it has ended, but not finished.
            ResultExpiredError: it finished longer than its ``result_ttl`` ago.
        """
        status, value = self._store.run(reads.read_part(self.id, "result"))
        if status is None:
            raise NoSuchJobError(self.id)
        if not JobStatus(status).is_terminal:
            raise JobNotEndedError(f"job {self.id!r} is {status}; wait for it with job.wait()")
        if status != JobStatus.FINISHED:
            self.refresh()
            raise JobFailedError(self.id, status, self.exc_info, self.reason)
        if value is None:
            raise ResultExpiredError(f"job {self.id!r} finished, but its result is kept no longer (result_ttl)")
        return cast(R, loads(value))

    def return_value(self, refresh: bool = False) -> R | None:
        """What the job returned, or ``None`` if it has not finished or its value is kept no longer, as in RQ.

        Args:
            refresh: has no effect: the server is always asked.
        """
        try:
            return self.result
        except (JobNotEndedError, JobFailedError, ResultExpiredError):
            return None

    @property
    def attempts(self) -> list[Attempt]:
        """The last 10 attempts that did not finish, oldest first."""
        return [_read_attempt(record) for record in self._store.run(reads.attempts(self.id))]

    @property
    def exc_info(self) -> str | None:
        """The traceback of the last attempt that failed, or ``None``."""
        tracebacks = [attempt.traceback for attempt in self.attempts if attempt.traceback]
        return tracebacks[-1] if tracebacks else None

    @property
    def reason(self) -> str | None:
        """Why the job ended, where that was not its function's doing."""
        return self._text("reason") or None

    def wait(self, timeout: float | None = None) -> R:
        """Waits for the job's end, woken by the server, and returns what it returned.

        Args:
            timeout: how long to wait at most, in seconds; without one, for ever.

        Raises:
            JobFailedError: it ended, but did not finish; with the traceback from the worker.
            WaitTimeoutError: it has not ended in time.
            DeadlockError: called inside a job, where it could wait for itself. Use ``depends_on``.
        """
        if get_current_job() is not None:
            raise DeadlockError(
                f"a job can't wait for job {self.id!r}: it would keep a worker that the other may need. "
                f"Enqueue what comes after it with depends_on, or pass its output on"
            )
        deadline = None if timeout is None else time.monotonic() + timeout
        client: Any = self._store.client
        with client.pubsub() as channel:
            channel.subscribe(self._store.keys.ended(self.id))
            channel.get_message(timeout=_LOOK_AGAIN)  # the subscription holds; nothing can be missed from here on
            while not JobStatus(self._store.run(reads.watch(self.id))).is_terminal:
                left = _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())
                if left <= 0:
                    raise WaitTimeoutError(f"job {self.id!r} has not ended after {timeout} s")
                channel.get_message(timeout=left)
        return self.result

    # What it is

    @property
    def origin(self) -> str:
        """The name of the job's queue."""
        return self._text("queue")

    @property
    def func_name(self) -> str:
        """The dotted path of the job's function."""
        return self._text("function")

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments by position; outputs of other jobs appear as ``Output``."""
        return self._call()[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name; outputs of other jobs appear as ``Output``."""
        return self._call()[1]

    @property
    def description(self) -> str:
        """The text given for people, or else the call."""
        given = self._text("description")
        if given:
            return given
        args, kwargs = self._call()
        shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"{self.func_name}({', '.join(shown)})"

    @property
    def meta(self) -> dict[str, Any]:
        """The dictionary that goes with the job. Change it, then call ``save_meta``."""
        if self._meta is None:
            stored = self._fields.get("meta")
            self._meta = loads(stored) if stored else {}
        return self._meta

    def save_meta(self) -> None:
        """Stores ``meta``.

        Raises:
            SerializationError: it holds something that can't be stored.
            NoSuchJobError: the job has been deleted.
        """
        self._store.run(reads.save_meta(self.id, dumps(self.meta, where="meta")))

    @property
    def timeout(self) -> float:
        """How long one attempt may run, in seconds; -1 means no limit."""
        timeout_ms = self._number("timeout", DEFAULT_TIMEOUT_MS)
        return timeout_ms if timeout_ms < 0 else timeout_ms / 1000

    @property
    def attempt(self) -> int:
        """How many attempts have begun."""
        return self._number("attempt")

    @property
    def retries_left(self) -> int:
        """How many more failures would be followed by another attempt."""
        return max(0, self._number("retries") - self._number("failures"))

    @property
    def worker_name(self) -> str | None:
        """The name of the worker that took the job last."""
        return self._text("holder") or None

    @property
    def created_at(self) -> datetime | None:
        """When the job was enqueued first, by the server's clock, as are all times."""
        return self._time("created_at")

    @property
    def enqueued_at(self) -> datetime | None:
        """When the job was last put into its queue."""
        return self._time("enqueued_at")

    @property
    def started_at(self) -> datetime | None:
        """When a worker last took the job."""
        return self._time("started_at")

    @property
    def ended_at(self) -> datetime | None:
        """When the job ended."""
        return self._time("ended_at")

    @property
    def scheduled_for(self) -> datetime | None:
        """The time given for it to run, if any."""
        return self._time("scheduled_for")

    # Its neighbours

    def dependencies(self) -> list[JobDependency]:
        """The jobs that this one depends on, group by group."""
        return [
            JobDependency(
                id=edge.dependency_id,
                group=edge.group,
                rule=edge.rule,
                outcome=JobStatus(edge.outcome) if edge.outcome else None,
                status=JobStatus(edge.status) if edge.status else None,
                wants_output=edge.wants_output,
            )
            for edge in self._store.run(reads.edges(self.id))
        ]

    @property
    def dependency_ids(self) -> list[str]:
        """The ids of the jobs that this one depends on."""
        return [edge.dependency_id for edge in self._store.run(reads.edges(self.id))]

    @property
    def dependent_ids(self) -> list[str]:
        """The ids of the jobs that depend on this one, in the order in which they were enqueued."""
        return self._store.run(reads.dependents(self.id))

    # Reading fields

    @property
    def _fields(self) -> dict[str, bytes]:
        if self._loaded is None:
            self.refresh()
        return cast("dict[str, bytes]", self._loaded)

    def _text(self, name: str) -> str:
        return self._fields.get(name, b"").decode()

    def _number(self, name: str, default: int = 0) -> int:
        return int(self._fields.get(name, default))

    def _time(self, name: str) -> datetime | None:
        value = self._fields.get(name)
        return None if value is None else _moment(int(value))

    def _call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        _, payload = self._store.run(reads.read_part(self.id, "payload"))
        if payload is None:
            raise NoSuchJobError(self.id)
        return decode_call(payload, lambda output: output)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc)


def _read_attempt(record: reads.AttemptRecord) -> Attempt:
    details = json.loads(record.details) if record.details else {}
    return Attempt(
        number=record.attempt,
        outcome=record.outcome,
        started_at=_moment(record.started_at_ms),
        ended_at=_moment(record.ended_at_ms),
        worker=record.holder,
        error_type=details.get("type", ""),
        message=details.get("message", ""),
        traceback=details.get("traceback", ""),
    )


def store_of(connection: Redis | None, url: str | None, *, create: bool = True) -> Store:
    """The data behind a connection or a URL, of which at most one is given.

    Raises:
        TypeError: both are given.
    """
    if connection is not None and url is not None:
        raise TypeError("give a connection or a url, not both")
    return Store(connection) if connection is not None else connect(url, create=create)


def fetch_jobs(job_ids: Sequence[str], store: Store) -> list[Job[Any] | None]:
    """The jobs with these ids, in their order; ``None`` for each that does not exist."""
    found = store.run(reads.fetch(job_ids))
    return [
        None if fields is None else Job(job_id, store, fields) for job_id, fields in zip(job_ids, found, strict=True)
    ]


current_job: ContextVar[Job[Any] | None] = ContextVar("current_job", default=None)


def get_current_job() -> Job[Any] | None:
    """The job that this code runs in, or ``None`` outside of one."""
    return current_job.get()


__all__ = ["Attempt", "Job", "JobDependency", "JobStatus", "get_current_job"]
