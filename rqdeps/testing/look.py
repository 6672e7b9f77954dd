"""A look at the jobs that there are, for one that a test wants, and how to tell what was found."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from rqdeps.job import Job
from rqdeps.job_record import call_of
from rqdeps.overview import MOST_JOBS, counts_per_queue, ids_in
from rqdeps.reading import fetch_fields
from rqdeps.store import Store
from rqdeps.testing.wanted import Function, Wanted, WantedOptions

#: How many jobs are named of those that there are.
_MOST_NAMED = 12


class Look:
    """A look for the jobs that a test wants.

    Args:
        function: what they call.
        options: what else they are to be like.
        store: where to look.

    Attributes:
        found: those that are as they should be, in the order in which they were made.
    """

    def __init__(self, function: Function, options: WantedOptions, store: Store) -> None:
        self._all = all_jobs(store)
        self._wanted = Wanted(function, options, {job.id: job for job in self._all})
        similar = [job for job in self._all if job.func_name == self._wanted.path]
        self._differences = {job.id: self._wanted.differences(job) for job in similar}
        self.found = [job for job in similar if not self._differences[job.id]]

    def told(self, count: int | None = None) -> str:
        """How many there are, and what there is: what is most similar first.

        Args:
            count: how many are wanted; ``None`` for any number.
        """
        number = len(self.found)
        head = f"{number or 'no'} {'jobs call' if number > 1 else 'job calls'} {self._wanted}"
        if count is not None:
            head += f", where {count or 'none'} {'are' if count > 1 else 'is'} wanted"
        if not self._all:
            return f"{head}: nothing was enqueued here; take_over(...) has a program's own queue come here"
        lines = [self._line(job) for job in sorted(self._all, key=self._distance)[:_MOST_NAMED]]
        left = len(self._all) - len(lines)
        return "\n".join([f"{head}. Enqueued were:", *lines, *([f"  and {left} more"] if left else [])])

    def _distance(self, job: Job[Any]) -> tuple[float, float]:
        """How far a job is from what is wanted: by what is different, or else by the name of its function."""
        if job.id in self._differences:
            return 0, len(self._differences[job.id])
        return 1, -SequenceMatcher(None, job.func_name, self._wanted.path).ratio()

    def _line(self, job: Job[Any]) -> str:
        line = f"  {job.description}  {job.loaded_status} in {job.origin}"
        return "\n".join([line, *(f"    ≠ {difference}" for difference in self._differences.get(job.id, []))])


class SeenJob(Job[Any]):
    """A job as it was when a test looked: a short call is in what was read of it, and is not asked for again."""

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments by position."""
        return self._call[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return self._call[1]

    @cached_property
    def _call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._store.perform(call_of(self, self.codec, as_read=True))


def all_jobs(store: Store) -> list[Job[Any]]:
    """All jobs there are, in the order in which they were made, with classes in their arguments imported."""
    ids = [
        job_id
        for queue, counts in store.perform(counts_per_queue()).items()
        for status, count in counts.items()
        if count
        for job_id in store.perform(ids_in(queue, status, 0, MOST_JOBS))
    ]
    here = store.with_codec(store.codec.for_worker())
    jobs = [SeenJob(job_id, here, fields) for job_id, fields in here.perform(fetch_fields(ids)) if fields is not None]
    return sorted((job for job in jobs if job.func_name), key=lambda job: (job.created_at, job.id))
