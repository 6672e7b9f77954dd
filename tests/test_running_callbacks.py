"""Callbacks and exception handlers as workers call them: with what, when, and what they can't change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import followups
import pytest
import steps
from processes import Meeting, exit_code_of, forked_worker
from redis import Redis

from rqdeps import Callback, Job, JobFailedError, Queue, Retry, SimpleWorker, Worker
from rqdeps.signing import KEYS_VARIABLE
from rqdeps.worker import following, stable
from rqdeps.worker.options import ISOLATIONS

Drain = Callable[..., None]

#: Workers that run jobs in processes of their own.
FORKING: dict[str, Callable[..., Worker]] = {name: partial(Worker, isolation=name) for name in ISOLATIONS}

EVERY: dict[str, Callable[..., Worker]] = {**FORKING, "simple": SimpleWorker}


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture(params=EVERY)
def work(request: pytest.FixtureRequest, q: Queue) -> Drain:
    """Runs what is queued, with each kind of worker."""
    return lambda **options: EVERY[request.param]([q], **options).work(burst=True) and None


@pytest.fixture(params=FORKING)
def fork(request: pytest.FixtureRequest, q: Queue) -> Drain:
    """Runs what is queued in other processes, in both ways."""
    return lambda **options: FORKING[request.param]([q], **options).work(burst=True) and None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ignores its time limit is killed a moment later."""
    monkeypatch.setattr(stable, "GRACE_NS", 100_000_000)
    monkeypatch.setattr(following, "_TELLING_MS", 0)


def said(job: Job[Any]) -> list[str]:
    return [line.text for line in job.log_lines()]


# What they are given


def test_callbacks_are_given_the_job_a_connection_and_what_came_of_it(q: Queue, work: Drain) -> None:
    options: Any = {"on_success": followups.succeeded, "on_failure": followups.failed}
    well = q.enqueue(steps.echo, ["it"], **options)
    later = q.enqueue(steps.echo, 1, on_success=followups.succeeded_later)
    badly = q.enqueue(steps.boom, "no luck", **options)
    missing = q.enqueue("steps.no_such_function", **options)
    unserializable = q.enqueue(steps.unserializable, **options)
    leaving = q.enqueue(steps.leave, **options)
    work()
    assert said(well) == ["succeeded with ['it'], started"]
    assert said(later) == ["succeeded later with 1"]
    assert said(badly) == ["failed with ValueError: no luck, a stack"]
    for job, kind in ((missing, "FunctionImportError"), (unserializable, "SerializationError")):
        (text,) = said(job)
        assert text.startswith(f"failed with {kind}: ")
    assert said(leaving) == ["failed with SystemExit: 3, a stack"]


def test_on_failure_is_called_with_each_attempt_that_fails(q: Queue, work: Drain) -> None:
    options: Any = {"on_success": followups.succeeded, "on_failure": followups.failed}
    job = q.enqueue(steps.fail_before_attempt, 3, retry=Retry(max=3), **options)
    work()
    assert [(line.attempt, line.text.partition(",")[0]) for line in job.log_lines()] == [
        (1, "failed with ConnectionError: attempt 1 fails"),
        (2, "failed with ConnectionError: attempt 2 fails"),
        (3, "succeeded with 3"),
    ]


def test_nothing_is_called_for_an_attempt_that_snoozes(q: Queue, work: Drain, tmp_path: Path) -> None:
    options: Any = {"on_success": followups.succeeded, "on_failure": followups.failed}
    job = q.enqueue(steps.snooze_until, str(tmp_path / "seen"), **options)
    work()
    assert [(line.attempt, line.text) for line in job.log_lines()] == [(2, "succeeded with 'awake', started")]


def test_a_fallback_and_callbacks_go_together(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.boom, fallback=steps.explain_failure, on_failure=followups.failed)
    below = q.enqueue(steps.echo, job.output)
    work()
    assert said(job) == ["failed with ValueError: boom, a stack"]
    assert below.result[0] == job.id


# What they can't change


