"""Which waiting jobs go together, and which stay in RQ, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rqdeps.from_rq.server import Snapshot, Waiting


@dataclass(frozen=True)
class Staying:
    """A job that stays in RQ.

    Attributes:
        id: its id.
        queue: its queue.
        reason: why, and what to do about it.
        may_pass: whether there is a point in looking again in a moment.
    """

    id: str
    queue: str
    reason: str
    may_pass: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        graphs: jobs that are moved together, each graph in RQ's order, and the graphs in that of their first jobs.
        staying: the jobs that stay.
    """

    graphs: list[list[Waiting]]
    staying: list[Staying]


def plan_of(snapshot: Snapshot) -> Plan:
    """Plans what to move: whatever depends on each other goes together, or stays together."""
    own = {one.id: reason for one in snapshot.waiting.values() if (reason := _hurdle(one, snapshot))}
    staying = [_of_job_elsewhere(job_id, queue, snapshot) for job_id, queue in snapshot.elsewhere.items()]
    graphs = []
    for graph in _graphs(snapshot.waiting.values()):
        kept_back_by = next((one.id for one in graph if one.id in own), None)
        if kept_back_by is None:
            graphs.append(graph)
        else:
            staying += staying_together(graph, kept_back_by, own)
    return Plan(graphs, staying)


def staying_together(graph: Iterable[Waiting], kept_back_by: str, reasons: dict[str, str]) -> list[Staying]:
    """The jobs of a graph that stays.

    Args:
        graph: its jobs.
        kept_back_by: the job because of which the others stay.
        reasons: why those stay that have a reason of their own.
    """
    together = f"it and job {kept_back_by!r}, which stays, depend on each other or on the same jobs"
    return [Staying(one.id, one.queue, reasons.get(one.id, together), not one.is_as_it_says) for one in graph]


def _graphs(jobs: Iterable[Waiting]) -> list[list[Waiting]]:
    ordered = sorted(jobs, key=lambda one: one.order)
    leaders = {one.id: one.id for one in ordered}

    def leader(job_id: str) -> str:
        while leaders[job_id] != job_id:
            leaders[job_id] = leaders[leaders[job_id]]
            job_id = leaders[job_id]
        return job_id

    for one in ordered:
        for dependency_id in pending(one, leaders):
            leaders[leader(one.id)] = leader(dependency_id)
    graphs: dict[str, list[Waiting]] = {}
    for one in ordered:
        graphs.setdefault(leader(one.id), []).append(one)
    return list(graphs.values())


def pending(one: Waiting, waiting: Iterable[str]) -> Sequence[str]:
    """The dependencies that a job still waits for, among those jobs that wait themselves."""
    if one.place != "deferred":  # all that it depended on has ended
        return ()
    return [each for each in dict.fromkeys(one.dependency_ids) if each in waiting]


def _hurdle(one: Waiting, snapshot: Snapshot) -> str | None:
    """Why a job can't be moved, whatever becomes of others."""
    if not one.is_as_it_says:
        return (
            f"it stands among the {one.place} jobs of its queue, but its status is {one.status or 'unknown'!r}: "
            "if it stays so, requeue or delete it in RQ"
        )
    if one.place != "deferred":
        return None
    open_ids = pending(one, snapshot.waiting)
    others = [each for each in dict.fromkeys(one.dependency_ids) if each not in snapshot.waiting]
    for each in others:
        reason = _never_met(each, snapshot.statuses[each], one, snapshot)
        if reason is not None:
            return reason
    if not open_ids and (not others or any(snapshot.statuses[each] is None for each in others)):
        return "what it waited for has been deleted, so RQ would never run it: requeue or delete it in RQ"
    return None


def _never_met(dependency_id: str, status: str | None, one: Waiting, snapshot: Snapshot) -> str | None:
    """Why a dependency that is not moved keeps a job back, if it does. RQ takes what has expired for finished."""
    if status in (None, "finished") or (status == "failed" and one.allows_failure):
        return None
    waits_for = f"it waits for job {dependency_id!r}"
    if status in ("failed", "stopped", "canceled"):
        return (
            f"{waits_for}, which has {status if status == 'failed' else f'been {status}'}, so RQ would never run it: "
            f"requeue {dependency_id!r} in RQ, or delete both"
        )
    if dependency_id in snapshot.elsewhere or status == "started":
        return f"{waits_for}, which RQ has begun or keeps back: run this again when that has ended"
    if status in ("queued", "deferred", "scheduled", "ready_to_enqueue"):
        return f"{waits_for}, which is not among the queues to be moved: add its queue with --queue"
    return f"{waits_for}, which was never enqueued in RQ: enqueue or delete it there"


def _of_job_elsewhere(job_id: str, queue: str, snapshot: Snapshot) -> Staying:
    if snapshot.statuses.get(job_id) == "rate_limited":
        return Staying(job_id, queue, RATE_LIMITED)
    return Staying(job_id, queue, "an RQ worker has begun it: let it end there")


#: What to say of jobs under a rate limit.
RATE_LIMITED = (
    "it is under a rate limit of RQ, and rqdeps has none: let RQ run it, or enqueue it anew in a queue with a limit "
    "(rqdeps queue limit)"
)
