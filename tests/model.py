"""What rqdeps promises about a set of jobs, as plain Python: no server, no order of keys, no clock.

A job knows of each of its dependencies what it was told last: in which epoch, and how it ended. Commands change jobs at
once; that others are told of it are steps of their own (``tell``, ``apply_policy``, ``let_through``, ``remove``), which
the store may take in whatever portions. The model does not say when they are taken: ``follower.py`` finds the steps
that lead to what is stored. All else the model decides alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rqdeps import DependencyCycleError, DuplicateJobError, NoSuchJobError
from rqdeps.dependency import ADDITIVE_RULES
from rqdeps.errors import FallbackReleasedError, InvalidJobOperationError, UpstreamFailedError
from rqdeps.store.calls.claims import Claimed, Outcome
from rqdeps.store.calls.enqueue import NewJob
from rqdeps.store.calls.staging import Piece
from rqdeps.store.invariants.rules import Group, verdict

TERMINAL = {"finished", "failed", "stopped", "canceled", "upstream_failed", "skipped"}
DECIDED_BY_RULES = {"deferred", "upstream_failed", "skipped"}
UNRELEASED = {*DECIDED_BY_RULES, "created"}
DEATHS_OF_A_POISON_PILL = 3


@dataclass
class Edge:
    """What a job was told of a dependency: in which epoch, and how it ended; nothing while it waits."""

    kind: str
    group: int
    epoch: int
    outcome: str


@dataclass
class ModelJob:
    """One job.

    Attributes:
        rules: the rule of each group.
        edges: what it was told of each dependency, also of those that are gone.
        time_is_ahead: whether it has a time to run at that has not come.
        has_timer: whether its ttl may run out.
        keeps_result: whether its result_ttl is more than nothing.
        was_linked: whether another ever depended on it.
        gate: the gate that it has yet to pass.
        place: its place there.
        policy: what becomes of dependents that wait, if it is being deleted.
        was_open: whether it had not ended when its deletion began.
        stand_in: what its fallback came to before it was deleted.
        fence: that of its claim while it is started.
        is_old: whether its end was so long ago that its record need not be kept.
        birth: tells it from others with its id.
    """

    id: str
    queue: str
    rules: list[str]
    retries: int
    time_is_ahead: bool
    has_ttl: bool
    keeps_result: bool
    goes_to_front: bool
    held: bool
    fallback: str | None
    fallback_of: str | None
    birth: int
    edges: dict[str, Edge] = field(default_factory=dict)
    status: str = ""
    epoch: int = 1
    has_timer: bool = False
    was_linked: bool = False
    gate: str | None = None
    place: int = 0
    policy: str | None = None
    was_open: bool = False
    stand_in: str | None = None
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    is_to_stop: bool = False
    fence: int | None = None
    highest_fence: int = 0
    holder: str = ""
    has_begun: bool = False
    result: bytes | None = None
    is_old: bool = False

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def own_outcome(self) -> str:
        return self.status if self.has_ended and not self.was_open else ""

    @property
    def is_held(self) -> bool:
        return self.status == "created" and self.held

    def verdict(self) -> str:
        return verdict(
            Group.of(rule, [edge.outcome for edge in self.edges.values() if edge.group == number])
            for number, rule in enumerate(self.rules)
        )

    def holds(self, claim: Claimed) -> bool:
        return self.status == "started" and self.fence == claim.fence


class Model:
    """All jobs that exist.

    Attributes:
        jobs: by their ids.
        dependents: who waits or waited for each job that exists, its fallback first.
        gates: whether each gate is ``closed``, ``open`` or ``given up``.
        paused: the queues of which no jobs are taken.
        news: the jobs and gates that had something to tell since this was emptied last, in the order in which they did.
        released: the jobs that were released since.
        tellings: how often a job was told something since.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.dependents: dict[str, list[str]] = {}
        self.gates: dict[str, str] = {}
        self.paused: set[str] = set()
        self.births = 0
        self.news: dict[str, None] = {}
        self.released: list[str] = []
        self.tellings = 0

    # Looking at it

    def with_status(self, *statuses: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def is_closed(self, job: ModelJob) -> bool:
        return job.gate is not None and self.gates[job.gate] != "open"

    def is_going(self, job: ModelJob) -> bool:
        """Whether a job is there only until it is deleted, so that nobody need tell it anything."""
        return job.policy is not None or (job.gate is not None and self.gates[job.gate] == "given up")

    def sees(self, job_id: str) -> bool:
        """Whether there is such a job for clients."""
        job = self.jobs.get(job_id)
        return job is not None and job.policy is None and not self.is_closed(job)

    def visible(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if self.sees(job.id)]

    def above(self, job: ModelJob) -> ModelJob | None:
        """The job that a job stands in for."""
        above = self.jobs.get(job.fallback_of or "")
        return above if above is not None and above.fallback == job.id else None

    def comes_to(self, job: ModelJob) -> str:
        """How a job has ended for those that wait for it: through its fallback, once that knows of this failure."""
        while job.own_outcome == "failed":
            if job.stand_in is not None:
                return job.stand_in
            if job.fallback is None:
                return "failed"
            fallback = self.jobs[job.fallback]
            told = fallback.edges[job.id]
            if (told.epoch, told.outcome) != (job.epoch, "failed"):
                return ""
            job = fallback
        return job.own_outcome

    def outcome(self, kind: str, dependency: ModelJob) -> str:
        return dependency.own_outcome if kind == "fallback" else self.comes_to(dependency)

    def is_news(self, job: ModelJob, dependency: ModelJob) -> bool:
        """Whether a job would be told something new of a dependency."""
        edge = job.edges[dependency.id]
        if dependency.epoch != edge.epoch:
            return dependency.epoch > edge.epoch
        return edge.outcome == "" and self.outcome(edge.kind, dependency) != ""

    def all_edges(self) -> Iterator[tuple[ModelJob, ModelJob]]:
        """Each job with each dependency that exists."""
        for dependency_id, dependents in self.dependents.items():
            for job_id in dependents:
                yield self.jobs[job_id], self.jobs[dependency_id]

    def untold(self) -> set[tuple[str, str]]:
        """Each dependent that has yet to be told something of a dependency, with that dependency's id."""
        return {
            (job.id, dependency.id)
            for job, dependency in self.all_edges()
            if not self.is_going(job)
            and (
                self.is_news(job, dependency)
                or (dependency.policy is not None and not job.edges[dependency.id].outcome)
            )
        }

    def is_needed(self, job: ModelJob) -> bool:
        """Whether somebody may still read the job, or one that it stands in for."""
        source: ModelJob | None = job
        while source is not None:
            for reader in (self.jobs[each] for each in self.dependents[source.id]):
                if reader.id == source.fallback:  # it stays as long as the job, which waits only for its run
                    if source is job and not reader.has_ended:
                        return True
                elif reader.status != "finished":
                    return True
            source = self.above(source)
        return False

    # What becomes of jobs

    def become(self, job: ModelJob, status: str) -> None:
        lives_again = job.has_ended
        if lives_again:
            job.epoch += 1
            job.stand_in, job.result, job.is_old, job.is_to_stop = None, None, False, False
        job.status = status
        if job.has_ended:
            job.has_timer = False
        elif lives_again:
            job.has_timer = job.has_ttl and job.attempt == 0
        if job.has_ended or lives_again:
            self.news[job.id] = None
            self._changed_for_above(job, lives_again=lives_again)

    def _changed_for_above(self, job: ModelJob, *, lives_again: bool) -> None:
        """Whoever a job stands in for has something new to tell; after a new life, what was told before is void."""
        above = self.above(job)
        while above is not None and above.status == "failed":
            above.epoch += lives_again
            self.news[above.id] = None
            above = self.above(above)

    def follow(self, job: ModelJob, decision: str) -> None:
        if decision == "queued" and job.time_is_ahead:
            decision = "scheduled"
        self.become(job, decision)

    def decide(self, job: ModelJob) -> None:
        if job.status in DECIDED_BY_RULES and job.policy is None and job.verdict() != job.status:
            self.follow(job, job.verdict())
            if job.status in ("queued", "scheduled"):
                self.released.append(job.id)
                self._check_release(job)

    def _check_release(self, job: ModelJob) -> None:
        """What releases a job must be so: no end that is being taken back, or that a fallback has yet to decide."""
        for dependency_id, edge in job.edges.items():
            dependency = self.jobs.get(dependency_id)
            if dependency is None or dependency.policy is not None or job.id not in self.dependents[dependency_id]:
                continue
            told, present = (edge.epoch, edge.outcome), (dependency.epoch, self.outcome(edge.kind, dependency))
            assert edge.outcome == "" or told == present, (
                f"{job.id} is released since {dependency_id} was {told}, and it is {present}"
            )

    def place_job(self, job: ModelJob) -> None:
        if job.held:
            job.status = "created"
            return
        job.has_timer = job.has_ttl
        self.follow(job, job.verdict())

    # The steps that cascades take

    def tell(self, job: ModelJob, dependency: ModelJob) -> bool:
        """Tells a job what there is to know of a dependency. Returns whether that was news."""
        edge = job.edges[dependency.id]
        if not self.is_news(job, dependency):
            return False
        # That a job lives again is told first, and how it has ended then, if it has, once all have been told that.
        lives_again = dependency.epoch > edge.epoch
        edge.outcome = "" if lives_again else self.outcome(edge.kind, dependency)
        edge.epoch = dependency.epoch
        self.tellings += 1
        self.decide(job)
        if edge.kind == "fallback" and not lives_again:
            self.news[dependency.id] = None
            self._changed_for_above(dependency, lives_again=False)
        return True

    def apply_policy(self, job: ModelJob, dependency: ModelJob) -> bool:
        """Does with a dependent that still waits for a job that is being deleted what the person wants."""
        edge = job.edges[dependency.id]
        if edge.outcome or job.policy is not None:
            return False
        policy = dependency.policy
        is_fallback = edge.kind == "fallback" and policy != "delete"
        if policy == "delete" and job.status in UNRELEASED and not self.is_closed(job):
            self.begin_to_delete(job, "delete")
        elif policy == "release" and not is_fallback and job.status in UNRELEASED:
            del job.edges[dependency.id]
            self.dependents[dependency.id].remove(job.id)
            self.decide(job)
        else:
            edge.epoch, edge.outcome = dependency.epoch, "canceled"
            is_free = not is_fallback and not self.is_closed(job)
            if policy == "cancel" and is_free and job.status in ("deferred", "created"):
                self._leave_gate(job)
                self.become(job, "canceled")
            else:
                self.decide(job)
        return True

    def unlink(self, job: ModelJob, dependency_id: str) -> None:
        """A job that goes piece by piece has left those that wait for a dependency. It is told nothing any more."""
        if job.id in self.dependents.get(dependency_id, ()):
            self.dependents[dependency_id].remove(job.id)

    def let_through(self, job: ModelJob) -> None:
        job.gate = None
        self.place_job(job)

    def remove(self, job: ModelJob) -> None:
        """A job is gone. Who waited for it keeps what it was told."""
        for dependency_id in job.edges:
            self.unlink(job, dependency_id)
        del self.jobs[job.id], self.dependents[job.id]

    # What clients do

    def enqueue(self, new_jobs: Iterable[NewJob]) -> None:
        new_jobs = list(new_jobs)
        for new in new_jobs:
            self._add(new)
        jobs = [self._link_all(new) for new in new_jobs]
        for job in [job for job in jobs if not job.goes_to_front] + [job for job in jobs[::-1] if job.goes_to_front]:
            self.place_job(job)

    def stage(self, gate: str, piece: Piece) -> None:
        self.gates[gate] = "closed"
        for new in piece.jobs:
            self._save(new)
        for new, place in zip(piece.jobs, piece.places, strict=True):
            job = self._link_all(new)
            job.status, job.gate, job.place = "created", gate, place
        for job_id, edges in piece.further.items():
            for group, kind, dependency_id in edges:
                self._link(self.jobs[job_id], dependency_id, kind, group)

    def open(self, gate: str) -> None:
        self.gates[gate] = "open"
        self.news[gate] = None

    def _add(self, new: NewJob) -> ModelJob:
        if new.id in self.jobs:
            raise DuplicateJobError(new.id)
        return self._save(new)

    def _save(self, new: NewJob) -> ModelJob:
        self.births += 1
        job = ModelJob(
            id=new.id,
            queue=new.queue,
            rules=[group.rule for group in new.groups],
            retries=int(new.fields.get("retries", 0)),
            time_is_ahead=bool(new.delay_ms),
            has_ttl="ttl" in new.fields,
            keeps_result=new.fields.get("result_ttl") != 0,
            goes_to_front=new.goes_to_front,
            held="held" in new.fields,
            fallback=str(new.fields["fallback"]) if "fallback" in new.fields else None,
            fallback_of=str(new.fields["fallback_of"]) if "fallback_of" in new.fields else None,
            birth=self.births,
        )
        self.jobs[job.id] = job
        self.dependents[job.id] = []
        return job

    def _link_all(self, new: NewJob) -> ModelJob:
        job = self.jobs[new.id]
        for number, group in enumerate(new.groups):
            for kind, dependency_id in group.members:
                self._link(job, dependency_id, kind, number)
        return job

    def _link(self, job: ModelJob, dependency_id: str, kind: str, group: int) -> None:
        dependency = self.jobs[dependency_id]
        job.edges[dependency_id] = Edge(kind, group, dependency.epoch, self.outcome(kind, dependency))
        if kind == "fallback":
            self.dependents[dependency_id].insert(0, job.id)
        else:
            self.dependents[dependency_id].append(job.id)
            dependency.was_linked = True

    def _leave_gate(self, job: ModelJob) -> None:
        job.gate = None

    # What a person does. What is refused raises what the client is told.

    def look_up(self, job_id: str) -> ModelJob:
        if not self.sees(job_id):
            raise NoSuchJobError(job_id)
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> str:
        if not self.sees(job_id):
            return ""
        job = self.jobs[job_id]
        if job.status == "started":
            job.is_to_stop = True
        elif not job.has_ended:
            self._leave_gate(job)
            self.become(job, "canceled")
        return job.status

    def begin_to_delete(self, job: ModelJob, policy: str) -> None:
        """A job is deleted once all that wait for it have been told how it ended, or what the policy is."""
        above = self.above(job)
        if above is not None:
            came_to = self.comes_to(above) if job.has_ended else ""
            above.fallback = None
            if above.status == "failed" and came_to:
                above.stand_in = came_to
            self.news[above.id] = None
            self._changed_for_above(above, lives_again=False)
        if not job.has_ended:
            job.was_open = True
            job.status, job.has_timer = "canceled", False
            self._leave_gate(job)
        job.policy = policy
        self.news[job.id] = None

    def delete(self, job_id: str, policy: str) -> str:
        if not self.sees(job_id):
            return str(int(job_id in self.jobs and not self.is_closed(self.jobs[job_id])))
        self.begin_to_delete(self.jobs[job_id], policy)
        return "1"

    def requeue(self, job_id: str, *, force: bool) -> None:
        job = self.look_up(job_id)
        has_failed = job.status == "failed"
        if not job.has_ended or (job.status == "finished" and not force):
            raise InvalidJobOperationError(job.status)
        if job.status in ("upstream_failed", "skipped") and not force:
            raise UpstreamFailedError(job.id, job.status)
        fallback = self.jobs.get(job.fallback or "")
        if has_failed and fallback is not None and fallback.status not in ("deferred", "skipped") and not force:
            raise FallbackReleasedError(job.id, fallback.id, fallback.status)
        decision = "queued"
        if job.status == "canceled" and not force:  # it waits again for what it waited for
            decision = job.verdict()
            if decision in TERMINAL:
                raise UpstreamFailedError(job.id, decision)
        job.failures = job.deaths = 0
        if decision == "queued" and (force or job.status != "canceled"):
            self.become(job, "queued")
        else:
            self.follow(job, decision)
        if has_failed:
            self._arm_fallback_again(job)

    def _arm_fallback_again(self, job: ModelJob) -> None:
        """A fallback that has run waits for its job to fail again, and so does the fallback's own."""
        fallback = self.jobs.get(job.fallback or "")
        if fallback is None or not fallback.has_ended or fallback.status == "skipped":
            return
        self.tell(fallback, job)
        if fallback.has_ended and fallback.status not in DECIDED_BY_RULES:
            fallback.failures = fallback.deaths = 0
            self.follow(fallback, fallback.verdict())
        if not fallback.has_ended:
            self._arm_fallback_again(fallback)

    def skip(self, job_id: str, value: bytes) -> None:
        job = self.look_up(job_id)
        if job.status == "finished":
            raise InvalidJobOperationError(job.status)
        self._leave_gate(job)
        self.become(job, "finished")
        job.result = value

    def release(self, job_ids: Iterable[str], queue: str) -> None:
        jobs = []
        for job_id in dict.fromkeys(job_ids):
            jobs.append(self.look_up(job_id))
            if not jobs[-1].is_held:
                raise InvalidJobOperationError(jobs[-1].status)
        for job in jobs:
            job.held = False
            self._move(job, queue or job.queue)
            self._leave_gate(job)
            self.place_job(job)

    def _move(self, job: ModelJob, queue: str) -> None:
        """What stands in for a job, and waits for it, goes to a queue with it."""
        old = job.queue
        stand_in: ModelJob | None = job
        while stand_in is not None and (stand_in is job or (stand_in.status == "deferred" and stand_in.queue == old)):
            stand_in.queue = queue
            stand_in = self.jobs.get(stand_in.fallback or "")

    def add_dependency(self, job_id: str, dependency_ids: list[str], rule: str) -> None:
        job = self.look_up(job_id)
        if job.fallback_of:
            raise InvalidJobOperationError(job.id)
        for dependency_id in dependency_ids:
            if dependency_id == job_id:
                raise DependencyCycleError
            self.look_up(dependency_id)
            if dependency_id in job.edges:
                raise ValueError(dependency_id)
        if job.attempt > 0 or job.status in ("started", "finished", "failed", "stopped"):
            raise InvalidJobOperationError(job.status)
        if self._reaches(dependency_ids, job_id):
            raise DependencyCycleError
        if rule not in ADDITIVE_RULES or rule not in job.rules:
            job.rules.append(rule)
        group = max(number for number, each in enumerate(job.rules) if each == rule)
        for dependency_id in dependency_ids:
            self._link(job, dependency_id, "dependency", group)
        if job.status in ("queued", "scheduled"):
            if job.verdict() != "queued":  # it is released once more in a new epoch
                job.epoch += 1
                self.become(job, job.verdict())
                self.news[job.id] = None
        else:
            self.decide(job)

    def _reaches(self, job_ids: Iterable[str], goal: str) -> bool:
        """Whether the end of any of these jobs waits for that of another."""
        seen: set[str] = set()
        stack = list(job_ids)
        while stack:
            job_id = stack.pop()
            if job_id not in seen:
                seen.add(job_id)
                job = self.jobs.get(job_id)
                stack += [*job.edges, *([job.fallback] if job.fallback else [])] if job else []
        return goal in seen

    # What workers do

    def claim(self, claimed: Claimed, *, holder: str, begins: bool) -> None:
        job = self.jobs[claimed.id]
        assert job.status == "queued", f"{job.id} was claimed, and is {job.status}"
        assert job.queue == claimed.queue
        assert job.queue not in self.paused, f"{job.id} was claimed, and its queue is paused"
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
        is_final = outcome.kind == "failed" and (outcome.delay_ms < 0 or job.failures >= job.retries)
        job.failures += outcome.kind == "failed"
        if outcome.kind == "finished":
            self.become(job, "finished")
            if job.keeps_result or job.was_linked or job.fallback_of:
                job.result = outcome.value
        elif job.is_to_stop or outcome.kind == "stopped":
            self.become(job, "stopped")
        elif is_final:
            self.become(job, "failed")
        else:
            job.status = "scheduled" if outcome.delay_ms else "queued"
        return job.status

    def renew(self, claim: Claimed, *, has_begun: bool) -> str:
        """A lease is prolonged. Returns how it stands with the claim."""
        job = self.jobs.get(claim.id)
        if job is None or not job.holds(claim):
            return "lost"
        if has_begun and not job.has_begun:
            job.has_begun, job.attempt = True, claim.attempt
        return "to be stopped" if job.is_to_stop else "held"

    def give_back(self, job: ModelJob) -> None:
        if job.is_to_stop:
            self.become(job, "stopped")
            return
        if job.has_begun:
            job.attempt -= 1
        job.status, job.has_begun = "queued", False
        job.has_timer = job.has_ttl and job.attempt == 0

    # What time does

    def lose_lease(self, job: ModelJob) -> None:
        job.deaths += job.has_begun
        if job.is_to_stop:
            self.become(job, "stopped")
        elif job.deaths >= DEATHS_OF_A_POISON_PILL:
            self.become(job, "failed")
        else:
            job.status = "queued"
            job.has_timer = job.has_ttl and job.attempt == 0

    def come_due(self, job: ModelJob) -> None:
        """The time that a job waits for has come: that of its first attempt, or of the next."""
        if job.status == "scheduled":
            job.status = "queued"
        if job.attempt == 0:
            job.time_is_ahead = False

    def outlive_ttl(self, job: ModelJob) -> None:
        self.become(job, "canceled")

    def expire(self, job: ModelJob) -> bool:
        """The time to keep an ended job's value is over; and that to keep its record, if that is old.

        Returns:
            Whether it goes.
        """
        above = self.above(job)
        if job.policy is not None or self.is_needed(job) or (above is not None and not above.has_ended):
            return False
        if not job.is_old or above is not None:  # the one that it stands in for may fail once more
            job.result = None
            return False
        self.remove(job)
        return True
