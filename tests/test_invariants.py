"""The checker of stored data: silent on data in order, and every kind of disorder is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from unittest import mock

import fakeredis
import pytest
import samples
from by_hand import HandWorker
from redis import Redis

import rqdeps.store.store
from rqdeps import Dependency, Fallback, Queue
from rqdeps.store.calls import changes, staging, upkeep
from rqdeps.store.invariants import InvariantError, check_invariants
from rqdeps.store.scripts import script


@pytest.fixture(scope="module")
def template() -> Iterator[Redis]:
    """Data with jobs in all the places that a job can be in."""
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        queue = Queue(connection=client)
        hands = HandWorker(queue.store)

        def enqueue(job_id: str, **options: object) -> str:
            return queue.options(job_id=job_id, **options).enqueue(samples.anything, "x" * 100).id

        for job_id in ("finished", "failed", "started", "retrying"):
            enqueue(job_id, retry=1 if job_id == "retrying" else None)
        enqueue("deferred", depends_on=Dependency(["finished", "started"], rule="all_done"))
        enqueue("upstream_failed", depends_on=["failed", "started"])
        enqueue("skipped", depends_on=Dependency("finished", rule="all_failed"))
        assert hands.claim() == ["finished", "failed", "started", "retrying"]
        hands.finish("finished", b"y" * 100)
        hands.fail("failed")
        hands.fail("retrying", retry_in_ms=60_000)
        enqueue("saved", fallback=Fallback(samples.anything, job_id="rescuer"))
        enqueue("saved-fan", depends_on="saved")
        assert hands.claim() == ["saved"]
        hands.fail("saved")
        enqueue("queued", ttl=60)
        queue.enqueue_in(timedelta(hours=1), samples.anything, job_id="scheduled")
        enqueue("held", hold=True)
        enqueue("doomed-fan", depends_on=enqueue("doomed", hold=True))
        with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=1)):
            queue.store.run(changes.delete(["doomed"], "cancel"))
            stage_in_two(queue, "closed", opens=False)
            stage_in_two(queue, "opened", opens=True)
        queue.store.run(upkeep.beat("there", {"pid": 1}))
        queue.pause()
        yield client


def stage_in_two(queue: Queue, name: str, *, opens: bool) -> None:
    first = queue.prepare_data(samples.anything, job_id=f"{name}-1")
    second = queue.prepare_data(samples.anything, job_id=f"{name}-2", depends_on=first)
    jobs = [first.new_job("default"), second.new_job("default")]
    plan = replace(staging.plan(jobs, [job.id for job in jobs], budget=4), gate=name)
    for number, piece in enumerate(plan.pieces, 1):
        queue.store.run(staging.stage(name, number, piece, new_queues=()))
    if opens:
        queue.store.run(staging.open_gate(plan))


@pytest.fixture
def data(template: Redis) -> Iterator[Redis]:
    """A copy of the template, to be spoilt."""
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        for key in template.scan_iter():
            client.restore(key, 0, template.dump(key))
        yield client


def test_data_in_order_is_accepted(data: Redis):
    check_invariants(data)
    check_invariants(data, quiet=True)
    check_invariants(data, "another")


P = "{rqdeps}:"
DISORDER: dict[str, Callable[[Redis], object]] = {
    "key novel:thing (string) is not part of the schema": lambda r: r.set(P + "novel:thing", 1),
    "key queue-meta:default (string) is not part of the schema": lambda r: (
        r.delete(P + "queue-meta:default"), r.set(P + "queue-meta:default", 1)
    ),
    "key payload:gone belongs to no job": lambda r: r.set(P + "payload:gone", 1),
    "key dependents:gone belongs to no job": lambda r: r.zadd(P + "dependents:gone", {"deferred": 1}),
    "key finished:novel belongs to a queue": lambda r: r.zadd(P + "finished:novel", {"x": 1}),
    "key worker:w belongs to a worker": lambda r: r.hset(P + "worker:w", "pid", 1),
    "job:queued has a field description of more": lambda r: r.hset(P + "job:queued", "description", "é" * 33),
    "job queued: its payload should have a key of its own": lambda r: r.delete(P + "payload:queued"),
    "job started: there is a key result:started": lambda r: r.set(P + "result:started", 1),
    "job queued: 'novel' is no status": lambda r: r.hset(P + "job:queued", "status", "novel"),
    "job queued: its queue 'novel' is not in queues": lambda r: r.hset(P + "job:queued", "queue", "novel"),
    "job queued: its epoch is '0'": lambda r: r.hset(P + "job:queued", "epoch", 0),
    "job retrying: 3 failures with 1 retries": lambda r: r.hset(P + "job:retrying", "failures", 3),
    "job failed: is failed, and has no time of its end": lambda r: r.hdel(P + "job:failed", "ended_at"),
    "job failed: more than 10 attempts": lambda r: r.rpush(P + "attempts:failed", *range(10)),
    "finished:default holds gone, which does not exist": lambda r: r.zadd(P + "finished:default", {"gone": 1}),
    "finished:default holds failed, which is failed": lambda r: r.zadd(P + "finished:default", {"failed": 1}),
    "job started: is started, and not in started:default": lambda r: r.zrem(P + "started:default", "started"),
    "job queued: is queued, and has no entry": lambda r: r.lrem(P + "queue:default", 0, "queued:1"),
    "queue-meta:default counts 0 stale entries, and there are 1": lambda r: r.rpush(P + "queue:default", "gone:1"),
    "queue-meta:default counts 0 stale entries, and there are 1 ": lambda r: r.rpush(P + "queue:default", "queued:1"),
    "queue-meta:default counts 2 jobs that retry": lambda r: r.hset(P + "queue-meta:default", "retrying", 2),
    "queue-meta:default has an unknown field": lambda r: r.hset(P + "queue-meta:default", "novel", 2),
    "job started: is started, and has no fence": lambda r: r.hdel(P + "job:started", "fence"),
    "job started: is started, and has no holder": lambda r: r.hdel(P + "job:started", "holder"),
    "job started: is started, and it is not said": lambda r: r.hdel(P + "job:started", "begun"),
    "job started: has begun, and counts no attempt": lambda r: r.hset(P + "job:started", "attempt", 0),
    "dependencies:deferred has an unreadable field": lambda r: r.hset(P + "dependencies:deferred", "started", "x:1"),
    "dependencies:deferred counts 2 groups": lambda r: r.hset(P + "dependencies:deferred", "#", 2),
    "dependencies:deferred: started stands in group 1": lambda r: r.hset(
        P + "dependencies:deferred", "started", "dependency:1:1:"
    ),
    "dependencies:deferred: group 0 (all_done) counts [2, 0, 1, 0]": lambda r: r.hset(
        P + "dependencies:deferred", "#0", "all_done:2:0:1:0"
    ),
    "job deferred: counts 0 outputs, its registers 1": lambda r: r.hset(
        P + "dependencies:deferred", "started", "output:0:1:"
    ),
    "job deferred depends on started, and is not in dependents": lambda r: r.zrem(P + "dependents:started", "deferred"),
    "dependents:started holds queued, which does not": lambda r: r.zadd(P + "dependents:started", {"queued": 9}),
    "dependents:started: its orders are not distinct": lambda r: r.zadd(P + "dependents:started", {"deferred": 2}),
    "job started: linked is 1, below an order": lambda r: r.hset(P + "job:started", "linked", 1),
    "job deferred: is deferred, and waits for started, which": lambda r: forget(r, "started"),
    "job deferred: knows started as open in epoch 1; it is started in epoch 2": lambda r: r.hset(
        P + "job:started", "epoch", 2
    ),
    "job deferred: knows finished as open in epoch 1; it is finished": lambda r: r.hset(
        P + "dependencies:deferred", mapping={"finished": "dependency:0:1:", "#0": "all_done:2:0:0:0"}
    ),
    "job upstream_failed: is upstream_failed, and its dependencies make it deferred": lambda r: r.hset(
        P + "dependencies:upstream_failed", "#0", "all_done:2:0:1:0"
    ),
    "job queued: is queued, and its dependencies never let it run (deferred)": lambda r: (
        r.hset(P + "dependencies:queued", mapping={"#": 1, "#0": "all_done:1:0:0:0", "started": "dependency:0:1:"}),
        r.zadd(P + "dependents:started", {"queued": 3}),
    ),
    "job skipped: is skipped, and has no dependencies": lambda r: r.delete(P + "dependencies:skipped"),
    "timers holds gone, which does not exist": lambda r: r.zadd(P + "timers", {"gone": 1}),
    "timers holds started, which is started": lambda r: r.zadd(P + "timers", {"started": 1}),
    "timers holds queued, which has begun": lambda r: r.hset(P + "job:queued", "attempt", 1),
    "job queued: waits with a ttl, and is not in timers": lambda r: r.zrem(P + "timers", "queued"),
    "cascades holds gone, which does not exist": lambda r: r.zadd(P + "cascades", {"gone": 0}),
    "cascades holds started, which is started": lambda r: r.zadd(P + "cascades", {"started": 0}),
    "cascades holds failed at 7, and the last of its dependents is 1": lambda r: r.zadd(P + "cascades", {"failed": 7}),
    "key gate:gone (list) is not part": lambda r: r.rpush(P + "gate:gone", 1),
    "key inbox:gone belongs to a worker": lambda r: r.rpush(P + "inbox:gone", "started:1"),
    "job queued: has an unknown field novel": lambda r: r.hset(P + "job:queued", "novel", 1),
    "job queued: is queued, and has reason, which": lambda r: r.hset(P + "job:queued", "reason", "none"),
    "job queued: is queued, and is still to be stopped": lambda r: r.hset(P + "job:queued", "stop", 1),
    "job failed: is failed, and has a result": lambda r: r.hset(P + "job:failed", "result", "1"),
    "job failed: is deleted in an unknown way, 'soon'": lambda r: r.hset(P + "job:failed", "deleting", "soon"),
    "job failed: is being deleted, and not in cascades": lambda r: r.hset(P + "job:failed", "deleting", "release"),
    "job doomed: is being deleted, and not in cascades": lambda r: r.zrem(P + "cascades", "doomed"),
    "job held: is created, and not in created:default": lambda r: r.zrem(P + "created:default", "held"),
    "job held: is created, and neither held nor behind a gate": lambda r: r.hdel(P + "job:held", "held"),
    "created:default holds closed-1, which stands behind gate closed": lambda r: r.zadd(
        P + "created:default", {"closed-1": 1}
    ),
    "job closed-2: is deferred, and stands behind gate closed": lambda r: r.hset(
        P + "job:closed-2", "status", "deferred"
    ),
    "job closed-1: should stand in gate:closed, and does not": lambda r: r.zrem(P + "gate:closed", "closed-1"),
    "gates holds gate closed, which does not exist": lambda r: r.delete(P + "gate:closed"),
    "cascades holds gate opened, which does not exist": lambda r: r.delete(P + "gate:opened"),
    "gate closed: stands in neither": lambda r: r.zrem(P + "gates", "closed"),
    "gate opened: stands in neither": lambda r: r.zrem(P + "cascades", "gate:opened"),
    "gate opened: stands in both": lambda r: r.zadd(P + "gates", {"opened": 1}),
    "gate closed: counts 0 pieces": lambda r: r.zrem(P + "gate:closed", "#"),
    "gate opened: counts -0 pieces": lambda r: r.zadd(P + "gate:opened", {"#": 0}),
    "gate closed: its places are not distinct": lambda r: r.zadd(P + "gate:closed", {"closed-2": 1}),
    "gate closed: holds gone, which does not exist": lambda r: r.zadd(P + "gate:closed", {"gone": 3}),
    "gate closed: holds queued, which is queued behind gate none": lambda r: r.zadd(P + "gate:closed", {"queued": 3}),
    "timers holds held, which is created": lambda r: r.zadd(P + "timers", {"held": 1}),
    "dependents:saved holds saved-fan at 0, and it is its dependency": lambda r: r.zadd(
        P + "dependents:saved", {"saved-fan": 0}
    ),
    "dependents:saved holds rescuer at 9, and it is its fallback": lambda r: r.zadd(
        P + "dependents:saved", {"rescuer": 9}
    ),
    "job saved: its fallback is queued, which is none or another's": lambda r: r.hset(
        P + "job:saved", "fallback", "queued"
    ),
    "job saved: its fallback is rescuer, which is none or another's": lambda r: r.hdel(
        P + "job:rescuer", "fallback_of"
    ),
    "job saved: its fallback is rescuer, which does not wait for it": lambda r: r.delete(P + "dependencies:rescuer"),
    "job saved-fan: is the fallback of saved, and waits for it like any other": lambda r: r.hset(
        P + "job:saved-fan", "fallback_of", "saved"
    ),
    "job saved: is failed, and finished stands in for it beside rescuer": lambda r: r.hset(
        P + "job:saved", "stand_in", "finished"
    ),
    "job saved-fan: knows saved as open in epoch 1; it is failed in epoch 1, and comes to finished": lambda r: (
        r.hset(P + "job:saved", "stand_in", "finished"), r.hdel(P + "job:saved", "fallback")
    ),
    "job saved-fan: knows saved as open in epoch 1; it is failed in epoch 1, and nobody": lambda r: r.hdel(
        P + "job:saved", "fallback"
    ),
    "job rescuer: knows saved as failed in epoch 1; it is failed in epoch 2, and nobody": lambda r: r.hset(
        P + "job:saved", "epoch", 2
    ),
    "dependencies:rescuer: group 0 (fallback) counts [1, 0, 1, 0], its registers [1, 0, 0, 1]": lambda r: r.hset(
        P + "dependencies:rescuer", "saved", "fallback:0:1:canceled"
    ),
    "job saved-fan: waits for saved, which goes without having told it": lambda r: (
        r.hset(P + "job:saved", "deleting", "cancel"), r.zadd(P + "cascades", {"saved": 1})
    ),
    "job finished: knows scheduled in epoch 2, and that is yet to come": lambda r: (
        r.hset(P + "dependencies:finished", mapping={"#": 1, "#0": "all_done:1:0:0:0", "scheduled": "dependency:0:2:"}),
        r.zadd(P + "dependents:scheduled", {"finished": 1}),
        r.hset(P + "job:scheduled", "linked", 1),
        r.zadd(P + "reopenings", {"scheduled": 0}), r.hset(P + "job:scheduled", "reopening", 1),
    ),
}  # fmt: skip


def forget(client: Redis, job_id: str) -> None:
    for key in client.keys(f"{P}*:{job_id}"):
        client.delete(key)
    client.zrem(f"{P}finished:default", job_id)
    client.zrem(f"{P}started:default", job_id)


@pytest.mark.parametrize("violation", DISORDER)
def test_disorder_is_found_and_named(data: Redis, violation: str):
    DISORDER[violation](data)
    with pytest.raises(InvariantError) as raised:
        check_invariants(data)
    assert violation.strip() in str(raised.value)


def test_all_violations_are_listed(data: Redis):
    data.set(f"{P}novel", 1)
    data.zadd(f"{P}timers", {"gone": 1})
    with pytest.raises(InvariantError) as raised:
        check_invariants(data)
    assert len(raised.value.violations) == 2
    assert isinstance(raised.value, AssertionError)


def test_a_cascade_under_way_explains_a_register_that_waits(data: Redis):
    data.hset(f"{P}dependencies:deferred", mapping={"finished": "dependency:0:1:", "#0": "all_done:2:0:0:0"})
    data.zadd(f"{P}cascades", {"finished": 0})
    check_invariants(data)
    data.zadd(f"{P}cascades", {"finished": 1})  # it has come by
    with pytest.raises(InvariantError):
        check_invariants(data)


def test_a_dependency_may_be_gone_once_its_end_is_known(data: Redis):
    forget(data, "finished")
    check_invariants(data)


def test_a_later_job_may_have_the_id_of_one_that_is_gone(data: Redis):
    forget(data, "finished")
    Queue(connection=data).enqueue(samples.anything, job_id="finished")
    check_invariants(data)


def test_what_is_being_deleted_may_have_lost_some_of_its_dependencies(data: Redis):
    data.hdel(f"{P}dependencies:deferred", "finished")
    data.zrem(f"{P}dependents:finished", "deferred")
    with pytest.raises(InvariantError):
        check_invariants(data)
    data.hset(f"{P}job:deferred", "unlinked", "7")
    check_invariants(data)


def test_jobs_of_a_graph_that_is_given_up_go_in_no_order(data: Redis):
    forget(data, "closed-1")
    data.zrem(f"{P}gate:closed", "closed-1")
    with pytest.raises(InvariantError, match="job closed-2: is created, and waits for closed-1"):
        check_invariants(data)
    data.zadd(f"{P}gate:closed", {"#": 0})
    check_invariants(data)


def test_that_a_job_lives_again_is_told_apart_from_how_jobs_end(data: Redis):
    data.zadd(f"{P}cascades", {"started": 0})
    with pytest.raises(InvariantError, match="cascades holds started"):
        check_invariants(data)
    data.zrem(f"{P}cascades", "started")
    data.zadd(f"{P}reopenings", {"started": 0})
    with pytest.raises(InvariantError, match="started: is in reopenings, and its hash says otherwise"):
        check_invariants(data)
    data.hset(f"{P}job:started", "reopening", 1)
    check_invariants(data)


def test_a_wake_marker_may_be_missing_only_while_a_worker_looks(data: Redis):
    data.delete(f"{P}wake:default")
    check_invariants(data)
    check_invariants(data, quiet=True)  # the queue is paused
    data.hdel(f"{P}queue-meta:default", "paused")
    with pytest.raises(InvariantError, match="has jobs to claim, and no wake marker"):
        check_invariants(data, quiet=True)
