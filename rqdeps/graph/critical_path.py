"""The critical path of a graph: the jobs that made it take as long as it took, and what they waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from rqdeps.graph.data import GraphData
from rqdeps.graph.depths import depths_of
from rqdeps.graph.nodes import GraphEdge, GraphNode, Run
from rqdeps.status import JobStatus

#: Rules that are met by the first end that fits, and how that has to be; all others are met by the last.
_FIRST_OF: Mapping[str, Sequence[JobStatus]] = {
    "one_success": (JobStatus.FINISHED,),
    "one_failed": (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED, JobStatus.UPSTREAM_FAILED),
    "one_done": tuple(status for status in JobStatus if status.is_terminal and status is not JobStatus.SKIPPED),
}

#: The statuses of jobs that nothing in the graph keeps from running: the rest of it waits for these.
_AT_WORK = (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED)


@dataclass(frozen=True)
class Wait:
    """A time in which nothing of a critical path ran.

    Attributes:
        began_at: since when.
        ended_at: until when.
        reason: what for: ``"a worker"``; ``"its time"``, that it was scheduled for; ``"its release"``, as it was held
            or not yet told of an end; ``"the next attempt"``, after a failure, a snooze or a requeue; or
            ``"its enqueueing"``, if all that it depends on had ended before.
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
        parts: when it ran and when it waited, one after the other, without gaps.
        ended_at: when it had ended; when it had returned, if the next job of the path was spawned by it; now, if it has
            not ended. The next job of the path is ready then.
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


class _End(NamedTuple):
    """That a job ended, or returned, and when."""

    node: GraphNode
    at: datetime


class _Follower:
    def __init__(self, graph: GraphData) -> None:
        self._graph = graph
        self._depths = depths_of(graph.nodes, graph.edges)
        self._groups: dict[str, dict[int, list[GraphEdge]]] = defaultdict(lambda: defaultdict(list))
        self._joined: dict[str, list[GraphNode]] = defaultdict(list)
        self._fallbacks: dict[str, GraphNode] = {}
        self._deciding: dict[str, _End | None] = {}
        for edge in graph.edges:
            if edge.kind == "spawn":
                self._joined[edge.source].append(graph.nodes[edge.target])
            else:
                self._groups[edge.target][edge.group].append(edge)
            if edge.kind == "fallback":
                self._fallbacks[edge.source] = graph.nodes[edge.target]
        for node in graph.nodes.values():
            if node.workflow_id is not None and not node.is_workflow:
                self._joined[node.workflow_id].append(node)

    def path(self) -> CriticalPath:
        """The path, from its beginning on."""
        steps: list[PathStep] = []
        seen: set[str] = set()
        end = self._last()
        while end is not None and end.node.id not in seen:
            seen.add(end.node.id)
            cause = self._cause(end)
            steps.append(_step(end, cause))
            end = cause
        return CriticalPath(steps[::-1], self._graph.has_ended)

    # Where it ends

    def _last(self) -> _End | None:
        """The job that the graph waits for now, the one that could run first; else the one that ended last and had run.

        Of a workflow only members count.
        """
        root = self._graph.nodes[self._graph.root]
        among = self._joined[root.id] if root.is_workflow else self._graph.nodes.values()
        nodes = [node for node in among if not node.is_workflow]
        at_work = [_End(node, self._graph.at) for node in nodes if node.status in _AT_WORK]
        if at_work:
            return min(at_work, key=lambda end: _ready_at(end, self._cause(end)))
        ended = [end for node in nodes if node.runs and (end := self._end_of(node)) is not None]
        return max(ended, key=self._order, default=None)

    # What kept a job waiting

    def _cause(self, end: _End) -> _End | None:
        """The end that let a job run, or had it end without; ``None`` if it waited for none."""
        runs = end.node.runs
        decided_at = min(runs[0].started_at, end.at) if runs else end.at
        causes = [self._met_by(edges, decided_at) for edges in self._groups[end.node.id].values()]
        spawner = self._graph.nodes.get(end.node.spawned_by or "")
        if spawner is not None:
            causes.append(self._end_of(spawner))
        in_time = [cause for cause in causes if cause is not None and cause.at <= decided_at]
        return max(in_time, key=self._order, default=None)

    def _met_by(self, edges: Sequence[GraphEdge], decided_at: datetime) -> _End | None:
        """The end by which a group was met, or else by which it could not be any more."""
        ends = [(edge.outcome, end) for edge in edges if (end := self._end_along(edge)) is not None]
        known = [(outcome, end) for outcome, end in ends if end.at <= decided_at]
        fitting = [end for outcome, end in known if outcome in _FIRST_OF.get(edges[0].rule, ())]
        if fitting:
            return min(fitting, key=self._order)
        return max((end for _, end in known), key=self._order, default=None)

    def _end_along(self, edge: GraphEdge) -> _End | None:
        source = self._graph.nodes[edge.source]
        if edge.kind == "fallback":
            return self._end_of(source)
        if source.id not in self._deciding:
            self._deciding[source.id] = self._deciding_end(source)
        return self._deciding[source.id]

    def _deciding_end(self, node: GraphNode) -> _End | None:
        """The end by which a job counted as ended: its own, that of its fallback, or the last of what it joined."""
        counted_from = self._stand_in(node).ended_at
        if counted_from is None:
            return None
        found: list[_End] = []
        waiting, seen = [node], set()
        while waiting:
            node = self._stand_in(waiting.pop())
            if node.id in seen:
                continue
            seen.add(node.id)
            waiting += self._joined[node.id]
            end = self._end_of(node)
            if end is not None and not (node.is_workflow and self._joined[node.id]):
                found.append(end)
        return max((end for end in found if end.at <= counted_from), key=self._order, default=None)

    def _stand_in(self, node: GraphNode) -> GraphNode:
        """The fallback that counts for a job, or that fallback's, and so on; the job itself if none does."""
        seen = {node.id}
        while node.status is JobStatus.FAILED:
            fallback = self._fallbacks.get(node.id)
            if fallback is None or fallback.status is None or fallback.id in seen:
                break
            seen.add(fallback.id)
            node = fallback
        return node

    def _end_of(self, node: GraphNode) -> _End | None:
        """A job's own end, whatever it joined and whatever stands in for it."""
        has_joined = node.runs and (node.has_joined or self._joined[node.id])
        at = node.runs[-1].ended_at if has_joined else node.ended_at
        return None if at is None else _End(node, at)

    def _order(self, end: _End) -> tuple[datetime, bool, int]:
        """What orders ends: of one millisecond, those of jobs that ran brought the others about, the deepest last."""
        return end.at, bool(end.node.runs), self._depths[end.node.id]


