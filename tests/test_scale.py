"""Graphs of any size: what each call costs is bounded, and the whole grows no faster than the graph.

Counted by a real server, in commands of the scripts: fakeredis does not count. The sizes are those that users have in
``RQDEPS_TEST_PROFILE=full``, and a fiftieth of them otherwise.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import samples
from by_hand import HandWorker
from meter import LINEAR, SCALE, Meter, counts, drain
from redis import Redis

from rqdeps import Job, Queue
from rqdeps.enqueue_data import EnqueueData
from rqdeps.store.calls import reads
from rqdeps.store.invariants import check_invariants


@pytest.fixture
def queue(valkey: Redis, meter: Meter) -> Queue:
    queue = Queue(connection=valkey)
    queue.enqueue(samples.anything).delete()
    return queue


def jobs_to_be(count: int, **options: Any) -> list[EnqueueData]:
    return [Queue.prepare_data(samples.anything, **options) for _ in range(count)]


def delete_all(queue: Queue) -> None:
    """Deletes every job, and makes sure that nothing is left of any."""
    for status in counts(queue):
        for job_id in queue.get_job_ids(status=status, length=10_000_000):
            Job(job_id, queue.store).delete("delete")
    names = {key.decode() for key in queue.store.client.scan_iter(count=10_000)}
    kinds = Counter(name.removeprefix(queue.store.keys.prefix).partition(":")[0] for name in names)
    assert set(kinds) <= {"schema", "queues", "beat", "wake", "queue-meta", "links"}, kinds


def test_a_graph_of_1000_jobs_and_5000_edges_comes_whole(queue: Queue, meter: Meter):
    """As 50,000 jobs with 250,000 edges in full: no edge costs more commands than three, and no job more than eight."""
    for size in (500 * SCALE, 1_000 * SCALE):
        datas = jobs_to_be(size // 2)
        edges = 0
        for i in range(size // 2):
            below = {datas[(i * 7919 + k * 31) % len(datas)].id for k in range(12)}
            datas.append(Queue.prepare_data(samples.anything, depends_on=below))
            edges += len(below)
        meter.taken()
        jobs = queue.enqueue_many(datas)
        assert meter.taken() <= 3 * edges + 8 * size
        assert counts(queue) == {"queued": size // 2, "deferred": size // 2}
        assert queue.get_job_ids(length=size) == [job.id for job in jobs[: size // 2]]
        assert drain(queue) == size
        delete_all(queue)


def test_one_job_waits_for_2000(queue: Queue, meter: Meter):
    """As for 100,000 in full: enqueueing it and telling it cost the same per dependency, however many there are."""
    enqueued, told = [], []
    for size in (1_000 * SCALE, 2_000 * SCALE):
        dependencies = queue.enqueue_many(jobs_to_be(size))
        meter.taken()
        last = queue.enqueue(samples.anything, depends_on=dependencies)
        enqueued.append(meter.taken())
        assert last.is_deferred
        assert len(last.dependency_ids) == size
        meter.taken()
        assert drain(queue) == size + 1
        told.append(meter.taken())
        assert last.is_finished
        delete_all(queue)
    assert enqueued[1] <= LINEAR * enqueued[0]
    assert told[1] <= LINEAR * told[0]


def test_2000_jobs_wait_for_one(queue: Queue, meter: Meter):
    """As 100,000 in full: failed, requeued, finished."""
    size = 2_000 * SCALE
    root = queue.enqueue(samples.anything)
    queue.enqueue_many(jobs_to_be(size, depends_on=root))
    hands = HandWorker(queue.store)
    hands.claim(1)
    hands.fail(root.id)
    assert counts(queue) == {"failed": 1, "upstream_failed": size}
    root.requeue()
    assert counts(queue) == {"queued": 1, "deferred": size}
    hands.claim(1)
    hands.finish(root.id)
    assert counts(queue) == {"finished": 1, "queued": size}
    assert drain(queue) == size
    delete_all(queue)


def test_a_chain_of_1000_fails_and_lives_again(queue: Queue, meter: Meter):
    """As of 50,000 in full."""
    costs = []
    for size in (500 * SCALE, 1_000 * SCALE):
        datas = jobs_to_be(1)
        for _ in range(size - 1):
            datas.append(Queue.prepare_data(samples.anything, depends_on=datas[-1]))
        first, *_, last = queue.enqueue_many(datas)
        hands = HandWorker(queue.store)
        hands.claim(1)
        meter.taken()
        hands.fail(first.id)
        assert counts(queue) == {"failed": 1, "upstream_failed": size - 1}
        assert f"it began where {first.id} (anything) failed" in last.explain()
        first.requeue()
        assert counts(queue) == {"queued": 1, "deferred": size - 1}
        costs.append(meter.taken())
        first.delete("delete")
        assert counts(queue) == {}
    assert costs[1] <= LINEAR * costs[0]


def test_a_failed_tree_of_500_is_requeued_at_its_root(queue: Queue, meter: Meter):
    """As of 25,000 in full."""
    size = 500 * SCALE
    datas = jobs_to_be(1)
    for i in range(1, size):
        datas.append(Queue.prepare_data(samples.anything, depends_on=datas[(i - 1) // 3]))
    root = queue.enqueue_many(datas)[0]
    hands = HandWorker(queue.store)
    hands.claim(1)
    hands.fail(root.id)
    root.requeue()
    check_invariants(queue.store.client)
    assert drain(queue) == size
    assert counts(queue) == {"finished": size}
    delete_all(queue)


def test_canceling_costs_the_same_however_many_jobs_are_queued(queue: Queue, meter: Meter):
    """As of 50,000 in full. Their entries don't stay behind."""
    jobs = queue.enqueue_many(jobs_to_be(1_000 * SCALE))
    meter.taken()
    costs = []
    for half in (jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]):
        for job in half:
            job.cancel()
        costs.append(meter.taken())
    assert costs[1] <= 1.1 * costs[0]
    assert counts(queue) == {"canceled": len(jobs)}
    assert queue.store.run(reads.list_ids("default", "queued", offset=0, count=10)) == (-1, [])
    assert not queue.store.client.exists(f"{queue.store.keys.prefix}queue:default")
    delete_all(queue)


def test_memory_is_back_where_it_was_after_all_is_deleted(queue: Queue):
    """Without a meter's noise: what 1,000 jobs and 5,000 edges took is given back."""

    def used() -> int:
        queue.store.client.memory_purge()
        return int(queue.store.client.info("memory")["used_memory_dataset"])

    def live_and_die() -> None:
        datas = jobs_to_be(500)
        for i in range(500):
            others = [datas[(i * 7 + k) % 500] for k in range(10)]
            datas.append(Queue.prepare_data(samples.anything, depends_on=others))
        jobs = queue.enqueue_many(datas)
        for job in jobs[::3]:
            job.cancel()
        drain(queue)
        delete_all(queue)

    live_and_die()  # what scripts and tables take once
    before = used()
    live_and_die()
    assert used() - before < 100_000
