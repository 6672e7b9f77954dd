"""Workflows and maps of any size: what each call costs is bounded, and nothing of them is left in the end.

The sizes are those that users have in ``RQDEPS_TEST_PROFILE=full``, and a hundredth of them otherwise.
"""

from __future__ import annotations

import random

import pytest
import samples
import steps
from by_hand import HandWorker
from meter import LINEAR, SCALE, Meter, counts, drain
from processes import worker_process
from redis import Redis

import rqdeps.enqueueing
from rqdeps import Job, Queue, Workflow
from rqdeps.spawning import Spawning
from rqdeps.store.calls import upkeep
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.invariants import check_invariants

SIZE = 2_000 * SCALE if SCALE > 1 else 1_000

#: What a deployment has of its own, whatever became of its jobs.
PERMANENT = {b"schema", b"queues", b"beat", b"wake:default", b"wake:work", b"durations"}


@pytest.fixture
def queue(valkey: Redis, meter: Meter) -> Queue:
    return Queue(connection=valkey)


def layered(workflow: Workflow, size: int, *, width: int = 100) -> None:
    """Fills a workflow with layers of jobs, each of which waits for five of the layer above."""
    chance = random.Random(1)
    above: list[Job[None]] = []
    while len(workflow.jobs) < size:
        above = [
            workflow.enqueue(steps.nothing, depends_on=chance.sample(above, 5) if above else None) for _ in range(width)
        ]


def assert_nothing_is_left(client: Redis) -> None:
    names = {key.partition(b"}:")[2] for key in client.scan_iter(count=1_000)}
    assert {name for name in names if not name.startswith(b"worker")} <= PERMANENT


def test_a_workflow_of_1000_jobs_is_committed_drained_and_deleted(queue: Queue, meter: Meter):
    """As of 100,000 in full, with five dependencies each. Twice as many cost twice as much."""
    costs = []
    for size in (SIZE // 2, SIZE):
        meter.taken()
        with Workflow(queue=queue, result_ttl="1h") as workflow:
            layered(workflow, size)
        assert (workflow.counts["queued"], workflow.counts["deferred"]) == (100, size - 100)
        assert drain(queue) == size
        assert (workflow.status, workflow.counts["finished"]) == ("finished", size)
        workflow.delete()
        costs.append(meter.taken())
        assert counts(queue) == {}
    assert costs[1] <= LINEAR * costs[0]


def test_a_workflow_of_1000_jobs_is_canceled_half_way_and_resumed(queue: Queue, meter: Meter):
    """As of 100,000 in full."""
    with Workflow(queue=queue) as workflow:
        layered(workflow, SIZE)
    hands = HandWorker(queue.store)
    while workflow.progress < 0.5:
        hands.finish_all(hands.claim(50))
    running = hands.claim(5)
    assert workflow.cancel()
    assert workflow.status == "joining"
    assert hands.claim() == []
    for job_id in running:
        hands.fail(job_id)
    assert workflow.status == "canceled"
    check_invariants(queue.store.client)
    assert workflow.retry_failed() > 0
    drain(queue)
    assert (workflow.status, workflow.counts["finished"]) == ("finished", SIZE)
    workflow.delete()
    assert_nothing_is_left(queue.store.client)


def test_a_job_spawns_1000_and_fails_with_one_of_them(queue: Queue, meter: Meter):
    """As 100,000 in full. Nothing of them is seen before the attempt is accepted."""
    spawner = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store)
    hands.claim()
    claim = hands.held.pop(spawner.id)
    spawning = Spawning(claim.id, claim.fence, "default")
    for _ in range(SIZE):
        child: Job[None] = Job("", queue.store)
        child.draft = Queue.prepare_data(samples.anything).spawned(spawner.id)
        child.id = child.draft.id
        spawning.add(child, "all_success")
    graph = spawning.graph([])
    pieces = queue.store.perform(rqdeps.enqueueing.stage_spawned(graph, "default", queue.store.registered))
    assert counts(queue) == {"started": 1}
    settled = queue.store.run(hands._settle([Outcome(claim, "spawned", value=b"jnull", pieces=pieces)], want=0))
    left = settled.cascades_left
    while left:
        left = queue.store.run(upkeep.cascade())
    assert counts(queue) == {"joining": 1, "queued": SIZE}
    (one,) = hands.claim(1)
    hands.fail(one)
    assert spawner.is_joining  # until all have ended
    drain(queue)
    assert spawner.is_upstream_failed
    spawner.requeue()
    assert counts(queue) == {"joining": 1, "queued": 1, "finished": SIZE - 1}
    drain(queue)
    assert spawner.is_finished
    check_invariants(queue.store.client)


@pytest.mark.parametrize("size", [0, 1, SIZE // 10])
def test_workers_map_over_what_a_job_returns(valkey: Redis, valkey_url: str, size: int):
    """Up to 10,000 elements in full, on two processes."""
    work = Queue("work", connection=valkey)
    items = work.enqueue(steps.count_to, size)
    total = work.enqueue(steps.total, work.map(steps.add, items.output, args=(1,)).output)
    with worker_process(valkey_url, "--processes", "2", "--log-level", "error"):
        assert total.wait(timeout=120) == sum(range(size)) + size


def test_two_processes_run_a_workflow_of_1000_jobs(valkey: Redis, valkey_url: str):
    """As of 100,000 in full."""
    with Workflow("layers", queue=Queue("work", connection=valkey), result_ttl="1h") as workflow:
        layered(workflow, SIZE)
    with worker_process(valkey_url, "--processes", "2", "--log-level", "error"):
        assert workflow.wait(timeout=900) == "finished"
    assert workflow.eta is not None
    workflow.delete()
    assert_nothing_is_left(valkey)
