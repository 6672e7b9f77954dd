"""Maps and workflows with ``await``: the same as without. A real server: waiting on fakeredis never ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import steps
from processes import worker_process
from redis import Redis

from rqdeps import (
    AsyncQueue,
    AsyncWorkflow,
    Dependency,
    DuplicateWorkflowError,
    NoSuchWorkflowError,
    Queue,
    SimpleWorker,
    Workflow,
)

Scenario = Callable[[AsyncQueue], Awaitable[None]]


@pytest.fixture
def play(valkey_url: str) -> Callable[[Scenario], None]:
    """Runs a scenario with a queue of its own."""

    async def on_queue(scenario: Scenario) -> None:
        async with AsyncQueue("work", url=valkey_url) as queue:
            await scenario(queue)

    return lambda scenario: asyncio.run(on_queue(scenario))


def work(valkey: Redis) -> None:
    SimpleWorker("work", connection=valkey).work(burst=True)


def test_a_map_is_awaited(play: Callable[[Scenario], None], valkey_url: str):
    async def scenario(queue: AsyncQueue) -> None:
        numbers = await queue.enqueue(steps.count_to, 4)
        mapped = await queue.options(retry=1).map(steps.add, numbers.output, args=(10,))
        assert await mapped.wait(timeout=30) == [10, 11, 12, 13]

    with worker_process(valkey_url, "--log-level", "error"):
        play(scenario)


def test_a_workflow_is_committed_and_awaited(play: Callable[[Scenario], None], valkey_url: str):
    async def scenario(queue: AsyncQueue) -> None:
        async with AsyncWorkflow("sums", queue=queue) as sums:
            numbers = await sums.enqueue(steps.count_to, 5)
            total = await sums.enqueue(steps.total, numbers.output)
            after = await sums.on_finished(steps.echo, "done")
            assert await sums.get_status() == "created"
            assert await sums.jobs() == [numbers, total]
        assert await sums.wait(timeout=30) == "finished"
        assert (await sums.get_progress(), (await sums.get_counts())["finished"]) == (1.0, 2)
        assert await total.get_result() == 10
        assert await after.wait(timeout=30) == "done"
        assert (await AsyncWorkflow.fetch(sums.id, queue.store.client)).name == "sums"
        assert [each.id for each in await AsyncWorkflow.all(queue.store.client)] == [sums.id]
        await sums.delete()
        with pytest.raises(NoSuchWorkflowError):
            await sums.facts()

    with worker_process(valkey_url, "--log-level", "error"):
        play(scenario)


def test_nothing_of_a_block_that_raises_is_committed(play: Callable[[Scenario], None], valkey: Redis):
    async def scenario(queue: AsyncQueue) -> None:
        async def fail_within() -> None:
            async with AsyncWorkflow(queue=queue) as workflow:
                await workflow.enqueue(steps.nothing)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail_within()

    play(scenario)
    assert Queue("work", connection=valkey).count == 0


def test_an_id_is_used_once_unless_that_is_fine(play: Callable[[Scenario], None]):
    async def scenario(queue: AsyncQueue) -> None:
        for _ in range(2):
            async with AsyncWorkflow(queue=queue, id="monday", exist_ok=True) as workflow:
                await workflow.enqueue(steps.nothing)
        with pytest.raises(DuplicateWorkflowError):
            await AsyncWorkflow(queue=queue, id="monday").commit()
        assert await queue.get_count() == 1

    play(scenario)


def test_a_workflow_that_was_canceled_is_resumed(play: Callable[[Scenario], None], valkey: Redis):
    async def scenario(queue: AsyncQueue) -> None:
        async with AsyncWorkflow(queue=queue) as workflow:
            first = await workflow.enqueue(steps.echo, 1)
            last = await workflow.enqueue(steps.echo, first.output)
            await workflow.enqueue(steps.nothing, depends_on=Dependency(last, rule="all_done"))
        assert await workflow.cancel()
        work(valkey)
        assert await workflow.get_status() == "canceled"
        assert (await workflow.get_counts())["finished"] == 1  # what cleans up
        assert await workflow.retry_failed() == 2
        work(valkey)
        assert await workflow.get_status() == "finished"
        assert await last.get_result() == 1

    play(scenario)


def test_both_kinds_of_workflows_can_do_the_same():
    """What is a property without ``await`` and asks the server is a method ``get_…`` with it."""

    def public(kind: type[Any]) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    renamed = {"counts": "get_counts", "progress": "get_progress", "status": "get_status", "eta": "get_eta"}
    read_with_facts = {"created_at", "ended_at"}
    expected = {renamed.get(name, name) for name in public(Workflow) - read_with_facts}
    assert public(AsyncWorkflow) == expected | {"aclose"}
