"""What a graph consists of: jobs, and what leads from one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from rqdeps.attempts import moment, stored_moment
from rqdeps.mapping import mapped_by
from rqdeps.status import JobStatus
from rqdeps.store.calls.graphs import RunRecord
from rqdeps.telling import Progress

#: What an edge means: the target waits for the source; takes its return value too; stands in for it if it fails; or was
#: spawned by it.
EdgeKind = Literal["dependency", "output", "fallback", "spawn"]


@dataclass(frozen=True)
class Run:
    """One time that a job ran.

    Attributes:
        started_at: when a worker took it.
        ended_at: when that was over; ``None`` if it still runs.
        outcome: ``"finished"``, ``"failed"``, ``"stopped"``, ``"lost"`` where the worker died; ``None`` if it runs.
    """

    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class GraphNode:
    """A job in a graph.

    Attributes:
        id: the job.
        status: its status; ``None`` if it has been deleted.
        function: the dotted path of its function; of what is mapped, if it is a map; empty for a workflow's own job.
        is_map: whether it maps its function over items.
        name: the description that was given, or the name of the workflow.
        queue: its queue.
        attempt: how many attempts have begun.
        runs: when it ran, the last 10 failures and what came of the last attempt. How the lives before a requeue ended
            is known of failures only.
        created_at: when it was enqueued first, by the server's clock, as are all times.
        queued_at: when it was last put into its queue.
        scheduled_for: the time given for it to run, if any.
        ended_at: when it ended; with what it spawned, if it did.
        progress: how far it has come, by its own account.
        reason: why it ended, where that was not its function's doing.
        workflow_id: the workflow that it belongs to; that of a workflow's own job is its own id.
        spawned_by: the job that spawned it.
        fallback_of: the job that it stands in for.
        has_joined: whether it has run, and what it spawned decides what becomes of it.
        is_held: whether it waits for ``release()``.
    """

    id: str
    status: JobStatus | None
    function: str = ""
    is_map: bool = False
    name: str = ""
    queue: str = ""
    attempt: int = 0
    runs: Sequence[Run] = ()
    created_at: datetime | None = None
    queued_at: datetime | None = None
    scheduled_for: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None
    reason: str = ""
    workflow_id: str | None = None
    spawned_by: str | None = None
    fallback_of: str | None = None
    has_joined: bool = False
    is_held: bool = False

    @classmethod
    def of(cls, job_id: str, fields: Mapping[str, bytes], runs: Sequence[RunRecord]) -> GraphNode:
        """The node of a job that was read, of which there may be many: some of its fields, and attempts.

        Args:
            job_id: the job.
            fields: what is stored of it.
            runs: its attempts that did not finish.
        """
        texts = {name: value.decode() for name, value in fields.items()}
        text = texts.get
        status, function, description = JobStatus(texts["status"]), text("function", ""), text("description", "")
        started, returned, ended = (stored_moment(text(name)) for name in ("started_at", "returned_at", "ended_at"))
        queued = stored_moment(text("enqueued_at"))
        mapped, progress, reason = mapped_by(function, description), text("progress"), text("reason", "")
        if returned is None and status is JobStatus.FINISHED and not reason:  # with a reason, a person had it skipped
            returned = ended
        return cls(
            id=job_id,
            status=status,
            function=mapped or function,
            is_map=mapped is not None,
            name="" if mapped else description,
            queue=text("queue", ""),
            attempt=int(text("attempt", 0)),
            runs=_runs(runs, status, started, returned) if started is not None else (),
            created_at=stored_moment(text("created_at")) or queued,
            queued_at=queued,
            scheduled_for=stored_moment(text("scheduled_for")),
            ended_at=ended,
            progress=Progress.read(progress) if progress else None,
            reason=reason,
            workflow_id=text("workflow") if function else job_id,
            spawned_by=text("spawned_by"),
            fallback_of=text("fallback_of"),
            has_joined="joins" in texts,
            is_held="held" in texts,
        )

    @property
    def is_workflow(self) -> bool:
        """Whether this is a workflow's own job, which ends with the workflow."""
        return self.workflow_id == self.id

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, or is gone."""
        return self.status is None or self.status.is_terminal

    def duration(self, now: datetime) -> timedelta | None:
        """How long it ran the last time, until now if it still runs; without what it spawned. ``None`` if it never ran.

        Args:
            now: the time at which the graph was read.
        """
        if not self.runs:
            return None
        last = self.runs[-1]
        return max((last.ended_at or now) - last.started_at, timedelta(0))


def _runs(
    unfinished: Sequence[RunRecord], status: JobStatus, started: datetime, returned: datetime | None
) -> Sequence[Run]:
    """When a job has run: the attempts that did not finish, then the last, begun at this time, if it did or runs."""
    runs = [Run(moment(run.started_at_ms), moment(run.ended_at_ms), run.outcome) for run in unfinished]
    if status is JobStatus.STARTED:
        runs.append(Run(started, None, None))
    elif returned is not None:
        runs.append(Run(started, returned, "finished"))
    return tuple(runs)


class GraphEdge(NamedTuple):
    """What leads from one job to another.

    Attributes:
        source: the job that comes first: the one waited for, stood in for, or that spawned the other.
        target: the job that comes after it.
        kind: what the edge means.
        rule: the trigger rule of the group in which the source stands; for what was spawned, of how it is joined.
        group: the number of that group, from 0; of its own count for what was spawned.
        outcome: how the one waited for has ended, as far as the other was told; ``None`` while that is open.
    """

    source: str
    target: str
    kind: EdgeKind
    rule: str
    group: int
    outcome: JobStatus | None
