"""A graph as plain values, and as JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from rqdeps.graph.critical_path import CriticalPath, Wait
from rqdeps.graph.data import GraphData
from rqdeps.graph.nodes import GraphEdge, GraphNode, Run


def json_text(graph: GraphData, indent: int | None = None) -> str:
    """A graph as JSON, see ``plain``."""
    return json.dumps(plain(graph), indent=indent, ensure_ascii=False)


def plain(graph: GraphData) -> dict[str, Any]:
    """A graph as plain values. Times are ISO 8601 in UTC, durations seconds; what is unknown is ``None``."""
    return {
        "root": graph.root,
        "at": _time(graph.at),
        "is_whole": graph.is_whole,
        "counts": {status.value: count for status, count in graph.counts.items()},
        "nodes": [_node(node, graph.at) for node in graph.nodes.values()],
        "edges": [_edge(edge) for edge in graph.edges],
    }


def plain_path(path: CriticalPath) -> dict[str, Any]:
    """A critical path as plain values, like those of a graph."""
    return {
        "has_ended": path.has_ended,
        "duration": _seconds(path.duration),
        "ran": _seconds(path.ran),
        "waited": {reason: _seconds(time) for reason, time in path.waited.items()},
        "steps": [
            {
                "id": step.node.id,
                "function": step.node.function,
                "status": "deleted" if step.node.status is None else step.node.status.value,
                "ready_at": _time(step.ready_at),
                "ended_at": _time(step.ended_at),
                "ran": _seconds(step.ran),
                "waited": {reason: _seconds(time) for reason, time in step.waited.items()},
                "parts": [_wait(part) if isinstance(part, Wait) else _run(part) for part in step.parts],
            }
            for step in path.steps
        ],
    }


def _wait(wait: Wait) -> dict[str, Any]:
    return {"started_at": _time(wait.began_at), "ended_at": _time(wait.ended_at), "waited_for": wait.reason}


def _node(node: GraphNode, now: datetime) -> dict[str, Any]:
    return {
        "id": node.id,
        "status": "deleted" if node.status is None else node.status.value,
        "function": node.function,
        "is_map": node.is_map,
        "is_workflow": node.is_workflow,
        "name": node.name,
        "queue": node.queue,
        "attempt": node.attempt,
        "duration": _seconds(node.duration(now)),
        "runs": [_run(run) for run in node.runs],
        "created_at": _time(node.created_at),
        "queued_at": _time(node.queued_at),
        "scheduled_for": _time(node.scheduled_for),
        "ended_at": _time(node.ended_at),
        "progress": None if node.progress is None else str(node.progress),
        "reason": node.reason,
        "workflow": node.workflow_id,
        "spawned_by": node.spawned_by,
        "fallback_of": node.fallback_of,
        "is_held": node.is_held,
    }


def _run(run: Run) -> dict[str, Any]:
    return {"started_at": _time(run.started_at), "ended_at": _time(run.ended_at), "outcome": run.outcome}


def _edge(edge: GraphEdge) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "kind": edge.kind,
        "rule": edge.rule,
        "group": edge.group,
        "outcome": None if edge.outcome is None else edge.outcome.value,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else round(time.total_seconds(), 3)
