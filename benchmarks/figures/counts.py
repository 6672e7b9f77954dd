"""What is exact: round trips, server commands, bytes, and the server's processor, per job.

What a worker does once, such as to register itself, is taken off: a drain of one job is subtracted from that of many.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial

from benchmarks import graphs
from benchmarks.bench import NORMAL, QUICK, Bench, note
from benchmarks.errors import StalledError
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.processes import WorkerProcess
from benchmarks.proxy import Proxy, counting_proxy
from benchmarks.queues.adapter import Step
from benchmarks.remote import RemoteAdapter

#: How often a question is asked to know what it costs.
QUESTIONS = 10

#: How many jobs come alone, one after the other, and the time that each has to itself after it ran, in seconds.
ALONE = 20
ALONE_SECONDS = 0.05

#: Enqueued before it is counted, so that connections and scripts are there.
FIRST_JOBS = 10


@dataclass(frozen=True)
class Counts:
    """What something cost, or what it costs per job.

    Attributes:
        commands: server commands, those within scripts too.
        round_trips: how often a connection had to wait for the server.
        sent_bytes: to the server.
        received_bytes: from the server.
        processor_us: microseconds of the server's processor.
    """

    commands: float
    round_trips: float
    sent_bytes: float
    received_bytes: float
    processor_us: float

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def per(self, jobs: int) -> Counts:
        """Divided between so many jobs."""
        return Counts(*(each / jobs for each in astuple(self)))


class Meter:
    """Counts from its making on.

    Args:
        bench: the server, which nobody else uses but the adapter that asks.
        proxy: what passes through it.
        asker: an adapter with a connection of its own, whose questions are taken off; it must have none under way.
    """

    def __init__(self, bench: Bench, proxy: Proxy, asker: RemoteAdapter) -> None:
        self._bench, self._proxy, self._asker = bench, proxy, asker
        asker.ended()  # connects
        before = bench.server.commands()
        asker.ended(times=QUESTIONS)
        self._cost = (bench.server.commands() - before) / QUESTIONS
        self._questions = 0
        proxy.take()
        self._processor_seconds = bench.server.processor_seconds()
        self._commands = bench.server.commands()

    def await_end(self, total: int) -> None:
        """Waits for so many jobs' ends; what is asked for that is not counted."""
        until = time.monotonic() + self._bench.scale.patience
        while True:
            self._questions += 1
            ended = self._asker.ended()
            if ended >= total:
                return
            if time.monotonic() > until:
                raise StalledError(f"stalled after {ended:,} of {total:,} jobs")
            time.sleep(0.01)

    def read(self) -> Counts:
        """What has come together."""
        commands = self._bench.server.commands() - self._commands - self._questions * self._cost
        processor_seconds = self._bench.server.processor_seconds() - self._processor_seconds
        traffic = self._proxy.take()
        return Counts(commands, traffic.round_trips, traffic.sent, traffic.received, 1e6 * processor_seconds)


@contextmanager
def counting(bench: Bench) -> Iterator[tuple[Proxy, RemoteAdapter]]:
    """A clean server, a proxy to it, and an adapter that does not use the proxy."""
    bench.server.clear()
    with counting_proxy(bench.server.port) as proxy, bench.adapter() as asker:
        yield proxy, asker


def enqueued(bench: Bench, jobs: int) -> Counts:
    """What enqueueing one by one costs per job."""
    with counting(bench) as (proxy, asker), bench.adapter(proxy.url) as adapter:
        adapter.enqueue(Step(), FIRST_JOBS)
        meter = Meter(bench, proxy, asker)
        adapter.enqueue(Step(), jobs)
        return meter.read().per(jobs)


def drained(bench: Bench, jobs: int, step: Step) -> Counts:
    """What a worker costs that starts and runs so many jobs, and then one that tells that it is the last."""
    path = bench.path("notes")
    with counting(bench) as (proxy, asker):
        if jobs:
            asker.enqueue_any_way(step, jobs)
        asker.enqueue(note(path), 1)
        meter = Meter(bench, proxy, asker)
        with bench.worker(asker, url=proxy.url) as worker:
            bench.notes(path, 1, worker)
            meter.await_end(jobs + 1)
            return meter.read()


def drained_per_job(bench: Bench, jobs: int, step: Step) -> Counts:
    """What a job costs in a drain of so many."""
    return (drained(bench, jobs, step) - drained(bench, 0, step)).per(jobs)


