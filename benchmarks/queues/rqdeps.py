"""rqdeps, as it is in this checkout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.queues.adapter import Adapter, Command, Graph, Step, functions
from rqdeps import Dependency, Queue
from rqdeps.enqueue_data import EnqueueData
from rqdeps.registry import DeferredJobRegistry, FailedJobRegistry, FinishedJobRegistry


class RqdepsAdapter(Adapter):
    """rqdeps with its default settings."""

    name = "rqdeps"
    requirements = ("rqdeps",)
    settings = "defaults: leases, fences, results and history on"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._queue = Queue(url=url)
        self._functions = functions()

    def enqueue(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._queue.enqueue(self._functions[step.function], *step.args)

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        prepare = self._queue.prepare_data
        self._queue.enqueue_many([prepare(self._functions[step.function], step.args) for step in steps])

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        datas: list[EnqueueData] = []
        for place, dependencies in enumerate(graph):
            step = steps.get(place, Step())
            depends_on = Dependency([datas[each] for each in dependencies]) if dependencies else None
            datas.append(self._queue.prepare_data(self._functions[step.function], step.args, depends_on=depends_on))
        self._queue.enqueue_many(datas)

    def ended(self) -> int:
        return FinishedJobRegistry(queue=self._queue).count + FailedJobRegistry(queue=self._queue).count

    def waiting(self) -> int:
        return DeferredJobRegistry(queue=self._queue).count

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        argv = [
            "python",
            "-m",
            "rqdeps",
            "worker",
            "--url",
            self.url,
            "--processes",
            str(processes),
            "--log-level",
            "warning",
        ]
        if lease_seconds is not None:
            argv += ["--lease", str(lease_seconds)]
        if fork_each:
            argv += ["--isolation", "job"]
        return Command(argv)
