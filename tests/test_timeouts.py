"""Jobs that take longer than they may: an exception in them first, then the end of their process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import overtime
import pytest
import steps
from processes import lines
from redis import Redis

from rqdeps import Job, Queue, SimpleWorker, Worker
from rqdeps.errors import JobTimeoutError
from rqdeps.worker import stable, time_limit
from rqdeps.worker.options import ISOLATIONS
from rqdeps.worker.time_limit import TimeLimit

#: So long that a machine with much to do begins a job, and reads what it needs, within that.
SHORT = 0.2


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture(params=ISOLATIONS)
def drain(request: pytest.FixtureRequest, q: Queue) -> Callable[[], None]:
    return lambda: Worker([q], isolation=request.param, processes=2).work(burst=True) and None


def kill_after(monkeypatch: pytest.MonkeyPatch, grace: float) -> None:
    """Whatever ignores its time limit is killed so many seconds later."""
    monkeypatch.setattr(stable, "GRACE_NS", int(grace * 1_000_000_000))


def error_of(job: Job[Any]) -> tuple[str, str]:
    (attempt,) = job.attempts
    return attempt.error_type, attempt.message


RAN_LONGER = ("rqdeps.errors.JobTimeoutError", f"the job ran for longer than its job_timeout of {SHORT} s")
IGNORED = ("rqdeps.errors.JobTimeoutError", f"the job ignored its job_timeout of {SHORT} s")


def test_an_exception_ends_what_takes_too_long(q: Queue, drain: Callable[[], None], tmp_path: Path) -> None:
    functions = [overtime.match_for_ever, overtime.wait_for_thread]
    jobs = [q.enqueue(function, job_timeout=SHORT) for function in functions]
    cleaning = q.enqueue(overtime.clean_up, str(tmp_path / "log"), job_timeout=SHORT)
    going_on = q.enqueue(overtime.catch_it_and_go_on, job_timeout=SHORT)
    after = [q.enqueue(steps.echo, number) for number in range(10)]
    drain()
    assert [error_of(job) for job in (*jobs, cleaning)] == [RAN_LONGER] * 3
    assert lines(tmp_path / "log") == ["cleaned up"]
    assert going_on.result == "in time, as it were"
    assert [job.result for job in after] == list(range(10))


def test_a_kill_ends_what_no_exception_can(
    q: Queue, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 0.1)
    functions: list[Callable[..., Any]] = [
        overtime.hold_the_interpreter,
        overtime.stop_itself,
        overtime.swallow_everything,
        overtime.block_alarm,
    ]
    pairs = [(q.enqueue(function, job_timeout=SHORT), q.enqueue(steps.echo, "after")) for function in functions]
    retried = q.enqueue(overtime.stop_itself, job_timeout=SHORT, retry=1)
    drain()
    for job, after in pairs:
        assert (error_of(job), after.result) == (IGNORED, "after")
    assert [attempt.message for attempt in retried.attempts] == [IGNORED[1]] * 2


def test_the_time_that_imports_take_counts(
    q: Queue, drain: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 0.5)
    (tmp_path / "imported_slowly.py").write_text("import time\ntime.sleep(60)\n")
    (tmp_path / "imported_never.py").write_text("import overtime\novertime.hold_the_interpreter()\n")
    monkeypatch.syspath_prepend(tmp_path)
    slowly = q.enqueue("imported_slowly.run", job_timeout=SHORT)
    never = q.enqueue("imported_never.run", job_timeout=SHORT)
    after = q.enqueue(steps.echo, "after")
    drain()
    assert [error_of(slowly), error_of(never)] == [RAN_LONGER, IGNORED]
    assert after.result == "after"


# Coroutines


@pytest.mark.parametrize("work", [*ISOLATIONS, "simple"])
def test_coroutines_run(q: Queue, work: Any) -> None:
    added = q.enqueue(overtime.add, 1, q.enqueue(overtime.add, 2, 3).output)
    awaited = q.enqueue(overtime.give_awaitable)
    cancelled = q.enqueue(overtime.cancel_itself)
    worker = SimpleWorker([q]) if work == "simple" else Worker([q], isolation=work)
    worker.work(burst=True)
    assert (added.result, awaited.result) == (6, "awaited")
    assert error_of(cancelled)[0] == "asyncio.exceptions.CancelledError"


def test_coroutines_are_cancelled_and_clean_up(q: Queue, drain: Callable[[], None], tmp_path: Path) -> None:
    functions = {overtime.sleep: 1, overtime.sleep_in_tasks: 3, overtime.sleep_in_task_group_of_its_own: 1}
    logs = {function: tmp_path / function.__name__ for function in functions}
    jobs = [q.enqueue(function, str(log), job_timeout=SHORT) for function, log in logs.items()]
    drain()
    assert [error_of(job) for job in jobs] == [RAN_LONGER] * 3
    assert {function: len(lines(log)) for function, log in logs.items()} == functions


def test_a_coroutine_that_can_not_be_cancelled_gets_an_exception_and_then_a_kill(
    q: Queue, drain: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 0.6)
    monkeypatch.setattr(time_limit, "_TO_BE_CANCELLED", 0.1)
    blocking = q.enqueue(overtime.block_its_loop, job_timeout=SHORT)
    refusing = q.enqueue(overtime.refuse_to_be_cancelled, job_timeout=SHORT)
    returning = q.enqueue(overtime.return_though_cancelled, job_timeout=SHORT)
    drain()
    assert error_of(blocking) == RAN_LONGER
    assert error_of(refusing) in (RAN_LONGER, IGNORED)
    assert returning.result == "in time, as it were"


# The limit itself


def test_a_limit_leaves_the_alarm_as_it_found_it() -> None:
    before, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with TimeLimit(60_000, "{}"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        signal.setitimer(signal.ITIMER_REAL, 3_600, 5)
        with TimeLimit(60_000, "{}"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] < 70
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 3_500 < left < 3_600
        assert interval == 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_limit_of_nothing_is_over_at_once() -> None:
    with pytest.raises(JobTimeoutError, match="after 0 s"), TimeLimit(0, "after {} s"):
        time.sleep(60)
