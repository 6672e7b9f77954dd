"""What rqdeps promises about a set of jobs, as plain Python: no server, no order of keys, no clock.

The model does not say which edges of a cascade a call delivers: it is told which ones were (``told``), and holds the
store to what follows from that. All else it decides alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rqdeps.store.calls.claims import Claimed, Outcome
from rqdeps.store.calls.enqueue import NewJob
from rqdeps.store.invariants.rules import Group, verdict

TERMINAL = {"finished", "failed", "canceled", "upstream_failed", "skipped"}
DEATHS_OF_A_POISON_PILL = 3


@dataclass
class ModelJob:
    """One job, and what it has been told of its dependencies.

    Attributes:
        groups: rule and ids of each group of dependencies.
        known: dependency → how it ended, as far as the job has been told.
        time_is_ahead: whether it has a time to run at that has not come.
        has_ttl: whether it has a ttl.
        has_timer: whether its ttl may run out.
        keeps_result: whether its result_ttl is more than nothing.
        fence: that of its claim while it is started.
        is_old: whether its end was so long ago that its record need not be kept.
    """

    id: str
    queue: str
    groups: list[tuple[str, list[str]]]
    retries: int
    time_is_ahead: bool
    has_ttl: bool
    has_timer: bool
    keeps_result: bool
    status: str = ""
    known: dict[str, str] = field(default_factory=dict)
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    fence: int | None = None
    highest_fence: int = 0
    holder: str = ""
    has_begun: bool = False
    result: bytes | None = None
    is_old: bool = False

    @classmethod
    def of(cls, new: NewJob) -> ModelJob:
        return cls(
            id=new.id,
            queue=new.queue,
            groups=[(group.rule, [job_id for _, job_id in group.members]) for group in new.groups],
            retries=int(new.fields.get("retries", 0)),
            time_is_ahead=bool(new.delay_ms),
            has_ttl="ttl" in new.fields,
            has_timer="ttl" in new.fields,
            keeps_result=new.fields.get("result_ttl") != 0,
        )

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def waits(self) -> bool:
        return self.status in ("deferred", "scheduled", "queued")

    @property
    def dependency_ids(self) -> list[str]:
        return [job_id for _, members in self.groups for job_id in members]

    def verdict(self) -> str:
        return verdict(
            Group.of(rule, [self.known.get(job_id, "") for job_id in members]) for rule, members in self.groups
        )

    def holds(self, claim: Claimed) -> bool:
        return self.status == "started" and self.fence == claim.fence


class Model:
    """All jobs that exist."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}

    # Looking at it

    def with_status(self, *statuses: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def dependents(self, job_id: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job_id in job.dependency_ids]

    def untold(self) -> list[tuple[ModelJob, str]]:
        """Each dependent that has yet to be told of the end of a dependency, with that dependency's id."""
        return [
            (job, dependency_id)
            for job in self.jobs.values()
            for dependency_id in job.dependency_ids
            if dependency_id not in job.known and dependency_id in self.jobs and self.jobs[dependency_id].has_ended
        ]

    def with_open_edges(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if any(each not in job.known for each in job.dependency_ids)]

    def is_needed(self, job_id: str) -> bool:
        """Whether a dependent may still read the job."""
        return any(dependent.status != "finished" for dependent in self.dependents(job_id))

    # What clients do

    def enqueue(self, new_jobs: Iterable[NewJob]) -> None:
        jobs = [ModelJob.of(new) for new in new_jobs]
        for job in jobs:
            for dependency_id in job.dependency_ids:
                dependency = self.jobs.get(dependency_id)
                if dependency is not None and dependency.has_ended:
                    job.known[dependency_id] = dependency.status
        for job in jobs:
            self.jobs[job.id] = job
            self._decide(job)

    # What cascades do

    def told(self, job: ModelJob, dependency_id: str, outcome: str) -> None:
        """A job was told how a dependency ended. ``decide_told`` is to be called when all that were told are in."""
        assert dependency_id not in job.known, f"{job.id} was told of {dependency_id} twice"
        job.known[dependency_id] = outcome

    def decide_told(self) -> list[str]:
        """Decides on jobs that were told something. Returns those that were released, in no order."""
        released = []
        for job in self.with_status("deferred"):
            self._decide(job)
            if job.status in ("queued", "scheduled"):
                released.append(job.id)
        for job in self.jobs.values():
            for dependency_id, outcome in job.known.items():
                dependency = self.jobs.get(dependency_id)
                assert dependency is None or dependency.status == outcome, (
                    f"{job.id} was told that {dependency_id} is {outcome}, and it is {dependency.status}"
                )
        return released

    def _decide(self, job: ModelJob) -> None:
        decision = job.verdict()
        if decision == "queued":
            job.status = "scheduled" if job.time_is_ahead else "queued"
        else:
            job.status = decision
        if job.has_ended:
            job.has_timer = False

    # What workers do

    def claim(self, claimed: Claimed, *, holder: str, begins: bool) -> None:
        job = self.jobs[claimed.id]
        assert job.status == "queued", f"{job.id} was claimed, and is {job.status}"
        assert job.queue == claimed.queue
        assert claimed.fence > job.highest_fence
        assert (claimed.attempt, claimed.failures, claimed.retries) == (job.attempt + 1, job.failures, job.retries)
        job.status, job.fence, job.holder = "started", claimed.fence, holder
        job.highest_fence = claimed.fence
        job.has_timer = False
        job.has_begun = begins
        if begins:
            job.attempt = claimed.attempt

    def settle(self, outcome: Outcome) -> str:
        """An attempt is reported. Returns what the worker is to be told."""
        job = self.jobs.get(outcome.claim.id)
        if job is None or not job.holds(outcome.claim):
            return "stale"
        job.attempt = outcome.claim.attempt
        if outcome.kind == "finished":
            job.status = "finished"
            if job.keeps_result or self.dependents(job.id):
                job.result = outcome.value
        elif outcome.kind == "failed" and (outcome.delay_ms < 0 or job.failures >= job.retries):
            job.failures += 1
            job.status = "failed"
        else:
            job.failures += outcome.kind == "failed"
            job.status = "scheduled" if outcome.delay_ms else "queued"
        return job.status

    def renew(self, claim: Claimed, *, has_begun: bool) -> bool:
        """A lease is prolonged. Returns whether the claim was still held."""
        job = self.jobs.get(claim.id)
        if job is None or not job.holds(claim):
            return False
        if has_begun and not job.has_begun:
            job.has_begun, job.attempt = True, claim.attempt
        return True

    def give_back(self, job: ModelJob) -> None:
        if job.has_begun:
            job.attempt -= 1
        job.status, job.has_begun = "queued", False
        job.has_timer = job.has_ttl and job.attempt == 0

    # What time does

    def lose_lease(self, job: ModelJob) -> None:
        job.deaths += job.has_begun
        job.status = "failed" if job.deaths >= DEATHS_OF_A_POISON_PILL else "queued"
        job.has_timer = job.has_ttl and job.attempt == 0

    def come_due(self, job: ModelJob) -> None:
        """The time that a job waits for has come: that of its first attempt, or of the next."""
        if job.status == "scheduled":
            job.status = "queued"
        if job.attempt == 0:
            job.time_is_ahead = False

    def outlive_ttl(self, job: ModelJob) -> None:
        job.status, job.has_timer = "canceled", False

    def expire(self, job: ModelJob) -> None:
        """The time to keep an ended job's value is over; and that to keep its record, if that is old."""
        if self.is_needed(job.id):
            return
        job.result = None
        if not job.is_old:
            return
        del self.jobs[job.id]
        for dependent in self.dependents(job.id):  # all finished; another job may have the id one day
            dependent.known.pop(job.id, None)
            dependent.groups = [(rule, [each for each in ids if each != job.id]) for rule, ids in dependent.groups]
