"""Looking up the graph from a job: for circles, and for those to blame when it can't run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rqdeps.store.calls import reads
from rqdeps.store.calls.changes import circle
from rqdeps.store.calls.reads import Culprit, EdgeRecord
from rqdeps.store.conversation import Conversation, ask

#: How many jobs one call asks about.
_ASKED_AT_ONCE = 100


class EdgePages:
    """All that a job depends on, page by page, in no particular order; each dependency comes once.

    Args:
        job_id: the job.
        joined: whether what it joins is wanted instead.
    """

    def __init__(self, job_id: str, *, joined: bool = False) -> None:
        self._job_id = job_id
        self._joined = joined
        self._cursor: bytes | None = None
        self._seen: set[str] = set()

    @property
    def has_more(self) -> bool:
        """Whether there may be pages that have not been read."""
        return self._cursor != b"0"

    def next(self) -> Conversation[list[EdgeRecord]]:
        """Reads the next page, which may be empty."""
        page = yield from ask(reads.edges(self._job_id, self._cursor or b"0", joined=self._joined))
        self._cursor = page.cursor
        new = []
        for edge in page.edges:
            if edge.dependency_id not in self._seen:
                self._seen.add(edge.dependency_id)
                new.append(edge)
        return new


def edges_of(job_id: str, *, joined: bool = False) -> Conversation[list[EdgeRecord]]:
    """All that a job depends on, or joins, in no particular order."""
    pages = EdgePages(job_id, joined=joined)
    edges: list[EdgeRecord] = []
    while pages.has_more:
        edges += yield from pages.next()
    return edges


def dependents_of(job_id: str) -> Conversation[list[str]]:
    """The ids of the jobs that depend on a job: its fallback first, then in the order of their linking."""
    found: list[str] = []
    page = yield from ask(reads.dependents(job_id))
    while page:
        found += [dependent_id for dependent_id, _ in page if dependent_id]
        page = yield from ask(reads.dependents(job_id, page[-1][1]))
    return found


def spawned_by(job_id: str) -> Conversation[list[str]]:
    """The ids of the jobs that a job has spawned, in the order of their making; none before it has returned."""
    edges = yield from edges_of(job_id, joined=True)
    return sorted(edge.dependency_id for edge in edges)


def refuse_circle(job_id: str, dependency_ids: Sequence[str]) -> Conversation[None]:
    """Makes sure that none of the dependencies waits for the job, in however many steps.

    Raises:
        DependencyCycleError: one does, with the whole circle.
    """
    came_from = dict.fromkeys(dependency_ids, job_id)
    waiting = deque((dependency_id, b"0") for dependency_id in dependency_ids)
    while waiting:
        asked = [waiting[i] for i in range(min(_ASKED_AT_ONCE, len(waiting)))]
        found = yield from ask(reads.above(asked))
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


def culprits(job_id: str, *, most: int) -> Conversation[Culprits]:
    """Finds those to blame for a job that is ``upstream_failed`` or ``skipped``, however far above.

    Args:
        job_id: the job.
        most: how many to name.
    """
    roots: dict[str, Culprit] = {}
    waiting, seen = [(job_id, b"0")], {(job_id, b"0")}
    while waiting and len(roots) <= most:
        found, rest = yield from ask(reads.blame(waiting[-_ASKED_AT_ONCE:]))
        del waiting[-_ASKED_AT_ONCE:]
        roots.update({culprit.job_id: culprit for culprit in found})
        waiting += [job for job in rest if job not in seen]
        seen.update(rest)
    return Culprits(list(roots.values())[:most], more=len(roots) > most)
