"""How fast jobs that do nothing are enqueued, with no worker beside."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.queues.adapter import Step
from benchmarks.remote import RemoteAdapter

#: How many jobs tell how many to measure with.
FIRST_JOBS = 200

Enqueue = Callable[[RemoteAdapter, Step, int], float]


def enqueue_rate(bench: Bench, figure: Figure, enqueue: Enqueue) -> Figures:
    """Jobs a second, by as many as take about the time of the scale."""
    with bench.adapter() as adapter:
        # Also when the rate is known: what a client does once, such as to connect, is not what is measured.
        rate = FIRST_JOBS / enqueue(adapter, Step(), FIRST_JOBS)
        rate = bench.rates.setdefault(figure.name, rate)
        jobs = min(max(int(rate * bench.scale.seconds), FIRST_JOBS), bench.scale.most_jobs)
        rate = jobs / enqueue(adapter, Step(), jobs)
    bench.rates[figure.name] = rate
    return {figure.name: rate}


ONE_BY_ONE = Figure("enqueue-one-by-one", "enqueue one by one, one client", "jobs/s", "higher", in_plot=True)
IN_BULK = Figure("enqueue-in-bulk", "enqueue in bulk", "jobs/s", "higher", in_plot=True)

MEASUREMENTS = [
    Measurement(
        ONE_BY_ONE.name,
        "Enqueue",
        [ONE_BY_ONE],
        lambda bench: enqueue_rate(bench, ONE_BY_ONE, RemoteAdapter.enqueue),
    ),
    Measurement(
        IN_BULK.name,
        "Enqueue",
        [IN_BULK],
        lambda bench: enqueue_rate(bench, IN_BULK, RemoteAdapter.enqueue_in_bulk),
    ),
]
