"""Workers that claim jobs, report outcomes, renew and give back, and lose replies."""

from __future__ import annotations

from typing import Any

from by_hand import LEASE_MS
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from model import ModelJob

from machine.base import AN_HOUR_MS, LONG, QUEUES, Base, Stager, Worker, picks
from rqdeps.store.calls import changes, claims, reads, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome, Settled
from rqdeps.store.calls.reads import OutputRecord


class Workers(Base):
    @property
    def has_work(self) -> bool:
        return bool(self.model.with_status("queued") or any(worker.held for worker in self.workers))

    def busy_worker(self, pick: int) -> Worker:
        """A worker that holds claims, and if need be takes some before."""
        if not any(worker.held for worker in self.workers):
            self.settle(self.pick(self.workers, pick), [], want=5, begin=4, queues=QUEUES, look=True)
        return self.pick([worker for worker in self.workers if worker.held] or self.workers, pick)

    def queued_in(self, queues: list[str]) -> list[ModelJob]:
        return [
            job for job in self.model.with_status("queued") if job.queue in queues and self.model.has_room(job.queue)
        ]

    def settle(
        self,
        worker: Worker,
        outcomes: list[Outcome],
        *,
        want: int,
        begin: int,
        queues: list[str],
        look: bool,
        is_known: bool = True,
    ) -> Settled:
        before, tasks = self.model.untold(), self.follower.tasks
        canceled = {job.id for job in self.model.with_status("queued") if self.model.is_being_canceled(job)}
        settled = self.run(
            claims.settle(
                outcomes,
                holder=worker.holder,
                lease_ms=LEASE_MS,
                queues=queues,
                want=want,
                begin=begin,
                look=look,
            )
        )
        before |= self.model.untold() if not outcomes else set()
        reported = [self.model.jobs[each.claim.id] for each in outcomes if self.is_held(each.claim)]
        makes_room = any(job.makes_room for job in reported)
        assert settled.statuses == [self.model.settle(outcome) for outcome in outcomes]
        self.follower.follow([(claim, worker.holder, place < begin) for place, claim in enumerate(settled.claimed)])
        assert self.follower.tellings <= self.budget
        assert settled.cascades_left or (self.model.untold() <= before and self.follower.tasks <= tasks)
        released = self.follower.released
        assert sorted(released) == sorted(job_id for job_id, _ in settled.released)
        assert all(by in self.model.jobs[job_id].edges for job_id, by in settled.released)
        assert len(settled.claimed) <= want
        for claim in settled.claimed:
            if claim.wants_outputs:
                self.check_outputs(claim)
        if is_known:
            worker.held += settled.claimed
        canceled -= {job.id for job in self.model.with_status("queued")}  # that may have released others
        if (look or released or makes_room) and not settled.has_more and not canceled:
            assert not self.queued_in(queues)
        if not look and not released and not makes_room:
            assert not settled.claimed
        return settled

    def check_outputs(self, claim: Claimed) -> None:
        cursor, records = self.run(reads.outputs(claim.id))
        assert cursor == b"0"
        edges = self.model.jobs[claim.id].edges
        assert {record.job_id for record in records} == {
            job_id for job_id, edge in edges.items() if edge.kind != "dependency"
        }
        for record in records:
            if edges[record.job_id].kind == "fallback":
                assert record.status == "fallback"
            else:
                self.check_output(record)

    def check_output(self, record: OutputRecord) -> None:
        dependency = self.model.jobs.get(record.job_id)
        while dependency is not None and dependency.status == "failed" and dependency.fallback:
            dependency = self.model.jobs[dependency.fallback]
        expected = ("", b"", "")
        if dependency is not None:
            expected = (dependency.status, dependency.result or b"", dependency.id if dependency.gives else "")
        assert (record.status, record.value, record.giver) == expected

    def draw_outcomes(self, worker: Worker, drawn: list[tuple[int, str]]) -> list[Outcome]:
        outcomes = []
        held = list(worker.held)
        for which, kind in drawn[: len(held)]:
            claim = held.pop(which % len(held))
            value = f"{claim.id} {claim.attempt}".encode()
            stager = next((stager for stager in self.stagers if stager.claim == claim), None)
            outcomes.append(
                {
                    "spawned": self.outcome_of_spawn(stager) if stager else Outcome(claim, "finished", value=value),
                    "finished": Outcome(claim, "finished", value=value),
                    "finished long": Outcome(claim, "finished", value=value + LONG.encode()),
                    "failed": Outcome(claim, "failed", NO_RETRY, b"{}"),
                    "failed, retry at once": Outcome(claim, "failed", 0, b"{}"),
                    "failed, retry later": Outcome(claim, "failed", AN_HOUR_MS, b"{}"),
                    "snoozed": Outcome(claim, "snoozed", AN_HOUR_MS),
                    "snoozed for no time": Outcome(claim, "snoozed", 0),
                    "stopped": Outcome(claim, "stopped", value=b"{}"),
                }[kind]
            )
        return outcomes

    def outcome_of_spawn(self, stager: Stager) -> Outcome:
        """An attempt returns that has spawned a graph, which may not be whole, or be given up."""
        spawner, claim = stager.plan.spawner, stager.claim
        assert spawner is not None
        assert claim is not None
        gives = any(kind == "output" for group in spawner.groups for kind, _ in group.members)
        value = f"{claim.id} {claim.attempt}, joined".encode()
        pieces = len(stager.plan.pieces)
        return Outcome(claim, "gives" if gives else "spawned", value=value, pieces=pieces, duration_ms=7)

    kinds = st.sampled_from(
        [
            "finished", "finished", "finished long", "failed", "failed", "failed", "failed, retry at once",
            "failed, retry later", "snoozed", "snoozed for no time", "stopped", "spawned", "spawned",
        ]
    )  # fmt: skip
    some_outcomes = st.lists(st.tuples(picks, kinds), min_size=1, max_size=4)
    some_workers = st.integers(0, 1)
    some_queues = st.permutations(QUEUES).flatmap(lambda names: st.sampled_from([names, names, names[:1]]))

    @rule(worker=some_workers, want=st.integers(0, 3), begin=st.integers(0, 3), queues=some_queues)
    def wake_and_claim(self, worker: int, want: int, begin: int, queues: list[str]) -> None:
        """A worker takes a wake marker and claims; if it wants nothing now, that puts the marker back."""
        self.client.zpopmin(f"{self.store.keys.prefix}wake:{queues[0]}")
        self.settle(self.workers[worker], [], want=want, begin=begin, queues=queues, look=True)

    a_report = rule(
        worker=some_workers,
        drawn=some_outcomes,
        want=st.integers(0, 4),
        begin=st.integers(0, 4),
        queues=some_queues,
        look=st.booleans(),
    )

    @precondition(lambda self: self.has_work)
    @a_report
    def settle_and_claim(
        self, worker: int, drawn: list[tuple[int, str]], want: int, begin: int, queues: list[str], look: bool
    ) -> None:
        holder = self.busy_worker(worker)
        outcomes = self.draw_outcomes(holder, drawn)
        self.settle(holder, outcomes, want=want, begin=begin, queues=queues, look=look)
        self.forget_claims(holder, outcomes)

    @precondition(lambda self: self.has_work)
    @a_report
    def settle_and_claim_more(self, **report: Any) -> None:
        self.settle_and_claim(**report)

    @precondition(lambda self: self.has_work)
    @rule(worker=some_workers, drawn=some_outcomes, want=st.integers(0, 4), arrived=st.booleans())
    def settle_and_lose_the_reply(self, worker: int, drawn: list[tuple[int, str]], want: int, arrived: bool) -> None:
        """The worker reports again under a new name, and has given back what the old name may have claimed."""
        holder = self.busy_worker(worker)
        outcomes = self.draw_outcomes(holder, drawn)
        if arrived:
            self.settle(holder, outcomes, want=want, begin=want, queues=QUEUES, look=True, is_known=False)
        lost_name = holder.holder
        holder.renames += 1
        self.settle(holder, outcomes, want=want, begin=want, queues=QUEUES, look=True)
        self.forget_claims(holder, outcomes)
        known = {claim.fence for claim in holder.held}
        for queue in QUEUES:
            lost = [
                job
                for job in self.model.with_status("started")
                if job.holder == lost_name and job.queue == queue and job.fence not in known
            ]
            offset, returned = 0, 0
            while offset >= 0:
                offset, count = self.run(claims.reclaim(queue, holder=lost_name, offset=offset, known=holder.held))
                returned += count
            assert returned == len(lost)
            for job in lost:
                self.model.give_back(job)
            self.follow()

    def forget_claims(self, worker: Worker, outcomes: list[Outcome]) -> None:
        reported = {outcome.claim.fence for outcome in outcomes}
        worker.held = [claim for claim in worker.held if claim.fence not in reported]
        self.stagers = [each for each in self.stagers if each.claim is None or each.claim.fence not in reported]

    @precondition(lambda self: self.has_work)
    @rule(worker=some_workers, drawn=some_outcomes, begun=picks, gives_back=st.booleans(), stops=st.booleans())
    def renew_and_give_back(
        self, worker: int, drawn: list[tuple[int, str]], begun: int, gives_back: bool, stops: bool
    ) -> None:
        """A worker renews its leases, each with or without word that the job has begun, and may return some jobs."""
        holder = self.busy_worker(worker)
        if stops and holder.held:  # a person has one stopped just now
            self.stop(holder.held[begun % len(holder.held)].id)
            self.check_inbox(holder)
        renewed = [(claim, bool(begun >> place & 1)) for place, claim in enumerate(holder.held)]
        states = self.run(claims.renew(renewed, lease_ms=LEASE_MS))
        assert states == [self.model.renew(claim, has_begun=has_begun) for claim, has_begun in renewed]
        if gives_back:
            outcomes = self.draw_outcomes(holder, drawn)
            returned = [self.model.jobs[each.claim.id] for each in outcomes if self.is_held(each.claim)]
            assert self.run(claims.give_back([each.claim for each in outcomes])) == len(returned)
            for job in reversed(returned):
                self.model.give_back(job)
            self.forget_claims(holder, outcomes)
        self.follow()

    def stop(self, job_id: str) -> None:
        changed = self.run(changes.cancel([job_id]))
        assert changed.found == [self.model.cancel(job_id)]
        self.follow(left=changed.cascades_left)

    def check_inbox(self, worker: Worker) -> None:
        """The server tells the worker that it knows which of its claims are to be stopped."""
        beaten = self.run(upkeep.beat("worker-1", {}))
        asked = {message.claim for message in beaten.messages}
        wanted = {
            (job.id, job.fence)
            for job in self.model.with_status("started")
            if job.is_to_stop and job.holder.startswith("worker-1")
        }
        assert worker.number != 1 or wanted <= asked | self.told_to_stop
        self.told_to_stop = self.told_to_stop | asked

    told_to_stop: frozenset[Any] | set[Any] = frozenset()

    def is_held(self, claim: Claimed) -> bool:
        return claim.id in self.model.jobs and self.model.jobs[claim.id].holds(claim)
