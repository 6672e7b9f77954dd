"""How much memory of the server a job takes, while it is queued and once it has ended."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.bench import Bench
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.queues.adapter import Step
from benchmarks.remote import RemoteAdapter

#: How many jobs have been drained before those that are weighed, so that what exists once, such as scripts, is there.
FIRST_JOBS = 1_000

#: How long a server may take to free what was deleted or who has gone, in seconds.
LETTING_GO = 0.3

#: Arguments that come to about 200 bytes, of a job that does almost nothing.
LARGE_STEP = Step("note", ("/dev/null", "x" * 180))


def memory(bench: Bench, step: Step, name: str) -> Figures:
    """Bytes per job, when no worker is there; what connections take does not count."""
    jobs = bench.scale.weighed_jobs
    with bench.adapter() as adapter:
        adapter.enqueue_any_way(step, FIRST_JOBS)
        _drain(bench, adapter, FIRST_JOBS)
        before = _at_rest(bench)
        adapter.enqueue_any_way(step, jobs)
        queued = _at_rest(bench)
        _drain(bench, adapter, FIRST_JOBS + jobs)
        finished = _at_rest(bench)
    return {f"memory-queued-{name}": (queued - before) / jobs, f"memory-finished-{name}": (finished - before) / jobs}


def _drain(bench: Bench, adapter: RemoteAdapter, total: int) -> None:
    with bench.worker(adapter) as worker:
        bench.drain(adapter, worker, total)
        worker.end()


def _at_rest(bench: Bench) -> int:
    time.sleep(LETTING_GO)
    return bench.server.memory()


def _measurement(name: str, title: str, step: Step) -> Measurement:
    figures = [
        Figure(f"memory-queued-{name}", f"memory per job queued, {title}", "B", "lower"),
        Figure(f"memory-finished-{name}", f"memory per job finished, {title}", "B", "lower", in_plot=name == "small"),
    ]
    return Measurement(f"memory-{name}", "Memory of the server", figures, partial(memory, step=step, name=name))


MEASUREMENTS = [
    _measurement("small", "no arguments", Step()),
    _measurement("large", "200 B of arguments", LARGE_STEP),
]