def test_whatever_a_callback_does_the_outcome_stands(q: Queue, fork: Drain) -> None:
    bad = [followups.raise_error, followups.leave, followups.die, followups.close_files, "followups.no_such_function"]
    wells = [q.enqueue(steps.echo, number, on_success=callback) for number, callback in enumerate(bad)]
    badly = [q.enqueue(steps.boom, on_failure=callback, retry=1) for callback in bad]
    last = q.enqueue(steps.total, [job.output for job in wells])
    fork()
    assert [job.result for job in wells] == list(range(len(bad)))
    for job in badly:
        assert job.is_failed
        assert [attempt.message for attempt in job.attempts] == ["boom", "boom"]
    assert last.result == sum(range(len(bad)))
    raised = said(wells[0])
    assert raised[0] == "raises"
    assert raised[1].startswith(f"on_success followups.raise_error of job {wells[0].id} failed: Traceback")
    assert raised[-1] == "LookupError: of the callback"
    assert "in raise_error" in "\n".join(raised)
    assert "execution.py" not in "\n".join(raised)
    assert said(wells[2]) == ["dies"]


def test_an_error_in_a_callback_changes_nothing_in_the_process_of_the_worker_either(q: Queue) -> None:
    well = q.enqueue(steps.echo, 1, on_success=followups.raise_error)
    badly = q.enqueue(steps.boom, on_failure=followups.leave)
    SimpleWorker([q]).work(burst=True)
    assert (well.result, badly.is_failed) == (1, True)


def test_a_callback_that_takes_too_long_is_interrupted(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.echo, 1, on_success=Callback(followups.hang, timeout=0.1))
    work()
    assert job.result == 1
    assert said(job)[-1].endswith("on_success followups.hang ran for longer than its timeout of 0.1 s")


@pytest.mark.usefixtures("impatient")
def test_a_callback_that_can_not_be_interrupted_is_killed(q: Queue, fork: Drain) -> None:
    hard = q.enqueue(steps.echo, 2, on_success=Callback(followups.hang_for_good, timeout=0.1))
    failing = q.enqueue(steps.boom, on_failure=Callback(followups.hang_for_good, timeout=0.1))
    after = q.enqueue(steps.echo, 3)
    fork()
    assert [job.result for job in (hard, after)] == [2, 3]
    assert [attempt.message for attempt in failing.attempts] == ["boom"]


def test_a_job_may_run_longer_than_its_callback(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.sleep, 0.6, on_success=Callback(followups.succeeded, timeout=0.5))
    work()
    assert len(said(job)) == 1


# When the process of a job has died


@pytest.mark.usefixtures("impatient")
def test_on_failure_is_called_in_another_process_when_that_of_the_job_has_died(
    q: Queue, fork: Drain, tmp_path: Path
) -> None:
    crashed = q.enqueue(steps.die, on_failure=followups.failed, retry=1)
    ended = q.enqueue(steps.hard_exit, on_failure=followups.failed)
    late = q.enqueue(steps.ignore_time, str(tmp_path / "begun"), job_timeout=0.1, on_failure=followups.failed)
    again = q.enqueue(steps.die, on_failure=followups.die)
    silent = q.enqueue(steps.die)
    after = q.enqueue(steps.echo, "after")
    fork()
    died = "failed with HorseDiedError: the process that ran the job"
    assert said(crashed) == [f"{died} was killed by SIGKILL, no stack"] * 2
    assert [line.attempt for line in crashed.log_lines()] == [1, 2]
    assert said(ended) == [f"{died} ended with exit code 7, no stack"]
    assert said(late) == ["failed with JobTimeoutError: the job ignored its job_timeout of 0.1 s, no stack"]
    assert said(again) == ["dies"]
    for job in (ended, late, again, silent):
        assert (job.get_status(), job.attempt, len(job.attempts)) == ("failed", 1, 1)
    assert "killed by SIGKILL" in again.attempts[0].message
    assert after.result == "after"


@pytest.mark.parametrize("kind", FORKING)
def test_on_stopped_is_called_in_another_process_before_the_job_is_stopped(
    q: Queue, kind: str, meeting: Meeting
) -> None:
    options: Any = {"on_stopped": followups.stopped, "on_failure": followups.failed}
    job = q.enqueue(steps.meet, *meeting.args, retry=3, **options)
    with forked_worker(FORKING[kind]([q], lease=2)) as worker:
        pid = meeting.wait()
        assert job.cancel()
        with pytest.raises(JobFailedError, match="ended as stopped"):
            job.wait(timeout=20)
        worker.terminate()
        assert exit_code_of(worker) == 0
    (text,) = said(job)
    assert text.startswith("stopped, started, in process")
    assert text != f"stopped, started, in process {pid}"
    assert [attempt.outcome for attempt in job.attempts] == ["stopped"]


