"""All about one job as plain values."""

from __future__ import annotations

from typing import Any

from rqdeps.cli.plain import is_json, time_text
from rqdeps.errors import RqdepsError
from rqdeps.job import Job
from rqdeps.status import JobStatus


def plain_job(found: Job[Any], explanation: str) -> dict[str, Any]:
    """All about one job.

    Args:
        found: the job, which has been read.
        explanation: where it stands, in a sentence.
    """
    status = found.get_status(refresh=False)
    progress = found.get_progress(refresh=False)
    return {
        "id": found.id,
        "status": status.value,
        "explanation": explanation,
        "call": found.description,
        "function": found.func_name or None,
        "queue": found.origin,
        "created_at": time_text(found.created_at),
        "scheduled_for": time_text(found.scheduled_for),
        "queued_at": time_text(found.enqueued_at),
        "started_at": time_text(found.started_at),
        "returned_at": time_text(found.returned_at),
        "ended_at": time_text(found.ended_at),
        "attempt": found.attempt,
        "retries_left": 0 if status.is_terminal else found.retries_left,
        "worker": found.worker_name,
        "progress": None if progress is None else str(progress),
        "meta": found.meta,
        "workflow": found.workflow_id,
        "spawned_by": found.spawned_by,
        "fallback": found.fallback_id,
        "fallback_of": found.fallback_of,
        "dependencies": [
            {
                "id": edge.id,
                "status": None if edge.status is None else edge.status.value,
                "outcome": None if edge.outcome is None else edge.outcome.value,
                "rule": edge.rule,
                "passes_output": edge.wants_output,
            }
            for edge in found.dependencies()
        ],
        "dependents": found.dependent_ids,
        **_result(found, status),
        "attempts": [
            {
                "number": attempt.number,
                "outcome": attempt.outcome,
                "started_at": time_text(attempt.started_at),
                "ended_at": time_text(attempt.ended_at),
                "worker": attempt.worker,
                "error": attempt.error,
                "traceback": attempt.traceback or None,
            }
            for attempt in found.attempts
        ],
    }


def _result(found: Job[Any], status: JobStatus) -> dict[str, Any]:
    """What it returned; as Python writes it, where JSON has no such value."""
    if status is not JobStatus.FINISHED or found.is_workflow:
        return {}
    try:
        value = found.result
    except RqdepsError as error:
        return {"result_error": str(error)}
    return {"result": value} if is_json(value) else {"result_as_python": repr(value)}
