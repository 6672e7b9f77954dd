"""A graph as the rows of a tree: each job, or fold of jobs, below the last of those that it comes after."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rqdeps.durations import format_time
from rqdeps.graph.data import USUAL_RULES, GraphData, as_shown, label_of
from rqdeps.graph.folding import Fold, Folded, FoldEdge
from rqdeps.graph.nodes import GraphNode
from rqdeps.status import JobStatus

#: How many ids of jobs that failed stand beside a fold.
_NAMED = 3

#: How far a tree is indented: what lies deeper stands at this depth, so that long chains neither grow square nor leave
#: the screen.
_DEEPEST = 30

_BAD = (JobStatus.FAILED, JobStatus.STOPPED)


@dataclass(frozen=True)
class Row:
    """One line of a tree.

    Attributes:
        branch: the lines that lead to it.
        label: the function, or a workflow's name.
        count: how many jobs it stands for.
        counts: how many of these have which status; ``None`` for those that were deleted.
        took: how long it ran, or those of a fold, from the shortest to the longest; empty if it has not run.
        ids: the job; of a fold, some that failed.
        notes: what else is to be said.
    """

    branch: str
    label: str
    count: int
    counts: Mapping[JobStatus | None, int]
    took: str
    ids: Sequence[str]
    notes: Sequence[str]


def rows_of(graph: GraphData, folded: Folded) -> list[Row]:
    """The rows of a tree, from above to below.

    Args:
        graph: the graph.
        folded: the same, folded as it is to be shown.
    """
    return _Tree(graph, folded).rows()


class _Tree:
    """Where each fold stands."""

    def __init__(self, graph: GraphData, folded: Folded) -> None:
        self._graph = graph
        self._folds = folded.folds
        self._above: dict[int, list[FoldEdge]] = defaultdict(list)
        for edge in folded.edges:
            self._above[edge.target].append(edge)
        for edges in self._above.values():
            edges.sort(key=lambda edge: edge.source)
        self._own_fold = {fold.first.id: at for at, fold in enumerate(self._folds) if fold.first.is_workflow}
        self._members: dict[str | None, list[GraphNode]] = defaultdict(list)
        for node in graph.nodes.values():
            if not node.is_workflow:
                self._members[node.workflow_id].append(node)
        self._begins: dict[str | None, int] = {}  # where each workflow does
        for fold in self._folds:
            workflow = fold.first.workflow_id
            self._begins[workflow] = min(fold.depth, self._begins.get(workflow, fold.depth))
        self._usual_queue = _commonest(node.queue for node in graph.nodes.values() if not node.is_workflow)
        self._parent = {at: self._parent_of(at) for at in range(len(self._folds))}
        self._children: dict[int | None, list[int]] = defaultdict(list)
        for at in sorted(self._parent, key=self._order):
            self._children[self._parent[at]].append(at)

    def rows(self) -> list[Row]:
        """All rows."""
        placed = list(self._placed(None, 0))
        stems = branches([depth for _, depth in placed])
        return [self._row(at, stem) for (at, _), stem in zip(placed, stems, strict=True)]

    def _placed(self, parent: int | None, depth: int) -> Iterator[tuple[int, int]]:
        """Folds in the order of rows, each with its depth in the tree."""
        waiting = [(at, depth) for at in reversed(self._children[parent])]
        while waiting:
            at, depth = waiting.pop()
            yield at, depth
            waiting += [(child, min(depth + 1, _DEEPEST)) for child in reversed(self._children[at])]

    def _order(self, at: int) -> tuple[int, int]:
        """By depth; a workflow comes where its first member does."""
        fold = self._folds[at]
        return self._begins[fold.first.id] if fold.first.is_workflow else fold.depth, at

    def _workflow_of(self, at: int) -> str | None:
        node = self._folds[at].first
        return None if node.is_workflow else node.workflow_id

    def _parent_of(self, at: int) -> int | None:
        """The fold below which one stands: the last that it comes after, in the same workflow."""
        fold, workflow = self._folds[at], self._workflow_of(at)
        if fold.first.is_workflow:
            return None
        sources = [
            edge.source
            for edge in self._above[at]
            if edge.source < at
            and self._folds[edge.source].depth < fold.depth
            and self._workflow_of(edge.source) == workflow
            and not self._folds[edge.source].first.is_workflow
        ]
        return sources[-1] if sources else self._own_fold.get(workflow or "")

    # One row

    def _row(self, at: int, branch: str) -> Row:
        fold = self._folds[at]
        is_one = len(fold.nodes) == 1
        counts = {as_shown(fold.first): 1} if is_one else fold.counts
        bad = [node.id for node in fold.nodes if node.status in _BAD]
        return Row(
            branch=branch,
            label=label_of(fold.first),
            count=len(fold.nodes),
            counts=counts,
            took=self._took(fold),
            ids=[fold.first.id] if is_one else bad[:_NAMED] + ["…"] * (len(bad) > _NAMED),
            notes=list(self._notes(at)),
        )

    def _took(self, fold: Fold) -> str:
        if fold.first.is_workflow:
            node = fold.first
            times = [((node.ended_at or self._graph.at) - node.created_at)] if node.created_at else []
        else:
            times = [time for node in fold.nodes if (time := node.duration(self._graph.at)) is not None]
        if not times:
            return ""
        shortest, longest = map(format_time, (min(times), max(times)))
        return longest if shortest == longest else f"{shortest} – {longest}"

    def _notes(self, at: int) -> Iterator[str]:
        fold = self._folds[at]
        first = fold.first
        if first.is_workflow:
            yield from self._workflow_notes(first)
        elif first.name and len(fold.nodes) == 1:
            yield first.name
        yield from self._origins(at)
        rules = set().union(*(edge.rules for edge in self._above[at]))
        yield from (f"rule: {rule}" for rule in sorted(rules - USUAL_RULES))
        if first.queue not in ("", self._usual_queue) and not first.is_workflow:
            yield f"queue {first.queue}"
        yield from _state_notes(fold.nodes)

    def _workflow_notes(self, node: GraphNode) -> Iterator[str]:
        members = self._members[node.id]
        if members:  # of a workflow that jobs of another wait for, none may have been read
            yield f"{sum(member.has_ended for member in members)} of {len(members)} ended"

    def _origins(self, at: int) -> Iterator[str]:
        """What is to be said of what a fold comes after: which it is, unless it stands below it, and how many each."""
        parent = self._parent[at]
        others = []
        for edge in self._above[at]:
            source = self._folds[edge.source]
            is_parent = edge.source == parent
            if edge.source == at:
                yield "one after another"
            elif "fallback" in edge.kinds:
                yield (
                    "stands in if that fails" if is_parent else f"stands in for {label_of(source.first)} if that fails"
                )
            elif "spawn" in edge.kinds:
                yield "spawned" if is_parent else f"spawned by {label_of(source.first)}"
            elif not is_parent:
                others.append(label_of(source.first) + _in_brackets(_how_many(edge, source)))
            elif each := _how_many(edge, source):
                yield f"each after {each}"
        if others:
            stands_below_a_job = parent is not None and not self._folds[parent].first.is_workflow
            times = Counter(others)
            named = ", ".join(f"{other} ×{times[other]}" if times[other] > 1 else other for other in times)
            yield f"{'also ' * stands_below_a_job}after {named}"


def _commonest(names: Iterable[str]) -> str:
    counts = Counter(name for name in names if name)
    return max(counts, key=lambda name: counts[name], default="")


def _how_many(edge: FoldEdge, source: Fold) -> str:
    """After how many of a fold each job of the other comes; nothing if that is all."""
    least, greatest = min(edge.fan_in.values()), max(edge.fan_in.values())
    if least == len(source.nodes):
        return ""
    return f"{least} of them" if least == greatest else f"{least} to {greatest} of them"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _state_notes(nodes: Sequence[GraphNode]) -> Iterator[str]:
    """What is to be said of the state that jobs are in."""
    attempts = max(node.attempt for node in nodes)
    if attempts > 1:
        yield f"attempt {attempts}" if len(nodes) == 1 else f"up to {attempts} attempts"
    first = nodes[0]
    if len(nodes) > 1:
        return
    if first.is_held:
        yield "held"
    if first.progress is not None and first.status is JobStatus.STARTED:
        yield str(first.progress)
    if first.reason and not first.is_workflow:
        yield first.reason


def branches(depths: Sequence[int]) -> list[str]:
    """What stands before the nodes of a tree, by how deep they are, from above to below."""
    lines = []
    has_more: set[int] = set()
    for depth in reversed(depths):
        has_more = {level for level in has_more if level <= depth}
        stems = "".join("│  " if level in has_more else "   " for level in range(1, depth))
        lines.append(stems + ("├─ " if depth in has_more else "└─ ") if depth else "")
        has_more.add(depth)
    return lines[::-1]
