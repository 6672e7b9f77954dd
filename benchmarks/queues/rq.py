"""RQ, with its default worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry

from benchmarks.queues.adapter import Adapter, Command, Graph, Step, functions


class RqAdapter(Adapter):
    """RQ with the worker that it recommends for production, which forks a process for each job."""

    name = "rq"
    requirements = ("rq",)
    python = (3, 10)
    settings = "the default worker, which forks a process for each job (RQ's advice for production); results kept 500 s"
    lacks = (
        "leases and fences (the jobs of a killed worker fail), history of attempts, graphs enqueued as one; "
        "a job with several dependencies may wait for ever where several workers run"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._connection = Redis.from_url(url)
        self._queue = Queue(connection=self._connection)
        self._ended = (FinishedJobRegistry(queue=self._queue), FailedJobRegistry(queue=self._queue))
        self._functions = functions()

    def enqueue(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._queue.enqueue(self._functions[step.function], *step.args)

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        prepare = self._queue.prepare_data
        self._queue.enqueue_many([prepare(self._functions[step.function], list(step.args)) for step in steps])

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        jobs: list[Job] = []
        for place, dependencies in enumerate(graph):
            step = steps.get(place, Step())
            depends_on = [jobs[each] for each in dependencies] or None
            jobs.append(self._queue.enqueue(self._functions[step.function], *step.args, depends_on=depends_on))

    def ended(self) -> int:
        return sum(registry.get_job_count(cleanup=False) for registry in self._ended)

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        argv = ["python", "-m", "rq.cli", "worker-pool", "--url", self.url, "--num-workers", str(processes)]
        return Command([*argv, "--logging-level", "WARNING", self._queue.name])

    def close(self) -> None:
        self._connection.close()
