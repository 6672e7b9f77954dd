"""The checker of stored data: silent on data in order, and every kind of disorder is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import fakeredis
import pytest
import samples
from by_hand import HandWorker
from redis import Redis

from rqdeps import Dependency, Queue
from rqdeps.store.invariants import InvariantError, check_invariants


@pytest.fixture(scope="module")
def template() -> Iterator[Redis]:
    """Data with jobs in all the places that a job can be in."""
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        queue = Queue(connection=client)
        hands = HandWorker(queue.store)

        def enqueue(job_id: str, **options: object) -> str:
            return queue.enqueue(samples.anything, args=["x" * 100], job_id=job_id, **options).id

        for job_id in ("finished", "failed", "started", "retrying"):
            enqueue(job_id, retry=1 if job_id == "retrying" else None)
        enqueue("deferred", depends_on=Dependency(["finished", "started"], rule="all_done"))
        enqueue("upstream_failed", depends_on=["failed", "started"])
        enqueue("skipped", depends_on=Dependency("finished", rule="all_failed"))
        assert hands.claim() == ["finished", "failed", "started", "retrying"]
        hands.finish("finished", b"y" * 100)
        hands.fail("failed")
        hands.fail("retrying", retry_in_ms=60_000)
        enqueue("queued", ttl=60)
        queue.enqueue_in(timedelta(hours=1), samples.anything, job_id="scheduled")
        yield client


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
    "job deferred: is deferred, and needs finished": lambda r: forget(r, "finished"),
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
}  # fmt: skip


def forget(client: Redis, job_id: str) -> None:
    for key in client.keys(f"{P}*:{job_id}"):
        client.delete(key)
    client.zrem(f"{P}finished:default", job_id)


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


def test_a_wake_marker_may_be_missing_only_while_a_worker_looks(data: Redis):
    data.delete(f"{P}wake:default")
    check_invariants(data)
    with pytest.raises(InvariantError, match="has jobs to claim, and no wake marker"):
        check_invariants(data, quiet=True)