def plain(bench: Bench) -> Figures:
    """Jobs without arguments: enqueued one by one, then drained together."""
    jobs = bench.scale.counted_jobs
    enqueueing, draining = enqueued(bench, jobs), drained_per_job(bench, jobs, Step())
    return {
        "commands-enqueue": enqueueing.commands,
        "commands-drain": draining.commands,
        "commands-both": enqueueing.commands + draining.commands,
        "round-trips-enqueue": enqueueing.round_trips,
        "round-trips-drain": draining.round_trips,
        "sent-bytes": enqueueing.sent_bytes + draining.sent_bytes,
        "received-bytes": enqueueing.received_bytes + draining.received_bytes,
        "processor": enqueueing.processor_us + draining.processor_us,
    }


def alone(bench: Bench) -> Figures:
    """A job that comes when the worker has nothing else to do, from its enqueueing until its end."""
    with (
        counting(bench) as (proxy, asker),
        bench.adapter(proxy.url) as adapter,
        bench.worker(asker, url=proxy.url) as worker,
    ):
        one_after_the_other(bench, adapter, worker, FIRST_JOBS)
        meter = Meter(bench, proxy, asker)
        one_after_the_other(bench, adapter, worker, ALONE)
        counts = meter.read().per(ALONE)
    return {"commands-alone": counts.commands, "round-trips-alone": counts.round_trips}


def one_after_the_other(bench: Bench, adapter: RemoteAdapter, worker: WorkerProcess, jobs: int) -> None:
    """Enqueues jobs, each once the one before has run and been settled."""
    path = bench.path("notes")
    for number in range(jobs):
        adapter.enqueue(note(path), 1)
        bench.notes(path, number + 1, worker)
        time.sleep(ALONE_SECONDS)


def short(bench: Bench) -> Figures:
    """Jobs that take 10 ms, drained by one process."""
    jobs = bench.scale.counted_jobs // 4
    return {TEN_MS.name: drained_per_job(bench, jobs, Step("pause", (0.01,))).round_trips}


def graph_round_trips(bench: Bench, name: str, graph: graphs.Graph) -> Figures:
    """How often a client waits for the server to enqueue a graph."""
    with counting(bench) as (proxy, asker), bench.adapter(proxy.url) as adapter:
        adapter.enqueue(Step(), FIRST_JOBS)
        meter = Meter(bench, proxy, asker)
        adapter.enqueue_graph(graph, {})
        return {name: meter.read().round_trips}


def _fewer(name: str, title: str, unit: str = "") -> Figure:
    return Figure(name, title, unit, "lower", in_plot=name == "commands-both")


PLAIN = [
    _fewer("commands-enqueue", "server commands to enqueue a job"),
    _fewer("commands-drain", "server commands per job drained, claim and settle"),
    _fewer("commands-both", "server commands per job: enqueue, claim and settle"),
    _fewer("round-trips-enqueue", "round trips to enqueue a job"),
    _fewer("round-trips-drain", "round trips per tiny job drained"),
    _fewer("sent-bytes", "bytes to the server per job", "B"),
    _fewer("received-bytes", "bytes from the server per job", "B"),
    _fewer("processor", "server CPU per job", "µs"),
]

ALONE_FIGURES = [
    _fewer("commands-alone", "server commands of a job alone, enqueue, claim and settle"),
    _fewer("round-trips-alone", "round trips of a job alone"),
]

TEN_MS = _fewer("round-trips-10-ms", "round trips per job of 10 ms drained")


def _graph_measurement(jobs: int, layer: int) -> Measurement:
    name = f"round-trips-graph-{jobs}"
    measure = partial(graph_round_trips, name=name, graph=graphs.layered(jobs, 5, layer))
    figure = _fewer(name, f"round trips to enqueue a graph of {jobs:,} jobs × 5 dependencies")
    return Measurement(name, "Counts", [figure], measure, QUICK if jobs <= GRAPHS[0][0] else NORMAL)


#: The graphs whose round trips are counted: jobs, and jobs in a layer.
GRAPHS = ((100, 10), (10_000, 100))

MEASUREMENTS = [
    Measurement("counts", "Counts", PLAIN, plain),
    Measurement("counts-alone", "Counts", ALONE_FIGURES, alone),
    Measurement(TEN_MS.name, "Counts", [TEN_MS], short),
    *(_graph_measurement(jobs, layer) for jobs, layer in GRAPHS),
]
