"""The critical path of a graph: the jobs that made it take as long as it took, and what they waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rqdeps.graph.data import GraphData
from rqdeps.graph.nodes import GraphEdge, GraphNode, Run
from rqdeps.status import JobStatus

#: Rules that are met by the first end that fits, and how that has to be; all others are met by the last.
_FIRST_OF = {
    "one_success": (JobStatus.FINISHED,),
    "one_failed": (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED, JobStatus.UPSTREAM_FAILED),
    "one_done": tuple(status for status in JobStatus if status.is_terminal and status is not JobStatus.SKIPPED),
}


@dataclass(frozen=True)
class Wait:
    """A time in which nothing of a critical path ran.

    Attributes:
        began_at: since when.
        ended_at: until when.
        reason: what for: ``"a worker"``, ``"its time"``: that it was scheduled for, or ``"the next attempt"``: after a
            failure or a requeue.
    """

    began_at: datetime
    ended_at: datetime
    reason: str

    @property
    def duration(self) -> timedelta:
        """How long it was."""
        return self.ended_at - self.began_at


@dataclass(frozen=True)
class PathStep:
    """A job on a critical path.

    Attributes:
        node: the job.
        ready_at: when the last that it had waited for had ended; when it was enqueued, if it waited for nothing.
        parts: when it ran and when it waited, in order. A job that joins what it spawned runs until it has returned.
        ended_at: when the next job of the path could begin; now, if it has not ended.
    """

    node: GraphNode
    ready_at: datetime
    parts: Sequence[Run | Wait]
    ended_at: datetime

    @property
    def ran(self) -> timedelta:
        """How long it ran, in all attempts."""
        runs = [part for part in self.parts if isinstance(part, Run)]
        return sum(((run.ended_at or self.ended_at) - run.started_at for run in runs), timedelta(0))

    @property
    def waited(self) -> Mapping[str, timedelta]:
        """How long it waited, by what for."""
        found: dict[str, timedelta] = defaultdict(timedelta)
        for part in self.parts:
            if isinstance(part, Wait):
                found[part.reason] += part.duration
        return found


@dataclass(frozen=True)
class CriticalPath:
    """The jobs that made a graph take as long as it took, one after the other.

    Attributes:
        steps: the jobs; none if nothing of the graph has begun to wait for a worker.
        has_ended: whether the graph has; else the path leads to what it waits for now.
    """

    steps: Sequence[PathStep]
    has_ended: bool

    @property
    def duration(self) -> timedelta:
        """How long it took from the moment that the first could run."""
        return self.steps[-1].ended_at - self.steps[0].ready_at if self.steps else timedelta(0)

    @property
    def ran(self) -> timedelta:
        """How much of that jobs ran."""
        return sum((step.ran for step in self.steps), timedelta(0))

    @property
    def waited(self) -> Mapping[str, timedelta]:
        """How much of that nothing of the path ran, by what was waited for."""
        found: dict[str, timedelta] = defaultdict(timedelta)
        for step in self.steps:
            for reason, time in step.waited.items():
                found[reason] += time
        return found


def critical_path(graph: GraphData) -> CriticalPath:
    """Follows a graph from its end up: each time to what had kept a job waiting to the last."""
    return _Follower(graph).path()


class _Follower:
    def __init__(self, graph: GraphData) -> None:
        self._graph = graph
        self._above: dict[str, list[GraphEdge]] = defaultdict(list)
        self._spawned: dict[str, list[str]] = defaultdict(list)
        self._fallback: dict[str, str] = {}
        for edge in graph.edges:
            if edge.kind == "spawn":
                self._spawned[edge.source].append(edge.target)
            else:
                self._above[edge.target].append(edge)
            if edge.kind == "fallback":
                self._fallback[edge.source] = edge.target
        self._members: dict[str, list[str]] = defaultdict(list)
        for node in graph.nodes.values():
            if node.workflow_id is not None and not node.is_workflow:
                self._members[node.workflow_id].append(node.id)

    def path(self) -> CriticalPath:
        """The path, from its beginning on."""
        steps: list[PathStep] = []
        seen: set[str] = set()
        current = self._last()
        while current is not None and current.id not in seen:
            seen.add(current.id)
            before = self._cause(current)
            step = self._step(current, before)
            if step is not None:
                steps.append(step)
            current = None if before is None else before[0]
        return CriticalPath(steps[::-1], self._graph.has_ended)

    # Where it ends

    def _last(self) -> GraphNode | None:
        """The job that the graph waits for now, the one that could run first; else the one that ended last and had run.

        Of a workflow only members count.
        """
        root = self._graph.nodes[self._graph.root]
        ids = self._members[root.id] if root.is_workflow else list(self._graph.nodes)
        nodes = [node for job_id in ids if not (node := self._graph.nodes[job_id]).is_workflow]
        at_work = [node for node in nodes if self._is_due(node)]
        if at_work:
            return min(at_work, key=self._ready_at)
        ended = [node for node in nodes if node.runs and self._returned_at(node) is not None]
        return max(ended, key=lambda node: self._returned_at(node) or self._graph.at, default=None)

    @staticmethod
    def _is_due(node: GraphNode) -> bool:
        return node.status in (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED)

    def _ready_at(self, node: GraphNode) -> datetime:
        cause = self._cause(node)
        return cause[1] if cause is not None else node.created_at or self._graph.at

    @staticmethod
    def _returned_at(node: GraphNode) -> datetime | None:
        return node.runs[-1].ended_at if node.runs else None

    # What kept a job waiting

    def _cause(self, node: GraphNode) -> tuple[GraphNode, datetime] | None:
        """The job whose end let this one run, and when that was; ``None`` if it waited for none."""
        begun = node.runs[0].started_at if node.runs else self._graph.at
        found: list[tuple[GraphNode, datetime]] = []
        groups: dict[int, list[GraphEdge]] = defaultdict(list)
        for edge in self._above[node.id]:
            groups[edge.group].append(edge)
        for edges in groups.values():
            ends = [end for edge in edges if (end := self._end_of(edge.source, edge)) is not None and end[1] <= begun]
            fitting = _FIRST_OF.get(edges[0].rule)
            if fitting is not None:
                outcomes = {edge.source: edge.outcome for edge in edges}
                ends = [end for end in ends if outcomes.get(end[2]) in fitting]
            if ends:
                choose = max if fitting is None else min
                found.append(choose(ends, key=lambda end: end[1])[:2])
        if node.spawned_by in self._graph.nodes:
            spawner = self._graph.nodes[node.spawned_by or ""]
            returned = self._returned_at(spawner)
            if returned is not None and returned <= begun:
                found.append((spawner, returned))
        return max(found, key=lambda end: end[1], default=None)

    def _end_of(self, job_id: str, edge: GraphEdge | None = None) -> tuple[GraphNode, datetime, str] | None:
        """The job that decided when a job had ended, and when: itself, its fallback, or the last of what it joined.

        The third is the job that was asked about.
        """
        node, seen = self._graph.nodes[job_id], set()
        ended_at = node.ended_at
        is_wanted_itself = edge is not None and edge.kind == "fallback"
        while node.id not in seen:
            seen.add(node.id)
            fallback = self._graph.nodes.get(self._fallback.get(node.id, ""))
            if node.status is JobStatus.FAILED and fallback is not None and not is_wanted_itself:
                node, ended_at = fallback, fallback.ended_at
                continue
            joined = [self._graph.nodes[other] for other in (*self._spawned[node.id], *self._members_of(node))]
            ended = [other for other in joined if other.ended_at is not None]
            if not ended:
                break
            node = max(ended, key=lambda other: other.ended_at or self._graph.at)
        return None if ended_at is None else (node, ended_at, job_id)

    def _members_of(self, node: GraphNode) -> Sequence[str]:
        return self._members[node.id] if node.is_workflow else ()

    # What a job did with its time

    def _step(self, node: GraphNode, cause: tuple[GraphNode, datetime] | None) -> PathStep | None:
        begun = cause[1] if cause is not None else node.created_at
        if begun is None:
            return None
        parts = list(self._parts(node, begun))
        until = self._returned_at(node) if node.runs else node.ended_at
        return PathStep(node, begun, parts, until if until is not None and not self._is_due(node) else self._graph.at)

    def _parts(self, node: GraphNode, since: datetime) -> Iterator[Run | Wait]:
        """When it ran and when it waited. Runs before that time were in an earlier life."""
        runs = [run for run in node.runs if run.started_at >= since]
        is_first = True
        for run in runs:
            yield from self._waits(node, since, run.started_at, is_first=is_first)
            yield run
            since, is_first = run.ended_at or self._graph.at, False
        if self._is_due(node) and not (runs and runs[-1].ended_at is None):
            yield from self._waits(node, since, self._graph.at, is_first=is_first)

    @staticmethod
    def _waits(node: GraphNode, since: datetime, until: datetime, *, is_first: bool) -> Iterator[Wait]:
        if until <= since:
            return
        if not is_first:
            yield Wait(since, until, "the next attempt")
            return
        due = node.scheduled_for
        if due is not None and due > since:
            yield Wait(since, min(due, until), "its time")
            since = min(due, until)
        if until > since:
            yield Wait(since, until, "a worker")
