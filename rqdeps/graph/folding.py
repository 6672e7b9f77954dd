"""Folding a graph: jobs that are alike become one, so that a large graph fits a screen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from rqdeps.graph.data import GraphData
from rqdeps.graph.depths import depths_of
from rqdeps.graph.nodes import EdgeKind, GraphEdge, GraphNode
from rqdeps.status import JobStatus

#: How many steps away neighbours may be by which jobs are told apart.
_LOOKS_AHEAD = 6


@dataclass(frozen=True)
class Fold:
    """Jobs that are shown as one.

    Attributes:
        nodes: the jobs, at least one.
        depth: how deep the first of them stands.
    """

    nodes: Sequence[GraphNode]
    depth: int

    @property
    def first(self) -> GraphNode:
        """One of them; all have the same function."""
        return self.nodes[0]

    @property
    def counts(self) -> Mapping[JobStatus | None, int]:
        """How many of them have which status."""
        found = Counter(node.status for node in self.nodes)
        return {status: found[status] for status in (*JobStatus, None) if found[status]}


@dataclass
class FoldEdge:
    """What leads from the jobs of one fold to those of another.

    Attributes:
        source: the number of the fold that comes first.
        target: the number of the fold after it; may be the same.
        kinds: what the edges mean.
        rules: the trigger rules of the groups in which the sources stand; not of how what was spawned is joined.
        fan_in: for each job of the target that has such edges, how many.
    """

    source: int
    target: int
    kinds: set[EdgeKind] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    fan_in: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Folded:
    """A graph whose jobs are folded.

    Attributes:
        folds: the jobs, those of small depth first.
        edges: what leads from one fold to another, by their numbers in ``folds``.
        by: what jobs of one fold have in common: ``"itself"`` if they are not folded; ``"neighbours"``: function and
            neighbours; ``"depth"``: function and depth; ``"function"``.
    """

    folds: Sequence[Fold]
    edges: Sequence[FoldEdge]
    by: str


def fold(graph: GraphData, most: int | None = None) -> Folded:
    """Makes jobs one that have the same function and the same neighbours, these folded in the same way.

    Args:
        graph: the graph.
        most: how many folds there should be in the end. Where there are more, all jobs of a function at the same depth
            are one, and if that is not enough, all jobs of a function.
    """
    depths = depths_of(graph.nodes, graph.edges)
    by_depth = _numbered({job_id: (*_kind(node), depths[job_id]) for job_id, node in graph.nodes.items()})
    if most is None or _count(by_depth) <= most:
        alike = _told_apart(by_depth, graph.edges, most)
        if alike is not None:
            return _folded(graph, alike, depths, "neighbours")
        return _folded(graph, by_depth, depths, "depth")
    return _folded(graph, _numbered({job_id: _kind(node) for job_id, node in graph.nodes.items()}), depths, "function")


def unfolded(graph: GraphData) -> Folded:
    """The graph with each job by itself."""
    each_its_own = {job_id: number for number, job_id in enumerate(graph.nodes)}
    return _folded(graph, each_its_own, depths_of(graph.nodes, graph.edges), "itself")


def _kind(node: GraphNode) -> tuple[Hashable, ...]:
    """What jobs of one fold have in common in any case. The own job of a workflow is like no other."""
    return (
        node.id if node.is_workflow else node.function,
        node.is_map,
        node.queue,
        node.workflow_id,
        node.fallback_of is not None,
        node.spawned_by is not None,
    )


def _numbered(keys: Mapping[str, Hashable]) -> dict[str, int]:
    """A number for each job, the same for those with the same key."""
    numbers: dict[Hashable, int] = {}
    return {job_id: numbers.setdefault(key, len(numbers)) for job_id, key in keys.items()}


def _count(numbers: Mapping[str, int]) -> int:
    return len(set(numbers.values()))


def _told_apart(numbers: dict[str, int], edges: Sequence[GraphEdge], most: int | None) -> dict[str, int] | None:
    """Tells jobs apart that have the same number but other neighbours; ``None`` if that makes more than wanted."""
    around: dict[str, list[tuple[str, Hashable]]] = defaultdict(list)
    for edge in edges:
        around[edge.target].append((edge.source, (edge.kind, edge.rule)))
        around[edge.source].append((edge.target, edge.kind))
    for _ in range(_LOOKS_AHEAD):
        before = numbers
        numbers = _numbered(
            {
                job_id: (number, frozenset((before[other], how) for other, how in around[job_id]))
                for job_id, number in before.items()
            }
        )
        count = _count(numbers)
        if most is not None and count > most:
            return None
        if count == _count(before):
            break
    return numbers


def _folded(graph: GraphData, numbers: Mapping[str, int], depths: Mapping[str, int], by: str) -> Folded:
    members: dict[int, list[GraphNode]] = defaultdict(list)
    for job_id, number in numbers.items():
        members[number].append(graph.nodes[job_id])
    depth_of = {number: min(depths[node.id] for node in nodes) for number, nodes in members.items()}
    ordered = sorted(members, key=depth_of.__getitem__)
    place = {number: at for at, number in enumerate(ordered)}
    edges: dict[tuple[int, int], FoldEdge] = {}
    for edge in graph.edges:
        ends = place[numbers[edge.source]], place[numbers[edge.target]]
        between = edges.get(ends)
        if between is None:
            between = edges[ends] = FoldEdge(*ends)
        between.kinds.add(edge.kind)
        if edge.kind != "spawn":
            between.rules.add(edge.rule)
        between.fan_in[edge.target] += 1
    return Folded([Fold(members[number], depth_of[number]) for number in ordered], list(edges.values()), by)
