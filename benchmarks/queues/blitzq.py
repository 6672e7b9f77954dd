"""BlitzQ in its reliable mode."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from blitzq import Queue
from redis import Redis
from redis.exceptions import ResponseError

from benchmarks.queues.adapter import URL_VARIABLE, Adapter, Command, Step, Unsupported, url_of_worker
from benchmarks.queues.coroutines import coroutines

#: After how many seconds the messages of a worker that does not renew them are delivered again.
VISIBILITY_VARIABLE = "BENCHMARK_BLITZQ_VISIBILITY"

#: For how many seconds results are kept, as rqdeps does.
RESULT_SECONDS = 600


def make_queue(url: str) -> Queue:
    """The queue, with the jobs as its tasks."""
    seconds = float(os.environ.get(VISIBILITY_VARIABLE, "60"))  # which is its own default
    made = Queue(redis_url=url, mode="reliable", result_ttl=RESULT_SECONDS, visibility_timeout=seconds)
    for name, coroutine in coroutines().items():
        made.task(name=name)(coroutine)
    return made


class BlitzqAdapter(Adapter):
    """BlitzQ as it is by default: at least once, with results."""

    name = "blitzq"
    requirements = ("blitzq",)
    python = (3, 12)
    settings = "reliable mode, results kept 10 minutes, defaults: 100 coroutines a process"
    lacks = "fences, history of attempts, dependencies; the jobs of a process share it"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._queue = make_queue(url)
        self._loop.run_until_complete(self._queue.connect())
        self._connection = Redis.from_url(url)
        self._stream: str = self._queue.broker.qkey(self._queue.name)

    def enqueue(self, steps: Sequence[Step]) -> None:
        async def enqueue_all() -> None:
            for step in steps:
                await self._queue.tasks[step.function].enqueue(*step.args)

        self._loop.run_until_complete(enqueue_all())

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        calls: dict[str, list[tuple[object, ...]]] = {}  # it takes the calls of one task at a time
        for step in steps:
            calls.setdefault(step.function, []).append(tuple(step.args))
        for name, arguments in calls.items():
            self._loop.run_until_complete(self._queue.tasks[name].enqueue_many(arguments))

    def ended(self) -> int:
        try:
            stream = self._connection.xinfo_stream(self._stream)
        except ResponseError:  # nothing was enqueued yet
            return 0
        return int(stream["entries-added"]) - int(stream["length"])  # a message is deleted when its job has ended

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[VISIBILITY_VARIABLE] = str(lease_seconds)
        argv = ["python", "-m", "blitzq", "worker", "benchmarks.queues.blitzq:queue"]
        return Command([*argv, "--workers", str(processes), "--log-level", "WARNING"], env)

    def close(self) -> None:
        self._connection.close()
        self._loop.run_until_complete(self._queue.close())
        self._loop.close()


if URL_VARIABLE in os.environ:
    queue = make_queue(url_of_worker())
