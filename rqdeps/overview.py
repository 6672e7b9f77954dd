"""What is where: the jobs of each status, queue by queue, and the workers."""

from __future__ import annotations

from dataclasses import dataclass

from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask

#: No queue has more: lists and sets on the server end here.
MOST_JOBS = 2**32 - 1


#: A worker whose last sign of life is older counts as lost, in milliseconds; it gives one each second.
ALIVE_MS = 5_000


def counts_per_queue() -> Conversation[dict[str, dict[JobStatus, int]]]:
    """How many jobs of each status each queue has, by the queue's name."""
    found = yield from ask(reads.overview())
    return {queue: _with_all_statuses(counts) for queue, counts in found.items()}


def counts_of(queue: str) -> Conversation[dict[JobStatus, int]]:
    """How many jobs of each status a queue has."""
    found = yield from ask(reads.overview([queue]))
    return _with_all_statuses(found[queue])


def _with_all_statuses(counts: dict[str, int]) -> dict[JobStatus, int]:
    return {status: counts.get(status.value, 0) for status in JobStatus}


def ids_in(queue: str, status: object, offset: object, length: object) -> Conversation[list[str]]:
    """The ids of a queue's jobs that have a status, in the order in which they run, wait or ended.

    Args:
        queue: the queue.
        status: the status.
        offset: how many to pass over.
        length: how many at most.

    Raises:
        TypeError: ``offset`` or ``length`` is no number.
        ValueError: one of them is negative, or there is no such status.
    """
    wanted = _status(status).value
    first, most = _natural(offset, "offset"), _natural(length, "length")
    found: list[str] = []
    while first >= 0 and len(found) < most:
        first, ids = yield from ask(reads.list_ids(queue, wanted, offset=first, count=most - len(found)))
        found += ids
    return found


def _status(status: object) -> JobStatus:
    try:
        return JobStatus(status)
    except ValueError:
        raise ValueError(f"there is no status {status!r}; there are: {', '.join(JobStatus)}") from None


def _natural(number: object, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} is a number of jobs, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"{name} is a number of jobs from 0 up, not {number}")
    return min(number, MOST_JOBS)


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that gave a sign of life in the last minute.

    Attributes:
        name: its name.
        queues: the queues it serves.
        processes: how many jobs it runs at once.
        host: the machine it runs on.
        pid: its process id there.
        finished: how many of its jobs finished.
        failed: how many of its jobs failed for good.
        age_ms: how long ago it gave its last sign of life, in milliseconds.
    """

    name: str
    queues: list[str]
    processes: int
    host: str
    pid: int
    finished: int
    failed: int
    age_ms: int


def workers() -> Conversation[list[WorkerInfo]]:
    """The workers that are alive."""
    records = yield from ask(reads.workers())
    return [
        WorkerInfo(
            name=record.name,
            queues=record.fields.get("queues", "").split(),
            processes=int(record.fields.get("processes", 1)),
            host=record.fields.get("host", ""),
            pid=int(record.fields.get("pid", 0)),
            finished=int(record.fields.get("finished", 0)),
            failed=int(record.fields.get("failed", 0)),
            age_ms=record.age_ms,
        )
        for record in records
    ]


def alive_workers() -> Conversation[list[WorkerInfo]]:
    """The workers that gave a sign of life just now."""
    known = yield from workers()
    return [worker for worker in known if worker.age_ms <= ALIVE_MS]
