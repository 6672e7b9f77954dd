"""What a job can do to its process: it harms the job itself at most, and the next finds a clean world."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import misdeeds
import pytest
import steps
from processes import eventually, lines, worker_process
from redis import Redis

from rqdeps import Job, Queue, Worker
from rqdeps.worker.options import ISOLATIONS, Isolation
from rqdeps.worker.surroundings import Surroundings
from rqdeps.worker.time_limit import TimeLimit

Misdeed = Callable[..., object]

#: What changes the process, and leaves the job to end well.
CHANGES: list[Misdeed] = [
    misdeeds.change_directory,
    misdeeds.delete_directory,
    misdeeds.change_environment,
    misdeeds.change_bytes_of_environment,
    misdeeds.change_umask,
    misdeeds.change_locale,
    misdeeds.ignore_signals,
    misdeeds.die_of_signals,
    misdeeds.block_signals,
    misdeeds.set_timers,
    misdeeds.set_timers_that_send_once,
    misdeeds.close_streams,
    misdeeds.detach_streams,
    misdeeds.replace_streams,
    misdeeds.close_standard_files,
    misdeeds.swap_standard_files,
    misdeeds.limit_recursion,
    misdeeds.hurry_sockets,
    misdeeds.collect_no_garbage,
    misdeeds.hang_at_exit,
    misdeeds.leave_threads,
    misdeeds.fail_in_thread,
    misdeeds.unblock_files,
    misdeeds.print_much,
]

_GARBLED = "wrote to the file descriptor by which its process reports"

#: What fails the job, and what is said of that.
FAILURES: dict[Misdeed, str] = {
    misdeeds.close_every_file: "could not report, as a job had closed its file descriptors",
    misdeeds.write_rubbish_and_go_on: _GARBLED,
    misdeeds.forge_reports: _GARBLED,
    misdeeds.kill_group: "was killed by SIGKILL",
    misdeeds.crash: "was killed by SIGSEGV",
    misdeeds.abort: "was killed by SIGABRT",
    misdeeds.end_with_0: "ended with exit code 0",
    steps.hard_exit: "ended with exit code 7",
    steps.leave: "3",
    misdeeds.leave_with_text: "enough",
    steps.interrupt: "",
    misdeeds.generator_exit: "",
    misdeeds.raise_own: "it is mine",
    misdeeds.recurse: "maximum recursion depth exceeded",
}


#: What fails the job too, unless its end is known before the rubbish is.
RUBBISH: list[Misdeed] = [misdeeds.write_rubbish, misdeeds.write_a_little, misdeeds.forge_turns]


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture(params=ISOLATIONS)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return cast(Isolation, request.param)


@pytest.fixture
def drain(valkey_url: str, isolation: Isolation) -> Callable[[], None]:
    """Runs what is queued, in a program of its own: what jobs write to any descriptor must not reach these tests."""

    def drain() -> None:
        with worker_process(valkey_url, "--burst", "--isolation", isolation, "--log-level", "error") as worker:
            _, said = worker.communicate()
            assert worker.returncode == 0, said

    return drain


def followed(q: Queue, misdeed: Misdeed) -> tuple[Job[Any], Job[Any]]:
    """A job that misbehaves, and the next one."""
    return q.enqueue(misdeed), q.enqueue(misdeeds.look_around)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is otherwise than it was."""
    return {name: (before[name], after[name]) for name in before if after[name] != before[name]}


def test_the_next_job_finds_nothing_changed(q: Queue, drain: Callable[[], None]) -> None:
    first = q.enqueue(misdeeds.look_around)
    pairs = {misdeed.__name__: followed(q, misdeed) for misdeed in CHANGES}
    drain()
    assert [name for name, (job, _) in pairs.items() if not job.is_finished] == []
    found = first.result
    for name, (_, after) in pairs.items():
        assert (name, changes(found, after.result), after.attempt) == (name, {}, 1)


def test_a_job_that_ruins_its_process_fails_alone(q: Queue, drain: Callable[[], None]) -> None:
    first = q.enqueue(misdeeds.look_around)
    pairs = {misdeed: followed(q, misdeed) for misdeed in (*FAILURES, *RUBBISH)}
    drain()
    found = first.result
    for misdeed, (job, after) in pairs.items():
        name = misdeed.__name__
        if misdeed in FAILURES or job.is_failed:
            assert (name, [attempt.outcome for attempt in job.attempts]) == (name, ["failed"])
            assert FAILURES.get(misdeed, _GARBLED) in job.attempts[0].message
        else:
            assert (name, job.result) == (name, None)
        assert (name, changes(found, after.result), after.attempt) == (name, {}, 1)


