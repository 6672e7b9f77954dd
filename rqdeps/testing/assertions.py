"""Assertions on jobs, which say what there is instead where they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rqdeps.functions import path_of
from rqdeps.job import Job
from rqdeps.queue import Queue
from rqdeps.retry import mro_names
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.testing.current import current_queue
from rqdeps.testing.fake_queue import FakeQueue
from rqdeps.testing.history import Run, stored_runs, told
from rqdeps.testing.look import Look, all_jobs
from rqdeps.testing.wanted import Function, WantedOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R")


@overload
def assert_enqueued(function: Callable[..., R], **wanted: Unpack[WantedOptions]) -> Job[R]: ...


@overload
def assert_enqueued(function: str, **wanted: Unpack[WantedOptions]) -> Job[Any]: ...


def assert_enqueued(function: Function, **wanted: Unpack[WantedOptions]) -> Job[Any]:
    """Makes sure that a call of a function was enqueued; it may have run meanwhile.

    Args:
        function: the function, or its dotted path.
        **wanted: what else the job is to be like; see ``WantedOptions``.

    Returns:
        The job, of several the one that was enqueued first.

    Raises:
        AssertionError: there is none, or not the number wanted. It names the jobs that there are, the most similar
            first, each with what is different.
        ValueError: the ``count`` that is wanted is less than 1.
    """
    __tracebackhide__ = True
    count = wanted.get("count")
    if count is not None and count < 1:
        raise ValueError(f"count is at least 1, not {count}: assert_not_enqueued is for none")
    look = Look(function, wanted, _store_of(wanted))
    if not look.found or (count is not None and len(look.found) != count):
        raise AssertionError(look.told(count))
    return look.found[0]


def assert_not_enqueued(function: Function, **wanted: Unpack[WantedOptions]) -> None:
    """Makes sure that no call of a function was enqueued, or none that is like this; see ``assert_enqueued``.

    Raises:
        AssertionError: there is one.
        TypeError: ``count`` was given.
    """
    __tracebackhide__ = True
    if "count" in wanted:
        raise TypeError("assert_not_enqueued takes no count: it is 0")
    look = Look(function, wanted, _store_of(wanted))
    if look.found:
        raise AssertionError(look.told(0))


def assert_ran_before(first: Job[Any] | Function, second: Job[Any] | Function, *, queue: Queue | None = None) -> None:
    """Makes sure that a job had run to its end before another began.

    On a fake queue, each attempt counts that ``drain`` has made. On a real server, the last attempt of each job does,
    to a millisecond.

    Args:
        first: a job, or a function or its path: all jobs of it.
        second: likewise.
        queue: where to look, if not in what the test's fixture or ``FakeQueue`` is about.

    Raises:
        AssertionError: it was otherwise, or one of them has not run.
    """
    __tracebackhide__ = True
    queue = queue or current_queue()
    runs = queue.runs if isinstance(queue, FakeQueue) else stored_runs(all_jobs(queue.store))
    before, after = _runs_of(first, runs), _runs_of(second, runs)
    for what, found in ((first, before), (second, after)):
        if not found:
            raise AssertionError(f"{_name(what)} has not run. What ran:\n{told(runs)}")
    last, begun = max(before, key=lambda run: run.ended), min(after, key=lambda run: run.began)
    if last is begun or last.ended > begun.began:
        raise AssertionError(f"{_name(first)} did not run before {_name(second)}:\n{told(runs, [*before, *after])}")


def assert_finished(job: Job[R]) -> R:
    """Makes sure that a job has finished, and returns what it returned.

    Raises:
        AssertionError: it has not. It says where the job stands, with the traceback of its last error.
    """
    __tracebackhide__ = True
    if job.get_status() is not JobStatus.FINISHED:
        raise AssertionError(_standing(job))
    return job.result


def assert_failed(job: Job[Any], error: type[BaseException] | str | None = None, *, match: str | None = None) -> None:
    """Makes sure that a job has failed for good.

    Args:
        job: the job.
        error: the class of its last exception, or the dotted path of that; ``JobTimeoutError`` for a timeout.
        match: a regular expression, looked for in what the exception said.

    Raises:
        AssertionError: it has not failed, or for another reason.
    """
    __tracebackhide__ = True
    if job.get_status() is not JobStatus.FAILED:
        raise AssertionError(_standing(job))
    last = job.attempts[-1]
    wanted = error if isinstance(error, str) or error is None else mro_names(error)[0]
    if wanted is not None and wanted != last.error_type:
        raise AssertionError(f"it failed with another exception than {wanted}: {_standing(job)}")
    if match is not None and not re.search(match, last.message):
        raise AssertionError(f"what its exception said does not match {match!r}: {_standing(job)}")


def _store_of(wanted: WantedOptions) -> Store:
    queue = wanted.get("queue")
    return (queue if isinstance(queue, Queue) else current_queue()).store


def _runs_of(what: Job[Any] | Function, runs: Sequence[Run]) -> list[Run]:
    if isinstance(what, Job):
        return [run for run in runs if run.job_id == what.id]
    path = path_of(what)
    return [run for run in runs if run.function == path]


def _name(what: Job[Any] | Function) -> str:
    return f"job {what.id} ({what.description})" if isinstance(what, Job) else path_of(what)


def _standing(job: Job[Any]) -> str:
    traceback = job.exc_info
    return f"{job.description}: {job.explain()}" + (f"\n{traceback}" if traceback else "")
