"""streaQ, with the concurrency in a process that it has by default."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from streaq import Worker
from streaq.constants import REDIS_RESULTS_SET
from streaq.task import Task

from benchmarks.queues.adapter import URL_VARIABLE, Adapter, Command, Graph, Step, Unsupported, url_of_worker
from benchmarks.queues.coroutines import coroutines

#: After how many seconds the tasks of a worker that does not renew them are run again.
IDLE_VARIABLE = "BENCHMARK_STREAQ_IDLE"

#: For how long results are kept, as rqdeps does.
RESULTS = timedelta(minutes=10)

Returned = TypeVar("Returned")


def make_worker(url: str) -> Worker[None]:
    """The worker, which is the client too, with the jobs as its tasks."""
    idle = os.environ.get(IDLE_VARIABLE)
    options: dict[str, Any] = {"idle_timeout": int(idle)} if idle else {}
    made = Worker[None](redis_url=url, **options)
    for name, coroutine in coroutines().items():
        made.task(name=name, ttl=RESULTS)(coroutine)
    return made


class StreaqAdapter(Adapter):
    """streaQ with its defaults, less the lines that it logs."""

    name = "streaq"
    requirements = ("streaq",)
    python = (3, 11)
    settings = "defaults: 16 coroutines a process, results kept 10 minutes"
    lacks = "fences, history of attempts, graphs enqueued as one; the jobs of a process share it"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._worker = make_worker(url)
        self._loop = asyncio.new_event_loop()
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._held = self._loop.create_task(self._hold())
        self._run(self._opened.wait())

    async def _hold(self) -> None:
        """Holds the connections, which one task has to open and close, while others use them."""
        async with self._worker:
            self._opened.set()
            await self._closing.wait()

    def _run(self, coroutine: Coroutine[Any, Any, Returned]) -> Returned:
        return self._loop.run_until_complete(coroutine)

    def _task(self, step: Step) -> Task[Any, Any]:
        return self._worker.registry[step.function].enqueue(*step.args)

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._task(step)

        self._run(enqueue_all())

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        self._run(self._worker.enqueue_many([self._task(step) for step in steps]))

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        async def enqueue_all() -> None:
            tasks: list[Task[Any, Any]] = []
            for place, dependencies in enumerate(graph):
                task = self._task(steps.get(place, Step())).start(after=[tasks[each].id for each in dependencies])
                tasks.append(await task)

        self._run(enqueue_all())

    def ended(self) -> int:
        async def count() -> int:
            return await self._worker.redis.zcard(self._worker.prefix + REDIS_RESULTS_SET)

        return self._run(count())

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[IDLE_VARIABLE] = str(lease_seconds)
        return Command(
            ["python", "-m", "streaq", "run", "benchmarks.queues.streaq:worker", "--workers", str(processes)], env
        )

    def close(self) -> None:
        self._closing.set()
        self._loop.run_until_complete(self._held)
        self._loop.close()


if URL_VARIABLE in os.environ:
    logging.disable(logging.INFO)  # its command has no option for that, and it logs three lines a job
    worker = make_worker(url_of_worker())
