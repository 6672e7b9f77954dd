"""Finding jobs among many, by what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rqdeps.attempts import moment, stored_moment, worker_of
from rqdeps.overview import counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import finding
from rqdeps.store.calls.finding import FoundRecord
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import BUDGET

#: The order in which jobs are listed: what runs, what will, what went wrong, what is done.
_ORDER: Final = (
    JobStatus.STARTED,
    JobStatus.QUEUED,
    JobStatus.SCHEDULED,
    JobStatus.DEFERRED,
    JobStatus.JOINING,
    JobStatus.CREATED,
    JobStatus.FAILED,
    JobStatus.STOPPED,
    JobStatus.UPSTREAM_FAILED,
    JobStatus.CANCELED,
    JobStatus.SKIPPED,
    JobStatus.FINISHED,
)

#: How many jobs one page has at most: as much as one call looks at.
_PAGE: Final = BUDGET

#: What is read of jobs that are to be changed.
FEW_FACTS: Final = ("function",)

#: What is read of jobs that are to be shown.
ALL_FACTS: Final = (
    *("function", "description", "attempt", "holder", "workflow"),
    *("created_at", "enqueued_at", "started_at", "ended_at"),
)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are meant.

    Attributes:
        queues: in one of these queues; none for any.
        statuses: with one of these statuses; none for any.
        function: the path of its function contains this, whatever the case of Latin letters.
        error: the error of its last attempt, or why it was ended, contains this, likewise.
        older_ms: has had its status for at least so long, in milliseconds.
        newer_ms: has had its status for at most so long, in milliseconds.
    """

    queues: tuple[str, ...] = ()
    statuses: tuple[JobStatus, ...] = ()
    function: str = ""
    error: str = ""
    older_ms: int | None = None
    newer_ms: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether not all jobs of some queues and statuses are meant."""
        return bool(self.function or self.error) or not (self.older_ms is None and self.newer_ms is None)


@dataclass(frozen=True)
class FoundJob:
    """A job among many.

    Attributes:
        id: the job.
        status: its status.
        queue: its queue.
        since: when it came into its status, by the server's clock.
        age_ms: how long ago that is, in milliseconds.
        error: what its last attempt that did not finish said, or why it was ended, in short.
        facts: what was asked for of what is stored, empty where there is none.
    """

    id: str
    status: JobStatus
    queue: str
    since: datetime
    age_ms: int
    error: str
    facts: Mapping[str, str]

    @property
    def function(self) -> str:
        """The path of its function; empty for a workflow's own job."""
        return self.facts["function"]

    @property
    def is_workflow(self) -> bool:
        """Whether this is a workflow's own job."""
        return not self.function

    @property
    def attempt(self) -> int:
        """How many attempts have begun."""
        return int(self.facts["attempt"] or 0)

    @property
    def worker(self) -> str | None:
        """The name of the worker that took it last."""
        return worker_of(self.facts["holder"]) or None

    @property
    def workflow_id(self) -> str | None:
        """The workflow that it belongs to."""
        return self.facts["workflow"] or None

    def at(self, name: str) -> datetime | None:
        """One of its times, such as ``"started_at"``."""
        return stored_moment(self.facts[name] or None)

    @property
    def created_at(self) -> datetime | None:
        """When it was enqueued first."""
        return self.at("created_at") or self.at("enqueued_at")


@dataclass(frozen=True)
class Found:
    """Jobs that were found.

    Attributes:
        jobs: the jobs, by status, queue and the order there.
        total: how many there are, with those that were not asked for; ``None`` if nobody has counted them.
    """

    jobs: list[FoundJob]
    total: int | None


def find(
    wanted: JobFilter,
    most: int | None = None,
    *,
    latest_first: bool = False,
    for_change: bool = False,
    facts: Sequence[str] = FEW_FACTS,
) -> Conversation[Found]:
    """Finds jobs. While these change, one may be missed, or be told with a status that it has just left.

    Args:
        wanted: which are meant.
        most: how many at most; ``None`` for all.
        latest_first: whether in each queue those that came last come first. Else those come first that run first, wait
            longest or are due first; of those that have ended, the ones that ended last.
        for_change: whether in an order in which none is missed that keeps its status meanwhile: registries are read
            towards where jobs come and move to, and ready lists away from the end at which workers take jobs.
        facts: what to read of each, ``"function"`` among it.
    """
    counts = yield from counts_per_queue()
    places = [
        (queue, status)
        for status in _ORDER
        for queue in counts
        if counts[queue][status] and (not wanted.queues or queue in wanted.queues) and _is_meant(status, wanted)
    ]
    found: dict[str, FoundJob] = {}
    for queue, status in places:
        is_turned = status is JobStatus.QUEUED if for_change else latest_first or status.is_terminal
        cursor = None
        while cursor != "" and (most is None or len(found) < most):
            page = yield from ask(
                finding.find(
                    queue,
                    status.value,
                    latest_first=is_turned,
                    most=_PAGE if most is None else min(_PAGE, most - len(found)),
                    cursor=cursor or "",
                    function=wanted.function,
                    error=wanted.error,
                    older_ms=wanted.older_ms,
                    newer_ms=wanted.newer_ms,
                    names=facts,
                )
            )
            found |= {record.job_id: _read(record, queue, status, page.now_ms) for record in page.jobs}
            cursor = page.cursor
    total = None if wanted.is_narrow else sum(counts[queue][status] for queue, status in places)
    return Found(list(found.values()), total)


def _is_meant(status: JobStatus, wanted: JobFilter) -> bool:
    return not wanted.statuses or status in wanted.statuses


def _read(record: FoundRecord, queue: str, status: JobStatus, now_ms: int) -> FoundJob:
    return FoundJob(
        id=record.job_id,
        status=status,
        queue=queue,
        since=moment(record.since_ms),
        age_ms=max(0, now_ms - record.since_ms),
        error=record.error,
        facts=record.facts,
    )
