"""A job to be: a function call with its options, checked and serialized, before it goes to the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rqdeps.dependency import Output
from rqdeps.errors import DependencyCycleError, GraphTooLargeError
from rqdeps.functions import bind, check_near_options, path_of
from rqdeps.ids import new_id
from rqdeps.options import OPTION_NAMES, JobOptions
from rqdeps.serializers import dumps, encode_call
from rqdeps.store.calls.call import Argument
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup, NewJob
from rqdeps.store.scripts import BUDGET, JOB_COST


@dataclass(frozen=True, eq=False)
class EnqueueData:
    """A job to be, made by ``Queue.prepare_data`` for ``Queue.enqueue_many``. Others may already depend on it.

    Attributes:
        id: the id that the job will have.
        function: the dotted path of its function.
        payload: its arguments, serialized.
        groups: what it waits for.
        options: its options.
        nonce: tells a second sending of this job from another job with its id; empty where nobody else can use the id.
        delay_ms: how long it waits from the moment it is enqueued, in milliseconds.
        scheduled_for_ms: the moment it waits for, in milliseconds since 1970.
    """

    __rqdeps_job__ = True

    id: str
    function: str
    payload: bytes
    groups: tuple[NewGroup, ...]
    options: JobOptions
    nonce: str = ""
    delay_ms: int | None = None
    scheduled_for_ms: int | None = None

    @classmethod
    def make(
        cls,
        func: Callable[..., Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: JobOptions,
        *,
        kwargs_are_meant: bool = False,
    ) -> EnqueueData:
        """Checks and serializes a call.

        Args:
            func: a function, or its dotted path.
            args: the arguments by position.
            kwargs: the arguments by name.
            options: the options.
            kwargs_are_meant: whether the names in ``kwargs`` can't be mistyped options.

        Raises:
            UnsupportedFunctionError: a worker could not find the function.
            TypeError: the arguments don't fit the function's signature, or are no arguments.
            SerializationError: an argument can't be carried.
            ValueError: the output of a job is wanted that the job may run without.
        """
        function = path_of(func)
        if callable(func):
            bind(func, tuple(args), dict(kwargs), OPTION_NAMES, explicit=kwargs_are_meant)
        elif not kwargs_are_meant:
            check_near_options(dict(kwargs), OPTION_NAMES)
        payload, outputs = encode_call(tuple(args), dict(kwargs))
        nonce = secrets.token_hex(4) if options.job_id else ""
        return cls(options.job_id or new_id(), function, payload, _groups(options, outputs), options, nonce)

    @property
    def output(self) -> Any:
        """Stands for the job's return value in the arguments of another job, which then waits for this one."""
        return Output(self.id)

    def output_or(self, default: Any) -> Any:
        """Like ``output``, with a value to pass where this job has not finished."""
        return Output(self.id, default)

    def new_job(self, queue: str) -> NewJob:
        """The job as the call to the server takes it."""
        return NewJob(
            id=self.id,
            queue=queue,
            fields=self._fields(),
            nonce=self.nonce,
            delay_ms=self.delay_ms,
            groups=self.groups,
        )

    def _fields(self) -> dict[str, Argument]:
        options = self.options
        fields: dict[str, Argument | None] = {
            "function": self.function,
            "payload": self.payload,
            "timeout": options.timeout_ms,
            "result_ttl": options.result_ttl_ms,
            "failure_ttl": options.failure_ttl_ms,
            "ttl": options.ttl_ms,
            "description": options.description,
            "at_front": 1 if options.at_front else None,
            "meta": dumps(options.meta, where="meta", with_outputs=False) if options.meta else None,
            "scheduled_for": self.scheduled_for_ms,
        }
        if options.retry is not None:
            fields["retries"] = options.retry.max
            fields["retry"] = options.retry.encode() or None
        return {name: value for name, value in fields.items() if value is not None}


def _groups(options: JobOptions, outputs: Sequence[Output]) -> tuple[NewGroup, ...]:
    """The groups that were named, with the outputs marked; outputs of other jobs form groups of their own."""
    wanted = {output.job_id: output for output in outputs}
    groups = []
    for dependency in options.groups:
        members: list[tuple[EdgeKind, str]] = []
        for job_id in dependency.job_ids:
            output = wanted.pop(job_id, None)
            if output is not None and output.is_required and not dependency.guarantees_success():
                raise ValueError(
                    f"the job may run without job {job_id!r} having finished (rule {dependency.rule!r}), so there "
                    f"may be no output to pass: say what to pass instead with output_or(default)"
                )
            members.append(("dependency" if output is None else "output", job_id))
        groups.append(NewGroup(dependency.rule, members))
    for rule, required in (("all_success", True), ("all_done", False)):
        implied = [output.job_id for output in wanted.values() if output.is_required is required]
        if implied:
            groups.append(NewGroup(rule, [("output", job_id) for job_id in implied]))
    return tuple(groups)


def check_batch(jobs: Sequence[NewJob]) -> None:
    """Checks what jobs of one call mean for each other.

    Raises:
        ValueError: two of them have the same id.
        DependencyCycleError: they would wait for each other in a circle.
        GraphTooLargeError: they are more than one call takes.
    """
    waits_for = {job.id: {job_id for group in job.groups for _, job_id in group.members} for job in jobs}
    if len(waits_for) < len(jobs):
        repeated = next(job.id for i, job in enumerate(jobs) if any(job.id == other.id for other in jobs[:i]))
        raise ValueError(f"two jobs of one call have the id {repeated!r}")
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        circle = " → ".join(repr(job_id) for job_id in reversed(error.args[1]))
        raise DependencyCycleError(f"these jobs would wait for each other for ever: {circle}") from None
    cost = sum(job.cost for job in jobs)
    if cost > BUDGET:
        edges = cost - JOB_COST * len(jobs)
        if len(jobs) == 1:
            raise GraphTooLargeError(
                f"a job with {edges} dependencies is more than one call takes: a job may have {BUDGET - JOB_COST}. "
                f"Let it depend on jobs that each wait for a part of them"
            )
        raise GraphTooLargeError(
            f"{len(jobs)} jobs with {edges} dependencies are more than one call takes: {JOB_COST} for each job and 1 "
            f"for each dependency may make {BUDGET}. Enqueue them in several calls, dependencies first"
        )


def reusable(data: EnqueueData) -> EnqueueData:
    """The same job, safe in the hands of a program, which may enqueue it twice: that makes one job."""
    return replace(data, nonce=data.nonce or secrets.token_hex(4))


def delayed(data: EnqueueData, delay_ms: int) -> EnqueueData:
    """The same job, to run no earlier than this long after it is enqueued."""
    return replace(data, delay_ms=delay_ms)


def scheduled(data: EnqueueData, at_ms: int) -> EnqueueData:
    """The same job, to run no earlier than at this moment, in milliseconds since 1970."""
    return replace(data, scheduled_for_ms=at_ms)
