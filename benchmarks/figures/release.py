"""What it takes to tell dependents that a job has ended, and what an edge costs."""

from __future__ import annotations

import time
from functools import partial

from benchmarks import graphs
from benchmarks.bench import NORMAL, QUICK, Bench, note
from benchmarks.errors import StalledError
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.queues.adapter import Step

#: How many dependents the job has.
DEPENDENTS = 10_000

#: How long each dependent takes, so that it is their release that is measured, and not what they do. In seconds.
PAUSE = 600.0

#: How many edges there are at least, however they are spread.
LEAST_EDGES = 10_000

#: The section of the table.
EDGES = "Edges"

#: The figures of an edge's cost, and how many jobs each fan-in has.
EDGE_FIGURES = {f"edge-{width}": width for width in (10, 100, 1_000, 10_000, 100_000)}


def release(bench: Bench) -> Figures:
    """From the beginning of a job that many others wait for, until none waits any more."""
    path = bench.path("notes")
    graph = graphs.fan_out(DEPENDENTS)
    steps = {place: Step("pause", (PAUSE,)) for place in range(1, DEPENDENTS + 1)}
    with bench.adapter() as adapter:
        adapter.waiting()  # asked first, so that who can't tell is not measured
        adapter.enqueue_graph(graph, {0: note(path), **steps})
        with bench.worker(adapter) as worker:
            until = time.monotonic() + bench.scale.limit
            while (seen := adapter.watch("waiting", 0)) and seen[-1][1]:
                worker.check()
                if time.monotonic() > until:
                    raise StalledError(f"{seen[-1][1]:,} dependents still waited after {bench.scale.limit:.0f} s")
            begun_at, _ = bench.notes(path, 1, worker)[0]
        return {RELEASE.name: seen[-1][0] - begun_at, LONGEST.name: 1000 * bench.server.longest_call()}


def edge(bench: Bench, name: str, width: int) -> Figures:
    """Enqueues and drains fan-ins of a width, and divides by the edges."""
    path = bench.path("notes")
    graph = graphs.fan_ins(width, LEAST_EDGES)
    with bench.adapter() as adapter:
        enqueue_seconds = adapter.enqueue_graph(graph, {0: note(path)})
        with bench.worker(adapter) as worker:
            drained = bench.drain(adapter, worker, len(graph))
            begun_at, _ = bench.notes(path, 1, worker)[0]
    return {name: 1e6 * (enqueue_seconds + drained.ended_at - begun_at) / graphs.edges_of(graph)}


def _edge_measurement(name: str, width: int) -> Measurement:
    figure = Figure(name, f"one edge and its job, fan-in of {width:,}", "µs", "lower")
    return Measurement(
        name, EDGES, [figure], partial(edge, name=name, width=width), NORMAL if width > LEAST_EDGES else QUICK
    )


RELEASE = Figure("release", f"one job with {DEPENDENTS:,} dependents: until all are released", "s", "lower")
LONGEST = Figure("release-longest-call", "the same: longest call on the server", "ms", "lower")

MEASUREMENTS = [
    Measurement("release", EDGES, [RELEASE, LONGEST], release),
    *(_edge_measurement(name, width) for name, width in EDGE_FIGURES.items()),
]
