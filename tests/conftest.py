"""Connections for tests, to fakeredis and to real servers, and the check of what a test leaves stored."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import fakeredis
import pytest
import quick_scripts
import rqs
import servers
from by_hand import HandWorker
from hypothesis import HealthCheck, settings
from meter import IN_FULL, MOST_COMMANDS, Meter
from processes import Meeting, Witness
from redis import Redis

import rqdeps.enqueueing
import rqdeps.store.store
from rqdeps import Queue
from rqdeps.store.invariants import check_invariants

# Property-based tests: reproducible and fast by default; RQDEPS_TEST_PROFILE=full searches on, at random.
settings.register_profile("default", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.register_profile(
    "full", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("RQDEPS_TEST_PROFILE", "default"))

quick_scripts.compile_once()

# A shell that runs the tests in the background has them ignore Ctrl-C, and whatever they start would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

FAKEREDIS = "fakeredis"

#: A test for several servers runs on one of these, by turns; on all in full.
BY_TURNS = (servers.VALKEY_9, FAKEREDIS, servers.VALKEY_9, servers.REDIS_8, servers.VALKEY_9, servers.REDIS_6_2)

#: What takes turns, by the parameter for which it is taken.
TURNS: dict[str, list[Any]] = {
    "connection": list(BY_TURNS),
    "real_connection": [turn for turn in BY_TURNS if turn != FAKEREDIS],
    "rq": list(rqs.RELEASES),
}

#: The files that take longest, those first that do so by a single test: at the end, each would leave cores idle.
LONGEST = (
    "test_chaos",
    "test_state_machine",
    "test_scale",
    "test_demo",
    "test_cuts",
    "test_examples",
    "test_migrate_from_rq",
    "test_at_home",
    "test_outages",
    "test_interleavings",
    "test_worker",
    "test_scale_workflows",
    "test_running_callbacks",
    "test_typing",
    "test_embedded",
    "test_isolation",
    "test_server_away",
)

StartServer = Callable[[servers.Kind], servers.Server]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many processes again as there are cores: many tests wait for workers, leases or servers."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Has each process of xdist begin with other tests when it imports them: so each rewrites but a part of them."""
    report = yield
    worker: dict[str, Any] = getattr(collector.config, "workerinput", {})
    if worker:
        modules = [node for node in report.result or [] if isinstance(node, pytest.Module)]
        begin = len(modules) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        for module in modules[begin:] + modules[:begin]:
            with suppress(Exception, pytest.skip.Exception):  # collecting it tells of that
                _ = module.obj  # imports it
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, for each test, the servers whose turn it is not, and puts first the files that take longest."""
    left_out = set() if IN_FULL else {item for item in items if _is_left_out(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = sorted((item for item in items if item not in left_out), key=_place)


def _is_left_out(item: pytest.Item) -> bool:
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    for name, turns in TURNS.items():
        if name in params:
            kind = params[name]
            number = crc32(item.nodeid.replace(getattr(kind, "name", kind), "").encode())
            return bool(turns[number % len(turns)] != kind)
    return False


def _place(item: pytest.Item) -> int:
    return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def start_server() -> Iterator[StartServer]:
    """Starts servers, each kind once for all tests; skips the test where a platform has none."""
    started: dict[servers.Kind, servers.Server | servers.ServerMissingError] = {}
    with ExitStack() as stack:

        def start(kind: servers.Kind) -> servers.Server:
            if kind not in started:
                try:
                    started[kind] = stack.enter_context(servers.running(kind))
                except servers.ServerMissingError as error:
                    started[kind] = error
            found = started[kind]
            if isinstance(found, servers.ServerMissingError):
                pytest.skip(str(found))
            return found

        yield start


@pytest.fixture(params=[FAKEREDIS, *servers.KINDS], ids=lambda param: getattr(param, "name", param))
def connection(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A client of fakeredis and, in turn, of real servers. What is stored after the test must be in order."""
    if request.param == FAKEREDIS:
        with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
            yield client
            check_invariants(client)
    else:
        yield from _client_of(request, request.param)


@pytest.fixture
def q(connection: Redis) -> Queue:
    """The default queue, on fakeredis and on each real server."""
    return Queue(connection=connection)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    """A worker whose every move the test makes."""
    return HandWorker(q.store)


@pytest.fixture(params=servers.KINDS, ids=lambda kind: kind.name)
def real_connection(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A client of each real server in turn, for tests of what fakeredis does not do; they say what that is."""
    yield from _client_of(request, request.param)


@pytest.fixture
def valkey(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A client of one real server, for tests that need one, where one is enough."""
    yield from _client_of(request, servers.VALKEY_9)


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    """A place where a job waits until the test has seen it."""
    return Meeting(tmp_path)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """What a process writes to, or holds open, so that the test sees it."""
    witness = Witness(tmp_path)
    yield witness
    witness.close()


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    """Every call of the test is counted, alone, and must keep to the budget."""
    meter = Meter()
    monkeypatch.setattr(rqdeps.enqueueing, "PIECES_AT_ONCE", 1)
    monkeypatch.setattr(rqdeps.enqueueing, "STEPS_AT_ONCE", 1)
    monkeypatch.setattr(rqdeps.store.store, "evaluate", meter.evaluate)
    yield meter
    assert meter.most[0] <= MOST_COMMANDS, meter.most


@pytest.fixture
def valkey_url(valkey: Redis, start_server: StartServer) -> str:
    """The URL of the server behind ``valkey``, for other processes."""
    return start_server(servers.VALKEY_9).url


def _client_of(request: pytest.FixtureRequest, kind: servers.Kind) -> Iterator[Redis]:
    start: Any = request.getfixturevalue("start_server")
    server = start(kind)
    server.clear()
    with server.connect() as client:
        yield client
        check_invariants(client)
