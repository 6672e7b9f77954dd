"""How fast a worker drains jobs that do nothing, all of which were enqueued before it was started."""

from __future__ import annotations

from functools import partial

from benchmarks.bench import Bench, Drained
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.limits.forks import forks_a_second
from benchmarks.queues.adapter import Step

#: How many jobs tell how many to measure with, and what they are multiplied by as long as they take too little time.
FIRST_JOBS = 100
GROWTH = 10

#: What is too little: the first seconds of a worker are not its pace.
LEAST_SECONDS = 0.2


def drain(bench: Bench, jobs: int, processes: int, *, fork_each: bool) -> Drained:
    """Drains so many jobs on a clean server."""
    bench.server.clear()
    with bench.adapter() as adapter:
        adapter.enqueue_any_way(Step(), jobs)
        with bench.worker(adapter, processes, fork_each=fork_each) as worker:
            return bench.drain(adapter, worker, jobs)


def estimate(bench: Bench, processes: int, *, fork_each: bool) -> float:
    """About how many jobs a second."""
    jobs = FIRST_JOBS
    while True:
        drained = drain(bench, jobs, processes, fork_each=fork_each)
        if drained.seconds >= LEAST_SECONDS or jobs * GROWTH > bench.scale.most_jobs:
            return drained.rate
        jobs *= GROWTH


def drain_rate(bench: Bench, figure: Figure, processes: int, *, fork_each: bool = False) -> float:
    """Jobs a second, by as many as take about the time of the scale."""
    if figure.name not in bench.rates:
        bench.rates[figure.name] = estimate(bench, processes, fork_each=fork_each)
    jobs = int(bench.rates[figure.name] * bench.scale.seconds) or bench.scale.most_jobs
    drained = drain(bench, min(max(jobs, FIRST_JOBS), bench.scale.most_jobs), processes, fork_each=fork_each)
    bench.rates[figure.name] = drained.rate
    return drained.rate


def reused(bench: Bench, figure: Figure, processes: int) -> Figures:
    """With processes that are used again, as each queue has it by default."""
    return {figure.name: drain_rate(bench, figure, processes)}


def forked(bench: Bench) -> Figures:
    """With a process for each job, beside what fork and wait alone do at that moment."""
    bare = forks_a_second(bench.scale.seconds / 2)
    rate = drain_rate(bench, FORKED, 1, fork_each=True)
    return {FORKED.name: rate, SHARE.name: 100 * rate / bare}


ONE = Figure("drain-1", "drain, 1 process", "jobs/s", "higher", in_plot=True)
TWO = Figure("drain-2", "drain, 2 processes", "jobs/s", "higher", in_plot=True)
FORKED = Figure("drain-forked", "drain, a fork for each job, 1 process", "jobs/s", "higher", in_plot=True)
SHARE = Figure("drain-forked-share", "the same, as a share of bare fork and wait", "%", "higher")

MEASUREMENTS = [
    Measurement(ONE.name, "Drain", [ONE], partial(reused, figure=ONE, processes=1)),
    Measurement(TWO.name, "Drain", [TWO], partial(reused, figure=TWO, processes=2)),
    Measurement(FORKED.name, "Drain", [FORKED, SHARE], forked),
]
