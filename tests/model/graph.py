"""What there is of a model: who depends on whom, what becomes of jobs, and the steps by which others are told."""

from __future__ import annotations

from collections.abc import Iterator

from model.jobs import DECIDED_BY_RULES, DECIDED_BY_WHAT_IT_JOINS, TERMINAL, UNRELEASED, ModelJob, Spawned
from rqdeps.store.calls.enqueue import NewJob


class Graph:
    """All jobs that exist.

    Attributes:
        jobs: by their ids.
        dependents: who waits or waited for each job that exists, or joins it, its fallback first.
        gates: whether each gate is ``closed``, ``open`` or ``given up``.
        pieces: how many pieces of a graph have come to each gate.
        kept: plain jobs that are to be made once they are let through, in order, by the gate.
        spawned: what stands behind gates for jobs that will join it, by the gate.
        entered: how many members have entered each workflow.
        canceling: the workflows that are being canceled, all of each or all but what cleans up (``cancel-all:`` or
            ``cancel:`` and the id), with the entry of the last member that was canceled.
        paused: the queues of which no jobs are taken.
        limits: how many jobs of a queue may be started at once, where that is not any number.
        news: the jobs, gates and tasks that had something to tell or do since this was emptied last, in the order in
            which they did.
        released: the jobs that were released since.
        tellings: how often a job was told something since.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.dependents: dict[str, list[str]] = {}
        self.gates: dict[str, str] = {}
        self.pieces: dict[str, int] = {}
        self.kept: dict[str, list[NewJob]] = {}
        self.spawned: dict[str, Spawned] = {}
        self.entered: dict[str, int] = {}
        self.canceling: dict[str, int] = {}
        self.paused: set[str] = set()
        self.limits: dict[str, int] = {}
        self.births = 0
        self.news: dict[str, None] = {}
        self.released: list[str] = []
        self.tellings = 0

    # Looking at it

    def with_status(self, *statuses: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def is_closed(self, job: ModelJob) -> bool:
        return job.gate is not None and self.gates[job.gate] != "open"

    def is_given_up(self, job: ModelJob) -> bool:
        return job.gate is not None and self.gates[job.gate] == "given up"

    def is_going(self, job: ModelJob) -> bool:
        """Whether a job is there only until it is deleted, so that nobody need tell it anything."""
        return job.policy is not None or self.is_given_up(job)

    def sees(self, job_id: str) -> bool:
        """Whether there is such a job for clients."""
        job = self.jobs.get(job_id)
        return job is not None and job.policy is None and not self.is_closed(job)

    def has_room(self, queue: str) -> bool:
        """Whether another job of a queue may be started."""
        started = [job for job in self.with_status("started") if job.queue == queue]
        return queue not in self.paused and len(started) < self.limits.get(queue, len(started) + 1)

    def visible(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if self.sees(job.id)]

    def members(self, workflow: str) -> list[ModelJob]:
        found = [job for job in self.jobs.values() if job.workflow == workflow]
        return sorted(found, key=lambda job: job.entry)

    def is_being_canceled(self, job: ModelJob) -> bool:
        """Whether a job's workflow is being canceled, and the job with it."""
        tasks = [f"cancel-all:{job.workflow}", *([] if job.cleans_up else [f"cancel:{job.workflow}"])]
        return any(task in self.canceling for task in tasks)

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
        edge = job.edge_to(dependency.id)
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
                or (dependency.policy is not None and not job.edge_to(dependency.id).outcome)
            )
        }

    def is_needed(self, job: ModelJob) -> bool:
        """Whether somebody may still read the job, or one that it stands in for."""
        source: ModelJob | None = job
        while source is not None:
            if any(
                self._may_read(source, self.jobs[each], is_own=source is job) for each in self.dependents[source.id]
            ):
                return True
            source = self.above(source)
        return False

    def _may_read(self, source: ModelJob, reader: ModelJob, *, is_own: bool) -> bool:
        if reader.id == source.workflow:
            return False  # it passes nothing on
        if reader.id == source.fallback:  # it stays as long as the job, which waits only for its run
            return is_own and not reader.has_ended
        if reader.id == source.spawned_by:  # it has read all it wants, and passes on what its result holds
            return reader.gives and (reader.status != "finished" or reader.result is not None)
        return reader.status != "finished"

    # What becomes of jobs

    def become(self, job: ModelJob, status: str) -> None:
        lives_again = job.has_ended
        if lives_again:
            job.epoch += 1
            job.stand_in, job.is_old, job.is_to_stop = None, False, False
            if not (job.has_run and status in {"joining", *TERMINAL}):  # else it has not run in vain
                job.result = None
                self._join_no_more(job)
        job.status = status
        if job.has_ended:
            job.has_timer = False
        elif lives_again:
            job.has_timer = job.has_ttl and job.attempt == 0
        if job.has_ended or lives_again:
            self.news[job.id] = None
            self._changed_for_above(job, lives_again=lives_again)

    def _join_no_more(self, job: ModelJob) -> None:
        for job_id in job.joined:
            self.unlink(job, job_id)
        job.has_run, job.gives, job.rules_of_join, job.joined = False, False, [], {}

    def _changed_for_above(self, job: ModelJob, *, lives_again: bool) -> None:
        """Whoever a job stands in for has something new to tell; after a new life, what was told before is void."""
        above = self.above(job)
        while above is not None and above.status == "failed":
            above.epoch += lives_again
            self.news[above.id] = None
            above = self.above(above)

    def follow(self, job: ModelJob, decision: str) -> None:
        if decision == "queued" and self.is_being_canceled(job):
            decision = "canceled"
        elif decision == "queued" and job.time_is_ahead:
            decision = "scheduled"
        self.become(job, decision)

    def decide(self, job: ModelJob) -> None:
        if job.policy is not None:
            return
        if job.has_run:
            if job.status in DECIDED_BY_WHAT_IT_JOINS and job.verdict_of_join() != job.status:
                self.become(job, job.verdict_of_join())
        elif job.status in DECIDED_BY_RULES and job.verdict() != job.status:
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
        self.follow(job, job.verdict_of_join() if job.has_run else job.verdict())

    def cancel_job(self, job: ModelJob) -> None:
        """Ends a job that has not, or asks that it be stopped, by itself or with the last that it joins."""
        if job.status in ("started", "joining") or job.is_workflow:
            job.is_to_stop = True
        else:
            self.leave_gate(job)
            self.become(job, "canceled")

    def begin_to_delete(self, job: ModelJob, policy: str, *, takes_members: bool = False) -> None:
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
            self.leave_gate(job)
        job.policy, job.takes_members = policy, takes_members
        self.news[job.id] = None

    def leave_gate(self, job: ModelJob) -> None:
        job.gate = None

    # The steps that cascades take

    def tell(self, job: ModelJob, dependency: ModelJob) -> bool:
        """Tells a job what there is to know of a dependency. Returns whether that was news."""
        edge = job.edge_to(dependency.id)
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
        edge = job.edge_to(dependency.id)
        if edge.outcome or job.policy is not None:
            return False
        policy = dependency.policy or ""
        workflow = self.jobs.get(job.workflow or "")
        if workflow is not None and workflow.policy is not None and workflow.takes_members:  # it goes in any case
            self.begin_to_delete(job, policy)
            return True
        is_fallback = edge.kind == "fallback" and policy != "delete"
        is_joined = dependency.id in job.joined  # by a job that has run: that is neither canceled nor deleted
        if policy == "delete" and job.status in UNRELEASED and not self.is_closed(job) and not is_joined:
            self.begin_to_delete(job, "delete")
        elif policy == "release" and not is_fallback and (job.status in UNRELEASED or is_joined):
            del (job.joined if is_joined else job.edges)[dependency.id]
            self.dependents[dependency.id].remove(job.id)
            self.decide(job)
        else:
            edge.epoch, edge.outcome = dependency.epoch, "canceled"
            is_free = not is_fallback and not self.is_closed(job) and not is_joined
            if policy == "cancel" and is_free and job.status in ("deferred", "created"):
                self.leave_gate(job)
                self.become(job, "canceled")
            else:
                self.decide(job)
        return True

    def lose(self, job: ModelJob, dependency_id: str) -> None:
        """A job that goes piece by piece has lost an edge."""
        self.unlink(job, dependency_id)
        job.edges.pop(dependency_id, None)
        job.joined.pop(dependency_id, None)

    def unlink(self, job: ModelJob, dependency_id: str) -> None:
        """A job has left those that wait for a dependency, or join it. It is told nothing of that any more."""
        if job.id in self.dependents.get(dependency_id, ()):
            self.dependents[dependency_id].remove(job.id)

    def let_through(self, job: ModelJob) -> None:
        job.gate = None
        self.place_job(job)

    def cancel_member(self, task: str, job: ModelJob) -> None:
        """The next member of a workflow that is being canceled."""
        self.canceling[task] = job.entry
        is_spared = job.cleans_up and task.startswith("cancel:")
        if not job.has_ended and not is_spared and self.sees(job.id):
            self.cancel_job(job)

    def disband(self, workflow: ModelJob, job: ModelJob) -> None:
        """A member leaves a workflow that is being deleted, or goes with it."""
        job.workflow = None
        if workflow.takes_members and job.policy is None:
            self.begin_to_delete(job, workflow.policy or "")
        job.may_go = True

    def remove(self, job: ModelJob) -> None:
        """A job is gone. Who waited for it keeps what it was told."""
        for dependency_id in [*job.edges, *job.joined]:
            self.unlink(job, dependency_id)
        for task in (f"cancel:{job.id}", f"cancel-all:{job.id}"):
            self.canceling.pop(task, None)
        del self.jobs[job.id], self.dependents[job.id]
