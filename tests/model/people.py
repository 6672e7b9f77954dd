"""What people do to a model who change their minds. What is refused raises what the client is told."""

from __future__ import annotations

from collections.abc import Iterable

from model.clients import Clients
from model.jobs import DECIDED_BY_RULES, TERMINAL, ModelJob
from rqdeps import DependencyCycleError, NoSuchJobError
from rqdeps.dependency import ADDITIVE_RULES
from rqdeps.errors import FallbackReleasedError, InvalidJobOperationError, UpstreamFailedError


class People(Clients):
    def look_up(self, job_id: str) -> ModelJob:
        if not self.sees(job_id):
            raise NoSuchJobError(job_id)
        return self.jobs[job_id]

    def cancel(self, job_id: str, *, clean_up: bool = True) -> str:
        if not self.sees(job_id):
            return ""
        job = self.jobs[job_id]
        if job.is_workflow:
            task = f"{'cancel' if clean_up else 'cancel-all'}:{job_id}"
            self.canceling[task] = 0
            self.news[task] = None
        if not job.has_ended:
            self.cancel_job(job)
        return job.status

    def delete(self, job_id: str, policy: str, *, members: bool = False) -> str:
        if not self.sees(job_id):
            return str(int(job_id in self.jobs and not self.is_closed(self.jobs[job_id])))
        job = self.jobs[job_id]
        self.begin_to_delete(job, policy, takes_members=members and job.is_workflow)
        return "1"

    def requeue(self, job_id: str, *, force: bool) -> bool:
        """Gives a job another life. Returns whether it has run, and so lives only as far as what it joins does."""
        job = self.look_up(job_id)
        if job.has_run and job.status != "finished" and (not force or job.is_workflow):
            self._join_again(job)
            return True
        if not job.has_ended or job.is_workflow or (job.status == "finished" and not force):
            raise InvalidJobOperationError(job.status)
        if job.status in ("upstream_failed", "skipped") and not force:
            raise UpstreamFailedError(job.id, job.status)
        fallback = self.jobs.get(job.fallback or "")
        is_covered = fallback is not None and fallback.status not in ("deferred", "skipped")
        if job.status == "failed" and fallback is not None and is_covered and not force:
            raise FallbackReleasedError(job.id, fallback.id, fallback.status)
        decision = "queued"
        if job.status == "canceled" and not force:  # it waits again for what it waited for
            decision = job.verdict()
            if decision in TERMINAL:
                raise UpstreamFailedError(job.id, decision)
        if decision == "queued" and (force or job.status != "canceled"):
            self._run_again(job)
        else:
            job.failures = job.deaths = 0
            self.follow(job, decision)
        return False

    def _join_again(self, job: ModelJob) -> None:
        if job.status != "finished":
            job.is_to_stop = False
            if job.verdict_of_join() != job.status:
                self.become(job, job.verdict_of_join())

    def _run_again(self, job: ModelJob) -> None:
        has_failed = job.status == "failed"
        job.failures = job.deaths = 0
        self.become(job, "queued")
        if has_failed:
            self._arm_fallback_again(job)

    def revive(self, job_ids: Iterable[str]) -> list[str]:
        """Gives those another life that failed, or that a person has ended. Says what became of each."""
        return [self._revive(self.jobs[job_id]) if self.sees(job_id) else "left" for job_id in job_ids]

    def _revive(self, job: ModelJob) -> str:
        above = self.above(job)
        if above is not None and above.status == "failed":
            return "left"
        if job.has_run:
            self._join_again(job)
            return "joins"
        if job.status == "canceled":
            job.failures = job.deaths = 0
            self.follow(job, job.verdict())
            return "left" if job.fallback_of else "revived"  # a fallback only waits for its job again
        if job.status == "stopped" or (job.status == "failed" and self.comes_to(job) not in ("finished", "")):
            self._run_again(job)
            return "revived"
        return "left"

    def _arm_fallback_again(self, job: ModelJob) -> None:
        """A fallback that has run waits for its job to fail again, and so does the fallback's own."""
        fallback = self.jobs.get(job.fallback or "")
        if fallback is None or not fallback.has_ended or fallback.status == "skipped":
            return
        self.tell(fallback, job)
        if fallback.has_ended and (fallback.has_run or fallback.status not in DECIDED_BY_RULES):
            fallback.failures = fallback.deaths = 0
            self.follow(fallback, fallback.verdict())
        if not fallback.has_ended:
            self._arm_fallback_again(fallback)

    def skip(self, job_id: str, value: bytes) -> None:
        job = self.look_up(job_id)
        if job.status == "finished":
            raise InvalidJobOperationError(job.status)
        self.leave_gate(job)
        job.gives = False
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
            self.leave_gate(job)
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
        if job.attempt > 0 or job.has_run or job.status in ("started", "finished", "failed", "stopped"):
            raise InvalidJobOperationError(job.status)
        if self.reaches(dependency_ids, job_id):
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

    def reaches(self, job_ids: Iterable[str], goal: str) -> bool:
        """Whether the end of any of these jobs waits for that of another."""
        seen: set[str] = set()
        stack = list(job_ids)
        while stack:
            job_id = stack.pop()
            if job_id not in seen:
                seen.add(job_id)
                stack += self._waits_for(job_id)
        return goal in seen

    def _waits_for(self, job_id: str) -> list[str]:
        job = self.jobs.get(job_id)
        if job is None:
            return []
        spawned = self.spawned.get(job.spawning or "") if job.status == "started" else None
        return [*job.edges, *job.joined, *(spawned.edges if spawned else []), *([job.fallback] if job.fallback else [])]

    def limit(self, queue: str, most: int | None) -> None:
        if most is None:
            self.limits.pop(queue, None)
            return
        self.limits[queue] = most
        for job in self.with_status("started"):
            job.makes_room = job.makes_room or job.queue == queue
