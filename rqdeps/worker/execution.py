"""Running one job: decode, import, run, encode."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

from rqdeps.allowance import NotAllowedError
from rqdeps.attempts import Attempt, FailedJob
from rqdeps.enqueueing import stage_spawned
from rqdeps.errors import ConnectionUnavailableError, ResultExpiredError, SerializationError
from rqdeps.functions import resolve
from rqdeps.here import current_job
from rqdeps.job import Job
from rqdeps.mapping import SPREAD
from rqdeps.outputs import OutputValues
from rqdeps.retry import DoNotRetry, Snooze, mro_names
from rqdeps.secret import OpenedSecrets
from rqdeps.signing import SignatureError, seal_result, unseal_payload
from rqdeps.spawning import SpawnedGraph, Spawning
from rqdeps.store import Store
from rqdeps.store.calls.reads import read_attempt
from rqdeps.telling import Telling
from rqdeps.worker.messages import Report, Task
from rqdeps.worker.time_limit import TimeLimit

#: How much of a traceback is kept, in characters: its end, which says what went wrong.
_TRACEBACK_CHARACTERS = 20_000

#: Where the code is that stands between the worker and the user's.
_OWN_CODE = (os.path.dirname(__file__), os.path.dirname(asyncio.__file__))

#: Finds the function of a job by its path, once that may run; see ``resolve``.
Find = Callable[[str, Callable[[str, object], None] | None], Callable[..., Any]]

#: How long to wait before what was spawned is staged again, when the server did not answer, in seconds.
PAUSE = 0.5


def nothing() -> None:
    """Does nothing."""


class _UnrunnableError(Exception):
    """Something that no further attempt can mend; the cause says what."""


@dataclass
class Ran:
    """What came of running a job.

    Attributes:
        report: what the supervisor is told.
        job: the job, as its own code saw it.
        store: the deployment, with values written and read as the job's own.
        value: what it returned.
        error: what it raised, if it did.
        is_trusted: whether its signature was found right, so that what else is said of it can be believed.
        hide: takes out of a text what nobody shall see.
    """

    report: Report
    job: Job[Any]
    store: Store
    value: Any = None
    error: BaseException | None = None
    is_trusted: bool = True
    hide: Callable[[str], str] = str


def execute(task: Task, store: Store, on_imported: Callable[[], object] = nothing, find: Find = resolve) -> Ran:
    """Runs a job in this process. Never raises.

    Args:
        task: the job.
        store: the deployment.
        on_imported: called when all is ready, just before its function is.
        find: finds its function; tests have others run in its place.
    """
    secrets = OpenedSecrets()
    try:
        payload, stands_for = unseal_payload(task.payload, task.job_id, task.queue, task.function, task.signed_options)
    except SignatureError as error:
        report = raised(error, 0)._replace(may_retry=False)
        return Ran(report, Job(task.job_id, store), store, error=error, is_trusted=False)
    if payload is not task.payload:
        task = task._replace(payload=payload)
    store = store.with_codec(store.codec.like(payload))
    job = job_at_work(task, store, secrets)
    job.spawning = Spawning(task.job_id, task.fence, task.queue)
    token = current_job.set(job)
    begun_at = time.monotonic_ns()
    try:
        with secrets:
            returned = _run(task, store, job.spawning, on_imported, find)
        duration_ns = time.monotonic_ns() - begun_at
    except Snooze as snooze:
        report = Report("snoozed", time.monotonic_ns() - begun_at, delay_ms=snooze.delay_ms)
        return Ran(report, job, store, hide=secrets.hide)
    except BaseException as error:
        report = raised(error, time.monotonic_ns() - begun_at, secrets.hide)
        return Ran(report, job, store, error=_cause_of(error), hide=secrets.hide)
    finally:
        current_job.reset(token)
        job.spawning = None
    value = seal_result(returned.data, [task.job_id, *stands_for])
    report = Report("returned", duration_ns, value, pieces=returned.pieces, gives=returned.gives)
    return Ran(report, job, store, returned.value, hide=secrets.hide)


def job_at_work(task: Task, store: Store, secrets: OpenedSecrets) -> Job[Any]:
    """The job as its own code sees it."""
    job: Job[Any] = Job(task.job_id, store)
    job.running_attempt = task.attempt
    job.telling = Telling(task.job_id, task.attempt, store, secrets.hide)
    job.failed_job = _failed_job(task)
    return job


class _Returned(NamedTuple):
    """What a job has returned, as it is and serialized; whether it holds outputs; the pieces of what it has spawned."""

    value: Any
    data: bytes
    gives: bool
    pieces: int


def limit_of(task: Task) -> TimeLimit:
    """How long a job may run."""
    return TimeLimit(task.timeout_ms, "the job ran for longer than its job_timeout of {} s")


def _run(task: Task, store: Store, spawning: Spawning, on_imported: Callable[[], object], find: Find) -> _Returned:
    codec = store.codec
    with limit_of(task) as limit, EndingCopies() as copies:
        try:
            function = find(task.function, codec.allowed)
            reads = codec.passing_on() if task.function == SPREAD else codec
            args, kwargs = reads.decode_call(task.payload, OutputValues(task.outputs, reads).value_of)
        except (NotAllowedError, SerializationError, ResultExpiredError) as error:
            raise _UnrunnableError from error
        copies.end()
        on_imported()
        value = _called(function, args, kwargs, limit)
        copies.end()
        try:
            data, outputs = codec.encode_result(value)
            graph = spawning.graph(outputs) if outputs or len(spawning) else None
        except SerializationError as error:
            raise _UnrunnableError from error
        copies.end()
        pieces = 0 if graph is None else _stage(graph, task.queue, store)
    return _Returned(value, data, bool(outputs), pieces)


class EndingCopies:
    """While entered, user code runs. It may fork, and both processes leave it: the copy ends, as only one may go on."""

    def __enter__(self) -> EndingCopies:
        self._pid = os.getpid()
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends this process if it is a copy, before it does what only one may."""
        if os.getpid() != self._pid:
            os._exit(0)


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], limit: TimeLimit) -> Any:
    """Calls a function of a user, which may be an ``async def``."""
    with EndingCopies():
        return _called(function, args, kwargs, limit)


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], limit: TimeLimit) -> Any:
    value = function(*args, **kwargs)
    return limit.complete(value) if value is not None and inspect.isawaitable(value) else value


