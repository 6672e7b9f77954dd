"""How a job differs from the one that a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypedDict

from rqdeps.dependency import Dependency, JobRef, job_ids_of
from rqdeps.durations import format_time, to_ms
from rqdeps.functions import path_of
from rqdeps.job import Job
from rqdeps.queue import Queue
from rqdeps.status import JobStatus, check_status
from rqdeps.testing.calls import argument_differences, bound, check_there

#: By how much two times may differ that are meant to be the same.
_TOLERANCE = timedelta(seconds=1)

#: The function of a job, or its dotted path.
Function = Callable[..., Any] | str

#: What a job is to depend on: a job, its id, or a function, for any job of that.
DependsOn = JobRef | Dependency | Callable[..., Any]


class WantedOptions(TypedDict, total=False):
    """What a job is to be like. What is left out may be anything.

    Attributes:
        args: its arguments by position; with these, and ``kwargs``, the whole call is compared: by what the function
            gets, however that was written.
        kwargs: its arguments by name; without ``args``, these among others.
        depends_on: all that it depends on: jobs, ids or functions; ``[]`` for nothing.
        queue: its queue, by whose connection jobs are looked for; or the name of its queue.
        status: its status now.
        at: when it is to run, to a second.
        delay: how long after its enqueueing it is to run, to a second.
        count: how many such jobs there are to be, from 1 up; if not given, one or more.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    depends_on: DependsOn | Sequence[DependsOn]
    queue: str | Queue
    status: JobStatus | str
    at: datetime
    delay: float | str | timedelta
    count: int


@dataclass(frozen=True)
class Wanted:
    """A job that a test wants.

    Attributes:
        function: what it calls.
        options: what else it is to be like.
        jobs: those that there are, by their ids.

    Raises:
        TypeError: there is no such option.
        ValueError: there is no such status, or no such function in a module that there is.
    """

    function: Function
    options: WantedOptions
    jobs: Mapping[str, Job[Any]]

    def __post_init__(self) -> None:
        for name in self.options:
            if name not in WantedOptions.__annotations__:
                known = ", ".join(WantedOptions.__annotations__)
                raise TypeError(f"nothing is known of {name}= in a job that is wanted, but of {known}")
        check_there(self.function)
        if (status := self.options.get("status")) is not None:
            check_status(status)

    @property
    def path(self) -> str:
        """The dotted path of what it calls."""
        return path_of(self.function)

    def __str__(self) -> str:
        told = ", ".join(f"{name}={_told(value)}" for name, value in self.options.items() if name != "count")
        return f"{self.path} with {told}" if told else self.path

    def differences(self, job: Job[Any]) -> list[str]:
        """What of a job that calls this function is not as it should be."""
        return [
            *self._in_its_call(job),
            *self._in_its_dependencies(job),
            *self._in_its_place(job),
            *self._in_its_time(job),
        ]

    def _in_its_call(self, job: Job[Any]) -> list[str]:
        args, kwargs = self.options.get("args"), self.options.get("kwargs", {})
        if args is None and not kwargs:
            return []
        found = bound(self.function, job.args, job.kwargs)
        wanted = kwargs if args is None else bound(self.function, tuple(args), kwargs)
        return argument_differences(wanted, found, others_may_be=args is None)

    def _in_its_dependencies(self, job: Job[Any]) -> Iterator[str]:
        if "depends_on" not in self.options:
            return
        found = set(job.dependency_ids)
        for told, ids in self._wanted_dependencies():
            if not found & ids:
                yield f"it does not depend on {told}"
        known = {job_id for _, ids in self._wanted_dependencies() for job_id in ids}
        for job_id in sorted(found - known):
            name = self.jobs[job_id].func_name if job_id in self.jobs else "a job that is gone"
            yield f"it also depends on {name} (job {job_id})"

    def _wanted_dependencies(self) -> Iterator[tuple[str, set[str]]]:
        """What it is to depend on, in words, with the ids of which any will do."""
        for each in _several(self.options["depends_on"]):
            if callable(each):
                path = path_of(each)
                yield f"a job of {path}", {job.id for job in self.jobs.values() if job.func_name == path}
            else:
                for job_id in job_ids_of(each.job_ids if isinstance(each, Dependency) else each):
                    yield f"job {job_id}", {job_id}

    def _in_its_place(self, job: Job[Any]) -> Iterator[str]:
        queue = self.options.get("queue", job.origin)
        name = queue.name if isinstance(queue, Queue) else queue
        if name != job.origin:
            yield f"its queue is {job.origin}, not {name}"
        status = self.options.get("status", job.loaded_status)
        if status != job.loaded_status:
            yield f"it is {job.loaded_status}, not {status}"

    def _in_its_time(self, job: Job[Any]) -> Iterator[str]:
        made, found = job.created_at, job.scheduled_for
        assert made is not None
        at = self.options.get("at")
        if at is not None and (found is None or abs(found - at) > _TOLERANCE):
            yield f"it is to run at {found}, not at {at}" if found else "it waits for no time"
        delay_ms = to_ms(self.options.get("delay"), "delay")
        if delay_ms is not None:
            delay = (found or made) - made
            if abs(delay - timedelta(milliseconds=delay_ms)) > _TOLERANCE:
                yield f"its delay is {format_time(delay)}" if found else "it has no delay"


def _told(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_told, value))}]"
    return path_of(value) if callable(value) else str(value) if isinstance(value, Enum) else repr(value)


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
