"""Graphs of jobs: read, folded, exported, and their critical path.

All of it is imported when somebody looks at a graph: most programs, and all workers, do without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rqdeps.store import Conversation

if TYPE_CHECKING:
    from rqdeps.graph.critical_path import CriticalPath, PathStep, Wait
    from rqdeps.graph.graph import Graph
    from rqdeps.graph.nodes import GraphEdge, GraphNode, Run

_LATER = {
    "CriticalPath": "rqdeps.graph.critical_path",
    "Graph": "rqdeps.graph.graph",
    "GraphEdge": "rqdeps.graph.nodes",
    "GraphNode": "rqdeps.graph.nodes",
    "PathStep": "rqdeps.graph.critical_path",
    "Run": "rqdeps.graph.nodes",
    "Wait": "rqdeps.graph.critical_path",
}

__all__ = ["CriticalPath", "Graph", "GraphEdge", "GraphNode", "PathStep", "Run", "Wait", "graph_of", "workflow_graph"]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def graph_of(job_id: str, most: int | None = None) -> Conversation[Graph]:
    """The graph around a job; see ``rqdeps.graph.reading``."""
    graph: Graph = yield from import_module("rqdeps.graph.reading").graph_of(job_id, most)
    return graph


def workflow_graph(workflow_id: str, most: int | None = None) -> Conversation[Graph]:
    """The graph of a workflow; see ``rqdeps.graph.reading``."""
    graph: Graph = yield from import_module("rqdeps.graph.reading").workflow_graph(workflow_id, most)
    return graph
