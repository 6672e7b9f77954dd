"""The calls by which people change their minds about jobs: cancel, delete, requeue, skip, release; and about queues."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from rqdeps.dependency import ADDITIVE_RULES, MOST_GROUPS
from rqdeps.errors import (
    DependencyCycleError,
    FallbackReleasedError,
    InvalidJobOperationError,
    NoSuchJobError,
    UpstreamFailedError,
)
from rqdeps.store.calls.call import Argument, Call, counted, text, texts

#: What becomes of dependents that still wait for a job that is deleted.
Policy = Literal["cancel", "release", "delete"]


@dataclass(frozen=True)
class Changed:
    """What became of jobs.

    Attributes:
        found: for each job, in order, what the call says of it.
        cascades_left: how many cascades exceeded the budget, and have to be carried on.
    """

    found: list[str]
    cascades_left: int


def cancel(job_ids: Sequence[str], *, clean_up: bool = True) -> Call[Changed]:
    """Ends jobs before they run.

    Found is ``canceled``; ``started`` for a job that will be stopped; ``joining`` for one that will end with what it
    joins; ``repeating`` for one that had finished and would have run again; the status in which a job had ended; or
    nothing where there is no such job.

    Args:
        job_ids: the jobs. A workflow's own job cancels its members.
        clean_up: whether to spare those of a workflow's members that clean up.
    """
    return Call("cancel", [*counted(job_ids), int(not clean_up)], lambda reply: Changed(texts(reply[1]), reply[0]))


def delete(job_ids: Sequence[str], policy: Policy, *, members: bool = False) -> Call[Changed]:
    """Deletes jobs. Found is ``1``, or ``0`` where there is no such job; sent again, that is as it should be.

    Args:
        job_ids: the jobs.
        policy: what becomes of dependents that still wait for them.
        members: whether the members of workflows go with these.
    """
    args: list[Argument] = [policy, int(members), *counted(job_ids)]
    return Call(
        "delete",
        [0, *args],
        lambda reply: Changed([str(n) for n in reply[1]], reply[0]),
        args_again=[1, *args],
    )


@dataclass(frozen=True)
class Requeued:
    """What became of a job that was to be requeued.

    Attributes:
        cascades_left: how many cascades exceeded the budget, and have to be carried on.
        joins: whether it has run, and lives again only as far as what it joins does, which is to be revived.
    """

    cascades_left: int
    joins: bool = False


def requeue(job_id: str, *, force: bool, at_front: bool) -> Call[Requeued]:
    """Gives a job that has ended another life.

    Args:
        job_id: the job.
        force: run it whatever its status, its dependencies and its fallback are.
        at_front: put it at the front of its queue.

    Raises:
        NoSuchJobError: there is no such job.
        InvalidJobOperationError: it has not ended, or has finished.
        UpstreamFailedError: its dependencies don't let it run.
        FallbackReleasedError: its fallback stands in for it already.
    """

    def read(reply: list[Any]) -> Requeued:
        code, *facts = reply
        if code in (b"ok", b"joins"):
            return Requeued(int(facts[0]), joins=code == b"joins")
        if code == b"unknown":
            raise NoSuchJobError(job_id)
        if code == b"fallback":
            raise FallbackReleasedError(job_id, text(facts[0]), text(facts[1]))
        status = text(facts[0])
        if code == b"blocked" or status in ("upstream_failed", "skipped"):
            raise UpstreamFailedError(job_id, status, is_canceled=code == b"blocked")
        if status == "finished":
            raise InvalidJobOperationError(
                f"job {job_id!r} has finished: requeue(force=True) runs it again, and whatever waits for it then"
            )
        raise InvalidJobOperationError(f"job {job_id!r} is {status}, and has not ended: there is nothing to requeue")

    return Call("requeue", [secrets.token_hex(4), job_id, int(force), int(at_front)], read)


#: What became of a job that was to be revived: it lives again; it has run, and lives again as far as what it joins
#: does; or it was left as it is.
Revived = Literal["revived", "joins", "left"]


def revive(job_ids: Sequence[str]) -> Call[tuple[int, list[Revived]]]:
    """Gives those of some jobs another life that failed, or that a person ended, and that nothing stands in for.

    The result counts the cascades left, and says what became of each.
    """

    def read(reply: list[Any]) -> tuple[int, list[Revived]]:
        return int(reply[0]), [cast(Revived, each) for each in texts(reply[1])]

    return Call("revive", [secrets.token_hex(4), *counted(job_ids)], read)


def skip(job_id: str, value: bytes, reason: str) -> Call[int]:
    """Treats a job as finished with a value. The result counts the cascades left.

    Args:
        job_id: the job.
        value: the value, serialized.
        reason: what to tell people.

    Raises:
        NoSuchJobError: there is no such job.
        InvalidJobOperationError: it has finished.
    """

    def read(reply: list[Any]) -> int:
        if reply[0] == b"ok":
            return int(reply[1])
        if reply[0] == b"unknown":
            raise NoSuchJobError(job_id)
        raise InvalidJobOperationError(f"job {job_id!r} has finished already: there is nothing to skip")

    args: list[Argument] = [job_id, value, reason]
    return Call("skip", [0, *args], read, args_again=[1, *args])


def release(job_ids: Sequence[str], *, queue: str = "", payloads: Mapping[str, bytes] | None = None) -> Call[int]:
    """Lets held jobs go, all of them or none. The result counts the cascades left.

    Args:
        job_ids: the jobs.
        queue: where to move them first; nothing to leave them where they are.
        payloads: what some of them, or of their fallbacks, hold from now on, signed for that queue.

    Raises:
        NoSuchJobError: there is no such job.
        InvalidJobOperationError: one of them is not held.
    """

    def read(reply: list[Any]) -> int:
        if reply[0] == b"ok":
            return int(reply[1])
        job_id = text(reply[1])
        if reply[0] == b"unknown":
            raise NoSuchJobError(job_id)
        raise InvalidJobOperationError(f"job {job_id!r} is {text(reply[2])}, and not held: there is nothing to release")

    signed = [part for pair in (payloads or {}).items() for part in pair]
    args: list[Argument] = [queue, *counted(job_ids), *counted(signed)]
    return Call("release", [0, *args], read, args_again=[1, *args])


@dataclass(frozen=True)
class Added:
    """What became of new dependencies.

    Attributes:
        cascades_left: how many cascades exceeded the budget, and have to be carried on.
        search: set when nothing was changed, since looking for circles is too much for one call: the caller is to look,
            and to call again with this as ``state``.
    """

    cascades_left: int = 0
    search: str | None = None


def add_dependency(job_id: str, dependency_ids: Sequence[str], *, rule: str, state: str = "") -> Call[Added]:
    """Lets a job that has not run yet wait for others too.

    Args:
        job_id: the job.
        dependency_ids: what it is to wait for.
        rule: the trigger rule.
        state: the state of the graph in which the caller has looked for circles, and found none.

    Raises:
        NoSuchJobError: one of the jobs does not exist.
        InvalidJobOperationError: the job has run.
        ValueError: it depends on one of them already.
        DependencyCycleError: they would wait for each other in a circle.
    """

    def read(reply: list[Any]) -> Added:
        code, *facts = reply
        if code == b"ok":
            return Added(cascades_left=facts[0])
        if code == b"search":
            return Added(search=text(facts[0]))
        if code == b"circle":
            raise circle(texts(facts[0]))
        if code == b"unknown":
            raise NoSuchJobError(text(facts[0]))
        if code == b"fallback":
            raise InvalidJobOperationError(
                f"job {job_id!r} is the fallback of {text(facts[0])!r}, and waits for nothing else"
            )
        if code == b"groups":
            raise ValueError(
                f"job {job_id!r} has {facts[0]} groups of dependencies, and can't have more: "
                f"let jobs in between wait for some of them each"
            )
        if code == b"twice":
            raise ValueError(f"job {job_id!r} depends on {text(facts[0])!r} already; a job stands in one group only")
        raise InvalidJobOperationError(
            f"job {job_id!r} is {text(facts[0])}: a job can be made to wait for others only before it has run"
        )

    is_additive = int(rule in ADDITIVE_RULES)
    args: list[Argument] = [job_id, rule, *counted(dependency_ids), is_additive, MOST_GROUPS, state]
    return Call("add_dependency", [0, *args], read, args_again=[1, *args])


def pause(queue: str, *, pauses: bool) -> Call[bool]:
    """Stops workers from taking jobs of a queue, or lets them again. The result says whether that changed something."""
    return Call("pause", [queue, int(pauses)], bool)


def limit(queue: str, most: int | None, cursor: bytes = b"0") -> Call[bytes]:
    """Bounds how many jobs of a queue are started at once. The result is the cursor to go on with, ``b"0"`` at the end.

    Args:
        queue: the queue.
        most: how many; ``None`` for any number.
        cursor: ``b"0"`` at first.
    """
    return Call("limit", [queue, "" if most is None else most, cursor], bytes)


def circle(path: Sequence[str]) -> DependencyCycleError:
    """The error for jobs that would wait for each other; each waits for the next, the last is the first."""
    return DependencyCycleError(f"these jobs would wait for each other for ever: {' → '.join(map(repr, path))}")