def test_a_job_that_forks_reports_once(q: Queue, isolation: Isolation, tmp_path: Path) -> None:
    functions = [misdeeds.fork_and_return, misdeeds.fork_and_return_from_coroutine, misdeeds.fork_and_leave]
    jobs = [q.enqueue(function, str(tmp_path / function.__name__)) for function in functions]
    failing = q.enqueue(misdeeds.fork_and_raise, str(tmp_path / "fork_and_raise"))
    after = [q.enqueue(steps.note, str(tmp_path / "after"), str(number)) for number in range(20)]
    Worker([q], isolation=isolation).work(burst=True)
    assert [job.result for job in jobs] == ["once", "once", 0]
    assert [attempt.message for attempt in failing.attempts] == ["twice"]
    assert all(job.is_finished for job in after)
    assert lines(tmp_path / "after") == [str(number) for number in range(20)]
    for function in (*functions, misdeeds.fork_and_raise):
        eventually(lambda function=function: lines(tmp_path / function.__name__) == ["here", "here"])


def test_a_module_that_forks_when_it_is_imported_has_its_job_run_once(
    q: Queue, isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forking_module.py").write_text("import os\nfrom steps import note\nos.fork()\n")
    monkeypatch.syspath_prepend(tmp_path)
    jobs = [q.enqueue("forking_module.note", str(tmp_path / "log"), str(number)) for number in range(5)]
    Worker([q], isolation=isolation).work(burst=True)
    assert [job.result for job in jobs] == [str(number) for number in range(5)]
    assert lines(tmp_path / "log") == [str(number) for number in range(5)]


# What a process notes and restores


@pytest.fixture
def surroundings() -> Iterator[Surroundings]:
    """Of the process of the tests itself, which are restored once more at the end."""
    outer = Surroundings()
    yield Surroundings()
    assert outer.restore()


def test_what_a_module_changes_when_it_is_imported_stays(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imported_with_a_job", ModuleType("imported_with_a_job"))
    os.environ["RQDEPS_OF_MODULE"] = "stays"
    surroundings.note_imports()
    os.environ["RQDEPS_OF_JOB"] = "goes"
    assert surroundings.restore()
    assert os.environ["RQDEPS_OF_MODULE"] == "stays"
    assert "RQDEPS_OF_JOB" not in os.environ


def test_the_time_limit_under_which_a_module_was_imported_does_not_stay(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGALRM)
    left_before, _ = signal.getitimer(signal.ITIMER_REAL)  # whoever runs the tests may limit their time too
    with TimeLimit(60_000, "{}"):
        monkeypatch.setitem(sys.modules, "imported_with_a_job", ModuleType("imported_with_a_job"))
        surroundings.note_imports()
    assert surroundings.restore()
    assert signal.getsignal(signal.SIGALRM) is before
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert left_before - 30 < left <= left_before


def test_without_new_modules_nothing_is_noted_anew(surroundings: Surroundings) -> None:
    os.environ["RQDEPS_OF_JOB"] = "goes"
    surroundings.note_imports()
    assert surroundings.restore()
    assert "RQDEPS_OF_JOB" not in os.environ


def test_what_a_job_imports_while_it_runs_keeps_no_change(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imported_by_a_job", ModuleType("imported_by_a_job"))
    os.environ["RQDEPS_OF_JOB"] = "goes"
    assert surroundings.restore()
    surroundings.note_imports()
    assert "RQDEPS_OF_JOB" not in os.environ


def test_a_directory_that_is_there_no_more_can_not_be_restored(tmp_path: Path) -> None:
    before = os.getcwd()
    folder = tempfile.mkdtemp(dir=tmp_path)
    try:
        os.chdir(folder)
        surroundings = Surroundings()
        os.rmdir(folder)
        assert not surroundings.restore()
    finally:
        os.chdir(before)


def test_whoever_begins_in_a_deleted_directory_works_from_there(tmp_path: Path) -> None:
    before = os.getcwd()
    folder = tempfile.mkdtemp(dir=tmp_path)
    try:
        os.chdir(folder)
        os.rmdir(folder)
        assert Surroundings().restore()
    finally:
        os.chdir(before)


def test_a_standard_file_that_is_another_now_can_not_be_restored(surroundings: Surroundings, tmp_path: Path) -> None:
    kept = os.dup(0)
    try:
        with (tmp_path / "other").open("w") as other:
            os.dup2(other.fileno(), 0)
        assert not surroundings.restore()
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_handlers_come_back_however_they_were_set(surroundings: Surroundings) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)}
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, lambda number, stack: None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    assert surroundings.restore()
    assert {number: signal.getsignal(number) for number in before} == before
