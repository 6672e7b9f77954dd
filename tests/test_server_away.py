"""A server that is restarted, loads its data, is held up, full, read-only, or forgets its scripts, while jobs run.

Whoever works or waits then gets on by itself once the server is well again. Real servers, of their own: they are put
into states that other tests must not see.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import servers
import steps
from click.testing import CliRunner, Result
from meter import IN_FULL
from processes import eventually, lines, worker_process
from redis import Redis
from servers import LastingServer

from rqdeps import AsyncQueue, Job, JobStatus, Queue, Worker
from rqdeps.cli import main
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.job import patience_for
from rqdeps.store.invariants import check_invariants

#: How often the server is restarted under load, and how many jobs are done in between at least.
RESTARTS = 20 if IN_FULL else 2
JOBS_BETWEEN = 60

#: So that a server loads for about two seconds: how many commands, and the pause after each, in microseconds.
COMMANDS, LOAD_PAUSE_US = 10_000, 200

QUIET = ("--log-level", "error")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[LastingServer]:
    try:
        with servers.lasting(servers.VALKEY_9, getattr(request, "param", "everysec")) as server:
            yield server
            check_invariants(server.client)
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def queue(server: LastingServer) -> Queue:
    return Queue("work", connection=server.client)


@pytest.fixture
def fifos(tmp_path: Path) -> tuple[Path, Path]:
    here, release = tmp_path / "here", tmp_path / "release"
    for fifo in (here, release):
        os.mkfifo(fifo)
    return here, release


@contextmanager
def workers(url: str, count: int, *options: str) -> Iterator[None]:
    """Workers that end well, once what is done in the ``with`` block is done."""
    with ExitStack() as stack:
        started = [stack.enter_context(worker_process(url, *QUIET, *options)) for _ in range(count)]
        yield
        for worker in started:
            worker.terminate()
        assert [worker.wait() for worker in started] == [0] * count


def has_ended(*jobs: Job[object]) -> bool:
    return all(job.has_ended_within(patience_for(job, 30)) for job in jobs)


# Restarted


class Producer(threading.Thread):
    """Enqueues pairs of jobs, of which the second waits for the first, until told to end.

    Attributes:
        accepted: the names of those that the server has taken.
        doubtful: of those of which that is unknown.
    """

    def __init__(self, url: str, log: Path, name: str) -> None:
        super().__init__(name=name)
        self.accepted: list[str] = []
        self.doubtful: list[str] = []
        self.over = threading.Event()
        self._queue = Queue("work", url=url)
        self._log = str(log)

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.002):
            number += 1
            pair = [f"{self.name}-{number}-{place}" for place in ("first", "second")]
            datas = [self._queue.prepare_data(steps.note, [self._log, name], job_id=name) for name in pair]
            datas[1] = self._queue.prepare_data(steps.note, [self._log, pair[1]], job_id=pair[1], depends_on=datas[0])
            try:
                self._queue.enqueue_many(datas)
            except ConnectionUnavailableError:
                self.doubtful += pair
            else:
                self.accepted += pair


@contextmanager
def producing(url: str, log: Path) -> Iterator[list[Producer]]:
    producers = [Producer(url, log, name) for name in ("one", "other")]
    for producer in producers:
        producer.start()
    try:
        yield producers
    finally:
        for producer in producers:
            producer.over.set()
            producer.join()


@pytest.mark.parametrize(
    ("server", "number"),
    [("everysec", signal.SIGTERM), ("always", signal.SIGKILL)],
    ids=["ended", "killed"],
    indirect=["server"],
)
def test_nothing_is_lost_or_runs_twice_when_the_server_is_restarted_under_load(
    server: LastingServer, queue: Queue, tmp_path: Path, number: signal.Signals
) -> None:
    """Of a server that is killed, only with a file that is written before each reply."""
    log = tmp_path / "log"
    with workers(server.url, 2):
        with producing(server.url, log) as producers:
            for _ in range(RESTARTS):
                wanted = len(lines(log)) + JOBS_BETWEEN
                eventually(lambda wanted=wanted: len(lines(log)) >= wanted)
                server.restart(number)
        accepted = {name for producer in producers for name in producer.accepted}
        doubtful = {name for producer in producers for name in producer.doubtful}
        assert all(has_ended(job) for job in Job.fetch_many(accepted, server.client) if job is not None)
        eventually(lambda: not sum(count for status, count in queue.counts.items() if not status.is_terminal))
    ran = lines(log)
    assert len(ran) == len(set(ran))
    assert accepted <= set(ran) <= accepted | doubtful
    assert len(accepted) >= RESTARTS * JOBS_BETWEEN
    found = [job for job in Job.fetch_many(ran, server.client) if job is not None]
    assert {(job.get_status(), len(job.attempts)) for job in found} == {(JobStatus.FINISHED, 0)}
    assert len(found) == len(ran)


# Loading


def load_slowly(server: LastingServer) -> None:
    """Restarts a server, which then loads for about two seconds."""
    with server.client.pipeline(transaction=False) as pipe:
        for number in range(COMMANDS):
            pipe.set("other", number)
        pipe.execute()
    server.restart(signal.SIGTERM, "--key-load-delay", str(LOAD_PAUSE_US))


def test_loading_is_waited_out_by_workers_and_programs(
    server: LastingServer, queue: Queue, fifos: tuple[Path, Path]
) -> None:
    here, release = fifos
    with workers(server.url, 1):
        running = queue.enqueue(steps.meet, str(here), str(release))
        here.read_text()
        load_slowly(server)
        with Redis.from_url(server.url) as client:
            eventually(lambda: is_loading(client))
        release.write_text("kept")
        program = Queue("work", url=server.url)
        after = program.enqueue(steps.echo, running.output)

        async def on_asyncio() -> object:
            async with AsyncQueue("work", url=server.url) as other:
                return await (await other.enqueue(steps.echo, "asyncio")).wait(timeout=30)

        assert asyncio.run(on_asyncio()) == "asyncio"
        assert after.wait(timeout=30) == "kept"
    assert running.attempt == 1
    assert not running.attempts


def is_loading(client: Redis) -> bool:
    try:
        client.get("other")
    except Exception as error:
        return "loading" in str(error).lower()
    return False