def _stage(graph: SpawnedGraph, queue: str, store: Store) -> int:
    """Stages what a job has spawned: tries until the server answers, as with any report, or the job's time is over."""
    while True:
        try:
            return store.perform(stage_spawned(graph, queue, store.registered))
        except ConnectionUnavailableError:
            time.sleep(PAUSE)


def _failed_job(task: Task) -> FailedJob | None:
    for job_id, (status, value) in task.outputs.items():
        if status == "fallback":
            with contextlib.suppress(ValueError):  # no release of rqdeps writes an attempt that can't be read
                return FailedJob(job_id, Attempt.read(read_attempt(value)) if value else None)
            return FailedJob(job_id, None)
    return None


def _cause_of(error: BaseException) -> BaseException:
    return error.__cause__ if isinstance(error, _UnrunnableError) and error.__cause__ is not None else error


def raised(error: BaseException, duration_ns: int, hide: Callable[[str], str] = str) -> Report:
    """What is reported of an exception.

    Args:
        error: the exception.
        duration_ns: how long it took until then, in nanoseconds.
        hide: takes out of a text what nobody shall see.
    """
    may_retry = not isinstance(error, (DoNotRetry, _UnrunnableError))
    error = _cause_of(error)
    text = text_of(error)
    names = mro_names(type(error))
    return Report(
        "raised",
        duration_ns,
        error_details(names[0], hide(_message_of(error)), hide(text)),
        error_names=names,
        may_retry=may_retry,
    )


def text_of(error: BaseException) -> str:
    """The traceback of an exception that user code has raised, from where that begins."""
    return "".join(traceback.format_exception(type(error), error, stack_of(error)))


def stack_of(error: BaseException) -> TracebackType | None:
    """Where an exception came from that user code has raised, from where that begins."""
    stack = error.__traceback__
    while stack is not None and stack.tb_next is not None and _is_own(stack):
        stack = stack.tb_next
    return stack


def _is_own(stack: TracebackType) -> bool:
    """Whether a frame is not the user's, but one that calls the user's code."""
    return stack.tb_frame.f_code.co_filename.startswith(_OWN_CODE)


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a class of the job's own, with a __str__ of its own
        return f"({type(error).__name__}, whose message can't be had)"


def error_details(error_type: str, message: str, text: str) -> bytes:
    """What is kept of an attempt that failed.

    Args:
        error_type: dotted path of the exception's class.
        message: what it said.
        text: the traceback.
    """
    if len(text) > _TRACEBACK_CHARACTERS:
        text = "…\n" + text[-_TRACEBACK_CHARACTERS:]
    details = {"type": error_type, "message": message[:1000], "traceback": text}
    return json.dumps(details).encode()
