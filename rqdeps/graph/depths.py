"""How deep each job stands in a graph: how many steps after the first ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from rqdeps.graph.nodes import GraphEdge, GraphNode

#: A job, and whether its end is meant: with whatever it spawned, or with all members if it is a workflow's.
_Point = tuple[str, bool]


def depths_of(nodes: Mapping[str, GraphNode], edges: Sequence[GraphEdge]) -> dict[str, int]:
    """The longest way to each job, in steps. What waits for a job stands below whatever that has spawned.

    A workflow's own job stands where the workflow ends.

    Args:
        nodes: the jobs.
        edges: what leads from one to another.
    """
    steps: dict[_Point, list[tuple[_Point, int]]] = {}
    open_steps: dict[_Point, int] = {}
    for before, after, length in _steps(nodes, edges):
        steps.setdefault(before, []).append((after, length))
        open_steps[after] = open_steps.get(after, 0) + 1
        open_steps.setdefault(before, 0)
    depths = dict.fromkeys(open_steps, 0)
    ready = deque(point for point, count in open_steps.items() if not count)
    while ready:
        point = ready.popleft()
        for after, length in steps.get(point, ()):
            depths[after] = max(depths[after], depths[point] + length)
            open_steps[after] -= 1
            if not open_steps[after]:
                ready.append(after)
    return {job_id: depths.get((job_id, node.is_workflow), 0) for job_id, node in nodes.items()}


def _steps(nodes: Mapping[str, GraphNode], edges: Sequence[GraphEdge]) -> Iterator[tuple[_Point, _Point, int]]:
    """What comes before what, and by how many steps."""
    spawners = {edge.source for edge in edges if edge.kind == "spawn"}
    workflows = {job_id for job_id, node in nodes.items() if node.is_workflow}

    def end(job_id: str) -> _Point:
        return job_id, job_id in spawners or job_id in workflows

    for job_id in (*spawners, *workflows):
        yield (job_id, False), (job_id, True), 0
    for edge in edges:
        if edge.kind == "spawn":
            yield (edge.source, False), (edge.target, False), 1
            yield end(edge.target), (edge.source, True), 0
        else:
            yield end(edge.source), (edge.target, False), 1
    for job_id, node in nodes.items():
        if node.workflow_id in workflows and not node.is_workflow:
            yield end(job_id), (node.workflow_id or "", True), 0
