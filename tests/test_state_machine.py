"""Random graphs through random commands, against the model of ``model.py``, with every promise checked at each step.

On a real server: what is tested are scripts. A failure prints the steps that lead to it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from unittest import mock

import pytest
import samples
from by_hand import LEASE_MS
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import Model, ModelJob
from redis import Redis

import rqdeps.store.store
from rqdeps import Dependency, DuplicateJobError, NoSuchJobError, Queue
from rqdeps.dependency import RULES, Output, Rule
from rqdeps.enqueue_data import EnqueueData, delayed
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome, Settled
from rqdeps.store.calls.enqueue import NewJob, enqueue
from rqdeps.store.invariants import check_invariants
from rqdeps.store.scripts import script

T = TypeVar("T")

QUEUES = ["a", "b"]
CHOSEN_IDS = ["chosen-1", "chosen-2", "chosen-3"]
LONG = "long " * 20
AN_HOUR_MS = 3_600_000

#: What a call may cost: most often so little that cascades are interrupted all the time.
BUDGETS = [1, 3, 6, 12, 500]

#: More calls than ``maintain`` or ``cascade`` can need to come to an end.
MANY_CALLS = 500

#: As many jobs as there need to be for all that can happen.
MANY_JOBS = 25

picks = st.integers(0, 1_000_000)


#: What jobs are like, beside what they depend on: mostly plain, else with something that is handled in its own way.
VARIETIES: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"retry": 1},
    {"retry": 2, "argument": LONG},
    {"delay_ms": AN_HOUR_MS},
    {"delay_ms": AN_HOUR_MS, "ttl": "1h", "retry": 1},
    {"delay_ms": 0},
    {"ttl": "1h"},
    {"at_front": True},
    {"result_ttl": 0},
    {"is_chosen": True},
    {"is_chosen": True, "ttl": "1h"},
]


@dataclass(frozen=True)
class Wish:
    """A job to be: its queue and variety; a rule for each group; and which jobs it depends on, with their groups."""

    queue: str
    variety: dict[str, Any]
    rules: list[Rule]
    edges: list[tuple[int, int]]


wishes = st.builds(
    Wish,
    st.sampled_from(QUEUES),
    st.sampled_from(VARIETIES),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3),
    st.just([]) | st.lists(st.tuples(picks, st.integers(0, 8)), min_size=1, max_size=5),
)


class Worker:
    """What a worker knows: its name, and the claims that it believes to hold."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.renames = 0
        self.held: list[Claimed] = []

    @property
    def holder(self) -> str:
        return f"worker-{self.number}.{self.renames}"


