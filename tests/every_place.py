"""Data with jobs in all the places that a job can be in, for tests of what looks at stored data."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from unittest import mock

import samples
from by_hand import HandWorker
from redis import Redis

import rqdeps.store.store
from rqdeps import Dependency, Fallback, Queue
from rqdeps.enqueue_data import EnqueueData
from rqdeps.options import JobOptions
from rqdeps.store.calls import changes, staging, upkeep
from rqdeps.store.calls.enqueue import NewGroup, NewJob, enqueue
from rqdeps.store.scripts import script


def fill(client: Redis) -> None:
    """Stores such data."""
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
    stage_plain(queue, "plain")
    queue.store.run(upkeep.beat("there", {"pid": 1}))
    queue.pause()
    spawn_some(Queue("side", connection=client))
    make_workflows(Queue("side", connection=client))


def spawn_some(queue: Queue) -> None:
    """Jobs that join what they have spawned, and one that still runs."""
    hands = HandWorker(queue.store, ["side"])

    def spawned(job_id: str, by: str, **options: object) -> NewJob:
        data = queue.prepare_data(samples.anything, job_id=job_id, **options)
        return replace(data.spawned(by), nonce="").new_job("side")

    for job_id in ("joiner", "fallen", "spawner"):
        queue.options(job_id=job_id).enqueue(samples.anything)
    assert hands.claim() == ["joiner", "fallen", "spawner"]
    hands.spawn(
        "joiner",
        [spawned("given", "joiner"), spawned("joined", "joiner", depends_on="given")],
        [NewGroup("all_success", [("output", "given")]), NewGroup("none_failed", [("spawn", "joined")])],
    )
    hands.spawn("fallen", [spawned("broken", "fallen")], [NewGroup("all_success", [("spawn", "broken")])])
    assert hands.claim() == ["given", "broken"]
    hands.finish("given")
    hands.fail("broken")
    hands.stage("spawner", [spawned("staged", "spawner")], [NewGroup("none_failed", [("spawn", "staged")])])


def make_workflows(queue: Queue) -> None:
    """A workflow, and one that is being canceled."""
    hands = HandWorker(queue.store, ["side"])
    for workflow in ("flow", "halting"):
        members = [queue.prepare_data(samples.anything, job_id=f"{workflow}-{name}") for name in ("ended", "open")]
        members.append(queue.prepare_data("samples." + "x" * 100, job_id=f"{workflow}-long", depends_on=members[1]))
        own = EnqueueData.joining(workflow, members, "none_failed", JobOptions())
        jobs = [data.belonging_to(workflow) for data in members] + [own]
        queue.store.run(enqueue([data.new_job("side") for data in jobs], new_queues=["side"]))
        while f"{workflow}-ended" not in hands.held:
            hands.claim(1)
        hands.finish(f"{workflow}-ended")
    with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=1)):
        queue.store.run(changes.cancel(["halting"]))


def stage_in_two(queue: Queue, name: str, *, opens: bool) -> None:
    first = queue.prepare_data(samples.anything, job_id=f"{name}-1")
    second = queue.prepare_data(samples.anything, job_id=f"{name}-2", depends_on=first)
    jobs = [first.new_job("default"), second.new_job("default")]
    plan = replace(staging.plan(jobs, [job.id for job in jobs], budget=4), gate=name)
    for number, piece in enumerate(plan.pieces, 1):
        queue.store.run(staging.stage(name, number, piece, new_queues=()))
    if opens:
        queue.store.run(staging.open_gate(plan, len(plan.pieces)))


def stage_plain(queue: Queue, name: str) -> None:
    """Two plain jobs behind a gate that is closed."""
    jobs = [queue.prepare_data(samples.anything).new_job("default") for _ in range(2)]
    (piece,) = staging.plan(jobs, [job.id for job in jobs]).pieces
    queue.store.run(staging.stage(name, 1, piece, new_queues=()))
