"""What is stored of a job: its status, its call, its policies, its times."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from rqdeps.attempts import FailedJob, moment, worker_of
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import NoSuchJobError
from rqdeps.options import DEFAULT_TIMEOUT_MS
from rqdeps.serializers import decode_call, dumps, loads
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads


class JobFacts:
    """What a job knows of itself. It is read when first asked for; ``refresh()`` reads it again.

    Attributes:
        id: the job's id.
    """

    def __init__(self, job_id: str, store: Store, fields: dict[str, bytes] | None = None) -> None:
        self.id = job_id
        self._store = store
        self._loaded = fields
        self._meta: dict[str, Any] | None = None
        #: What ``Job.create`` made and nobody has saved yet.
        self.draft: EnqueueData | None = None
        #: In the job itself: which attempt runs. The server may not know yet that it has begun.
        self.running_attempt: int | None = None
        #: In a fallback while it runs: the job that failed, with its error.
        self.failed_job: FailedJob | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobFacts) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def refresh(self) -> None:
        """Reads the job again.

        Raises:
            NoSuchJobError: it has been deleted.
        """
        fields = self._store.run(reads.fetch([self.id]))[0] if self.draft is None else self.draft.fields()
        if fields is None:
            raise NoSuchJobError(self.id)
        self._loaded = fields
        self._meta = None

    # Its status

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
    def reason(self) -> str | None:
        """Why the job ended, where that was not its function's doing."""
        return self._text("reason") or None

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
        self._store.run(reads.save_meta(self.id, dumps(self.meta, where="meta", with_outputs=False)))

    @property
    def timeout(self) -> float:
        """How long one attempt may run, in seconds; -1 means no limit."""
        timeout_ms = self._number("timeout", DEFAULT_TIMEOUT_MS)
        return timeout_ms if timeout_ms < 0 else timeout_ms / 1000

    @property
    def attempt(self) -> int:
        """How many attempts have begun; inside the job, which one this is."""
        return self._number("attempt") if self.running_attempt is None else self.running_attempt

    @property
    def fallback_id(self) -> str | None:
        """The id of the job that stands in for this one if it fails."""
        return self._text("fallback") or None

    @property
    def fallback_of(self) -> str | None:
        """The id of the job that this one stands in for."""
        return self._text("fallback_of") or None

    @property
    def is_held(self) -> bool:
        """Whether the job is saved, and waits for ``release()``."""
        return bool(self._text("held"))

    @property
    def is_being_stopped(self) -> bool:
        """Whether the job runs, and was asked to stop."""
        return bool(self._text("stop")) and self._text("status") == JobStatus.STARTED

    @property
    def retries_left(self) -> int:
        """How many more failures would be followed by another attempt."""
        return max(0, self._number("retries") - self._number("failures"))

    @property
    def worker_name(self) -> str | None:
        """The name of the worker that took the job last."""
        return worker_of(self._text("holder")) or None

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
        return None if value is None else moment(int(value))

    def _call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        payload: bytes | None
        if self.draft is None:
            _, payload = self._store.run(reads.read_part(self.id, "payload"))
        else:
            payload = self.draft.payload
        if payload is None:
            raise NoSuchJobError(self.id)
        return decode_call(payload, lambda output: output)
