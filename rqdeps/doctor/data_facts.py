"""What the checks of the data go by: counts, settings, and samples of jobs, read in few and small calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from rqdeps.doctor.waiting import Roots, roots_of
from rqdeps.lineage import culprits
from rqdeps.status import JobStatus
from rqdeps.store import Call, Conversation
from rqdeps.store.calls import checkups, reads
from rqdeps.store.calls.checkups import Sampled, Vitals
from rqdeps.store.calls.reads import QueueSettings
from rqdeps.store.calls.upkeep import QUEUES_PER_CALL
from rqdeps.store.conversation import ask, ask_all
from rqdeps.worker_info import WorkerInfo, workers

T = TypeVar("T")

#: How many calls go in one round trip.
CALLS_AT_ONCE: Final = 50

#: How many jobs whose attempts are read to see what they failed with.
ERRORS: Final = 50

#: How many jobs are followed up to what they wait for, and how many to what keeps them from running.
FOLLOWED: Final = 500
BLAMED: Final = 20

#: How many of those to blame for a job are looked at.
CULPRITS: Final = 20

#: Which jobs are looked at, how many of each queue, from which end, and which of their fields.
_SAMPLES: Final[Sequence[tuple[JobStatus, int, bool, tuple[str, ...]]]] = (
    (JobStatus.SCHEDULED, 100, False, ("attempt",)),
    (JobStatus.STARTED, 100, False, ("holder",)),
    (JobStatus.CREATED, 100, False, ("held",)),
    (JobStatus.DEFERRED, 50, False, ("status",)),
    (JobStatus.JOINING, 20, False, ("status",)),
    (JobStatus.FAILED, 100, True, ("ended_at",)),
    (JobStatus.UPSTREAM_FAILED, BLAMED, True, ("status",)),
)


@dataclass
class QueueFacts:
    """A queue: how many jobs it has of each status, how it is set, and some of its jobs."""

    name: str
    counts: dict[str, int]
    settings: QueueSettings
    samples: dict[str, list[Sampled]] = field(default_factory=dict)

    def count(self, status: JobStatus) -> int:
        """How many jobs have this status."""
        return self.counts.get(status.value, 0)

    def sample(self, status: JobStatus) -> list[Sampled]:
        """Some jobs that have this status."""
        return self.samples.get(status.value, [])

    @property
    def waiting(self) -> int:
        """How many jobs are queued or wait for their time."""
        return self.count(JobStatus.QUEUED) + self.count(JobStatus.SCHEDULED)


@dataclass
class DataFacts:
    """What is stored, as far as it was looked at.

    Attributes:
        vitals: how the deployment goes on as a whole.
        queues: its queues.
        workers: the workers that were heard of in the last minute.
        roots: what the jobs that wait for others, of those that were looked at, wait for in the end.
        errors: what failed jobs failed with, of those that were looked at.
        rootless: jobs that can't run, since jobs failed that have been deleted.
    """

    vitals: Vitals
    queues: list[QueueFacts]
    workers: list[WorkerInfo]
    roots: Roots
    errors: Counter[str]
    rootless: list[str]

    @property
    def alive(self) -> list[WorkerInfo]:
        """The workers that gave a sign of life just now."""
        return [worker for worker in self.workers if worker.is_alive]

    @property
    def served(self) -> set[str]:
        """The queues that a worker serves who is alive."""
        return {queue for worker in self.alive for queue in worker.queues}

    def total(self, *statuses: JobStatus) -> int:
        """How many jobs have one of these statuses."""
        return sum(queue.count(status) for queue in self.queues for status in statuses)

    def sampled(self, status: JobStatus) -> Iterator[tuple[QueueFacts, Sampled]]:
        """The jobs that were looked at and have this status, with the queue of each."""
        for queue in self.queues:
            for job in queue.sample(status):
                yield queue, job


def data_facts() -> Conversation[DataFacts]:
    """Reads what the checks go by."""
    vitals = yield from ask(checkups.vitals())
    known = yield from workers()
    pages = _pages(vitals.queues, QUEUES_PER_CALL)
    counts = yield from _all([reads.overview(page) for page in pages])
    settings = yield from _all([reads.settings(page) for page in pages])
    queues = [
        QueueFacts(name, counted[name], each)
        for page, counted, set_to in zip(pages, counts, settings, strict=True)
        for name, each in zip(page, set_to, strict=True)
    ]
    yield from _sample(queues)
    facts = DataFacts(vitals, queues, known, Roots(), Counter(), [])
    waiting = [job.job_id for status in (JobStatus.DEFERRED, JobStatus.JOINING) for _, job in facts.sampled(status)]
    facts.roots = yield from roots_of(waiting[:FOLLOWED])
    facts.errors = yield from _errors(facts)
    facts.rootless = yield from _rootless(facts)
    return facts


def _sample(queues: Sequence[QueueFacts]) -> Conversation[None]:
    wanted = [
        (queue, status, checkups.sample(queue.name, status, count, *fields, from_the_end=from_the_end))
        for queue in queues
        for status, count, from_the_end, fields in _SAMPLES
        if queue.count(status)
    ]
    found = yield from _all([call for _, _, call in wanted])
    for (queue, status, _), jobs in zip(wanted, found, strict=True):
        queue.samples[status.value] = jobs


def _errors(facts: DataFacts) -> Conversation[Counter[str]]:
    """What the jobs failed with that failed last."""
    failed = [job for _, job in facts.sampled(JobStatus.FAILED)]
    failed.sort(key=lambda job: job.number("ended_at"), reverse=True)
    attempts = yield from _all([reads.attempts(job.job_id) for job in failed[:ERRORS]])
    return Counter(each[-1].error for each in attempts if each and each[-1].error)


def _rootless(facts: DataFacts) -> Conversation[list[str]]:
    found = []
    for _, job in list(facts.sampled(JobStatus.UPSTREAM_FAILED))[:BLAMED]:
        blamed = yield from culprits(job.job_id, most=CULPRITS)
        if blamed.roots and all(root.status is None for root in blamed.roots):
            found.append(job.job_id)
    return found


def _all(calls: Sequence[Call[T]]) -> Conversation[list[T]]:
    """What calls result in, some in each round trip."""
    results: list[T] = []
    for page in _pages(calls, CALLS_AT_ONCE):
        results += yield from ask_all(page)
    return results


def _pages(values: Sequence[Any], size: int) -> list[Any]:
    return [values[i : i + size] for i in range(0, len(values), size)]
