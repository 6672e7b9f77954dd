"""Assertions on jobs, which say what there is instead where they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rqdeps.functions import path_of
from rqdeps.job import Job, fetch_jobs
from rqdeps.overview import MOST_JOBS, counts_per_queue, ids_in
from rqdeps.queue import Queue
from rqdeps.retry import mro_names
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.testing.current import current_queue
from rqdeps.testing.fake_queue import FakeQueue
from rqdeps.testing.history import Run, stored_runs, told
from rqdeps.testing.wanted import Function, Wanted, WantedOptions
from rqdeps.text import times

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R")

#: How many jobs the text of an assertion that failed names.
_MOST_NAMED = 12


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
    """
    __tracebackhide__ = True
    store = _store_of(wanted)
    looked = _Look(function, wanted, store)
    count = wanted.get("count")
    if not looked.found if count is None else len(looked.found) != count:
        raise AssertionError(looked.told())
    return looked.found[0] if looked.found else Job("none", store)


def assert_not_enqueued(function: Function, **wanted: Unpack[WantedOptions]) -> None:
    """Makes sure that no call of a function was enqueued, or none that is like this; see ``assert_enqueued``.

    Raises:
        AssertionError: there is one.
        TypeError: ``count`` was given.
    """
    __tracebackhide__ = True
    if "count" in wanted:
        raise TypeError("assert_not_enqueued takes no count: it is 0")
    looked = _Look(function, {**wanted, "count": 0}, _store_of(wanted))
    if looked.found:
        raise AssertionError(looked.told())


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


def all_jobs(store: Store) -> list[Job[Any]]:
    """All jobs there are, in the order in which they were made, with classes in their arguments imported."""
    ids = [
        job_id
        for queue, counts in store.perform(counts_per_queue()).items()
        for status, count in counts.items()
        if count
        for job_id in store.perform(ids_in(queue, status, 0, MOST_JOBS))
    ]
    jobs = [job for job in fetch_jobs(ids, store.with_codec(store.codec.for_worker())) if job is not None]
    return sorted((job for job in jobs if job.func_name), key=lambda job: (job.created_at, job.id))


class _Look:
    """A look for a job that a test wants, and what there is."""

    def __init__(self, function: Function, options: WantedOptions, store: Store) -> None:
        self._count = options.get("count")
        self._all = all_jobs(store)
        self._wanted = Wanted(function, options, {job.id: job for job in self._all})
        self._differences = {
            job.id: self._wanted.differences(job) for job in self._all if job.func_name == self._wanted.path
        }
        self.found = [job for job in self._all if self._differences.get(job.id) == []]

    def told(self) -> str:
        """What was wanted, and what there is: what is most similar first."""
        number = "no job" if not self.found else times(len(self.found), "job")
        more = "" if self._count is None else f", where {self._count} {'is' if self._count == 1 else 'are'} wanted"
        head = f"{number} calls {self._wanted}{more}" if len(self.found) < 2 else f"{number} call {self._wanted}{more}"  # noqa: PLR2004
        if not self._all:
            return f"{head}: nothing was enqueued"
        lines = [self._line(job) for job in sorted(self._all, key=self._distance)[:_MOST_NAMED]]
        left = len(self._all) - len(lines)
        return "\n".join([f"{head}. Enqueued were:", *lines, *([f"  and {left} more"] if left else [])])

    def _distance(self, job: Job[Any]) -> tuple[float, ...]:
        differences = self._differences.get(job.id)
        if differences is not None:
            return (0, len(differences))
        return (1, -SequenceMatcher(None, job.func_name, self._wanted.path).ratio())

    def _line(self, job: Job[Any]) -> str:
        line = f"  {job.description}  {job.loaded_status} in {job.origin}"
        return "\n".join([line, *(f"    ≠ {difference}" for difference in self._differences.get(job.id, []))])


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
