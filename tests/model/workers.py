"""What workers do to a model, and what time does."""

from __future__ import annotations

from model.clients import Clients
from model.jobs import ModelJob
from rqdeps.store.calls.claims import Claimed, Outcome

DEATHS_OF_A_POISON_PILL = 3


class Workers(Clients):
    def claim(self, claimed: Claimed, *, holder: str, begins: bool) -> None:
        job = self.jobs[claimed.id]
        assert job.status == "queued", f"{job.id} was claimed, and is {job.status}"
        assert job.queue == claimed.queue
        assert self.has_room(job.queue), f"{job.id} was claimed, and its queue is paused or full"
        assert not self.is_being_canceled(job), f"{job.id} was claimed, and its workflow is being canceled"
        assert claimed.fence > job.highest_fence
        assert (claimed.attempt, claimed.failures, claimed.retries) == (job.attempt + 1, job.failures, job.retries)
        job.status, job.fence, job.holder = "started", claimed.fence, holder
        job.highest_fence = claimed.fence
        job.has_timer = False
        job.makes_room = job.makes_room or job.queue in self.limits
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
            self.become(job, "finished")
            if job.keeps_result or job.was_linked or job.fallback_of:
                job.result = outcome.value
        elif outcome.kind in ("spawned", "gives"):
            self._settle_spawned(job, outcome)
        elif outcome.kind == "failed":
            self._fail(job, outcome.delay_ms)
        elif job.is_to_stop or outcome.kind == "stopped":
            self.become(job, "stopped")
        else:
            job.status = "scheduled" if outcome.delay_ms else "queued"
        return job.status

    def _fail(self, job: ModelJob, delay_ms: int) -> None:
        is_final = delay_ms < 0 or job.failures >= job.retries
        job.failures += 1
        if job.is_to_stop:
            self.become(job, "stopped")
        elif is_final:
            self.become(job, "failed")
        else:
            job.status = "scheduled" if delay_ms else "queued"

    def _settle_spawned(self, job: ModelJob, outcome: Outcome) -> None:
        """What an attempt has spawned is let through, unless it is not whole any more: then the attempt has failed."""
        gate = job.spawning
        if gate is None or self.gates[gate] != "closed" or self.pieces[gate] != outcome.pieces:
            self._fail(job, 0)
        elif job.is_to_stop:
            self.become(job, "stopped")
        else:
            spawned = self.spawned.pop(gate)
            job.has_run, job.gives, job.result = True, outcome.kind == "gives", outcome.value
            job.rules_of_join, job.joined, job.spawning = spawned.rules, spawned.edges, None
            for job_id in spawned.edges:
                self.dependents[job_id].append(job.id)
            self.open(gate)
            self.become(job, "joining")

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
        # The one that it stands in for may fail once more; and a workflow keeps its members.
        if not job.is_old or above is not None or job.workflow is not None:
            job.result = None
            return False
        if job.is_workflow:
            self.begin_to_delete(job, "release")
        else:
            self.remove(job)
        return True
