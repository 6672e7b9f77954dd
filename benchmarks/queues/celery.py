"""Celery on Redis, with its prefork pool and late acknowledgements."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping, Sequence

from celery import Celery, chain, group
from celery.result import GroupResult
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
from benchmarks.queues.shapes import levels

#: After how many seconds an unacknowledged message is delivered again.
VISIBILITY_VARIABLE = "BENCHMARK_CELERY_VISIBILITY"

#: What the keys end in that Celery keeps for a chord beside the results, some for minutes after its end.
CHORD_SUFFIXES = (".j", ".t", ".s", ".d", ".c", "")


def application(url: str) -> Celery:
    """The Celery application, with the jobs as its tasks."""
    app = Celery("benchmark", broker=url, backend=results_url(url))
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    if visibility := os.environ.get(VISIBILITY_VARIABLE):
        app.conf.broker_transport_options = {"visibility_timeout": int(visibility)}
    for name, function in functions().items():
        app.task(name=name)(function)
    return app


class CeleryAdapter(Adapter):
    """Celery with the settings by which it runs a job again when its process is lost."""

    name = "celery"
    requirements = ("celery[redis]",)
    python = (3, 10)
    settings = "prefork pool, task_acks_late and task_reject_on_worker_lost, results in Redis, bulk by group"
    lacks = "renewed leases and fences, history of attempts, dependencies other than chains, groups and chords"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._app = application(url)
        self._results = Redis.from_url(results_url(url))
        self._chord_keys: list[bytes] = []

    def enqueue(self, steps: Sequence[Step]) -> None:
        tasks = self._app.tasks
        for step in steps:
            tasks[step.function].delay(*step.args)

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        group([self._app.tasks[step.function].si(*step.args) for step in steps]).apply_async()

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        found = levels(graph)
        if found is None:
            raise Unsupported("chains, groups and chords only")
        signatures = []
        for level in found:
            calls = [steps.get(place, Step()) for place in level]
            tasks = [self._app.tasks[step.function].si(*step.args) for step in calls]
            signatures.append(group(tasks) if len(tasks) > 1 else tasks[0])
        result = chain(*signatures).apply_async()
        while result is not None:
            if isinstance(result, GroupResult):
                keys = (self._app.backend.get_key_for_group(result.id, suffix) for suffix in CHORD_SUFFIXES)
                self._chord_keys.extend(keys)
            result = result.parent

    def ended(self) -> int:
        pipeline = self._results.pipeline()
        pipeline.dbsize()
        if self._chord_keys:
            pipeline.exists(*self._chord_keys)
        count, *others = pipeline.execute()
        return int(count) - sum(others)

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("seconds a job, with --max-tasks-per-child 1")
        argv = ["python", "-m", "celery", "--quiet", "--app", "benchmarks.queues.celery:app", "worker"]
        argv += ["--concurrency", str(processes), "--loglevel", "WARNING"]
        env = {URL_VARIABLE: self.url}
        if lease_seconds is not None:
            env[VISIBILITY_VARIABLE] = str(lease_seconds)
        return Command(argv, env)

    def close(self) -> None:
        gc.collect()  # results that are let go of later would ask a server that may be gone
        self._results.close()
        self._app.close()


if URL_VARIABLE in os.environ:
    app = application(url_of_worker())
