"""arq, with the concurrency in a process that it has by default."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from arq import create_pool, run_worker
from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name
from arq.worker import Function, func

from benchmarks.queues.adapter import URL_VARIABLE, Adapter, Command, Step, Unsupported, url_of_worker
from benchmarks.queues.copies import run_copies
from benchmarks.queues.coroutines import coroutines

#: After how many seconds another worker may take a job that is in progress.
LEASE_VARIABLE = "BENCHMARK_ARQ_LEASE"

#: How many seconds longer than a job's timeout arq takes it for in progress.
EXTRA_SECONDS = 10


class ArqAdapter(Adapter):
    """arq with its defaults."""

    name = "arq"
    requirements = ("arq",)
    python = (3, 10)
    settings = "defaults: 10 coroutines a process, results kept an hour"
    lacks = "renewed leases and fences, history of attempts, bulk enqueue, dependencies; the jobs of a process share it"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._pool: ArqRedis = self._loop.run_until_complete(create_pool(RedisSettings.from_dsn(url)))
        self._enqueued = 0

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._pool.enqueue_job(step.function, *step.args)

        self._loop.run_until_complete(enqueue_all())
        self._enqueued += len(steps)

    def ended(self) -> int:
        unended: int = self._loop.run_until_complete(self._pool.zcard(default_queue_name))
        return self._enqueued - unended  # a job stays in the queue until it has ended

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[LEASE_VARIABLE] = str(lease_seconds)
        return Command(["python", "-m", "benchmarks.queues.arq", str(processes)], env)

    def close(self) -> None:
        self._loop.run_until_complete(self._pool.aclose())
        self._loop.close()


def with_context(coroutine: Callable[..., Coroutine[None, None, None]]) -> Callable[..., Coroutine[None, None, None]]:
    """The coroutine as arq calls it: with a context first."""

    async def call(_context: dict[Any, Any], *args: Any) -> None:
        await coroutine(*args)

    return call


def arq_functions() -> list[Function]:
    """The jobs, as arq is told of them."""
    return [func(with_context(coroutine), name=name) for name, coroutine in coroutines().items()]


def work() -> None:
    """Runs a worker. arq's own command does the same, in one process and with a log line or two a job."""
    lease = os.environ.get(LEASE_VARIABLE)
    options = {"job_timeout": int(lease) - EXTRA_SECONDS} if lease else {}
    settings = {"functions": arq_functions(), "redis_settings": RedisSettings.from_dsn(url_of_worker()), **options}
    run_worker(settings)


if __name__ == "__main__":
    run_copies(work, int(sys.argv[1]))
