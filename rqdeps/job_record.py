"""What is stored of a job, as far as it has been read: its status, its policies, its times."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rqdeps.attempts import stored_moment, worker_of
from rqdeps.callbacks import Callbacks
from rqdeps.codec import Codec
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError, NotLoadedError, SerializationError
from rqdeps.mapping import mapped_by
from rqdeps.options import DEFAULT_TIMEOUT_MS, FAILURE_TTL_MS, RESULT_TTL_MS
from rqdeps.serializers import dumps, loads
from rqdeps.signing import options_of, unseal_payload
from rqdeps.status import JobStatus
from rqdeps.store import Call, Conversation
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask
from rqdeps.telling import Progress


class JobRecord:
    """What was read of a job.

    Args:
        job_id: the job's id.
        fields: what is stored, as ``reads.fetch`` gives it; ``None`` if it has not been read.

    Attributes:
        id: the job's id.
    """

    def __init__(self, job_id: str, fields: dict[str, bytes] | None = None) -> None:
        self.id = job_id
        #: What ``create`` made and nobody has saved yet.
        self.draft: EnqueueData | None = None
        self._loaded = fields
        self._meta: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobRecord) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def load(self, fields: dict[str, bytes]) -> None:
        """Takes over what has just been read. What was known before is forgotten, with ``meta``."""
        self._loaded = fields
        self._meta = None

    # Its status

    @property
    def loaded_status(self) -> JobStatus:
        """Where the job was in its life when it was last read."""
        return JobStatus(self._text("status"))

    def _present_status(self) -> JobStatus:
        """The status that the properties ``is_...`` tell."""
        return self.loaded_status

    @property
    def is_created(self) -> bool:
        """Whether the job is saved, but not yet part of what runs."""
        return self._present_status() is JobStatus.CREATED

    @property
    def is_deferred(self) -> bool:
        """Whether the job waits for its dependencies."""
        return self._present_status() is JobStatus.DEFERRED

    @property
    def is_scheduled(self) -> bool:
        """Whether the job waits for a time."""
        return self._present_status() is JobStatus.SCHEDULED

    @property
    def is_queued(self) -> bool:
        """Whether the job is ready and waits for a worker."""
        return self._present_status() is JobStatus.QUEUED

    @property
    def is_started(self) -> bool:
        """Whether a worker has the job."""
        return self._present_status() is JobStatus.STARTED

    @property
    def is_joining(self) -> bool:
        """Whether the job has run, and waits for what it spawned."""
        return self._present_status() is JobStatus.JOINING

    @property
    def is_finished(self) -> bool:
        """Whether the job has returned a value."""
        return self._present_status() is JobStatus.FINISHED

    @property
    def is_failed(self) -> bool:
        """Whether the job has failed for good."""
        return self._present_status() is JobStatus.FAILED

    @property
    def is_stopped(self) -> bool:
        """Whether the job was stopped while it ran."""
        return self._present_status() is JobStatus.STOPPED

    @property
    def is_canceled(self) -> bool:
        """Whether the job was canceled before it ran."""
        return self._present_status() is JobStatus.CANCELED

    @property
    def is_upstream_failed(self) -> bool:
        """Whether the job can't run because of a failure above it."""
        return self._present_status() is JobStatus.UPSTREAM_FAILED

    @property
    def is_skipped(self) -> bool:
        """Whether the job is on the branch not taken."""
        return self._present_status() is JobStatus.SKIPPED

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
    def mapped_function(self) -> str | None:
        """The dotted path of the function that the job maps over items; ``None`` if it is no map."""
        return mapped_by(self.func_name, self.given_description)

    @property
    def given_description(self) -> str:
        """The text that was given for people, or nothing."""
        return self._text("description")

    @property
    def meta(self) -> dict[str, Any]:
        """The dictionary that goes with the job. Change it, then call ``save_meta``."""
        if self._meta is None:
            stored = self._fields.get("meta")
            self._meta = loads(stored) if stored else {}
        return self._meta

    @property
    def timeout(self) -> float:
        """How long one attempt may run, in seconds; -1 means no limit."""
        return self._seconds("timeout", DEFAULT_TIMEOUT_MS)

    @property
    def result_ttl(self) -> float:
        """How long what the job returns is kept, in seconds; -1 for ever."""
        return self._seconds("result_ttl", RESULT_TTL_MS)

    @property
    def failure_ttl(self) -> float:
        """How long the job is kept if it fails, in seconds; -1 for ever."""
        return self._seconds("failure_ttl", FAILURE_TTL_MS)

    @property
    def ttl(self) -> float | None:
        """How long the job may wait before it starts, in seconds; ``None`` for as long as it takes."""
        return self._seconds("ttl", 0) or None

    @property
    def callbacks(self) -> Callbacks:
        """What is called when the job has run."""
        return Callbacks.decode(self._text("callbacks"))

    @property
    def attempt(self) -> int:
        """How many attempts have begun."""
        return self._number("attempt")

    @property
    def loaded_progress(self) -> Progress | None:
        """How far the job had come when it was last read, by its own account; ``None`` if it had not said."""
        stored = self._text("progress")
        return Progress.read(stored) if stored else None

    @property
    def fallback_id(self) -> str | None:
        """The id of the job that stands in for this one if it fails."""
        return self._text("fallback") or None

    @property
    def fallback_of(self) -> str | None:
        """The id of the job that this one stands in for."""
        return self._text("fallback_of") or None

    @property
    def has_joined(self) -> bool:
        """Whether the job has run, and what it spawned decides what becomes of it; or it is a workflow's own job."""
        return bool(self._text("joins"))

    @property
    def is_workflow(self) -> bool:
        """Whether this is a workflow's own job, which has no function and joins its members."""
        return self.has_joined and not self.func_name

    @property
    def workflow_id(self) -> str | None:
        """The id of the workflow that the job belongs to."""
        return self._text("workflow") or None

    @property
    def spawned_by(self) -> str | None:
        """The id of the job that spawned this one."""
        return self._text("spawned_by") or None

    @property
    def is_held(self) -> bool:
        """Whether the job is saved, and waits for ``release()``."""
        return bool(self._text("held"))

    @property
    def is_being_stopped(self) -> bool:
        """Whether the job runs, or joins others, and was asked to stop."""
        return bool(self._text("stop")) and self._text("status") in (JobStatus.STARTED, JobStatus.JOINING)

    @property
    def retries_left(self) -> int:
        """How many more failures would be followed by another attempt."""
        return max(0, self._number("retries") - self._number("failures"))

    @property
    def repeats_left(self) -> int:
        """How often the job will yet run again after it has succeeded."""
        if self._text("stop"):
            return 0
        return max(0, self._number("repeats") - self._number("repeated"))

    @property
    def repeats_at(self) -> datetime | None:
        """When the job, which has finished, runs again."""
        return self._time("repeat_due")

    @property
    def group_id(self) -> str | None:
        """The name of the group that the job is in."""
        return self._text("group") or None

    @property
    def worker_name(self) -> str | None:
        """The name of the worker that took the job last."""
        return worker_of(self._text("holder")) or None

    @property
    def created_at(self) -> datetime | None:
        """When the job was enqueued first, by the server's clock, as are all times."""
        return self._time("created_at") or self.enqueued_at

    @property
    def enqueued_at(self) -> datetime | None:
        """When the job was last put into its queue."""
        return self._time("enqueued_at")

    @property
    def started_at(self) -> datetime | None:
        """When a worker last took the job."""
        return self._time("started_at")

    @property
    def returned_at(self) -> datetime | None:
        """When the job's function returned, if it then waited for what it had spawned."""
        return self._time("returned_at")

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
            raise NotLoadedError(self.id)
        return self._loaded

    def _text(self, name: str) -> str:
        return self._fields.get(name, b"").decode()

    def _number(self, name: str, default: int = 0) -> int:
        return int(self._fields.get(name, default))

    def _seconds(self, name: str, default_ms: int) -> float:
        ms = self._number(name, default_ms)
        return ms if ms < 0 else ms / 1000

    def _time(self, name: str) -> datetime | None:
        return stored_moment(self._fields.get(name))

    @property
    def signed_options(self) -> str:
        """The options that the signature of its call is over."""
        return options_of(self._text("timeout"), self._number("retries"), self._text("retry"), self._text("callbacks"))

    # Asking the server

    def _forget_draft(self) -> None:
        self.draft = self._loaded = None

    @property
    def saved_id(self) -> str:
        """The id, for what can only be done with a job that the server knows."""
        if self.draft is not None:
            raise InvalidJobOperationError(f"job {self.id!r} is not saved yet: Queue.enqueue_job enqueues it")
        return self.id

    def _saving_of_meta(self) -> Call[None]:
        return reads.save_meta(self.id, dumps(self.meta, where="meta", with_outputs=False))


