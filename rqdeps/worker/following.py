"""What follows an attempt: the job's callbacks and the worker's exception handlers. None changes the outcome."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rqdeps.callbacks import DEFAULT_TIMEOUT_MS, NO_CALLBACKS, Callback, Callbacks
from rqdeps.errors import HorseDiedError, JobTimeoutError
from rqdeps.functions import resolve
from rqdeps.here import current_job
from rqdeps.job import Job
from rqdeps.retry import mro_names
from rqdeps.secret import OpenedSecrets
from rqdeps.signing import SignatureError, unseal_payload
from rqdeps.store import Store
from rqdeps.worker.execution import EndingCopies, Ran, call, job_at_work, text_of
from rqdeps.worker.messages import Task
from rqdeps.worker.time_limit import TimeLimit

log = logging.getLogger("rqdeps.worker")

#: How long telling people the rest of what a job had to tell may take, in milliseconds.
_TELLING_MS = 10_000

#: What is called when an attempt fails: with the job, and type, value and traceback of the exception.
Handler = Callable[..., Any]


@dataclass(frozen=True)
class _Step:
    """One function to call: what it is, how to get it, with what, and for how long it may run."""

    what: str
    find: Callable[[], Handler]
    args: Sequence[Any]
    timeout_ms: int
    may_end_all: bool = False

    def run(self) -> bool:
        """Calls it. Returns whether the steps after it are wanted, which a handler denies by returning ``False``."""
        with TimeLimit(self.timeout_ms, f"{self.what} ran for longer than its timeout of {{}} s") as limit:
            with EndingCopies():
                function = self.find()
            returned = call(function, self.args, {}, limit)
        return not (self.may_end_all and returned is False)


class Following:
    """All that follows one attempt.

    Args:
        job: the job, as its own code saw it.
        steps: the functions to call.
        hide: takes out of a text what nobody shall see.
    """

    def __init__(self, job: Job[Any], steps: Sequence[_Step], hide: Callable[[str], str]) -> None:
        self._job = job
        self._steps = steps
        self._hide = hide

    @property
    def is_nothing(self) -> bool:
        """Whether nothing follows."""
        return not self._steps and not self._has_to_tell

    @property
    def limit_ms(self) -> int:
        """How long it may take in all, in milliseconds."""
        return sum(step.timeout_ms for step in self._steps) + _TELLING_MS

    @property
    def _has_to_tell(self) -> bool:
        return self._job.telling is not None and self._job.telling.has_rest

    def run(self) -> None:
        """Does it. Never raises."""
        token = current_job.set(self._job)
        try:
            for step in self._steps:
                if not self._run(step):
                    break
        finally:
            current_job.reset(token)
        if self._job.telling is not None:
            self._job.telling.tell_rest()

    def _run(self, step: _Step) -> bool:
        try:
            return step.run()
        except BaseException as error:
            said = self._hide(f"{step.what} of job {self._job.id} failed: {text_of(error)}")
            log.error("%s", said)
            with contextlib.suppress(Exception):
                self._job.log(said)
            return True


def what_follows(task: Task, ran: Ran, handlers: Sequence[Handler]) -> Following:
    """What follows an attempt that has ended in this process.

    Args:
        task: the job.
        ran: how that ended.
        handlers: the worker's exception handlers.
    """
    error = ran.error
    # What is said of a job whose signature is wrong is not believed.
    callbacks = _callbacks_of(task.callbacks) if ran.is_trusted else NO_CALLBACKS
    steps: list[_Step] = []
    if ran.report.kind == "returned":
        steps = _calling("on_success", callbacks.on_success, ran.store, [ran.job, ran.value])
    elif error is not None:
        steps = _after_failure(callbacks, handlers, ran.store, [ran.job, type(error), error, error.__traceback__])
    return Following(ran.job, steps, ran.hide)


def what_follows_death(task: Task, store: Store, handlers: Sequence[Handler]) -> Following:
    """What follows an attempt whose process died, of which ``task.ended`` and ``task.details`` tell."""
    secrets = OpenedSecrets()
    try:
        payload, _ = unseal_payload(task.payload, task.job_id, task.queue, task.function, task.signed_options)
        callbacks = _callbacks_of(task.callbacks)
    except SignatureError:
        payload, callbacks = b"", NO_CALLBACKS
    store = store.with_codec(store.codec.like(payload))
    job = job_at_work(task, store, secrets)
    if task.ended == "stopped":
        steps = _calling("on_stopped", callbacks.on_stopped, store, [job])
    else:
        error = _error_of(task.details)
        steps = _after_failure(callbacks, handlers, store, [job, type(error), error, None])
    return Following(job, steps, secrets.hide)


def death_is_followed(callbacks: str, *, stopped: bool, has_handlers: bool) -> bool:
    """Whether something follows an attempt whose process died.

    Args:
        callbacks: those of the job, as they are stored.
        stopped: whether a person wanted it to end.
        has_handlers: whether the worker has exception handlers.
    """
    known = _callbacks_of(callbacks)
    return known.on_stopped is not None if stopped else known.on_failure is not None or has_handlers


def _callbacks_of(stored: str) -> Callbacks:
    try:
        return Callbacks.decode(stored) if stored else NO_CALLBACKS
    except ValueError:  # no release of rqdeps writes such
        return NO_CALLBACKS


def _after_failure(
    callbacks: Callbacks, handlers: Sequence[Handler], store: Store, facts: Sequence[Any]
) -> list[_Step]:
    return [
        *_calling("on_failure", callbacks.on_failure, store, facts),
        *(_handling(handler, facts) for handler in handlers),
    ]


def _calling(what: str, callback: Callback | None, store: Store, facts: Sequence[Any]) -> list[_Step]:
    """A callback gets the job, a connection, and then what else there is to tell."""
    if callback is None:
        return []
    find = partial(resolve, callback.name, store.codec.allowed)
    job, *others = facts
    return [_Step(f"{what} {callback.name}", find, [job, store.client, *others], callback.timeout_ms)]


def _handling(handler: Handler, facts: Sequence[Any]) -> _Step:
    name = getattr(handler, "__qualname__", repr(handler))
    return _Step(f"the exception handler {name}", lambda: handler, facts, DEFAULT_TIMEOUT_MS, may_end_all=True)


def _error_of(details: bytes) -> BaseException:
    told = json.loads(details)
    kind = JobTimeoutError if told["type"] == mro_names(JobTimeoutError)[0] else HorseDiedError
    return kind(told["message"])
