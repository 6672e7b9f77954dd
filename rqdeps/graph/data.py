"""A graph as plain values, which everything that draws one takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rqdeps.graph.nodes import GraphEdge, GraphNode
from rqdeps.status import JobStatus

#: Rules that go without saying, wherever a graph is shown.
USUAL_RULES = frozenset({"all_success", "fallback"})


@dataclass(frozen=True)
class GraphData:
    """Jobs and what leads from one to the other, as it was when it was read.

    Attributes:
        root: the job, or workflow, whose graph was asked for.
        nodes: the jobs by their ids, in the order in which they came as far as that is known.
        edges: what leads from one job to another.
        at: when it was read, by the server's clock, as are all times.
        is_whole: whether these are all; ``False`` if there were more jobs than wanted.
    """

    root: str
    nodes: Mapping[str, GraphNode]
    edges: Sequence[GraphEdge]
    at: datetime
    is_whole: bool = True

    @property
    def counts(self) -> Mapping[JobStatus, int]:
        """How many jobs have each status that occurs. Workflows' own jobs are not counted."""
        found = Counter(node.status for node in self.nodes.values() if not node.is_workflow)
        return {status: found[status] for status in JobStatus if found[status]}

    @property
    def has_ended(self) -> bool:
        """Whether all its jobs have ended."""
        return all(node.has_ended for node in self.nodes.values())


def as_shown(node: GraphNode) -> JobStatus | None:
    """The status to show: a workflow whose own job is ``upstream_failed`` has failed."""
    if node.is_workflow and node.status in (JobStatus.UPSTREAM_FAILED, JobStatus.SKIPPED):
        return JobStatus.FAILED
    return node.status


def short_name(function: str) -> str:
    """The last part of a dotted path."""
    return function.rpartition(".")[2]


def label_of(node: GraphNode) -> str:
    """What a job is called in a picture: by its function, and a workflow by its name."""
    if node.is_workflow:
        return node.name or "workflow"
    if node.status is None and not node.function:
        return "(deleted)"
    return f"map {short_name(node.function)}" if node.is_map else short_name(node.function)