@pytest.mark.parametrize("kind", FORKING)
def test_a_worker_that_is_told_to_end_first_calls_what_follows_a_death(q: Queue, kind: str, meeting: Meeting) -> None:
    job = q.enqueue(steps.die_of, *meeting.args, on_failure=followups.wait_for_release)
    with forked_worker(FORKING[kind]([q])) as worker:
        meeting.wait()
        worker.terminate()
        meeting.let_go()
        assert exit_code_of(worker) == 0
    assert (job.get_status(), said(job)) == ("failed", ["released"])


@pytest.mark.parametrize("kind", FORKING)
def test_a_worker_that_is_forced_to_end_reports_what_had_ended_while_its_callback_ran(
    q: Queue, kind: str, meeting: Meeting
) -> None:
    """Be it in the process that ran the job, or in another after a death."""
    for function, status in ((steps.all_of, "finished"), (steps.die_of, "failed")):
        callback = followups.wait_for_release
        job = q.enqueue(function, *meeting.args, on_success=callback, on_failure=callback)
        with forked_worker(FORKING[kind]([q], shutdown_timeout=0)) as worker:
            meeting.wait()
            worker.terminate()
            assert exit_code_of(worker) == 1
        assert (job.get_status(), job.attempt, said(job)) == (status, 1, [])


# What may run


def test_a_callback_that_is_not_allowed_is_not_called_and_the_outcome_stands(q: Queue, work: Drain) -> None:
    job = q.enqueue("allowed.inside.run", on_success=followups.succeeded)
    work(allow=["allowed.inside"])
    assert job.result == "inside"
    assert "may not run here" in said(job)[-1]
    assert not any(text.startswith("succeeded") for text in said(job))


def test_a_callback_that_was_altered_is_not_called(q: Queue, work: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, "one-key-that-nobody-guesses-1234567890")
    queue = Queue("work", connection=q.store.client)
    job = queue.enqueue(steps.nothing, on_failure=followups.stopped)
    dying = queue.enqueue(steps.die)
    for one in (job, dying):
        queue.store.client.hset(f"{{rqdeps}}:job:{one.id}", "callbacks", ",followups.failed")
    work()
    for one in (job, dying):
        assert [attempt.error_type for attempt in one.attempts] == ["rqdeps.signing.SignatureError"]
        assert said(one) == []


# Exception handlers


def test_exception_handlers_are_called_in_order_after_the_callback(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.boom, on_failure=followups.failed)
    well = q.enqueue(steps.nothing)
    work(exception_handlers=[followups.handle, "followups:handle_later"])
    assert said(job) == [
        "failed with ValueError: boom, a stack",
        "handled ValueError: boom, a stack",
        "handled later: boom",
    ]
    assert said(well) == []


def test_a_handler_that_returns_false_is_the_last(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.boom, on_failure=followups.failed)
    work(exception_handlers=[followups.handle_and_end, followups.handle])
    assert said(job) == ["failed with ValueError: boom, a stack", "handled, and that is all"]


def test_a_handler_that_fails_keeps_no_other_from_being_called(q: Queue, work: Drain) -> None:
    job = q.enqueue(steps.boom, retry=1)
    work(exception_handlers=[followups.handle_badly, followups.handle])
    assert [attempt.message for attempt in job.attempts] == ["boom", "boom"]
    for attempt in (1, 2):
        texts = [line.text for line in job.log_lines() if line.attempt == attempt]
        assert texts[0].startswith("the exception handler handle_badly of job")
        assert texts[-2:] == ["LookupError: of the handler", "handled ValueError: boom, a stack"]


def test_handlers_are_called_when_the_process_of_a_job_has_died(q: Queue, fork: Drain) -> None:
    job = q.enqueue(steps.die)
    fork(exception_handlers=followups.handle)
    assert said(job) == ["handled HorseDiedError: the process that ran the job was killed by SIGKILL, no stack"]
    assert job.attempt == 1
