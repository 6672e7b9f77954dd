"""Random graphs through random commands, against the model of ``model``, with every promise checked at each call.

On a real server: what is tested are scripts. A failure prints the steps that lead to it.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, run_state_machine_as_test
from machine.base import BUDGETS, MANY_CALLS, MANY_JOBS, QUEUES, Wish, Worker, wishes
from machine.clients import A_WORKFLOW
from machine.clock import Clock
from redis import Redis

import rqdeps.store.store
from rqdeps.store.calls import changes, reads, upkeep, workflows
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.scripts import script


class JobsMachine(Clock):
    """Clients, workers, people and time, in whatever order; and what all of them must find."""

    @initialize(
        budget=st.sampled_from(BUDGETS),
        batch=st.lists(wishes, min_size=3, max_size=8),
        workflow=st.none() | st.fixed_dictionaries(A_WORKFLOW),
    )
    def begin(self, budget: int, batch: list[Wish], workflow: dict[str, Any] | None) -> None:
        self.budget = budget
        self.patch = mock.patch.object(rqdeps.store.store, "script", partial(script, budget=budget))
        self.patch.start()
        self.run(upkeep.beat("worker-1", {"pid": 1}))  # the other one is not known to the server
        self.send(self.new_batch(batch))
        if workflow is not None:
            self.enqueue_workflow(**workflow)

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

    @invariant()
    def workflows_count_their_members(self) -> None:
        for own in [job for job in self.model.visible() if job.is_workflow]:
            members = self.model.members(own.id)
            counts: dict[str, int] = {}
            for job in members:
                counts[job.status] = counts.get(job.status, 0) + 1
            record = self.run(workflows.workflow(own.id))
            assert {status: count for status, count in record.counts.items() if count} == counts
            assert set(record.queues) >= {job.queue for job in members}
            place, ids = self.run(workflows.members(own.id))
            while place != "-1":
                place, more = self.run(workflows.members(own.id, place))
                ids += more
            assert ids == [job.id for job in members if self.model.sees(job.id)]

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
        self.lose_all_leases()
        for gate in [gate for gate, state in self.model.gates.items() if state != "open"]:
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

    def lose_all_leases(self) -> None:
        for job_id in [job.id for job in self.model.with_status("started")]:
            self.a_lease_is_lost(self.model.jobs[job_id])
            self.follow()

    def let_all_times_come(self) -> None:
        self.lose_all_leases()
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
                if job_id in self.model.jobs:  # what a workflow has kept goes with it
                    self.a_record_is_kept_no_longer(self.model.jobs[job_id])
                    self.follow()
        assert not self.model.jobs
        self.run(upkeep.depart("worker-1"))
        names = {key.decode().removeprefix(self.store.keys.prefix) for key in self.client.scan_iter()}
        kinds = {name.partition(":")[0] for name in names}
        assert kinds <= {"schema", "queues", "beat", "wake", "queue", "queue-meta", "links", "durations"}


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
