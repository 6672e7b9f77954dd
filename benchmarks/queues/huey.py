"""Huey on Redis, with worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from huey import RedisHuey, chord
from huey.api import TaskWrapper

from benchmarks.queues.adapter import (
    URL_VARIABLE,
    Adapter,
    Command,
    Graph,
    Step,
    Unsupported,
    functions,
    url_of_worker,
)
from benchmarks.queues.shapes import is_chain, is_fan_in


def instance(url: str) -> tuple[RedisHuey, dict[str, TaskWrapper], dict[str, TaskWrapper]]:
    """Huey, the jobs as its tasks, and the jobs as tasks that end a chord."""
    made = RedisHuey("benchmark", url=url, store_none=True)
    tasks = {name: made.task(name=name)(function) for name, function in functions().items()}
    after = {name: made.task(name=f"{name}_after")(without_results(function)) for name, function in functions().items()}
    return made, tasks, after


def without_results(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a chord calls at its end: a function that is not interested in the results, which come last."""

    def call(*args: Any) -> Any:
        return function(*args[:-1])

    return call


class HueyAdapter(Adapter):
    """Huey with processes as workers, and with the results of all jobs, also where they return nothing."""

    name = "huey"
    requirements = ("huey[redis]",)
    python = (3, 10)
    settings = "RedisHuey, worker processes, results kept (store_none)"
    lacks = (
        "leases and fences (the jobs of a killed worker are lost), history of attempts, bulk enqueue, "
        "dependencies other than chains and fan-in"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._huey, self._tasks, self._after = instance(url)
        self._enqueued = 0
        self._unended: set[str] = set()  # the last jobs of chords, while they have no results

    def enqueue(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._tasks[step.function](*step.args)
        self._enqueued += len(steps)

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        calls = [steps.get(place, Step()) for place in range(len(graph))]
        if is_chain(graph):
            first = self._tasks[calls[0].function].s(*calls[0].args)
            last = first
            for step in calls[1:]:
                following = self._tasks[step.function].s(*step.args)
                last.then(following)  # asked of the first, it would walk the chain each time
                last = following
            try:
                self._huey.enqueue(first)
            except RecursionError:  # each message holds the next
                raise Unsupported("chains of some hundred jobs and fan-in only") from None
        elif is_fan_in(graph):
            end = self._after[calls[-1].function].s(*calls[-1].args)
            self._huey.enqueue(chord([self._tasks[step.function].s(*step.args) for step in calls[:-1]], end))
            self._unended.add(end.id)
        else:
            raise Unsupported("chains and fan-in only")
        self._enqueued += len(graph)

    def ended(self) -> int:
        self._unended = {each for each in self._unended if not self._huey.storage.has_data_for_key(each)}
        count: int = self._huey.result_count()
        return min(count, self._enqueued - len(self._unended))  # an open chord keeps its members' results there too

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        argv = ["python", "-m", "huey.bin.huey_consumer", "benchmarks.queues.huey.huey", "--quiet"]
        argv += ["--worker-type", "process", "--workers", str(processes)]
        return Command(argv, {URL_VARIABLE: self.url})

    def close(self) -> None:
        self._huey.storage.conn.close()


if URL_VARIABLE in os.environ:
    huey = instance(url_of_worker())[0]
