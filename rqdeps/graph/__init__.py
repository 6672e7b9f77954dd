"""Graphs of jobs: read, folded, exported, and their critical path."""

from rqdeps.graph.critical_path import CriticalPath, PathStep, Wait
from rqdeps.graph.graph import Graph
from rqdeps.graph.nodes import GraphEdge, GraphNode, Run

__all__ = ["CriticalPath", "Graph", "GraphEdge", "GraphNode", "PathStep", "Run", "Wait"]
