"""What joins others meets what people and time do meanwhile: each test is a way in which that once went wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from by_hand import HandWorker, statuses
from every_status import budget, maintain
from redis import Redis

from rqdeps import Queue
from rqdeps.ordering import order_of
from rqdeps.store.calls import changes, claims, reads, staging, upkeep, workflows
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.calls.enqueue import Argument, EdgeKind, NewGroup, NewJob, enqueue
from rqdeps.store.invariants import check_invariants


def new(job_id: str, *depends_on: str, kind: EdgeKind = "dependency", **fields: Argument) -> NewJob:
    wanted: dict[str, Argument] = {"function": "samples.anything", "payload": b"jnull", **fields}
    groups = [NewGroup("all_success", [(kind, each) for each in depends_on])] if depends_on else []
    return NewJob(job_id, "default", wanted, groups=groups)


def of_workflow(workflow: str, *members: NewJob) -> list[NewJob]:
    """The members of a workflow and its own job."""
    own = new(workflow, *(member.id for member in members), kind="spawn", function="", joins=1)
    return [*(replace(member, fields={**member.fields, "workflow": workflow}) for member in members), own]


def add(q: Queue, *jobs: NewJob) -> None:
    q.store.run(enqueue(jobs, new_queues=["default"]))


def joined(*job_ids: str, kind: EdgeKind = "spawn", rule: str = "none_failed") -> list[NewGroup]:
    return [NewGroup(rule, [(kind, job_id) for job_id in job_ids])]


def run_and_spawn(hands: HandWorker, spawner: str, *spawned: str, **how: Any) -> None:
    """Runs a job that spawns others."""
    while spawner not in hands.held:
        assert hands.claim(1)
    hands.spawn(spawner, [new(job_id, spawned_by=spawner) for job_id in spawned], joined(*spawned, **how))


def delete(q: Queue, *job_ids: str, policy: Any = "cancel", members: bool = False) -> None:
    left = q.store.run(changes.delete(job_ids, policy, members=members)).cascades_left
    while left:
        left = q.store.run(upkeep.cascade())


def cancel(q: Queue, *job_ids: str) -> int:
    return q.store.run(changes.cancel(job_ids)).cascades_left


def test_outputs_are_counted_of_what_a_job_waits_for_and_not_of_what_it_joins(q: Queue, hands: HandWorker):
    add(q, new("spawner"))
    run_and_spawn(hands, "spawner", "spawned", kind="output")
    delete(q, "spawned", policy="release")
    assert statuses(q.store, ["spawner"]) == ["finished"]
    assert "outputs" not in q.store.run(reads.fetch(["spawner"]))[0]


def test_a_spawned_job_may_have_the_id_of_one_that_its_spawner_waited_for(q: Queue, hands: HandWorker):
    add(q, replace(new("again"), nonce="1"), new("spawner", "again"))
    hands.claim()
    hands.finish("again")
    delete(q, "again")
    run_and_spawn(hands, "spawner", "again")
    hands.claim()
    hands.finish("again")
    assert statuses(q.store, ["spawner"]) == ["finished"]


def test_what_an_earlier_attempt_has_spawned_is_not_kept_for_a_later_one(
    q: Queue, hands: HandWorker, connection: Redis
):
    add(q, new("spawner"))
    for spawned in ("first", "second"):
        run_and_spawn(hands, "spawner", spawned, kind="output")
        hands.claim()
        hands.finish(spawned)
        if spawned == "first":
            q.store.run(changes.requeue("spawner", force=True, at_front=False))
    for spawned in ("first", "second"):
        connection.hset(f"{{rqdeps}}:job:{spawned}", "ended_at", 1)
        connection.zadd("{rqdeps}:finished:default", {spawned: 1})
    maintain(q.store)
    assert statuses(q.store, ["first", "second"]) == [None, "finished"]


def test_a_stopped_job_that_is_requeued_once_all_it_joins_has_finished_wakes_workers(q: Queue, hands: HandWorker):
    add(q, new("spawner"), new("after", "spawner"))
    run_and_spawn(hands, "spawner", "spawned")
    cancel(q, "spawner", "spawned")
    assert statuses(q.store, ["spawner", "after"]) == ["stopped", "upstream_failed"]
    q.store.run(changes.requeue("spawned", force=False, at_front=False))
    hands.claim()
    hands.finish("spawned")
    q.store.client.delete("{rqdeps}:wake:default")
    call = changes.requeue("spawner", force=False, at_front=False)
    assert q.store.run(call).joins
    assert q.store.run(call.again()).joins
    assert statuses(q.store, ["spawner", "after"]) == ["finished", "queued"]
    check_invariants(q.store.client, quiet=True)


def test_a_requeue_takes_back_that_a_job_which_joins_is_canceled(q: Queue, hands: HandWorker):
    add(q, new("spawner"))
    run_and_spawn(hands, "spawner", "spawned")
    cancel(q, "spawner")
    assert q.store.run(changes.requeue("spawner", force=False, at_front=False)).joins
    cancel(q, "spawned")
    assert statuses(q.store, ["spawner"]) == ["upstream_failed"]


def test_a_workflow_with_the_id_of_one_that_was_deleted_while_it_was_being_canceled_runs(q: Queue, hands: HandWorker):
    with budget(1):
        add(q, *of_workflow("flow", new("first"), new("second"), new("third")))
        assert cancel(q, "flow")
        q.store.run(changes.delete(["flow"], "cancel", members=True))
        while q.store.client.exists("{rqdeps}:job:flow"):
            q.store.run(upkeep.cascade())
        add(q, *of_workflow("flow", new("one")))
        assert hands.claim() == ["one"]


def test_a_member_that_goes_while_its_workflow_does_is_counted_once(q: Queue):
    add(q, *of_workflow("flow", new("first"), new("second")), new("after", "first"))
    delete(q, "flow", "first", policy="release")
    assert statuses(q.store, ["first", "second", "flow", "after"]) == [None, "queued", None, "queued"]


def test_members_keep_their_results_when_their_workflow_goes_without_them(q: Queue, hands: HandWorker):
    add(q, *of_workflow("flow", new("ended"), new("open")))
    hands.claim()
    hands.finish("ended", b"j7")
    delete(q, "flow")
    maintain(q.store)
    assert q.store.run(reads.fetch(["ended"]))[0]["result"] == b"j7"


def test_a_member_that_goes_to_another_queue_takes_its_workflow_along(q: Queue):
    add(q, *of_workflow("flow", new("held", held=1)))
    q.store.run(changes.release(["held"], queue="other"))
    assert q.store.run(workflows.workflow("flow")).queues == ["default", "other"]


def test_what_is_canceled_instead_of_released_is_not_told_as_released(q: Queue, hands: HandWorker):
    add(q, *of_workflow("flow", *(new(f"job-{i}") for i in range(3)), new("last", "job-0")))
    hands.claim()
    with budget(1):
        assert cancel(q, "flow")
    assert hands.finish("job-0") == []
    maintain(q.store)
    assert statuses(q.store, ["job-1", "last", "flow"]) == ["started", "canceled", "joining"]


@pytest.fixture
def coming(q: Queue) -> list[str]:
    """A workflow that goes through its gate, where it is not yet through itself: the statuses of all."""
    jobs = of_workflow("flow", new("first"), new("second"))
    with budget(1):
        plan = staging.plan(jobs, order_of(jobs), budget=3)
        for number, piece in enumerate(plan.pieces, 1):
            q.store.run(staging.stage(plan.gate, number, piece, new_queues=["default"]))
        q.store.run(staging.open_gate(plan, len(plan.pieces)))
    return [job.id for job in jobs]


def test_a_workflow_that_is_canceled_while_it_comes_is_canceled(q: Queue, coming: list[str]):
    assert statuses(q.store, coming)[-1] == "created"
    cancel(q, "flow")
    maintain(q.store)
    assert statuses(q.store, coming) == ["canceled"] * 3


def test_a_workflow_is_not_canceled_with_a_member_that_is_deleted_while_it_comes(q: Queue, coming: list[str]):
    delete(q, "second")
    maintain(q.store)
    assert statuses(q.store, coming) == ["queued", None, "joining"]


def test_an_attempt_whose_spawned_jobs_are_given_up_before_its_report_counts_as_failed(q: Queue, hands: HandWorker):
    add(q, new("spawner"))
    hands.claim()
    plan = hands.stage("spawner", [new("spawned", spawned_by="spawner")], joined("spawned"))
    while q.store.run(staging.give_up(plan.gate)):
        pass
    outcome = Outcome(hands.held["spawner"], "spawned", value=b"jnull", pieces=len(plan.pieces))
    settled = q.store.run(claims.settle([outcome], holder="hand.1", lease_ms=1, queues=[], want=0, begin=0))
    assert settled.statuses == ["failed"]
    assert b"GraphGivenUpError" in q.store.run(reads.attempts("spawner"))[0].details
