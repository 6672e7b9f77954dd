"""Running one job: decode, import, run, encode."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from rqdeps.allowance import NotAllowedError
from rqdeps.attempts import Attempt, FailedJob
from rqdeps.enqueueing import stage_spawned
from rqdeps.errors import ConnectionUnavailableError, JobTimeoutError, ResultExpiredError, SerializationError
from rqdeps.functions import resolve
from rqdeps.job import Job, current_job
from rqdeps.mapping import SPREAD
from rqdeps.outputs import OutputValues
from rqdeps.retry import DoNotRetry, Snooze, mro_names
from rqdeps.secret import OpenedSecrets
from rqdeps.signing import SignatureError, seal_result, unseal_payload
from rqdeps.spawning import SpawnedGraph, Spawning
from rqdeps.store import Store
from rqdeps.store.calls.reads import read_attempt
from rqdeps.telling import Telling
from rqdeps.worker.pipe import Report, Task

#: How much of a traceback is kept, in characters: its end, which says what went wrong.
_TRACEBACK_CHARACTERS = 20_000


#: How long to wait before what was spawned is staged again, when the server did not answer, in seconds.
PAUSE = 0.5


class _UnrunnableError(Exception):
    """Something that no further attempt can mend; the cause says what."""


def execute(task: Task, store: Store) -> Report:
    """Runs a job in this process, and reports how that ended. Never raises."""
    try:
        payload, stands_for = unseal_payload(task.payload, task.job_id, task.queue, task.function, task.signed_options)
    except SignatureError as error:
        return replace(_raised(error, 0), may_retry=False)
    task = replace(task, payload=payload)
    secrets = OpenedSecrets()
    store = store.with_codec(store.codec.like(task.payload))
    job: Job[Any] = Job(task.job_id, store)
    job.running_attempt = task.attempt
    job.spawning = Spawning(task.job_id, task.fence, task.queue)
    job.telling = Telling(task.job_id, task.attempt, store, secrets.hide)
    job.failed_job = _failed_job(task)
    token = current_job.set(job)
    begun_at = time.monotonic_ns()
    try:
        with secrets.noting():
            returned = _run(task, store, job.spawning)
        duration_ns = time.monotonic_ns() - begun_at
    except Snooze as snooze:
        return Report("snoozed", time.monotonic_ns() - begun_at, delay_ms=snooze.delay_ms)
    except BaseException as error:
        return _raised(error, time.monotonic_ns() - begun_at, secrets.hide)
    finally:
        current_job.reset(token)
        job.spawning = None
        job.telling.tell_rest()
    value = seal_result(returned.value, [task.job_id, *stands_for])
    return Report("returned", duration_ns, value, pieces=returned.pieces, gives=returned.gives)


@dataclass(frozen=True)
class _Returned:
    """What a job has returned: the value, serialized; whether it holds outputs; the pieces of what it has spawned."""

    value: bytes
    gives: bool
    pieces: int


def _run(task: Task, store: Store, spawning: Spawning) -> _Returned:
    with _time_limit(task.timeout_ms):
        try:
            function = resolve(task.function, store.codec.allowed)
            codec = store.codec.passing_on() if task.function == SPREAD else store.codec
            args, kwargs = codec.decode_call(task.payload, OutputValues(task.outputs, codec).value_of)
        except (NotAllowedError, SerializationError, ResultExpiredError) as error:
            raise _UnrunnableError from error
        value = function(*args, **kwargs)
        try:
            data, outputs = store.codec.encode_result(value)
            graph = spawning.graph(outputs)
        except SerializationError as error:
            raise _UnrunnableError from error
        pieces = _stage(graph, task.queue, store) if graph.datas else 0
    return _Returned(data, bool(outputs), pieces)


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


@contextlib.contextmanager
def _time_limit(timeout_ms: int) -> Iterator[None]:
    """Raises ``JobTimeoutError`` in the job when its time is over. Works in a process's main thread."""
    if timeout_ms < 0 or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(signum: int, stack: FrameType | None) -> None:
        raise JobTimeoutError(f"the job ran for longer than its job_timeout of {timeout_ms / 1000:g} s")

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, timeout_ms / 1000)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _raised(error: BaseException, duration_ns: int, hide: Callable[[str], str] = str) -> Report:
    may_retry = not isinstance(error, (DoNotRetry, _UnrunnableError))
    if isinstance(error, _UnrunnableError):
        assert error.__cause__ is not None
        error = error.__cause__
    # The first two frames are this module's own.
    stack = error.__traceback__
    for _ in range(2):
        stack = stack.tb_next if stack is not None and stack.tb_next is not None else stack
    text = "".join(traceback.format_exception(type(error), error, stack))
    names = mro_names(type(error))
    return Report(
        "raised",
        duration_ns,
        error_details(names[0], hide(_message_of(error)), hide(text)),
        error_names=names,
        may_retry=may_retry,
    )


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
