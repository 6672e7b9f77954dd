"""SAQ, with the concurrency in a process that it has by default."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from saq import Queue

from benchmarks.queues.adapter import URL_VARIABLE, Adapter, Command, Step, Unsupported, url_of_worker
from benchmarks.queues.coroutines import coroutines, keywords

#: How often, in seconds, a worker looks for jobs that run for longer than they may.
SWEEP_VARIABLE = "BENCHMARK_SAQ_SWEEP"

#: For how many seconds a job may run, and how often it may be begun: once by default, and then a killed one is lost.
LIMITS = {"timeout": 30, "retries": 3}


class SaqAdapter(Adapter):
    """SAQ with its defaults, except that jobs are tried again."""

    name = "saq"
    requirements = ("saq[redis,hiredis]", "typing_extensions")  # the latter, which it forgets to ask for
    python = (3, 10)
    settings = "defaults, but retries=3 and timeout=30: 10 coroutines a process, results kept 10 minutes"
    lacks = "renewed leases and fences, history of attempts, bulk enqueue, dependencies; the jobs of a process share it"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._queue = Queue.from_url(url)
        self._loop.run_until_complete(self._queue.connect())
        self._enqueued = 0

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._queue.enqueue(step.function, **LIMITS, **keywords(step))

        self._loop.run_until_complete(enqueue_all())
        self._enqueued += len(steps)

    def ended(self) -> int:
        return self._enqueued - self._loop.run_until_complete(self._queue.count("incomplete"))

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[SWEEP_VARIABLE] = str(lease_seconds)
        return Command(
            ["python", "-m", "saq", "benchmarks.queues.saq.worker_settings", "--workers", str(processes)], env
        )

    def close(self) -> None:
        self._loop.run_until_complete(self._queue.disconnect())
        self._loop.close()


def with_context(coroutine: Callable[..., Coroutine[None, None, None]]) -> Callable[..., Coroutine[None, None, None]]:
    """The coroutine as SAQ calls it: with a context first."""

    async def call(_context: dict[str, Any], **kwargs: Any) -> None:
        await coroutine(**kwargs)

    return call


def worker_settings() -> dict[str, Any]:
    """What the worker is told."""
    sweep = os.environ.get(SWEEP_VARIABLE)
    return {
        "queue": Queue.from_url(url_of_worker()),
        "functions": [(name, with_context(coroutine)) for name, coroutine in coroutines().items()],
        "timers": {"sweep": int(sweep)} if sweep else {},
    }
