"""A server that is restarted, loads its data, is held up, full, read-only, or forgets its scripts, while jobs run.

Whoever works or waits then gets on by itself once the server is well again. Real servers, of their own: they are put
into states that other tests must not see.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
import steps
from click.testing import CliRunner, Result
from meter import IN_FULL
from processes import eventually, lines, worker_process
from redis import Redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError
from servers import LastingServer

from rqdeps import AsyncQueue, Job, JobStatus, Queue, worker_info
from rqdeps.cli import main
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.here import patience_for
from rqdeps.store import connect, store
from rqdeps.store.calls import claims
from rqdeps.store.invariants import check_invariants

#: How often the server is restarted under load, and how many jobs are done in between at least.
RESTARTS = 20 if IN_FULL else 2
JOBS_BETWEEN = 40

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
        here = connect(url)
        eventually(
            lambda: len(here.perform(worker_info.workers())) == count, 30
        )  # from then on they know what SIGTERM is
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
        while not self.over.wait(0.01):
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
        eventually(lambda: not any(count for status, count in queue.counts.items() if not status.is_terminal), 60)
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


def test_loading_may_take_longer_than_a_call_is_otherwise_sent_again(
    server: LastingServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LONGEST_PAUSE", 0.001)
    evaluate, loading = store.evaluate, iter(range(5 * store.SENDINGS))

    def load(*args: Any) -> Any:
        if next(loading, None) is not None:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        return evaluate(*args)

    monkeypatch.setattr(store, "evaluate", load)
    assert queue.enqueue(steps.nothing).get_status() == "queued"
    assert next(loading, None) is None
    monkeypatch.setattr(store, "PASSES_WITHIN", 0)
    loading = iter(range(5 * store.SENDINGS))
    with pytest.raises(ConnectionUnavailableError, match="loading its data"):
        queue.count  # noqa: B018


def is_loading(client: Redis) -> bool:
    try:
        client.get("other")
    except Exception as error:
        return "loading" in str(error).lower()
    return False


# Held up


def test_no_job_of_a_living_worker_is_recovered_when_the_server_was_held_up_for_longer_than_a_lease(
    server: LastingServer, queue: Queue, fifos: tuple[Path, Path], tmp_path: Path
) -> None:
    here, release = fifos
    lease = 1.0
    with workers(server.url, 2, "--lease", str(lease)):
        running = queue.enqueue(steps.meet, str(here), str(release))
        here.read_text()
        others = [queue.enqueue(steps.note_begin_and_end, str(tmp_path / "log"), 0.01) for _ in range(10)]
        with server.held_up():
            threading.Event().wait(2 * lease)  # time itself is what this is about
        # Whoever looks after the queues has to do so for longer than a lease, before it can be said that all went well.
        assert has_ended(*others, queue.enqueue_in(2 * lease, steps.nothing))
        assert running.get_status() == "started"
        assert not running.attempts  # else nobody is there to be released
        release.write_text("kept")
        assert running.wait(timeout=30) == "kept"
    assert {(len(job.attempts), job.attempt) for job in (running, *others)} == {(0, 1)}
    assert server.client.hget(f"{{rqdeps}}:job:{running.id}", "deaths") is None
    assert sorted(lines(tmp_path / "log")) == sorted(f"{what} {job.id}" for job in others for what in ("begin", "end"))


# Full


@contextmanager
def full(client: Redis) -> Iterator[None]:
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


def test_jobs_end_while_the_server_is_full_and_people_make_room(
    server: LastingServer, queue: Queue, fifos: tuple[Path, Path]
) -> None:
    here, release = fifos
    with workers(server.url, 1):
        running = queue.enqueue(steps.meet, str(here), str(release))
        after = queue.enqueue(steps.echo, running.output)
        failing = queue.enqueue(steps.boom, fallback=steps.explain_failure)
        doomed, deleted = queue.enqueue(steps.nothing), queue.enqueue(steps.nothing)
        here.read_text()
        with full(server.client):
            with pytest.raises(OutOfMemoryError, match="maxmemory"):
                queue.enqueue(steps.nothing)
            assert doomed.cancel()
            deleted.delete()
            release.write_text("x" * 1000)
            assert after.wait(timeout=30) == "x" * 1000
            assert failing.has_ended_within(patience_for(failing, 30))
        assert queue.enqueue(steps.echo, "room").wait(timeout=30) == "room"
    assert (failing.get_status(), doomed.get_status()) == ("failed", "canceled")
    assert queue.fetch_job(deleted.id) is None


def test_a_busy_worker_that_loses_its_connection_to_a_full_server_keeps_what_it_runs(
    server: LastingServer, queue: Queue, fifos: tuple[Path, Path]
) -> None:
    """It looks whether it has taken the queue's marker, which it can't keep by claiming: it has no hand free."""
    here, release = fifos
    lease = 1.0
    with workers(server.url, 1, "--lease", str(lease)):
        running = queue.enqueue(steps.meet, str(here), str(release))
        waiting = queue.enqueue(steps.echo, "next")
        here.read_text()
        with full(server.client):
            server.client.client_kill_filter(_type="normal", skipme=True)
            threading.Event().wait(2 * lease)  # renewed several times, or lost
            assert running.get_status() == "started"
            assert not running.attempts  # else nobody is there to be released
            release.write_text("kept")
            assert running.wait(timeout=30) == "kept"
            assert waiting.wait(timeout=30) == "next"
    assert not running.attempts
    assert running.attempt == 1


def test_a_full_server_lets_a_worker_look_that_can_take_nothing(server: LastingServer, queue: Queue) -> None:
    queue.enqueue(steps.nothing)
    server.client.delete("{rqdeps}:wake:work")  # as a worker does that takes the marker
    look = claims.settle([], holder="busy.1", lease_ms=1000, queues=["work"], want=0, begin=0, look=True)
    with full(server.client):
        assert queue.store.run(look).has_more
    assert server.client.exists("{rqdeps}:wake:work")


# Read-only


def test_outcomes_are_kept_while_the_server_is_a_replica(
    server: LastingServer, queue: Queue, fifos: tuple[Path, Path]
) -> None:
    here, release = fifos
    with workers(server.url, 1):
        running = queue.enqueue(steps.meet, str(here), str(release))
        after = queue.enqueue(steps.echo, running.output)
        here.read_text()
        server.client.replicaof("127.0.0.1", "1")  # where nobody is: it keeps its data, and takes no more
        try:
            with pytest.raises(ConnectionUnavailableError, match="it is a replica"):
                queue.enqueue(steps.nothing)
            release.write_text("kept")
            reports = server.client.info("commandstats")["cmdstat_evalsha"]["calls"]
            eventually(lambda: server.client.info("commandstats")["cmdstat_evalsha"]["calls"] > reports + 2)
            assert running.get_status() == "started"
        finally:
            server.client.replicaof("NO", "ONE")
        assert after.wait(timeout=30) == "kept"
    assert not running.attempts
    assert running.attempt == 1


# Without scripts


def test_scripts_are_loaded_again_however_often_they_are_forgotten(server: LastingServer, queue: Queue) -> None:
    over = threading.Event()

    def forget() -> None:
        while not over.wait(random.uniform(0.005, 0.03)):
            server.client.script_flush()

    async def on_asyncio() -> list[object]:
        async with AsyncQueue("work", url=server.url) as other:
            jobs = [await other.enqueue(steps.echo, number) for number in range(50)]
            return await asyncio.gather(*[job.wait(timeout=30) for job in jobs])

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    try:
        with workers(server.url, 1):
            jobs = [queue.enqueue(steps.echo, number) for number in range(50)]
            assert asyncio.run(on_asyncio()) == list(range(50))
            assert [job.wait(timeout=30) for job in jobs] == list(range(50))
    finally:
        over.set()
        forgetting.join()
    assert {(job.attempt, len(job.attempts)) for job in jobs} == {(1, 0)}


# In words


def command(*words: str) -> Result:
    result = CliRunner().invoke(main, words, prog_name="rqdeps")
    assert result.exception is None or isinstance(result.exception, SystemExit), "users get no traceback"
    return result


def test_commands_say_in_a_line_what_state_the_server_is_in(server: LastingServer, queue: Queue) -> None:
    job = queue.enqueue(steps.nothing)
    url = ("--url", server.url)
    with full(server.client):
        said = command("queue", "pause", "work", *url)
        assert (said.exit_code, said.output.count("\n")) == (1, 1)
        assert "its memory is full" in said.output
        assert command("delete", job.id, *url).exit_code == 0
    server.client.replicaof("127.0.0.1", "1")
    try:
        said = command("queue", "pause", "work", *url)
        assert (said.exit_code, said.output.count("\n")) == (1, 1)
        assert "it is a replica" in said.output
        assert command("info", *url).exit_code == 0
    finally:
        server.client.replicaof("NO", "ONE")
    load_slowly(server)
    with Redis.from_url(server.url) as client:
        eventually(lambda: is_loading(client))
    assert command("info", *url).exit_code == 0
