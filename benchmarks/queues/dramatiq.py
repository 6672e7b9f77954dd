"""Dramatiq on Redis, with results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dramatiq import Message, actor, group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as BarrierBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultBackend
from redis import Redis

from benchmarks.queues.adapter import (
    URL_VARIABLE,
    Adapter,
    Command,
    Graph,
    Step,
    Unsupported,
    functions,
    results_url,
    url_of_worker,
)
from benchmarks.queues.shapes import is_chain, is_fan_in

#: After how many seconds without a heartbeat the messages of a worker go back to the queue.
HEARTBEAT_VARIABLE = "BENCHMARK_DRAMATIQ_HEARTBEAT"


def make_broker(url: str) -> RedisBroker:
    """The broker, with the jobs as its actors."""
    if seconds := os.environ.get(HEARTBEAT_VARIABLE):
        redis_broker = RedisBroker(url=url, heartbeat_timeout=int(seconds) * 1000)
    else:
        redis_broker = RedisBroker(url=url)
    redis_broker.add_middleware(Results(backend=ResultBackend(url=results_url(url)), store_results=True))
    redis_broker.add_middleware(GroupCallbacks(BarrierBackend(url=url)))
    for name, function in functions().items():
        actor(function, actor_name=name, broker=redis_broker)
    return redis_broker


class DramatiqAdapter(Adapter):
    """Dramatiq with its defaults and results. With one thread a process, it fetches too little to be kept busy."""

    name = "dramatiq"
    requirements = ("dramatiq[redis]",)
    python = (3, 10)
    settings = "defaults: 8 threads a process; Results (kept 10 minutes) and GroupCallbacks"
    lacks = "leases by job and fences, history of attempts, bulk enqueue, dependencies other than chains and fan-in"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._broker = make_broker(url)
        self._results = Redis.from_url(results_url(url))

    def _message(self, step: Step, **options: object) -> Message[None]:
        return self._broker.get_actor(step.function).message_with_options(args=step.args, **options)

    def enqueue(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._broker.get_actor(step.function).send(*step.args)

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        calls = [steps.get(place, Step()) for place in range(len(graph))]
        if is_chain(graph):
            chain = pipeline([self._message(step, pipe_ignore=True) for step in calls], broker=self._broker)
            try:
                chain.run()
            except RecursionError:  # each message holds the next
                raise Unsupported("chains of some hundred jobs and fan-in only") from None
        elif is_fan_in(graph):
            jobs = group([self._message(step) for step in calls[:-1]], broker=self._broker)
            jobs.add_completion_callback(self._message(calls[-1]))
            jobs.run()
        else:
            raise Unsupported("chains and fan-in only")

    def ended(self) -> int:
        count: int = self._results.dbsize()
        return count

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[HEARTBEAT_VARIABLE] = str(lease_seconds)
        argv = ["python", "-m", "dramatiq", "benchmarks.queues.dramatiq:broker", "--skip-logging"]
        return Command([*argv, "--processes", str(processes)], env)

    def close(self) -> None:
        self._results.close()
        self._broker.close()


if URL_VARIABLE in os.environ:
    broker = make_broker(url_of_worker())
