"""Clients that bring graphs in pieces, and jobs that spawn some, which go through once the attempt is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from machine.base import MANY_CALLS, MANY_JOBS, QUEUES, Stager, Wish, picks, wishes
from machine.clients import Clients
from rqdeps import DependencyCycleError, DuplicateJobError, NoSuchJobError
from rqdeps.dependency import RULES, Rule
from rqdeps.errors import ClaimLostError, GraphAbandonedError, GraphGivenUpError
from rqdeps.lineage import refuse_circle
from rqdeps.ordering import order_of
from rqdeps.store.calls import staging
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup, NewJob
from rqdeps.store.calls.staging import Spawner


class Graphs(Clients):
    @precondition(lambda self: len(self.model.jobs) < MANY_JOBS and len(self.stagers) < 3)
    @rule(
        batch=st.lists(wishes, min_size=2, max_size=5),
        order=st.randoms(use_true_random=False),
        budget=st.sampled_from([3, 7, 12]),
    )
    def begin_to_stage(self, batch: list[Wish], order: Any, budget: int) -> None:
        jobs = self.new_batch(batch, may_choose=False)
        order.shuffle(jobs)
        self.begin_graph(jobs, budget=budget)

    a_graph_to_spawn = rule(
        worker=picks,
        which=picks,
        batch=st.lists(wishes, min_size=1, max_size=4),
        rules=st.lists(st.sampled_from(RULES), min_size=1, max_size=2),
        order=st.randoms(use_true_random=False),
        budget=st.sampled_from([3, 7, 500]),
        comes=st.sampled_from(["begun", "whole", "reported", "reported"]),
    )

    @precondition(lambda self: self.has_work and len(self.model.jobs) < MANY_JOBS and len(self.stagers) < 3)
    @a_graph_to_spawn
    def spawn(
        self, worker: int, which: int, batch: list[Wish], rules: list[Rule], order: Any, budget: int, comes: str
    ) -> None:
        """A job that runs spawns a graph. That may be the last that is heard of it."""
        holder = self.busy_worker(worker)
        free = [claim for claim in holder.held if claim.fence not in self.have_spawned]
        if not free:
            return
        claim = self.pick(free, which)
        self.have_spawned.add(claim.fence)
        jobs = self.new_batch(batch, adapt=lambda data: data.spawned(claim.id), but=claim.id)
        others = self.others(jobs)
        spawner = Spawner(claim.id, claim.fence, self.groups_of_join(jobs, rules), bool(others))
        order.shuffle(jobs)
        stager = Stager(staging.plan(jobs, order_of(jobs), spawner=spawner, budget=budget), claim, others)
        self.stagers.append(stager)
        note(f"{claim.id} spawns {[job.id for job in jobs]}")
        self.take_next_step(stager)
        while comes != "begun" and stager in self.stagers and not stager.is_whole:
            self.take_next_step(stager)
        if comes == "reported" and stager in self.stagers:
            self.report_spawned(stager)

    @precondition(lambda self: self.has_work and len(self.model.jobs) < MANY_JOBS and len(self.stagers) < 3)
    @a_graph_to_spawn
    def spawn_more(self, **graph: Any) -> None:
        self.spawn(**graph)

    def groups_of_join(self, jobs: list[NewJob], rules: list[Rule]) -> list[NewGroup]:
        """What a job is to join of what it spawns: all but fallbacks."""
        members: list[list[tuple[EdgeKind, str]]] = [[] for _ in rules]
        for i, job in enumerate(job for job in jobs if "fallback_of" not in job.fields):
            members[i % len(rules)].append(("output" if job.queue == "b" else "spawn", job.id))
        return [NewGroup(rule, ids) for rule, ids in zip(rules, members, strict=True) if ids]

    def others(self, jobs: list[NewJob]) -> list[str]:
        """What jobs of a graph depend on that are not of it."""
        own = {job.id for job in jobs}
        named = dict.fromkeys(job_id for job in jobs for group in job.groups for _, job_id in group.members)
        return [job_id for job_id in named if job_id not in own]

    @precondition(lambda self: self.stagers)
    @rule(which=picks, twice=st.booleans())
    def stage_next(self, which: int, twice: bool) -> None:
        """One more piece comes, or after the last the gate is opened, or the attempt that has spawned it reported."""
        stager = self.pick(self.stagers, which)
        if not stager.is_whole:
            self.take_next_step(stager, twice=twice)
        elif stager.claim is None:
            self.open(stager, twice=twice)
        else:
            self.report_spawned(stager)

    def take_next_step(self, stager: Stager, *, twice: bool = False) -> None:
        piece = stager.plan.pieces[stager.come]
        note(f"stage {[job.id for job in piece.jobs]}, {piece.further}")
        spawner = stager.plan.spawner
        call = staging.stage(stager.gate, stager.come + 1, piece, new_queues=QUEUES, spawner=spawner)
        refusal = self.refusal_of(stager, piece)
        if refusal is not None:
            with pytest.raises(refusal):
                self.run(call)
            if refusal is GraphAbandonedError and spawner is not None:
                self.give_up_gate(self.model.jobs[spawner.id].spawning or "")
            else:
                self.give_up(stager)
            return
        self.run(call)
        stager.come += 1
        stager.calls.append(call)
        if twice:
            self.run(stager.calls[0].again())
        self.model.stage(stager.gate, piece, spawner)
        self.follow(at_most=0)
        if stager.is_whole and stager.others:
            self.refuse_circle(stager)

    def refusal_of(self, stager: Stager, piece: staging.Piece) -> type[Exception] | None:
        """What the client is to be told instead of that a piece was staged."""
        model, claim = self.model, stager.claim
        if claim is not None and not self.is_held(claim):
            return ClaimLostError
        if stager.come and model.gates[stager.gate] == "given up":
            return GraphGivenUpError
        left_behind = model.jobs[claim.id].spawning if claim is not None else None
        if left_behind not in (None, stager.gate) and left_behind in self.follower.data.sorted_set("gates"):
            return GraphAbandonedError
        if any(job.id in model.jobs for job in piece.jobs):
            return DuplicateJobError
        named = {job_id for job in piece.jobs for group in job.groups for _, job_id in group.members}
        named |= {job_id for edges in piece.further.values() for _, _, job_id in edges}
        own = {job.id for job in model.jobs.values() if job.gate == stager.gate} | {job.id for job in piece.jobs}
        return NoSuchJobError if any(not model.sees(job_id) for job_id in named - own) else None

    def refuse_circle(self, stager: Stager) -> None:
        """Before it is reported what a job has spawned: none of that may wait for the job."""
        assert stager.claim is not None
        try:
            self.store.perform(refuse_circle(stager.claim.id, stager.others))
        except DependencyCycleError:
            assert self.model.reaches(stager.others, stager.claim.id)
            self.give_up(stager)
        else:
            assert not self.model.reaches(stager.others, stager.claim.id)

    def open(self, stager: Stager, *, twice: bool) -> None:
        note(f"open {stager.gate}")
        if self.model.gates[stager.gate] == "given up":
            with pytest.raises(GraphGivenUpError):
                self.run(staging.open_gate(stager.plan, len(stager.plan.pieces)))
            self.give_up(stager)
            return
        left = self.run(staging.open_gate(stager.plan, len(stager.plan.pieces)))
        if twice:
            self.run(staging.open_gate(stager.plan, len(stager.plan.pieces)))
        self.stagers.remove(stager)
        self.model.open(stager.gate)
        self.follow(at_most=self.budget, left=left)

    def report_spawned(self, stager: Stager) -> None:
        holder = next((each for each in self.workers if stager.claim in each.held), None)
        assert holder is not None
        assert stager.claim is not None
        note(f"{stager.claim.id} has run")
        outcomes = [self.outcome_of_spawn(stager)]
        self.settle(holder, outcomes, want=1, begin=1, queues=QUEUES, look=False)
        self.forget_claims(holder, outcomes)

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
        is_due = self.client.zadd(f"{self.store.keys.prefix}gates", {gate: 1}, xx=True, ch=True)
        if is_due and not self.model.is_awaited(gate):
            self.model.gates[gate] = "given up"
        self.maintain()
        self.follow()

    def give_up(self, stager: Stager) -> None:
        self.stagers.remove(stager)
        self.give_up_gate(stager.gate)

    def give_up_gate(self, gate: str) -> None:
        for _ in range(MANY_CALLS):
            if not self.run(staging.give_up(gate)):
                break
        else:
            raise AssertionError("a graph is never given up")
        if gate in self.model.gates:
            self.model.gates[gate] = "given up"
        self.follow()
        assert not [job for job in self.model.jobs.values() if job.gate == gate]
