"""Servers found by asking sentinels: their URLs, and what goes on while another server becomes the master."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentinels
import servers
import steps
from click.testing import CliRunner
from processes import lines, worker_process
from redis import Redis
from redis.exceptions import BusyLoadingError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.store.store
from rqdeps import AsyncQueue, Job, Queue
from rqdeps.cli import main
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import connect
from rqdeps.store.connection import connect_async, display_url
from rqdeps.store.deployment import Deployment
from rqdeps.store.sentinel import read_sentinel_url
from rqdeps.store.states import NoMasterError, raise_if_no_master, state_in_words
from rqdeps.store.store import Sendings

# URLs


def test_a_url_names_sentinels_a_service_and_options() -> None:
    place = read_sentinel_url(
        "sentinel://ann:p%40ss@one:1,two,[::1]:3/my%20jobs/4?socket_timeout=2&sentinel_username=bob&sentinel_password=b"
    )
    assert place.sentinels == [("one", 1), ("two", 26379), ("::1", 3)]
    assert place.service == "my jobs"
    assert place.options == {"username": "ann", "password": "p@ss", "db": 4, "socket_timeout": 2.0}
    assert place.sentinel_options == {"username": "bob", "password": "b"}


def test_what_is_shown_of_a_url_holds_no_password() -> None:
    url = "sentinel://ann:secret@one:1,two:2/jobs?sentinel_username=bob&sentinel_password=secret"
    shown = "sentinel://ann:***@one:1,two:2/jobs?sentinel_username=bob&sentinel_password=***"
    assert display_url(url) == shown
    assert connect(url).address == shown
    assert connect_async(url).address == shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sentinel://one", "has the form sentinel://"),
        ("sentinel://one/", "has the form sentinel://"),
        ("sentinel://one/jobs/x", "has the form sentinel://"),
        ("sentinel://one/jobs/1/2", "has the form sentinel://"),
        ("sentinel:///jobs", "no host"),
        ("sentinel://one,/jobs", "no host"),
        ("sentinel://ann:secret@one:port/jobs", "a port that is no number"),
        ("sentinel://ann:secret@one/jobs?ssl=true", "TLS is not asked for"),
        ("sentinel://one/jobs?colour=red", "colour"),
        ("sentinel://one/jobs?socket_timeout=long", "socket_timeout"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_showing_a_password(url: str, said: str) -> None:
    for make in (connect, connect_async):
        with pytest.raises(ValueError, match="is no URL of a server") as raised:
            make(url)
        assert said in str(raised.value)
        assert "secret" not in str(raised.value)


def test_a_client_of_one_s_own_that_asks_sentinels_is_named_by_them() -> None:
    client = connect("sentinel://one:1,two:2/jobs").client
    assert Queue(connection=client).store.address == "sentinel://one:1,two:2/jobs"


# Refusals of a server that is no master


@pytest.mark.parametrize(
    "error",
    [
        ReadOnlyError("You can't write against a read only replica. script: f, on @user_script:1."),
        ResponseError("Error running script (call to f_0): @user_script:1: -READONLY You can't write."),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
    ],
)
def test_what_a_server_refuses_because_it_is_no_master_counts_as_not_sent(error: ResponseError) -> None:
    with pytest.raises(NoMasterError) as raised:
        raise_if_no_master(error)
    assert state_in_words(error) == state_in_words(raised.value) == str(raised.value)


@pytest.mark.parametrize("said", ["WRONGTYPE Operation", "ERR no job READONLY", "OOM command not allowed"])
def test_other_refusals_do_not(said: str) -> None:
    raise_if_no_master(ResponseError(said))


def test_a_replica_is_told_from_a_server_that_does_not_answer(valkey: Redis) -> None:
    Queue(connection=valkey).enqueue(steps.nothing)
    valkey.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(
            ConnectionUnavailableError,
            match=r"now: it is a replica, which takes no writes: name its master, or wait until it is one again$",
        ):
            Queue(connection=valkey).enqueue(steps.nothing)
    finally:
        valkey.replicaof("NO", "ONE")


def test_what_no_sentinel_knows_is_said_at_once_and_without_options_of_connections() -> None:
    (port,) = sentinels.free_ports(1)
    with pytest.raises(ConnectionUnavailableError) as raised:
        connect(f"sentinel://127.0.0.1:{port}/jobs?sentinel_password=secret").open()
    assert str(raised.value) == (
        f"no answer from the server at sentinel://127.0.0.1:{port}/jobs?sentinel_password=***: "
        "no sentinel answers that knows a master by this name, and sees it alive"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'. script: f, on @user_script:9.", "its memory is full"),
        ("ERR Error running script (call to f_0): @user_script:1: -MISCONF Redis is configured to save", "can't save"),
        ("MISCONF Valkey is configured to save RDB snapshots", "can't save"),
        ("BUSY Valkey is busy running a script.", "busy with somebody's script"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
    ],
)
def test_states_of_a_server_are_put_in_words(said: str, told: str | None) -> None:
    found = state_in_words(ResponseError(said))
    assert found is None if told is None else told in (found or "")


def test_a_full_server_is_told_of_in_one_line(valkey: Redis, valkey_url: str) -> None:
    Queue(connection=valkey).enqueue(steps.nothing)
    valkey.config_set("maxmemory", 1)
    try:
        result = CliRunner().invoke(main, ["queue", "pause", "default", "--url", valkey_url])
    finally:
        valkey.config_set("maxmemory", 0)
    assert result.exit_code == 1
    assert result.output.startswith("Error: the server can't do this now: its memory is full (maxmemory), and ")
    assert result.output.count("\n") == 1


def test_a_server_that_loads_its_data_is_waited_for_longer_than_one_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = Deployment(address="redis://here")
    sendings = Sendings(deployment, [], resend=True)
    for _ in range(10 * rqdeps.store.store.SENDINGS):
        assert 0 <= sendings.pause_after(BusyLoadingError("Redis is loading")) <= rqdeps.store.store.LONGEST_PAUSE
    with pytest.raises(ConnectionUnavailableError, match=r"^no answer from the server at redis://here: gone$"):
        sendings.pause_after(RedisConnectionError("gone"))
    monkeypatch.setattr(rqdeps.store.store, "PASSES_WITHIN", 0)
    sendings = Sendings(deployment, [], resend=True)
    for _ in range(rqdeps.store.store.SENDINGS - 1):
        sendings.pause_after(BusyLoadingError("Redis is loading"))
    with pytest.raises(ConnectionUnavailableError, match=r"now: it is still loading its data$"):
        sendings.pause_after(BusyLoadingError("Redis is loading"))


# Another master


@pytest.fixture
def watched() -> Iterator[sentinels.Watched]:
    try:
        with sentinels.watched() as watched:
            yield watched
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


class Producer:
    """Enqueues a job after the other until told to end, by both kinds of queue in turn."""

    def __init__(self, watched: sentinels.Watched, queue: Queue, log: Path) -> None:
        self._watched, self._queue, self._log = watched, queue, log
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._produce()))
        self.job_ids: list[str] = []
        self.errors: list[BaseException] = []

    def __enter__(self) -> Producer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    async def _produce(self) -> None:
        try:
            async with AsyncQueue("work", url=self._watched.url) as async_queue:
                while not self._over.is_set():
                    number = str(len(self.job_ids))
                    self.job_ids.append(self._queue.enqueue(steps.note, str(self._log), number).id)
                    number = str(len(self.job_ids))
                    self.job_ids.append((await async_queue.enqueue(steps.note, str(self._log), number)).id)
                    await asyncio.sleep(0.01)
        except BaseException as error:
            self.errors.append(error)


def test_workers_and_producers_go_on_with_another_master(watched: sentinels.Watched, tmp_path: Path) -> None:
    log, here, release = (tmp_path / name for name in ("log", "here", "release"))
    for fifo in (here, release):
        os.mkfifo(fifo)
    with watched.queue() as queue, worker_process(watched.url, "--processes", "2") as worker:
        held = queue.enqueue(steps.meet, str(here), str(release))
        here.read_text()
        with Producer(watched, queue, log) as producer:
            watched.fail_over()
        assert producer.errors == []
        after = queue.enqueue(steps.echo, held.output)
        release.write_text("kept")
        assert after.wait(timeout=30) == "kept"
        assert held.attempt == 1
        jobs = [Job(job_id, queue.store) for job_id in producer.job_ids]
        watched.kill_master()
        jobs.append(queue.enqueue(steps.note, str(log), "last"))
        for job in jobs:
            job.wait(timeout=30)
        worker.terminate()
        assert worker.wait() == 0
    numbers = [str(number) for number in range(len(jobs) - 1)]
    assert set(lines(log)) == {*numbers, "last"}
