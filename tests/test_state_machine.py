"""Random graphs through random commands, against the model of ``model.py``, with every promise checked at each call.

On a real server: what is tested are scripts. A failure prints the steps that lead to it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from unittest import mock

import pytest
import samples
from by_hand import LEASE_MS
from follower import Follower
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
from rqdeps import Dependency, DuplicateJobError, Fallback, NoSuchJobError, Queue
from rqdeps.dependency import RULES, Output, Rule
from rqdeps.enqueue_data import EnqueueData, delayed, order_of
from rqdeps.errors import GraphGivenUpError
from rqdeps.lineage import refuse_circle
from rqdeps.store import Call, Store
from rqdeps.store.calls import changes, claims, reads, staging, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome, Settled
from rqdeps.store.calls.enqueue import NewJob, enqueue
from rqdeps.store.scripts import script

T = TypeVar("T")

QUEUES = ["a", "b"]
CHOSEN_IDS = ["chosen-1", "chosen-2", "chosen-3"]
LONG = "long " * 20
AN_HOUR_MS = 3_600_000

#: What a call may cost: most often so little that cascades are interrupted all the time.
BUDGETS = [1, 1, 4, 8, 12, 500]

#: More calls than ``maintain`` or ``cascade`` can need to come to an end.
MANY_CALLS = 500

#: As many jobs as there need to be for all that can happen.
MANY_JOBS = 20

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
    {"hold": True},
    {"hold": True, "ttl": "1h", "delay_ms": AN_HOUR_MS},
    {"fallbacks": [{}]},
    {"fallbacks": [{"retry": 1}]},
    {"fallbacks": [{}, {"ttl": "1h"}]},
    {"fallbacks": [{"at_front": True}], "hold": True},
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


@dataclass
class Stager:
    """A client that brings a graph in pieces; how many have come."""

    plan: staging.Plan
    come: int = 0
    calls: list[Call[None]] = field(default_factory=list)

    @property
    def gate(self) -> str:
        return self.plan.gate


class JobsMachine(RuleBasedStateMachine):
    """Clients, workers, people and time, in whatever order; and what all of them must find."""

    def __init__(self, client: Redis) -> None:
        super().__init__()
        self.client: Any = client
        self.follower = Follower(client)
        self.workers = [Worker(1), Worker(2)]
        self.stagers: list[Stager] = []
        self.sent: list[tuple[Call[Any], list[tuple[str, int]]]] = []
        self.budget = 0
        self.made = 0
        self.patch: Any = None

    @property
    def model(self) -> Model:
        return self.follower.model

    @property
    def store(self) -> Store:
        return self.follower.store

    @initialize(budget=st.sampled_from(BUDGETS), batch=st.lists(wishes, min_size=3, max_size=8))
    def begin(self, budget: int, batch: list[Wish]) -> None:
        self.budget = budget
        self.patch = mock.patch.object(rqdeps.store.store, "script", partial(script, budget=budget))
        self.patch.start()
        self.run(upkeep.beat("worker-1", {"pid": 1}))  # the other one is not known to the server
        self.send(self.new_batch(batch))

    # Talking to the store

    def run(self, call: Call[T]) -> T:
        return self.follower.run(call)

    def follow(self, *, at_most: int | None = None, left: int | None = None) -> None:
        """Sees what became of the last calls.

        Args:
            at_most: how often they may have told a job of another.
            left: how many of the cascades that they began had to be left, by their own account.
        """
        before = self.model.untold()
        self.follower.follow()
        assert at_most is None or self.follower.tellings <= at_most, f"{self.follower.tellings} tellings of {at_most}"
        assert left != 0 or self.model.untold() <= before, "a call left a cascade behind and does not say so"

    def maintain(self) -> upkeep.Maintained:
        """Lets a worker look after all queues until nothing is left to do. Returns the sum of it."""
        recovered: list[str] = []
        expired: list[str] = []
        promoted = 0
        for _ in range(MANY_CALLS):
            result = self.run(upkeep.maintain(QUEUES, lease_ms=LEASE_MS))
            recovered += result.recovered
            expired += result.expired
            promoted += result.promoted
            if not result.has_more:
                return upkeep.Maintained(False, result.next_due_ms, recovered, expired, promoted, 0)
        raise AssertionError("maintain never comes to an end")

    def pick(self, candidates: list[T], pick: int) -> T:
        return candidates[pick % len(candidates)]

    # Clients

    def new_batch(self, batch: list[Wish], *, may_choose: bool = True) -> list[NewJob]:
        """Jobs to be, of which each may depend on those before it, and on all that exist."""
        free = [job_id for job_id in CHOSEN_IDS if job_id not in self.model.jobs] if may_choose else []
        known = [job.id for job in self.model.visible()]
        jobs: list[NewJob] = []
        for wish in batch:
            groups: dict[int, list[str]] = {}
            outputs = []
            for which, place in wish.edges if known else []:
                job_id = self.pick(known, which)
                if all(job_id not in members for members in groups.values()):
                    groups.setdefault(place % len(wish.rules), []).append(job_id)
                    outputs += [Output(job_id, None)] if place > 5 else []
            options = dict(wish.variety)
            if options.get("fallbacks") and known and len(wish.edges) > 2:  # these alone wait for one thing more
                options["also"] = Output(self.pick(known, wish.edges[0][0] + 1), None)
            is_chosen = bool(options.pop("is_chosen", False) and free)
            data = self.new_data(options, free.pop() if is_chosen else None, groups, wish.rules, outputs)
            for each in data.with_fallbacks():
                job = each.new_job(wish.queue)
                known.append(job.id)
                jobs.append(job if is_chosen else replace(job, nonce=""))
        return jobs

    def new_data(
        self,
        options: dict[str, Any],
        job_id: str | None,
        groups: dict[int, list[str]],
        rules: list[Rule],
        outputs: list[Output],
    ) -> EnqueueData:
        delay_ms = options.pop("delay_ms", None)
        job_id = job_id or self.new_id()
        fallback = None
        also = options.pop("also", None)
        for wanted in reversed(options.pop("fallbacks", [])):
            fallback = Fallback(samples.anything, also, *outputs, job_id=self.new_id(), fallback=fallback, **wanted)
        data = Queue.prepare_data(
            samples.anything,
            [options.pop("argument", ""), *outputs],
            job_id=job_id,
            depends_on=[Dependency(ids, rule=rules[group]) for group, ids in groups.items()],
            fallback=fallback,
            **options,
        )
        return data if delay_ms is None else delayed(data, delay_ms)

    def new_id(self) -> str:
        self.made += 1
        return f"job-{self.made}"

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
        self.model.enqueue(jobs)
        self.sent.append((call, [(job.id, self.model.jobs[job.id].birth) for job in jobs]))
        self.follow(at_most=self.budget, left=first.cascades_left)
        assert first.statuses == [self.model.jobs[job.id].status for job in jobs]

    @precondition(lambda self: self.has_work)
    @rule(sending=picks, batch=st.lists(wishes, min_size=1, max_size=2), taken=st.sampled_from(CHOSEN_IDS))
    def nothing_happens(self, sending: int, batch: list[Wish], taken: str) -> None:
        """A call sent long ago arrives again; one job of a batch can't be, so that none is enqueued; nothing is due."""
        known = {(job.id, job.birth) for job in self.model.visible()}  # sent again, others would be new jobs
        sent = [(call, jobs) for call, jobs in self.sent if known.issuperset(jobs)]
        if sent:
            call, jobs = self.pick(sent, sending)
            assert self.run(call.again()).statuses == [self.model.jobs[job_id].status for job_id, _ in jobs]
        if taken in self.model.jobs:
            wrong, error = Queue.prepare_data(samples.anything, job_id=taken), DuplicateJobError
        else:
            wrong, error = Queue.prepare_data(samples.anything, depends_on="never-existed"), NoSuchJobError
        with pytest.raises(error):
            self.run(enqueue([*self.new_batch(batch), wrong.new_job("a")], new_queues=QUEUES))
        result = self.maintain()
        assert (result.recovered, result.expired, result.promoted) == ([], [], 0)
        self.follow()

    # Clients with large graphs

    @precondition(lambda self: len(self.model.jobs) < MANY_JOBS and len(self.stagers) < 2)
    @rule(
        batch=st.lists(wishes, min_size=2, max_size=5),
        order=st.randoms(use_true_random=False),
        budget=st.sampled_from([3, 7, 12]),
    )
    def begin_to_stage(self, batch: list[Wish], order: Any, budget: int) -> None:
        jobs = self.new_batch(batch, may_choose=False)
        order.shuffle(jobs)
        plan = staging.plan(jobs, order_of(jobs), budget=budget)
        self.stagers.append(Stager(replace(plan, gate=f"gate-{self.made}")))
        self.stage_next(len(self.stagers) - 1, twice=False)

    @precondition(lambda self: self.stagers)
    @rule(which=picks, twice=st.booleans())
    def stage_next(self, which: int, twice: bool) -> None:
        """One more piece comes, or after the last the gate is opened."""
        stager = self.pick(self.stagers, which)
        pieces = stager.plan.pieces
        try:
            if stager.come == len(pieces):
                self.open(stager, twice=twice)
                return
            piece = pieces[stager.come]
            unknown = self.unknown_to(stager, piece)
            note(f"stage {[job.id for job in piece.jobs]}, {piece.further}")
            call = staging.stage(stager.gate, stager.come + 1, piece, new_queues=QUEUES)
            try:
                self.run(call)
            except NoSuchJobError:
                assert unknown
                self.give_up(stager)
                return
            assert not unknown
            stager.come += 1
            stager.calls.append(call)
            if twice:
                self.run(self.pick(stager.calls, which).again())
            self.model.stage(stager.gate, piece)
            self.follow(at_most=0)
        except GraphGivenUpError:
            assert self.model.gates.get(stager.gate) == "given up"
            self.give_up(stager)

    def unknown_to(self, stager: Stager, piece: staging.Piece) -> set[str]:
        """What a piece depends on that is not there."""
        named = {job_id for job in piece.jobs for group in job.groups for _, job_id in group.members}
        named |= {job_id for edges in piece.further.values() for _, _, job_id in edges}
        own = {job.id for job in self.model.jobs.values() if job.gate == stager.gate} | {job.id for job in piece.jobs}
        return {job_id for job_id in named if job_id not in own and not self.model.sees(job_id)}

    def open(self, stager: Stager, *, twice: bool) -> None:
        note(f"open {stager.gate}")
        left = self.run(staging.open_gate(stager.plan))
        if twice:
            self.run(staging.open_gate(stager.plan))
        self.stagers.remove(stager)
        self.model.open(stager.gate)
        self.follow(at_most=self.budget, left=left)

    @precondition(lambda self: self.stagers)
    @rule(which=picks, how=st.sampled_from(["client", "client dies", "deadline"]), calls=st.integers(1, 3))
    def abandon_graph(self, which: int, how: str, calls: int) -> None:
        stager = self.pick(self.stagers, which)
        note(f"{stager.gate} is given up: {how}")
        if how == "client":
            for _ in range(calls):
                self.run(staging.give_up(stager.gate))
            if stager.come:
                self.model.gates[stager.gate] = "given up"
            self.follow()
            return  # this client may go on to stage, and is told
        if how == "client dies":
            self.stagers.remove(stager)
            return
        self.pass_deadline(stager.gate)

    def pass_deadline(self, gate: str) -> None:
        if self.client.zadd(f"{self.store.keys.prefix}gates", {gate: 1}, xx=True, ch=True):
            self.model.gates[gate] = "given up"
        self.maintain()
        self.follow()

    def give_up(self, stager: Stager) -> None:
        for _ in range(MANY_CALLS):
            if not self.run(staging.give_up(stager.gate)):
                break
        else:
            raise AssertionError("a graph is never given up")
        if stager.come:
            self.model.gates[stager.gate] = "given up"
        self.stagers.remove(stager)
        self.follow()
        assert not [job for job in self.model.jobs.values() if job.gate == stager.gate]

    # People who change their minds

    def expect(self, call: Call[T], change: Any, *, twice: bool) -> T | None:
        """Makes a call that is refused just when the model refuses the change. Returns its result, or nothing."""
        try:
            change()
        except Exception as error:
            with pytest.raises(type(error)):
                self.run(call)
            self.follow(at_most=0)
            return None
        result = self.run(call)
        if twice:
            self.run(call.again())
        return result

    @precondition(lambda self: self.model.jobs)
    @rule(
        what=st.sampled_from(["cancel", "delete", "requeue", "requeue", "force", "skip", "release", "add", "add"]),
        which=st.lists(picks, min_size=2, max_size=3),
        policy=st.sampled_from(["cancel", "release", "delete"]),
        queue=st.sampled_from(["", "", *QUEUES]),
        group_rule=st.sampled_from(RULES),
        twice=st.booleans(),
    )
    def change(self, what: str, which: list[int], policy: Any, queue: str, group_rule: Rule, twice: bool) -> None:
        job_ids = [self.pick(self.candidates(what), pick) for pick in which]
        note(f"{what} {job_ids}")
        if what in ("cancel", "delete"):
            self.change_several(job_ids[: which[0] % 2 + 1], "" if what == "cancel" else policy, twice=twice)
        elif what == "add":
            dependency_ids = list(dict.fromkeys(self.pick(list(self.model.jobs), pick) for pick in which[1:]))
            self.add_dependency(job_ids[0], dependency_ids, group_rule, twice=twice)
        else:
            job_id = job_ids[0]
            call, change = {
                "requeue": (
                    changes.requeue(job_id, force=False, at_front=twice),
                    lambda: self.model.requeue(job_id, force=False),
                ),
                "force": (
                    changes.requeue(job_id, force=True, at_front=twice),
                    lambda: self.model.requeue(job_id, force=True),
                ),
                "skip": (changes.skip(job_id, b"jnull", LONG), lambda: self.model.skip(job_id, b"jnull")),
                "release": (changes.release(job_ids, queue=queue), lambda: self.model.release(job_ids, queue)),
            }[what]
            left = self.expect(call, change, twice=twice)
            if left is not None:
                self.follow(left=left)

    def candidates(self, what: str) -> list[str]:
        """Jobs with which something can be done, if there are some; else all."""
        fitting = {
            "requeue": [job.id for job in self.model.jobs.values() if job.has_ended],
            "force": [job.id for job in self.model.jobs.values() if job.has_ended],
            "release": [job.id for job in self.model.jobs.values() if job.is_held],
            "add": [job.id for job in self.model.jobs.values() if job.attempt == 0],
        }
        return fitting.get(what) or list(self.model.jobs)

    def change_several(self, job_ids: list[str], policy: Any, *, twice: bool) -> None:
        call = changes.delete(job_ids, policy) if policy else changes.cancel(job_ids)
        changed = self.run(call)
        assert changed.found == [
            self.model.delete(job_id, policy) if policy else self.model.cancel(job_id) for job_id in job_ids
        ]
        if twice:
            self.run(call.again())
        self.follow(left=changed.cascades_left)

    def add_dependency(self, job_id: str, dependency_ids: list[str], group_rule: Rule, *, twice: bool) -> None:
        call = changes.add_dependency(job_id, dependency_ids, rule=group_rule)
        try:
            added = self.run(call)
            if added.search is not None:  # too much for one call
                refuse_circle(job_id, dependency_ids, self.store)
                call = changes.add_dependency(job_id, dependency_ids, rule=group_rule, state=added.search)
                added = self.run(call)
                assert added.search is None
        except Exception as error:
            with pytest.raises(type(error)):
                self.model.add_dependency(job_id, dependency_ids, group_rule)
            self.follow(at_most=0)
            return
        if twice:
            self.run(call.again())
        self.model.add_dependency(job_id, dependency_ids, group_rule)
        self.follow(left=added.cascades_left)

    @rule(queue=st.sampled_from(QUEUES))
    def pause_or_resume(self, queue: str) -> None:
        pauses = queue not in self.model.paused
        assert self.run(changes.pause(queue, pauses=pauses))
        assert not self.run(changes.pause(queue, pauses=pauses))
        self.model.paused ^= {queue}
        assert self.run(reads.is_paused(queue)) == pauses

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
        return [
            job
            for job in self.model.with_status("queued")
            if job.queue in queues and job.queue not in self.model.paused
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
        before = self.model.untold()
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
        assert settled.statuses == [self.model.settle(outcome) for outcome in outcomes]
        self.follower.follow([(claim, worker.holder, place < begin) for place, claim in enumerate(settled.claimed)])
        assert self.follower.tellings <= self.budget
        assert settled.cascades_left or self.model.untold() <= before
        released = self.follower.released
        assert sorted(released) == sorted(job_id for job_id, _ in settled.released)
        assert all(by in self.model.jobs[job_id].edges for job_id, by in settled.released)
        assert len(settled.claimed) <= want
        for claim in settled.claimed:
            if claim.wants_outputs:
                self.check_outputs(claim)
        if is_known:
            worker.held += settled.claimed
        if (look or released) and not settled.has_more:
            assert not self.queued_in(queues)
        if not look and not released:
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
                continue
            dependency = self.model.jobs.get(record.job_id)
            while dependency is not None and dependency.status == "failed" and dependency.fallback:
                dependency = self.model.jobs[dependency.fallback]
            expected = ("", b"") if dependency is None else (dependency.status, dependency.result or b"")
            assert (record.status, record.value) == expected

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
                    "stopped": Outcome(claim, "stopped", value=b"{}"),
                }[kind]
            )
        return outcomes

    kinds = st.sampled_from(
        [
            "finished", "finished", "finished long", "failed", "failed", "failed", "failed, retry at once",
            "failed, retry later", "snoozed", "snoozed for no time", "stopped",
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

    @precondition(lambda self: self.has_work)
    @rule(worker=some_workers, drawn=some_outcomes, begun=picks, gives_back=st.booleans(), stops=st.booleans())
    def renew_and_give_back(
        self, worker: int, drawn: list[tuple[int, str]], begun: int, gives_back: bool, stops: bool
    ) -> None:
        """A worker renews its leases, each with or without word that the job has begun, and may return some jobs."""
        holder = self.busy_worker(worker)
        if stops and holder.held:  # a person has one stopped just now
            self.change_several([holder.held[begun % len(holder.held)].id], "", twice=False)
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

    def check_inbox(self, worker: Worker) -> None:
        """The server tells the worker that it knows which of its claims are to be stopped."""
        beaten = self.run(upkeep.beat("worker-1", {}))
        asked = set(beaten.to_stop)
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

    # Cascades left behind

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
        assert self.maintain().expired == [job.id]
        self.model.outlive_ttl(job)

    def a_value_is_kept_no_longer(self, job: ModelJob) -> None:
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

    # What must be so, always

    @invariant()
    def the_store_counts_what_the_model_counts(self) -> None:
        counts: dict[str, dict[str, int]] = {queue: {} for queue in QUEUES}
        for job in self.model.jobs.values():
            if job.gate is None:
                counts[job.queue][job.status] = counts[job.queue].get(job.status, 0) + 1
        overview = self.run(reads.overview())
        assert {
            queue: {s: n for s, n in by_status.items() if n}
            for queue, by_status in overview.items()
            if any(by_status.values())
        } == {queue: by_status for queue, by_status in counts.items() if by_status}

    @invariant()
    def clients_see_what_they_may_see(self) -> None:
        fields = self.run(reads.fetch(list(self.model.jobs)))
        assert [each is not None for each in fields] == [self.model.sees(job_id) for job_id in self.model.jobs]

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
        for queue in self.model.paused:
            self.run(changes.pause(queue, pauses=False))
        self.model.paused = set()
        for gate, state in self.model.gates.items():
            if state != "open":
                self.pass_deadline(gate)
        self.maintain()
        self.follow()
        held = [job.id for job in self.model.with_status("created")]
        if held:
            self.run(changes.release(held))
            self.model.release(held, "")
            self.follow()
        for _ in range(MANY_CALLS):
            if all(job.has_ended for job in self.model.jobs.values()):
                break
            self.let_all_times_come()
            self.run_what_is_queued()
        self.maintain()
        self.follow()
        assert not self.model.untold()
        assert not [job for job in self.model.jobs.values() if not job.has_ended]
        assert not self.has_cascades
        assert not self.run(upkeep.pending(QUEUES))
        self.delete_all()

    def let_all_times_come(self) -> None:
        for job_id in [job.id for job in self.model.with_status("started")]:
            self.a_lease_is_lost(self.model.jobs[job_id])
            self.follow()
        for job in self.model.jobs.values():
            if job.status == "scheduled" or job.time_is_ahead:
                self.make_due(f"scheduled:{job.queue}", job)
                self.write(job, "scheduled_for", 1)
                self.model.come_due(job)
        self.maintain()
        self.follow()

    def run_what_is_queued(self) -> None:
        worker = Worker(3)
        self.settle(worker, [], want=5, begin=5, queues=QUEUES, look=True)
        outcomes = [Outcome(claim, "finished", value=b"1") for claim in worker.held]
        self.settle(worker, outcomes, want=0, begin=0, queues=QUEUES, look=False)

    def delete_all(self) -> None:
        for _ in range(MANY_JOBS):
            for job_id in list(self.model.jobs):
                self.a_record_is_kept_no_longer(self.model.jobs[job_id])
                self.follow()
        assert not self.model.jobs
        self.run(upkeep.depart("worker-1"))
        names = {key.decode().removeprefix(self.store.keys.prefix) for key in self.client.scan_iter()}
        kinds = {name.partition(":")[0] for name in names}
        assert kinds <= {"schema", "queues", "beat", "wake", "queue", "queue-meta", "links"}


@pytest.mark.timeout(0)
def test_random_commands_on_random_graphs(valkey: Redis):
    run_state_machine_as_test(
        lambda: JobsMachine(valkey),
        settings=settings(
            max_examples=settings().max_examples // 2,  # each is as long as dozens of others
            stateful_step_count=30,
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
