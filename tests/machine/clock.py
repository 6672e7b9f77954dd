"""What time brings, and what was left behind."""

from __future__ import annotations

from hypothesis import note
from hypothesis.stateful import precondition, rule
from model import ModelJob

from machine.base import MANY_CALLS, picks
from machine.people import People
from rqdeps.store.calls import upkeep


class Clock(People):
    @property
    def has_cascades(self) -> bool:
        return any(self.follower.data.sorted_set(name) for name in ("cascades", "reopenings"))

    @precondition(lambda self: self.has_cascades)
    @rule()
    def carry_on_cascades_once(self) -> None:
        left = self.run(upkeep.cascade())
        self.follow(at_most=self.budget)
        assert left or not self.model.untold()

    @precondition(lambda self: self.has_cascades)
    @rule()
    def carry_on_cascades_to_the_end(self) -> None:
        for _ in range(MANY_CALLS):
            left = self.run(upkeep.cascade())
            self.follow(at_most=self.budget)
            if not left:
                assert not self.model.untold()
                return
        raise AssertionError("cascades never come to an end")

    # Time

    def make_due(self, registry: str, job: ModelJob) -> None:
        self.client.zadd(f"{self.store.keys.prefix}{registry}", {job.id: 1}, xx=True)

    def write(self, job: ModelJob, name: str, value: int) -> None:
        self.client.hset(f"{self.store.keys.prefix}job:{job.id}", name, value)

    def what_time_may_bring(self) -> dict[str, list[ModelJob]]:
        jobs = list(self.model.jobs.values())
        ended = [job for job in jobs if job.has_ended]
        candidates = {
            "a lease is lost": [job for job in jobs if job.status == "started"],
            "a time comes": [job for job in jobs if job.status == "scheduled" or job.time_is_ahead],
            "a ttl runs out": [job for job in jobs if job.has_timer],
            "a value is kept no longer": ended,
            "a record is kept no longer": ended,
        }
        return {event: found for event, found in candidates.items() if found}

    @precondition(lambda self: self.what_time_may_bring())
    @rule(event=picks, which=picks)
    def time_passes(self, event: int, which: int) -> None:
        candidates = self.what_time_may_bring()
        name = self.pick(list(candidates), event)
        job = self.pick(candidates[name], which)
        note(f"{name}: {job.id}")
        getattr(self, name.replace(" ", "_"))(job)
        self.follow()

    def a_lease_is_lost(self, job: ModelJob) -> None:
        self.make_due(f"started:{job.queue}", job)
        assert self.maintain().recovered == [job.id]
        self.model.lose_lease(job)

    def a_time_comes(self, job: ModelJob) -> None:
        if job.attempt == 0:
            self.write(job, "scheduled_for", 1)
        self.make_due(f"scheduled:{job.queue}", job)
        self.maintain()
        self.model.come_due(job)

    def a_ttl_runs_out(self, job: ModelJob) -> None:
        self.make_due("timers", job)
        had_cascades = self.has_cascades
        expired = self.maintain().expired
        assert expired == [job.id] or (had_cascades and not expired)  # one of them may have ended it first
        if expired:
            self.model.outlive_ttl(job)

    def a_value_is_kept_no_longer(self, job: ModelJob) -> None:
        if any(each.may_go and each.is_old for each in self.model.jobs.values()):  # these go first
            self.maintain()
            self.follow()
        if job.id in self.model.jobs:
            self.let_expire(self.model.jobs[job.id])

    def let_expire(self, job: ModelJob) -> None:
        self.make_due(f"{job.status}:{job.queue}", job)
        above = self.model.above(job)
        cascades = {**self.follower.data.sorted_set("cascades"), **self.follower.data.sorted_set("reopenings")}
        has_news = job.id in cascades or (above is not None and above.id in cascades)
        self.maintain()
        if not has_news:  # else it is kept in any case
            self.model.expire(job)

    def a_record_is_kept_no_longer(self, job: ModelJob) -> None:
        self.write(job, "ended_at", 1)
        job.is_old = True
        self.a_value_is_kept_no_longer(job)
