"""How workers end, with a deadline for what runs, and how a probe learns whether one is alive."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import servers
import steps
from click.testing import CliRunner, Result
from processes import Meeting, eventually, exit_code_of, forked_worker, lines, worker_process
from redis import Redis

from rqdeps import Queue, Worker
from rqdeps.cli import main, probe
from rqdeps.worker import supervisor
from rqdeps.worker.options import ISOLATIONS
from rqdeps.worker_info import ALIVE_MS


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


# The deadline


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_runs_longer_than_the_deadline_is_killed_and_goes_back(
    q: Queue, meeting: Meeting, isolation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    job = q.enqueue(steps.meet, *meeting.args, retry=1)
    waiting = q.enqueue(steps.nothing)
    worker = Worker([q], isolation=isolation, shutdown_timeout=0.1)
    with forked_worker(worker) as process:
        meeting.wait()
        process.terminate()
        assert exit_code_of(process) == 1
    assert [(one.get_status(), one.attempt) for one in (job, waiting)] == [("queued", 0)] * 2
    assert job.attempts == []
    assert q.job_ids == [job.id, waiting.id]


def test_what_ends_before_the_deadline_ends_well(q: Queue) -> None:
    job, waiting = q.enqueue(steps.end_worker, 0.05), q.enqueue(steps.nothing)
    worker = Worker([q], shutdown_timeout=60)
    began = time.monotonic()
    worker.work()
    assert time.monotonic() - began < 30
    assert (worker.exit_code, job.result) == (0, "in time")
    assert waiting.is_queued


def test_a_worker_says_that_the_time_is_over(q: Queue, caplog: pytest.LogCaptureFixture) -> None:
    job = q.enqueue(steps.end_worker, 60)
    worker = Worker([q], shutdown_timeout=0)
    worker.work()
    assert worker.exit_code == 1
    assert "the time to finish what runs is over: ending at once, and giving it back" in caplog.text
    assert (job.get_status(), job.attempt) == ("queued", 0)


def test_an_idle_worker_ends_at_once_whatever_the_deadline(q: Queue) -> None:
    with forked_worker(Worker([q], name="idle", shutdown_timeout=600)) as process:
        eventually(lambda: bool(q.store.client.exists("{rqdeps}:worker:idle")))
        process.terminate()
        assert exit_code_of(process) == 0


def test_an_exit_code_is_that_of_the_last_time(q: Queue) -> None:
    job = q.enqueue(steps.end_worker, 60)
    worker = Worker([q], shutdown_timeout=0)
    worker.work()
    job.cancel()
    worker.work(burst=True)
    assert worker.exit_code == 0


def test_the_deadline_holds_while_the_server_is_away(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody starts a server again where this one was."""
    monkeypatch.setattr(supervisor, "_LAST_WORDS_SECONDS", 600)
    with servers.running(servers.VALKEY_9) as server:
        queue = Queue("work", connection=server.client)
        queue.enqueue(steps.meet, *meeting.args)
        with forked_worker(Worker(["work"], url=server.url, shutdown_timeout=0.5)) as process:
            pid = meeting.wait()
            os.kill(server.client.info("server")["process_id"], signal.SIGKILL)
            process.terminate()
            assert exit_code_of(process) == 1
            eventually(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    """Whether a process is there, be it one that nobody has waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(") ")[2][0] != "Z"


def test_a_worker_ends_though_no_process_is_left_for_what_follows_a_death(
    q: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("RQDEPS_TEST_LOG", str(log))
    job = q.enqueue(steps.die, on_failure="followups.failed")
    with forked_worker(Worker([q], init="set_ups:fail_but_once")) as process:
        eventually(lambda: len(lines(log)) > 1)
        assert job.get_status() == "started"
        process.terminate()
        assert exit_code_of(process) == 0
    assert job.get_status() == "failed"
    assert not job.log_lines()


@pytest.mark.parametrize("timeout", [-1, "soon", True])
def test_a_deadline_that_makes_no_sense_is_refused(q: Queue, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="shutdown_timeout"):
        Worker([q], shutdown_timeout=timeout)


# Names


@pytest.mark.parametrize("name", ["a b", "a\nb", "a\tb", "x" * 51])
def test_a_name_that_can_not_be_is_refused(q: Queue, name: str) -> None:
    with pytest.raises(ValueError, match="can't be a worker's name"):
        Worker([q], name=name)


def test_a_worker_has_the_name_that_it_was_given(q: Queue, meeting: Meeting, valkey_url: str) -> None:
    """Also where the command gives it, whose probe finds it by that."""
    name = "w" * 49 + "é"
    job = q.enqueue(steps.meet, *meeting.args)
    with worker_process(valkey_url, "--name", name, "--shutdown-timeout", "0") as process:
        meeting.wait()
        assert job.worker_name == name
        assert check(name, valkey_url).exit_code == 0
        process.terminate()
        assert process.wait() == 1
    assert job.is_queued


def test_names_differ_where_none_is_given(q: Queue) -> None:
    names = {Worker([q]).name for _ in range(20)}
    assert len(names) > 15
    assert all(str(os.getpid()) in name for name in names)


# The probe


def check(name: str, url: str) -> Result:
    return CliRunner().invoke(main, ["worker", "--check", name, "--url", url])


def test_a_worker_that_is_alive_passes_the_probe_and_one_that_ended_does_not(q: Queue, valkey_url: str) -> None:
    with forked_worker(Worker([q], name="probed")) as process:
        eventually(lambda: check("probed", valkey_url).exit_code == 0)
        found = check("probed", valkey_url)
        assert (found.exit_code, found.output[:33]) == (0, "worker probed is alive: last hear")
        process.terminate()
        assert exit_code_of(process) == 0
    found = check("probed", valkey_url)
    assert (found.exit_code, found.output) == (1, "no worker probed has been heard of in the last minute\n")


def test_a_worker_that_gives_no_sign_of_life_does_not_pass_the_probe(q: Queue, valkey_url: str) -> None:
    with forked_worker(Worker([q], name="stopped")) as process:
        eventually(lambda: check("stopped", valkey_url).exit_code == 0)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        q.store.client.hincrby("{rqdeps}:worker:stopped", "beat_at", -ALIVE_MS - 1_000)  # so long has it been so
        found = check("stopped", valkey_url)
        assert found.exit_code == 1
        assert found.output.startswith("worker stopped is not alive: last heard of 6")
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: check("stopped", valkey_url).exit_code == 0)


def test_while_the_server_is_away_nobody_is_dead(tmp_path: Path) -> None:
    """A worker waits for the server with what it holds; a probe that failed would have it killed."""
    found = check("any", f"unix://{tmp_path}/nobody")
    assert found.exit_code == 0
    assert found.output.startswith("can't tell whether worker any is alive: ")
    assert len(found.output.splitlines()) == 1


def test_a_probe_does_not_wait_for_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be given up, and count as failed."""
    monkeypatch.setattr(probe, "_PATIENCE_SECONDS", 0.2)
    with servers.lasting(servers.VALKEY_9) as server, server.held_up():
        began_at = time.monotonic()
        found = check("any", server.url)
        took = time.monotonic() - began_at
    assert found.exit_code == 0
    assert found.output.startswith("can't tell whether worker any is alive: ")
    assert took < 10


def test_a_probe_makes_no_embedded_server(tmp_path: Path) -> None:
    found = check("any", f"embedded:{tmp_path / 'data'}")
    assert found.exit_code in {0, 1}
    assert "Traceback" not in found.output
    assert not (tmp_path / "data").exists()
