"""taskiq on a Redis stream, with the concurrency in a process that it has by default."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from redis import Redis
from taskiq_pipelines import Pipeline, PipelineMiddleware
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.queues.adapter import (
    URL_VARIABLE,
    Adapter,
    Command,
    Graph,
    Step,
    Unsupported,
    results_url,
    url_of_worker,
)
from benchmarks.queues.coroutines import coroutines, keywords
from benchmarks.queues.shapes import is_chain

#: After how many seconds another worker may take a message that was not acknowledged.
IDLE_VARIABLE = "BENCHMARK_TASKIQ_IDLE"

#: For how many seconds results are kept, as rqdeps does.
RESULT_SECONDS = 600


def make_broker(url: str) -> RedisStreamBroker:
    """The broker, with the jobs as its tasks."""
    results: RedisAsyncResultBackend[None] = RedisAsyncResultBackend(results_url(url), result_ex_time=RESULT_SECONDS)
    if seconds := os.environ.get(IDLE_VARIABLE):
        redis_broker = RedisStreamBroker(url, idle_timeout=int(seconds) * 1000)
    else:
        redis_broker = RedisStreamBroker(url)
    redis_broker = redis_broker.with_result_backend(results).with_middlewares(PipelineMiddleware())
    for name, coroutine in coroutines().items():
        redis_broker.register_task(coroutine, task_name=name)
    return redis_broker


class TaskiqAdapter(Adapter):
    """taskiq with the broker that its documentation shows first, which acknowledges."""

    name = "taskiq"
    requirements = ("taskiq", "taskiq-redis", "taskiq-pipelines")
    python = (3, 10)
    settings = "RedisStreamBroker, results kept 10 minutes, defaults: 100 coroutines a process"
    lacks = (
        "renewed leases and fences, history of attempts, bulk enqueue, dependencies other than chains; "
        "a killed worker's jobs wait for another message to come; the jobs of a process share it and stay in the stream"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._broker = make_broker(url)
        self._loop.run_until_complete(self._broker.startup())
        self._tasks = self._broker.get_all_tasks()
        self._results = Redis.from_url(results_url(url))

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._tasks[step.function].kiq(*step.args)

        self._loop.run_until_complete(enqueue_all())

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        if not is_chain(graph):
            raise Unsupported("chains only")
        calls = [steps.get(place, Step()) for place in range(len(graph))]
        pipeline = Pipeline(self._broker, self._tasks[calls[0].function])
        for step in calls[1:]:
            pipeline.call_after(self._tasks[step.function], **keywords(step))
        self._loop.run_until_complete(pipeline.kiq(*calls[0].args))

    def ended(self) -> int:
        count: int = self._results.dbsize()
        return count

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[IDLE_VARIABLE] = str(lease_seconds)
        argv = ["python", "-m", "taskiq", "worker", "benchmarks.queues.taskiq:broker"]
        return Command([*argv, "--workers", str(processes), "--log-level", "WARNING"], env)

    def close(self) -> None:
        self._results.close()
        self._loop.run_until_complete(self._broker.shutdown())
        self._loop.close()


if URL_VARIABLE in os.environ:
    broker = make_broker(url_of_worker())