class JobsMachine(RuleBasedStateMachine):
    """Clients, workers and time, in whatever order; and what all of them must find."""

    def __init__(self, client: Redis) -> None:
        super().__init__()
        self.client: Any = client
        client.flushall()
        self.store = Store(client)
        self.model = Model()
        self.workers = [Worker(1), Worker(2)]
        self.sent: list[tuple[Call[Any], list[str]]] = []
        self.budget = 0
        self.made = 0
        self.maintain_calls = 0
        self.left_behind: set[tuple[str, str]] = set()
        self.patch: Any = None

    @initialize(budget=st.sampled_from(BUDGETS), batch=st.lists(wishes, min_size=3, max_size=8))
    def begin(self, budget: int, batch: list[Wish]) -> None:
        self.budget = budget
        self.patch = mock.patch.object(rqdeps.store.store, "script", partial(script, budget=budget))
        self.patch.start()
        self.send(self.new_batch(batch))

    # Talking to the store, and telling the model what cascades delivered

    def run(self, call: Call[T]) -> T:
        return self.store.run(call)

    def absorb_cascades(self, *, at_most: int, left: int | None = None) -> list[str]:
        """Tells the model which edges have been delivered. Returns which jobs were released thereby.

        Args:
            at_most: how many edges the calls since the last time may have delivered.
            left: how many of the cascades that they began had to be left, by their own account.
        """
        delivered = 0
        for job in self.model.with_open_edges() if self.model.untold() else []:
            for edge in self.run(reads.edges(job.id)):
                if edge.outcome is not None and edge.dependency_id not in job.known:
                    self.model.told(job, edge.dependency_id, edge.outcome)
                    delivered += 1
        released = self.model.decide_told()
        assert delivered <= at_most, f"{delivered} edges were delivered by calls that may deliver {at_most}"
        before, self.left_behind = self.left_behind, {(job.id, each) for job, each in self.model.untold()}
        assert left != 0 or self.left_behind <= before, "a call left a cascade behind and does not say so"
        return released

    def absorb_claims(self, worker: Worker, settled: Settled, *, begin: int, is_known: bool = True) -> None:
        for place, claim in enumerate(settled.claimed):
            self.model.claim(claim, holder=worker.holder, begins=place < begin)
        for claim in settled.claimed:
            if claim.wants_outputs:
                self.check_outputs(claim)
        if is_known:
            worker.held += settled.claimed

    def check_outputs(self, claim: Claimed) -> None:
        cursor, records = self.run(reads.outputs(claim.id))
        assert cursor == b"0"
        for record in records:
            dependency = self.model.jobs[record.job_id]
            assert (record.status, record.value) == (dependency.status, dependency.result or b"")

    def maintain(self) -> upkeep.Maintained:
        """Lets a worker look after all queues until nothing is left to do. Returns the sum of it."""
        recovered: list[str] = []
        expired: list[str] = []
        for self.maintain_calls in range(1, MANY_CALLS):
            result = self.run(upkeep.maintain(QUEUES, lease_ms=LEASE_MS))
            recovered += result.recovered
            expired += result.expired
            if not result.has_more:
                break
        else:
            raise AssertionError("maintain never comes to an end")
        self.maintained = upkeep.Maintained(False, result.next_due_ms, recovered, expired, result.promoted, 0)
        return self.maintained

    def after_maintenance(self) -> None:
        self.absorb_cascades(at_most=self.maintain_calls * max(self.budget, 50))

    def pick(self, candidates: list[T], pick: int) -> T:
        return candidates[pick % len(candidates)]

    # Clients

    def new_batch(self, batch: list[Wish]) -> list[NewJob]:
        """Jobs to be, of which each may depend on those before it, and on all that exist."""
        free = [job_id for job_id in CHOSEN_IDS if job_id not in self.model.jobs]
        datas: list[EnqueueData] = []
        jobs: list[NewJob] = []
        for wish in batch:
            known = [*self.model.jobs, *(data.id for data in datas)]
            groups: dict[int, list[str]] = {}
            outputs = []
            for which, place in wish.edges if known else []:
                job_id = self.pick(known, which)
                if all(job_id not in members for members in groups.values()):
                    groups.setdefault(place % len(wish.rules), []).append(job_id)
                    outputs += [Output(job_id, None)] if place > 5 else []
            options = dict(wish.variety)
            delay_ms = options.pop("delay_ms", None)
            is_chosen = options.pop("is_chosen", False) and free
            data = Queue.prepare_data(
                samples.anything,
                [options.pop("argument", ""), *outputs],
                job_id=free.pop() if is_chosen else None,
                depends_on=[Dependency(ids, rule=wish.rules[group]) for group, ids in groups.items()],
                **options,
            )
            if delay_ms is not None:
                data = delayed(data, delay_ms)
            if data.options.job_id is None:
                self.made += 1
                data = replace(data, id=f"job-{self.made}")
            datas.append(data)
            job = data.new_job(wish.queue)
            jobs.append(job if is_chosen else replace(job, nonce=""))
        return jobs

    @precondition(lambda self: len(self.model.jobs) < MANY_JOBS)
    @rule(
        batch=st.lists(wishes, min_size=1, max_size=5),
        order=st.randoms(use_true_random=False),
        arrives=st.sampled_from(["once", "once", "twice", "second sending alone"]),
    )
    def enqueue(self, batch: list[Wish], order: Any, arrives: str) -> None:
        jobs = self.new_batch(batch)
        order.shuffle(jobs)
        self.send(jobs, arrives)

    def send(self, jobs: list[NewJob], arrives: str = "once") -> None:
        note(f"enqueue {[job.id for job in jobs]}")
        call = enqueue(jobs, new_queues=QUEUES)
        first = self.run(call.again() if arrives == "second sending alone" else call)
        if arrives == "twice":
            again = self.run(call.again())
            assert again.statuses == first.statuses
        self.sent.append((call, [job.id for job in jobs]))
        self.model.enqueue(jobs)
        self.absorb_cascades(at_most=self.budget, left=first.cascades_left)
        assert first.statuses == [self.model.jobs[job.id].status for job in jobs]

    @precondition(lambda self: self.has_work)
    @rule(sending=picks, batch=st.lists(wishes, min_size=1, max_size=2), taken=st.sampled_from(CHOSEN_IDS))
    def nothing_happens(self, sending: int, batch: list[Wish], taken: str) -> None:
        """A call sent long ago arrives again; one job of a batch can't be, so that none is enqueued; nothing is due."""
        if self.sent:
            call, ids = self.pick(self.sent, sending)
            assert self.run(call.again()).statuses == [self.model.jobs[job_id].status for job_id in ids]
        if taken in self.model.jobs:
            wrong, error = Queue.prepare_data(samples.anything, job_id=taken), DuplicateJobError
        else:
            wrong, error = Queue.prepare_data(samples.anything, depends_on="never-existed"), NoSuchJobError
        with pytest.raises(error):
            self.run(enqueue([*self.new_batch(batch), wrong.new_job("a")], new_queues=QUEUES))
        result = self.maintain()
        assert (result.recovered, result.expired, result.promoted) == ([], [], 0)
        self.after_maintenance()

    # Workers

    @property
    def has_work(self) -> bool:
        return bool(self.model.with_status("queued") or any(worker.held for worker in self.workers))

    def busy_worker(self, pick: int) -> Worker:
        """A worker that holds claims, and if need be takes some before."""
        if not any(worker.held for worker in self.workers):
            self.settle(self.pick(self.workers, pick), [], want=5, begin=4, queues=QUEUES, look=True)
        return self.pick([worker for worker in self.workers if worker.held] or self.workers, pick)

    def queued_in(self, queues: list[str]) -> list[ModelJob]:
        return [job for job in self.model.with_status("queued") if job.queue in queues]

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
        assert settled.statuses == [self.model.settle(outcome) for outcome in outcomes]
        released = self.absorb_cascades(at_most=self.budget, left=settled.cascades_left)
        assert sorted(released) == sorted(job_id for job_id, _ in settled.released)
        assert all(by in self.model.jobs[job_id].dependency_ids for job_id, by in settled.released)
        assert len(settled.claimed) <= want
        self.absorb_claims(worker, settled, begin=begin, is_known=is_known)
        if (look or released) and not settled.has_more:
            assert not self.queued_in(queues)
        if not look and not released:
            assert not settled.claimed
        return settled

    def draw_outcomes(self, worker: Worker, drawn: list[tuple[int, str]]) -> list[Outcome]:
        outcomes = []
        held = list(worker.held)
        for which, kind in drawn[: len(held)]:
            claim = held.pop(which % len(held))
            value = f"{claim.id} {claim.attempt}".encode()
            outcomes.append(
                {
                    "finished": Outcome(claim, "finished", value=value),
                    "finished long": Outcome(claim, "finished", value=value + LONG.encode()),
                    "failed": Outcome(claim, "failed", NO_RETRY, b"{}"),
                    "failed, retry at once": Outcome(claim, "failed", 0, b"{}"),
                    "failed, retry later": Outcome(claim, "failed", AN_HOUR_MS, b"{}"),
                    "snoozed": Outcome(claim, "snoozed", AN_HOUR_MS),
                    "snoozed for no time": Outcome(claim, "snoozed", 0),
                }[kind]
            )
        return outcomes

    kinds = st.sampled_from(
        [
            "finished", "finished", "finished long", "failed", "failed", "failed, retry at once", "failed, retry later",
            "snoozed", "snoozed for no time",
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
            offset, returned = 0, 0
            while offset >= 0:
                offset, count = self.run(claims.reclaim(queue, holder=lost_name, offset=offset, known=holder.held))
                returned += count
            lost = [
                job
                for job in self.model.with_status("started")
                if job.holder == lost_name and job.queue == queue and job.fence not in known
            ]
            assert returned == len(lost)
            for job in lost:
                self.model.give_back(job)

    def forget_claims(self, worker: Worker, outcomes: list[Outcome]) -> None:
        reported = {outcome.claim.fence for outcome in outcomes}
        worker.held = [claim for claim in worker.held if claim.fence not in reported]

    @precondition(lambda self: self.has_work)
    @rule(worker=some_workers, drawn=some_outcomes, begun=picks, gives_back=st.booleans())
    def renew_and_give_back(self, worker: int, drawn: list[tuple[int, str]], begun: int, gives_back: bool) -> None:
        """A worker renews its leases, each with or without word that the job has begun, and may return some jobs."""
        holder = self.busy_worker(worker)
        renewed = [(claim, bool(begun >> place & 1)) for place, claim in enumerate(holder.held)]
        states = self.run(claims.renew(renewed, lease_ms=LEASE_MS))
        assert states == [
            "held" if self.model.renew(claim, has_begun=has_begun) else "lost" for claim, has_begun in renewed
        ]
        if gives_back:
            outcomes = self.draw_outcomes(holder, drawn)
            returned = [self.model.jobs[each.claim.id] for each in outcomes if self.is_held(each.claim)]
            assert self.run(claims.give_back([each.claim for each in outcomes])) == len(returned)
            for job in returned:
                self.model.give_back(job)
            self.forget_claims(holder, outcomes)

    def is_held(self, claim: Claimed) -> bool:
        return claim.id in self.model.jobs and self.model.jobs[claim.id].holds(claim)

    # Cascades left behind

    @precondition(lambda self: self.model.untold())
    @rule()
    def carry_on_cascades_once(self) -> None:
        left = self.run(upkeep.cascade())
        self.absorb_cascades(at_most=self.budget)
        assert left or not self.left_behind

    @precondition(lambda self: self.model.untold())
    @rule()
    def carry_on_cascades_to_the_end(self) -> None:
        for calls in range(1, MANY_CALLS):
            if not self.run(upkeep.cascade()):
                self.absorb_cascades(at_most=calls * self.budget, left=0)
                assert not self.left_behind
                return
        raise AssertionError("cascades never come to an end")

    # Time

    def make_due(self, registry: str, job: ModelJob) -> None:
        self.client.zadd(f"{self.store.keys.prefix}{registry}", {job.id: 1}, xx=True)

    def write(self, job: ModelJob, field: str, value: int) -> None:
        self.client.hset(f"{self.store.keys.prefix}job:{job.id}", field, value)

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
        self.after_maintenance()

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
        assert self.maintain().expired == [job.id]
        self.model.outlive_ttl(job)

    def a_value_is_kept_no_longer(self, job: ModelJob) -> None:
        self.make_due(f"{job.status}:{job.queue}", job)
        self.maintain()
        self.model.expire(job)
        if job.id not in self.model.jobs:  # sent again now, it would be a new job
            self.sent = [(call, ids) for call, ids in self.sent if job.id not in ids]

    def a_record_is_kept_no_longer(self, job: ModelJob) -> None:
        self.write(job, "ended_at", 1)
        job.is_old = True
        self.a_value_is_kept_no_longer(job)

    # What must be so, always

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        jobs = list(self.model.jobs.values())
        stored = self.run(reads.fetch([job.id for job in jobs]))
        found = {
            job.id: fields and (fields["status"].decode(), *(int(fields.get(name, 0)) for name in COUNTERS))
            for job, fields in zip(jobs, stored, strict=True)
        }
        assert found == {job.id: (job.status, job.attempt, job.failures, job.deaths) for job in jobs}
        counts: dict[str, dict[str, int]] = {queue: {} for queue in QUEUES}
        for job in jobs:
            counts[job.queue][job.status] = counts[job.queue].get(job.status, 0) + 1
        overview = self.run(reads.overview())
        assert {
            queue: {s: n for s, n in by_status.items() if n}
            for queue, by_status in overview.items()
            if any(by_status.values())
        } == {queue: by_status for queue, by_status in counts.items() if by_status}

    @invariant()
    def the_stored_data_is_in_order(self) -> None:
        check_invariants(self.client, quiet=True)

    # Nothing is stuck

    def teardown(self) -> None:
        if self.patch is None:
            return
        try:
            if sys.exc_info()[1] is None:
                self.bring_all_to_an_end()
        finally:
            self.patch.stop()

    def bring_all_to_an_end(self) -> None:
        """Whatever happened: workers that come now bring every job to an end, and in time nothing is left of any."""
        for _ in range(MANY_CALLS):
            if all(job.has_ended for job in self.model.jobs.values()):
                break
            self.let_all_times_come()
            self.run_what_is_queued()
        self.maintain()
        self.after_maintenance()
        assert not self.model.untold()
        assert not [job for job in self.model.jobs.values() if not job.has_ended]
        self.the_store_says_what_the_model_says()
        self.the_stored_data_is_in_order()
        assert not self.run(upkeep.pending(QUEUES))
        self.delete_all()

    def let_all_times_come(self) -> None:
        for job in self.model.with_status("started"):
            self.a_lease_is_lost(job)
            self.after_maintenance()
        for job in self.model.jobs.values():
            if job.status == "scheduled" or job.time_is_ahead:
                self.make_due(f"scheduled:{job.queue}", job)
                self.write(job, "scheduled_for", 1)
                self.model.come_due(job)
        self.maintain()
        self.after_maintenance()

    def run_what_is_queued(self) -> None:
        worker = Worker(3)
        self.settle(worker, [], want=5, begin=5, queues=QUEUES, look=True)
        outcomes = [Outcome(claim, "finished", value=b"1") for claim in worker.held]
        self.settle(worker, outcomes, want=0, begin=0, queues=QUEUES, look=False)

    def delete_all(self) -> None:
        for _ in range(MANY_JOBS):
            for job in list(self.model.jobs.values()):
                self.a_record_is_kept_no_longer(job)
        assert not self.model.jobs
        names = {key.decode().removeprefix(self.store.keys.prefix) for key in self.client.scan_iter()}
        assert {name.partition(":")[0] for name in names} <= {"schema", "queues", "beat", "wake", "queue", "queue-meta"}


COUNTERS = ("attempt", "failures", "deaths")


@pytest.mark.timeout(0)
def test_random_commands_on_random_graphs(valkey: Redis):
    run_state_machine_as_test(
        lambda: JobsMachine(valkey),
        settings=settings(
            stateful_step_count=40,
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