def _ready_at(end: _End, cause: _End | None) -> datetime:
    return cause.at if cause is not None else min(end.node.created_at or end.at, end.at)


# What a job did with its time


def _step(end: _End, cause: _End | None) -> PathStep:
    since = _ready_at(end, cause)
    return PathStep(end.node, since, list(_parts(end.node, since, end.at)), end.at)


def _parts(node: GraphNode, since: datetime, until: datetime) -> Iterator[Run | Wait]:
    """When a job ran and when it waited in this time. Of runs that are no longer known, it waited for the next."""
    has_run = node.attempt > len(node.runs)
    for run in node.runs:
        ended_at = run.ended_at or until
        if since <= run.started_at <= ended_at <= until:
            yield from _waits(node, since, run.started_at, has_run=has_run)
            yield run
            since, has_run = ended_at, True
    yield from _waits(node, since, until, has_run=has_run)


def _waits(node: GraphNode, since: datetime, until: datetime, *, has_run: bool) -> Iterator[Wait]:
    reasons = [("the next attempt", until)] if has_run else _before_first_run(node, since, until)
    for reason, over_at in reasons:
        ended_at = min(over_at, until)
        if ended_at > since:
            yield Wait(since, ended_at, reason)
            since = ended_at


def _before_first_run(node: GraphNode, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
    """What a job waits for before it runs, one after the other, each with when that was over."""
    yield "its enqueueing", node.created_at or since
    if node.scheduled_for is not None and node.scheduled_for > since:
        yield "its time", node.scheduled_for
    elif node.queued_at is None:
        yield "its release", since if node.runs else until
    elif node.queued_at <= until:  # else that was for a later run
        yield "its release", node.queued_at
    yield "a worker", until
