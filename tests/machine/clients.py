"""Clients that enqueue jobs in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import samples
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from machine.base import CHOSEN_IDS, MANY_JOBS, QUEUES, Stager, Wish, picks, wishes
from machine.workers import Workers
from rqdeps import DuplicateJobError, NoSuchJobError, Queue
from rqdeps.dependency import RULES, Rule
from rqdeps.ordering import order_of
from rqdeps.store.calls import staging
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup, NewJob, enqueue

#: What a workflow is to be like, and how it comes.
A_WORKFLOW: dict[str, st.SearchStrategy[Any]] = {
    "batch": st.lists(wishes, max_size=5),
    "group_rule": st.sampled_from(RULES),
    "clean_ups": st.sets(st.integers(0, 4)),
    "order": st.randoms(use_true_random=False),
    "arrives": st.sampled_from(["once", "once", "twice", "in pieces"]),
}


class Clients(Workers):
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
        left = self.run(call.again() if arrives == "second sending alone" else call)
        if arrives == "twice":
            self.run(call.again())
        self.model.enqueue(jobs)
        self.sent.append((call, [(job.id, self.model.jobs[job.id].birth) for job in jobs]))
        self.follow(at_most=self.budget, left=left)

    @precondition(lambda self: len(self.model.jobs) < MANY_JOBS)
    @rule(**A_WORKFLOW)
    def enqueue_workflow(
        self, batch: list[Wish], group_rule: Rule, clean_ups: set[int], order: Any, arrives: str
    ) -> None:
        workflow = self.new_id()
        wanted = [replace(wish, rules=["all_done"]) if i in clean_ups else wish for i, wish in enumerate(batch)]
        jobs = self.new_batch(wanted, may_choose=arrives != "in pieces", adapt=lambda data: data.belonging_to(workflow))
        joined: list[tuple[EdgeKind, str]] = [("spawn", job.id) for job in jobs if "fallback_of" not in job.fields]
        groups = [NewGroup(group_rule, joined)] if joined else []
        jobs.append(NewJob(workflow, "a", {"function": "", "payload": b"j[]", "joins": 1}, groups=groups))
        order.shuffle(jobs)
        if arrives == "in pieces":
            self.begin_graph(jobs, budget=7)
        else:
            self.send(jobs, arrives)

    def begin_graph(self, jobs: list[NewJob], *, budget: int) -> None:
        """Brings the first piece of a graph; the others may never come."""
        plan = staging.plan(jobs, order_of(jobs), budget=budget)
        self.stagers.append(Stager(replace(plan, gate=f"gate-{self.made}")))
        self.stage_next(len(self.stagers) - 1, twice=False)

    @precondition(lambda self: self.has_work)
    @rule(sending=picks, batch=st.lists(wishes, min_size=1, max_size=2), taken=st.sampled_from(CHOSEN_IDS))
    def nothing_happens(self, sending: int, batch: list[Wish], taken: str) -> None:
        """A call sent long ago arrives again; one job of a batch can't be, so that none is enqueued; nothing is due."""
        known = {(job.id, job.birth) for job in self.model.visible()}  # sent again, others would be new jobs
        sent = [(call, jobs) for call, jobs in self.sent if known.issuperset(jobs)]
        if sent:
            call, _ = self.pick(sent, sending)
            self.run(call.again())
        if taken in self.model.jobs:
            wrong, error = Queue.prepare_data(samples.anything, job_id=taken), DuplicateJobError
        else:
            wrong, error = Queue.prepare_data(samples.anything, depends_on="never-existed"), NoSuchJobError
        with pytest.raises(error):
            self.run(enqueue([*self.new_batch(batch), wrong.new_job("a")], new_queues=QUEUES))
        result = self.maintain()
        assert (result.recovered, result.expired, result.promoted) == ([], [], 0)
        self.follow()
