"""How soon an idle worker begins a job."""

from __future__ import annotations

from benchmarks.bench import Bench, note
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.spread import percentile

#: After how many seconds those that have come are enough.
LIMIT = 20

#: How many have to come at least.
LEAST = 10

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def latency(bench: Bench) -> Figures:
    """From just before a job is enqueued to its first line, by jobs that come when there is nothing to do."""
    warm, path = bench.path("warm"), bench.path("notes")
    with bench.adapter() as adapter, bench.worker(adapter) as worker:
        adapter.enqueue(note(warm), 1)
        bench.notes(warm, 1, worker)
        adapter.enqueue_when_idle(path, bench.scale.spaced_jobs, LIMIT)
        notes = bench.notes(path, LEAST, worker)
    milliseconds = [1000 * (begun_at - float(enqueued_at)) for begun_at, enqueued_at in notes]
    return {f"latency-{name}": percentile(milliseconds, share) for name, share in SHARES.items()}


FIGURES = [
    Figure(f"latency-{name}", f"pick-up latency when idle, {name}", "ms", "lower", in_plot=name == "p50")
    for name in SHARES
]

MEASUREMENTS = [Measurement("latency", "Latency", FIGURES, latency)]
