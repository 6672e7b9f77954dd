"""How soon a worker is there, and how much memory it takes."""

from __future__ import annotations

from benchmarks.bench import Bench, note
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.queues.adapter import Step

#: How many jobs a worker has run when its memory is measured.
JOBS = 200

PROCESSES = 2


def start(bench: Bench) -> Figures:
    """From the start of a worker's process to the first line of a job that waited for it."""
    path = bench.path("notes")
    with bench.adapter() as adapter:
        adapter.enqueue(note(path), 1)
        with bench.worker(adapter) as worker:
            begun_at, _ = bench.notes(path, 1, worker)[0]
    return {START.name: begun_at - worker.started_at}


def memory(bench: Bench) -> Figures:
    """What all processes of a worker hold, after some jobs."""
    with bench.adapter() as adapter:
        adapter.enqueue_any_way(Step(), JOBS)
        with bench.worker(adapter, PROCESSES) as worker:
            bench.drain(adapter, worker, JOBS)
            return {MEMORY.name: worker.proportional_set_size() / 2**20}


START = Figure("worker-start", "worker: start to first job", "s", "lower", in_plot=True)
MEMORY = Figure("worker-memory", f"worker with {PROCESSES} processes: memory (PSS)", "MiB", "lower", in_plot=True)

MEASUREMENTS = [
    Measurement(START.name, "Worker", [START], start),
    Measurement(MEMORY.name, "Worker", [MEMORY], memory),
]