def refresh(job: JobRecord) -> Conversation[None]:
    """Reads a job again.

    Raises:
        NoSuchJobError: it has been deleted.
    """
    if job.draft is None:
        (fields,) = yield from ask(reads.fetch([job.id]))
    else:
        fields = job.draft.fields()
    if fields is None:
        raise NoSuchJobError(job.id)
    job.load(fields)


def call_of(
    job: JobRecord, codec: Codec, *, as_read: bool = False
) -> Conversation[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Reads a job's arguments, by position and by name; outputs of other jobs appear as ``Output``.

    Args:
        job: the job.
        codec: how values are read.
        as_read: whether the server need not be asked where they are in what was read of the job.

    Raises:
        NoSuchJobError: it has been deleted.
        SerializationError: they can't be read here.
    """
    if job.draft is not None:
        return codec.decode_call(job.draft.payload, lambda output: output)
    payload, _ = yield from opened_payload(job, as_read=as_read)
    return codec.decode_call(payload, lambda output: output)


def opened_payload(job: JobRecord, *, as_read: bool = False) -> Conversation[tuple[bytes, list[str]]]:
    """A job's payload, once its signature has been checked, and the ids of the jobs that this one stands in for.

    Args:
        job: the job.
        as_read: whether the server need not be asked where the payload is in what was read of the job.

    Raises:
        NoSuchJobError: it has been deleted.
        SignatureError: its signature does not fit, is missing where there is a key, or there is none to check it.
    """
    if job._loaded is None:
        yield from refresh(job)
    sealed = job._fields.get("payload") if as_read else None
    if sealed in (None, reads.ELSEWHERE):
        _, sealed = yield from ask(reads.read_part(job.id, "payload"))
    if sealed is None:
        raise NoSuchJobError(job.id)
    return unseal_payload(sealed, job.id, job.origin, job.func_name, job.signed_options)


def describe(job: JobRecord, codec: Codec) -> Conversation[str]:
    """The text given for people, or else the call, as far as it can be read here. The job must have been read."""
    if job.given_description:
        return job.given_description
    try:
        args, kwargs = yield from call_of(job, codec)
    except SerializationError:
        return f"{job.func_name}(…)"
    shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return f"{job.func_name}({', '.join(shown)})"
