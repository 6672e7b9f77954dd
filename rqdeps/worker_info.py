"""The workers that are alive, as programs and people see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rqdeps.attempts import moment
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.calls.reads import WorkerRecord
from rqdeps.store.conversation import ask

#: A worker whose last sign of life is older counts as lost, in milliseconds; it gives one each second.
ALIVE_MS = 5_000


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
        birth_date: when it was started, by its own clock; ``None`` if it has not said.
        last_heartbeat: when it gave its last sign of life, by the server's clock.
        version: the release of rqdeps that it runs.
    """

    name: str
    queues: list[str]
    processes: int
    host: str
    pid: int
    finished: int
    failed: int
    age_ms: int
    birth_date: datetime | None
    last_heartbeat: datetime
    version: str

    @classmethod
    def read(cls, record: WorkerRecord) -> WorkerInfo:
        """The worker that a record tells of."""
        fields = record.fields
        started_at = fields.get("started_at")
        return cls(
            name=record.name,
            queues=fields.get("queues", "").split(),
            processes=int(fields.get("processes", 1)),
            host=fields.get("host", ""),
            pid=int(fields.get("pid", 0)),
            finished=int(fields.get("finished", 0)),
            failed=int(fields.get("failed", 0)),
            age_ms=record.age_ms,
            birth_date=datetime.fromisoformat(started_at) if started_at else None,
            last_heartbeat=moment(record.beat_at_ms),
            version=fields.get("version", ""),
        )

    @property
    def is_alive(self) -> bool:
        """Whether it gave a sign of life just now."""
        return self.age_ms <= ALIVE_MS

    # By RQ's names

    def queue_names(self) -> list[str]:
        """The queues it serves."""
        return self.queues

    @property
    def hostname(self) -> str:
        """The machine it runs on."""
        return self.host

    @property
    def successful_job_count(self) -> int:
        """How many of its jobs finished."""
        return self.finished

    @property
    def failed_job_count(self) -> int:
        """How many of its jobs failed for good."""
        return self.failed


def workers(queue: str | None = None) -> Conversation[list[WorkerInfo]]:
    """The workers that gave a sign of life in the last minute; of one queue only, if it is named."""
    records = yield from ask(reads.workers())
    found = map(WorkerInfo.read, records)
    return [worker for worker in found if queue is None or queue in worker.queues]


def alive_workers(queue: str | None = None) -> Conversation[list[WorkerInfo]]:
    """The workers that gave a sign of life just now; of one queue only, if it is named."""
    known = yield from workers(queue)
    return [worker for worker in known if worker.is_alive]
