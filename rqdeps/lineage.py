"""Looking up the graph from a job: for circles, and for those to blame when it can't run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads
from rqdeps.store.calls.changes import circle
from rqdeps.store.calls.reads import EdgeRecord

#: How many jobs one call asks about.
_ASKED_AT_ONCE = 100

#: How far to look for those to blame.
_MOST_BLAMED_LOOKED_AT = 1000

#: Rules that want dependencies to fail: those that finished are to blame.
_WANT_FAILURE = frozenset({"all_failed", "one_failed"})


def edges_of(job_id: str, store: Store) -> Iterator[EdgeRecord]:
    """All that a job depends on, page by page, in no particular order."""
    seen: set[str] = set()
    cursor: bytes | None = None
    while cursor != b"0":
        page = store.run(reads.edges(job_id, cursor or b"0"))
        cursor = page.cursor
        for edge in page.edges:
            if edge.dependency_id not in seen:
                seen.add(edge.dependency_id)
                yield edge


def refuse_circle(job_id: str, dependency_ids: Sequence[str], store: Store) -> None:
    """Makes sure that none of the dependencies waits for the job, in however many steps.

    Raises:
        DependencyCycleError: one does, with the whole circle.
    """
    came_from = dict.fromkeys(dependency_ids, job_id)
    waiting = deque((dependency_id, b"0") for dependency_id in dependency_ids)
    while waiting:
        asked = [waiting[i] for i in range(min(_ASKED_AT_ONCE, len(waiting)))]
        found = store.run(reads.above(asked))
        for above in found:
            waiting.popleft()
            if above.cursor != b"0":
                waiting.append((above.job_id, above.cursor))
            for up in above.dependency_ids:
                if up not in came_from:
                    came_from[up] = above.job_id
                    waiting.append((up, b"0"))
                if up == job_id:
                    raise circle(list(_path(came_from, job_id)))


def _path(came_from: dict[str, str], job_id: str) -> Iterable[str]:
    """From the job to what it would wait for, and on to the job."""
    path = [job_id, came_from[job_id]]
    while path[-1] != job_id:
        path.append(came_from[path[-1]])
    return reversed(path)


@dataclass(frozen=True)
class Culprits:
    """Those to blame for a job that can't run.

    Attributes:
        direct: its own dependencies that keep it from running.
        roots: where it began: the jobs that failed, were stopped or canceled, or finished where a failure was wanted.
        more: whether there are more roots than were asked for.
    """

    direct: list[EdgeRecord]
    roots: list[EdgeRecord]
    more: bool


def culprits(job_id: str, store: Store, *, most: int) -> Culprits:
    """Finds those to blame for a job that is ``upstream_failed`` or ``skipped``.

    Args:
        job_id: the job.
        store: the deployment.
        most: how many roots to name.
    """
    direct = list(_to_blame(job_id, store))
    roots: dict[str, EdgeRecord] = {}
    waiting, seen = deque(direct), {edge.dependency_id for edge in direct}
    while waiting and len(roots) <= most and len(seen) <= _MOST_BLAMED_LOOKED_AT:
        edge = waiting.popleft()
        if edge.status not in (JobStatus.UPSTREAM_FAILED, JobStatus.SKIPPED):
            roots[edge.dependency_id] = edge
            continue
        for up in _to_blame(edge.dependency_id, store):
            if up.dependency_id not in seen:
                seen.add(up.dependency_id)
                waiting.append(up)
    return Culprits(direct, list(roots.values())[:most], more=len(roots) > most or bool(waiting))


def _to_blame(job_id: str, store: Store) -> Iterator[EdgeRecord]:
    """The dependencies of a job that ended in another way than its rules want."""
    for edge in edges_of(job_id, store):
        wanted = JobStatus.FINISHED
        if edge.outcome is None or edge.kind == "fallback":
            continue
        if edge.rule in _WANT_FAILURE:
            if edge.outcome in (wanted, JobStatus.SKIPPED):
                yield edge
        elif edge.outcome != wanted:
            yield edge
