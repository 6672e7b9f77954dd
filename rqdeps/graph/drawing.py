"""A graph as boxes, frames and arrows, for the languages in which graphs are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rqdeps.durations import format_time
from rqdeps.graph.data import USUAL_RULES, GraphData, as_shown, label_of
from rqdeps.graph.folding import Fold, FoldEdge, fold, unfolded
from rqdeps.graph.looks import LOOKS
from rqdeps.status import JobStatus


@dataclass(frozen=True)
class Box:
    """A job, or jobs that are shown as one; or a workflow, which is a frame around others.

    Attributes:
        name: what arrows call it: a letter and a number.
        lines: what is written in it.
        status: the status that it has in common, or the one that counts most; ``None`` for deleted jobs.
        frame: the name of the workflow around it, or nothing.
    """

    name: str
    lines: Sequence[str]
    status: JobStatus | None
    frame: str


@dataclass(frozen=True)
class Arrow:
    """What leads from one box to another.

    Attributes:
        source: the name of the box that comes first.
        target: the name of the one after it.
        label: what is written beside it, or nothing.
        is_dashed: whether it stands for something else than waiting.
    """

    source: str
    target: str
    label: str
    is_dashed: bool


@dataclass(frozen=True)
class Drawing:
    """Boxes, frames and arrows."""

    boxes: Sequence[Box]
    frames: Sequence[Box]
    arrows: Sequence[Arrow]

    def inside(self) -> Mapping[str, Sequence[Box]]:
        """The boxes in each frame, by its name; those in none stand under nothing."""
        found: dict[str, list[Box]] = {name: [] for name in ("", *(frame.name for frame in self.frames))}
        for box in self.boxes:
            found[box.frame].append(box)
        return found


def drawing_of(graph: GraphData, *, folded: bool) -> Drawing:
    """What is to be drawn of a graph.

    Args:
        graph: the graph.
        folded: whether jobs that are alike are one box.
    """
    shown = fold(graph) if folded else unfolded(graph)
    frame_of = {
        each.first.id: f"w{number}"
        for number, each in enumerate(each for each in shown.folds if each.first.is_workflow)
    }
    boxes: list[Box] = []
    frames: list[Box] = []
    names: list[str] = []
    for number, each in enumerate(shown.folds):
        node = each.first
        name = frame_of[node.id] if node.is_workflow else f"n{number}"
        names.append(name)
        frame = "" if node.is_workflow else frame_of.get(node.workflow_id or "", "")
        box = Box(name, _lines(each, graph), _status(each), frame)
        (frames if node.is_workflow else boxes).append(box)
    arrows = [_arrow(edge, names) for edge in sorted(shown.edges, key=lambda edge: (edge.source, edge.target))]
    return Drawing(boxes, frames, arrows)


def _lines(each: Fold, graph: GraphData) -> list[str]:
    node = each.first
    if node.is_workflow:
        return [f"{label_of(node)} ({as_shown(node)})"]
    if len(each.nodes) > 1:
        counts = " ".join(f"{LOOKS[status].mark}{count}" for status, count in each.counts.items())
        return [f"{label_of(node)} ×{len(each.nodes)}", counts]
    duration = node.duration(graph.at)
    took = "" if duration is None else f" · {format_time(duration)}"
    return [label_of(node), f"{node.status or 'deleted'}{took}"]


#: Of several statuses the first of these counts.
_WEIGHT = (
    *(JobStatus.FAILED, JobStatus.STOPPED, JobStatus.UPSTREAM_FAILED, JobStatus.CANCELED, JobStatus.STARTED),
    *(JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.JOINING, JobStatus.DEFERRED, JobStatus.CREATED),
    *(JobStatus.FINISHED, JobStatus.SKIPPED, None),
)


def _status(each: Fold) -> JobStatus | None:
    return as_shown(each.first) if len(each.nodes) == 1 else min(each.counts, key=_WEIGHT.index)


def _arrow(edge: FoldEdge, names: Sequence[str]) -> Arrow:
    labels = sorted(edge.rules - USUAL_RULES)
    if "fallback" in edge.kinds:
        labels.append("if it fails")
    if "spawn" in edge.kinds:
        labels.append("spawns")
    is_dashed = not edge.kinds.isdisjoint({"fallback", "spawn"})
    return Arrow(names[edge.source], names[edge.target], ", ".join(labels), is_dashed)
