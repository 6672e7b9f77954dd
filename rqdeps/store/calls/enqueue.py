"""The call that saves jobs with their dependencies and puts those that may run into their queues."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from rqdeps.errors import DuplicateJobError, NoSuchJobError
from rqdeps.store.calls.call import Argument, Call, counted, text
from rqdeps.store.scripts import BUDGET, NEAR_EDGES_FOR_ONE, NEW_JOB_COST

#: In place of a nonce: nobody else can use the id, but an earlier call may have saved the job.
ITSELF: Final = "="

#: A ``dependency`` is waited for; of an ``output`` the value is wanted too; a ``fallback`` stands in if it fails; a
#: ``spawn`` is joined once the job has run.
EdgeKind = Literal["dependency", "output", "fallback", "spawn"]


#: Fields of a job to be that ask for more than to be saved and queued.
_NOT_PLAIN: Final = frozenset(
    {"workflow", "group", "held", "joins", "fallback", "fallback_of", "ttl", "at_front", "scheduled_for"}
)


@dataclass(frozen=True)
class NewGroup:
    """A group of dependencies of a job to be.

    Attributes:
        rule: the trigger rule.
        members: kind and id of each dependency.
    """

    rule: str
    members: Sequence[tuple[EdgeKind, str]]


@dataclass
class NewJob:
    """A job to be.

    Attributes:
        id: its id.
        nonce: tells a second sending of this job from another job with its id; empty where the id can't be another's,
            and ``ITSELF`` where, besides, an earlier call may have saved the job.
        queue: the queue's name.
        delay_ms: how long to wait, from the moment the server gets the call, until the job may run.
        fields: further fields of its hash.
        groups: what it waits for.
    """

    id: str
    queue: str
    fields: dict[str, Argument]
    nonce: str = ""
    delay_ms: int | None = None
    groups: Sequence[NewGroup] = field(default_factory=tuple)

    def cost_among(self, others: Container[str]) -> int:
        """What it takes of the budget of one call.

        Args:
            others: the ids of new jobs that come with it.
        """
        if not self.groups:
            return NEW_JOB_COST
        near = [job_id in others for group in self.groups for _, job_id in group.members]
        return NEW_JOB_COST + near.count(False) + math.ceil(near.count(True) / NEAR_EDGES_FOR_ONE)

    @property
    def is_plain(self) -> bool:
        """Whether it has to do with no other job and may run at once, behind those in its queue."""
        return (
            not self.groups
            and self.delay_ms is None
            and bool(self.fields["function"])
            and _NOT_PLAIN.isdisjoint(self.fields)
        )

    @property
    def goes_to_front(self) -> bool:
        """Whether it goes to the front of its queue."""
        return "at_front" in self.fields


def fit_one_call(jobs: Sequence[NewJob], budget: int = BUDGET) -> bool:
    """Whether the budget of one call is enough to enqueue jobs."""
    if NEW_JOB_COST * len(jobs) > budget:
        return False
    waiting = [job for job in jobs if job.groups]
    together = {job.id for job in jobs} if waiting else ()
    return NEW_JOB_COST * (len(jobs) - len(waiting)) + sum([job.cost_among(together) for job in waiting]) <= budget


def enqueue(jobs: Sequence[NewJob], *, new_queues: Sequence[str]) -> Call[int]:
    """Enqueues jobs, all or none of them. Those that an earlier sending has saved are left as they are.

    The result counts the cascades that exceeded the budget, and have to be carried on.

    Args:
        jobs: the jobs, which may depend on each other.
        new_queues: names of queues that the server may not know yet.

    Raises:
        DuplicateJobError: another job with one of the ids exists.
        NoSuchJobError: one of the dependencies does not exist.
    """
    if all(job.is_plain for job in jobs):
        args = [*counted(new_queues), *plain_job_args(jobs)]
        return Call("enqueue_plain", [0, *args], _read_cascades_left, True, [1, *args])
    args = [*counted(new_queues), *job_args(jobs)]
    return Call("enqueue", [0, *args], _read_cascades_left, True, [1, *args])


def job_args(jobs: Sequence[NewJob]) -> list[Argument]:
    """Jobs as scripts read them: their number, then each."""
    args: list[Argument] = [len(jobs)]
    for job in jobs:
        delay_ms = "" if job.delay_ms is None else job.delay_ms
        args += (job.id, job.nonce, job.queue, delay_ms, 2 * len(job.fields))
        for name_and_value in job.fields.items():
            args += name_and_value
        args.append(len(job.groups))
        for group in job.groups:
            args += [group.rule, *counted([part for member in group.members for part in member])]
    return args


def plain_job_args(jobs: Sequence[NewJob]) -> list[Argument]:
    """Jobs as ``lib/plain_jobs`` reads them."""
    args: list[Argument] = []
    for job in jobs:
        args += (job.id, job.nonce, job.queue, 2 * len(job.fields))
        for name_and_value in job.fields.items():
            args += name_and_value
    return args


def _read_cascades_left(reply: list[Any]) -> int:
    read_refusal(reply)
    return int(reply[1])


def read_refusal(reply: list[Any]) -> None:
    """Raises what a reply stands for, if the jobs were refused."""
    code = text(reply[0])
    if code == "duplicate":
        raise DuplicateJobError(text(reply[1]))
    if code == "unknown":
        raise NoSuchJobError(text(reply[1]))
