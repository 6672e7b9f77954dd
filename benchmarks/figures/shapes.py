"""How fast graphs are enqueued and drained: a chain, fan-out, fan-in, diamond, and layers."""

from __future__ import annotations

from functools import partial

from benchmarks import graphs
from benchmarks.bench import NORMAL, QUICK, Bench, note
from benchmarks.errors import BenchmarkError
from benchmarks.figures.figure import Figure, Figures, Measurement


def chain(bench: Bench) -> Figures:
    """The time from one job of a chain to the next."""
    hops = bench.scale.chain - 1
    path = bench.path("notes")
    with bench.adapter() as adapter:
        steps = {0: note(path, "first"), hops: note(path, "last")}
        adapter.enqueue_graph(graphs.chain(hops + 1), steps)
        with bench.worker(adapter) as worker:
            bench.drain(adapter, worker, hops + 1)
            (first, _), (last, _) = bench.notes(path, 2, worker)
    return {HOP.name: 1000 * (last - first) / hops}


def shape(bench: Bench, name: str, graph: graphs.Graph, processes: int) -> Figures:
    """A graph: enqueued with no worker beside, then drained; from the first job's beginning until all have ended."""
    path = bench.path("notes")
    with bench.adapter() as adapter:
        figures = {f"{name}-enqueue": adapter.enqueue_graph(graph, {0: note(path)})}
        try:
            with bench.worker(adapter, processes) as worker:
                drained = bench.drain(adapter, worker, len(graph))
                begun_at, _ = bench.notes(path, 1, worker)[0]
        except BenchmarkError as error:
            error.figures |= figures
            raise
    return {**figures, f"{name}-drain": drained.ended_at - begun_at}


def _measurement(name: str, title: str, graph: graphs.Graph, processes: int = 1) -> Measurement:
    figures = [
        Figure(f"{name}-enqueue", f"{title}: enqueue", "s", "lower"),
        Figure(f"{name}-drain", f"{title}: drain", "s", "lower", in_plot=name in {"diamond-1000", "layered"}),
    ]
    since = QUICK if len(graph) < LARGE else NORMAL
    return Measurement(name, "Graphs", figures, partial(shape, name=name, graph=graph, processes=processes), since)


#: Graphs with more jobs are left out where it has to be quick.
LARGE = 5_000

HOP = Figure("chain-hop", "chain, per hop", "ms", "lower", in_plot=True)

MEASUREMENTS = [
    Measurement("chain", "Graphs", [HOP], chain),
    *(
        _measurement(f"{name}-{width}", f"{title.format(f'{width:,}')}", make(width))
        for width in (1_000, 10_000)
        for name, title, make in (
            ("fan-out", "fan-out 1 → {}", graphs.fan_out),
            ("fan-in", "fan-in {} → 1", graphs.fan_in),
            ("diamond", "diamond 1 → {} → 1", graphs.diamond),
        )
    ),
    _measurement("layered", "layers, 2,000 jobs × 5 dependencies, 2 processes", graphs.layered(2_000, 5), 2),
]
