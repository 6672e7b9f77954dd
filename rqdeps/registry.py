"""What is where: the jobs of each status, queue by queue, and the workers."""

from __future__ import annotations

from dataclasses import dataclass

from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads


def counts_per_queue(store: Store) -> dict[str, dict[JobStatus, int]]:
    """How many jobs of each status each queue has, by the queue's name."""
    found = store.run(reads.overview())
    return {queue: _with_all_statuses(counts) for queue, counts in found.items()}


def counts_of(store: Store, queue: str) -> dict[JobStatus, int]:
    """How many jobs of each status a queue has."""
    return _with_all_statuses(store.run(reads.overview([queue]))[queue])


def _with_all_statuses(counts: dict[str, int]) -> dict[JobStatus, int]:
    return {status: counts.get(status.value, 0) for status in JobStatus}


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


def workers(store: Store) -> list[WorkerInfo]:
    """The workers that are alive."""
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
        for record in store.run(reads.workers())
    ]
