"""Looking up the graph from a job: for circles, and for those to blame when it can't run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rqdeps.store import Store
from rqdeps.store.calls import reads
from rqdeps.store.calls.changes import circle
from rqdeps.store.calls.reads import Culprit, EdgeRecord

#: How many jobs one call asks about.
_ASKED_AT_ONCE = 100


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
    """Where it began that a job can't run.

    Attributes:
        roots: the jobs that failed, were stopped or canceled, or finished where a failure was wanted.
        more: whether there are more than were asked for.
    """

    roots: list[Culprit]
    more: bool


def culprits(job_id: str, store: Store, *, most: int) -> Culprits:
    """Finds those to blame for a job that is ``upstream_failed`` or ``skipped``, however far above.

    Args:
        job_id: the job.
        store: the deployment.
        most: how many to name.
    """
    roots: dict[str, Culprit] = {}
    waiting, seen = [(job_id, b"0")], {(job_id, b"0")}
    while waiting and len(roots) <= most:
        found, rest = store.run(reads.blame(waiting[-_ASKED_AT_ONCE:]))
        del waiting[-_ASKED_AT_ONCE:]
        roots.update({culprit.job_id: culprit for culprit in found})
        waiting += [job for job in rest if job not in seen]
        seen.update(rest)
    return Culprits(list(roots.values())[:most], more=len(roots) > most)
