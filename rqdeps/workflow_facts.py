"""What a workflow counts, and what that means: its status, how far it has come, how long it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rqdeps.attempts import stored_moment
from rqdeps.durations import format_time
from rqdeps.progress_line import bar
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import workflows
from rqdeps.store.calls.workflows import WorkflowRecord
from rqdeps.store.conversation import ask
from rqdeps.worker_info import alive_workers

#: How many calls of a function must have finished before their mean says how long others will take.
ENOUGH_SAMPLES = 5


@dataclass(frozen=True)
class WorkflowFacts:
    """A workflow, as it was when it was read.

    Attributes:
        id: its id, which is that of its own job too.
        name: its name.
        counts: how many members have each status; those that their function spawned, and fallbacks, included.
        status: ``created`` until it is committed, ``joining`` while it runs, then ``finished``, ``failed`` if a job
            failed that nothing stood in for, or ``canceled``.
        created_at: when it was committed.
        ended_at: when it ended.
        queues: the queues of its members.
    """

    id: str
    name: str
    counts: Mapping[JobStatus, int]
    status: JobStatus
    created_at: datetime | None
    ended_at: datetime | None
    queues: list[str]

    @property
    def total(self) -> int:
        """How many members there are."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many members have ended, in whatever way."""
        return sum(count for status, count in self.counts.items() if status.is_terminal)

    @property
    def progress(self) -> float:
        """How many of the members have ended, from 0 to 1."""
        return self.ended / self.total if self.total else 1.0

    def __str__(self) -> str:
        shown = [f"{count} {status}" for status, count in self.counts.items() if count and not status.is_terminal]
        bad = [f"{count} {status}" for status, count in self.counts.items() if count and status in _WORTH_A_WORD]
        return ", ".join([f"{self.name or self.id}: {self.ended} of {self.total} ended", *bad, *shown])


def how_far(workflow_id: str) -> Conversation[str]:
    """A line that says how far a workflow has come, with a bar, and with how long it will take where that can be told.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    record = yield from ask(workflows.workflow(workflow_id))
    found = _facts(workflow_id, record)
    eta = None if found.status.is_terminal else (yield from _eta(record))
    left = "" if not eta else f", about {format_time(eta)} left"
    return f"{bar(found.progress)} {found}{left}"


_WORTH_A_WORD = (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED, JobStatus.UPSTREAM_FAILED)


def facts_of(workflow_id: str) -> Conversation[WorkflowFacts]:
    """What a workflow counts.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    record = yield from ask(workflows.workflow(workflow_id))
    return _facts(workflow_id, record)


def _facts(workflow_id: str, record: WorkflowRecord) -> WorkflowFacts:
    own = JobStatus(record.fields["status"].decode())
    return WorkflowFacts(
        id=workflow_id,
        name=record.fields.get("description", b"").decode(),
        counts={status: record.counts.get(status, 0) for status in JobStatus},
        status=_STATUS_OF.get(own, own),
        created_at=stored_moment(record.fields.get("created_at")),
        ended_at=stored_moment(record.fields.get("ended_at")),
        queues=record.queues,
    )


#: What the status of a workflow's own job means for the workflow, where that has another name.
_STATUS_OF = {
    JobStatus.UPSTREAM_FAILED: JobStatus.FAILED,
    JobStatus.SKIPPED: JobStatus.FAILED,
    JobStatus.CREATED: JobStatus.JOINING,
}


def eta_of(workflow_id: str) -> Conversation[timedelta | None]:
    """How long a workflow will probably take from now on; ``None`` if that can't be told.

    By how long such calls took so far, and by how many processes are there to run them.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    record = yield from ask(workflows.workflow(workflow_id))
    return (yield from _eta(record))


def _eta(record: WorkflowRecord) -> Conversation[timedelta | None]:
    left_ms = 0.0
    for function, count in record.open_calls.items():
        duration = record.durations[function]
        if duration.samples < ENOUGH_SAMPLES:
            return None
        left_ms += count * duration.mean_ms
    if not record.open_calls:
        return timedelta(0)
    workers = yield from alive_workers()
    processes = sum(worker.processes for worker in workers if not set(record.queues).isdisjoint(worker.queues))
    return timedelta(milliseconds=left_ms / processes) if processes else None
