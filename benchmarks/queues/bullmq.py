"""BullMQ's own package for Python, which runs the same Lua scripts as the one for Node."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from bullmq import FlowProducer, Job, Queue, Worker

from benchmarks.queues.adapter import URL_VARIABLE, Adapter, Command, Graph, Step, Unsupported, url_of_worker
from benchmarks.queues.copies import run_copies
from benchmarks.queues.coroutines import coroutines

#: For how many seconds a worker holds a job without renewing its lock, and how often stalled jobs are looked for.
LOCK_VARIABLE = "BENCHMARK_BULLMQ_LOCK"

QUEUE = "benchmark"

Returned = TypeVar("Returned")


class BullmqAdapter(Adapter):
    """BullMQ with its defaults."""

    name = "bullmq"
    requirements = ("bullmq",)
    python = (3, 10)
    settings = "its Python package, whose worker makes two round trips a job where Node's makes one; defaults"
    lacks = "history of attempts, dependencies other than trees (a job has one dependent)"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._queue, self._flows = self._run(self._open())

    async def _open(self) -> tuple[Queue, FlowProducer]:
        return Queue(QUEUE, {"connection": self.url}), FlowProducer({"connection": self.url})

    def _run(self, coroutine: Coroutine[Any, Any, Returned]) -> Returned:
        return self._loop.run_until_complete(coroutine)

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._queue.add(step.function, list(step.args))

        self._run(enqueue_all())

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        self._run(self._queue.addBulk([{"name": step.function, "data": list(step.args)} for step in steps]))

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        nodes: list[dict[str, Any]] = []
        roots: dict[int, dict[str, Any]] = {}
        for place, dependencies in enumerate(graph):
            step = steps.get(place, Step())
            if any(each not in roots for each in dependencies):
                raise Unsupported("trees only: a job has one dependent")
            node = {"name": step.function, "queueName": QUEUE, "data": list(step.args)}
            node["children"] = [roots.pop(each) for each in dependencies]
            roots[place] = node
            nodes.append(node)
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * len(nodes)))  # it walks the tree by recursion
        self._run(self._flows.addBulk(list(roots.values())))

    def ended(self) -> int:
        counts = self._run(self._queue.getJobCounts("completed", "failed"))
        return sum(counts.values())

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[LOCK_VARIABLE] = str(lease_seconds)
        return Command(["python", "-m", "benchmarks.queues.bullmq", str(processes)], env)

    def close(self) -> None:
        self._run(self._queue.close())
        self._run(self._flows.close())
        self._loop.close()


async def process(job: Job, _token: str) -> None:
    """Does what a job says."""
    await coroutines()[job.name](*job.data)


async def work_until_stopped() -> None:
    """Runs a worker until a signal."""
    lock = os.environ.get(LOCK_VARIABLE)
    options = {"lockDuration": int(lock) * 1000, "stalledInterval": int(lock) * 1000} if lock else {}
    worker = Worker(QUEUE, process, {"connection": url_of_worker(), **options})
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    await stopped.wait()
    await worker.close()


def work() -> None:
    """Runs a worker in this process."""
    asyncio.run(work_until_stopped())


if __name__ == "__main__":
    run_copies(work, int(sys.argv[1]))
