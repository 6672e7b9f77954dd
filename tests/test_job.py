"""Jobs in the hands of a program: finding them, what they tell, and waiting for them."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import samples
import steps
from redis import Redis

from rqdeps import (
    Dependency,
    Job,
    JobFailedError,
    JobStatus,
    NoSuchJobError,
    Queue,
    Retry,
    SimpleWorker,
    get_current_job,
)
from rqdeps.dependency import Output
from rqdeps.errors import (
    ConnectionUnavailableError,
    JobNotEndedError,
    ResultExpiredError,
    RqdepsError,
    SerializationError,
    WaitTimeoutError,
)
from rqdeps.store import Store
from rqdeps.store.calls import reads, upkeep
from rqdeps.store.calls.call import Call
from rqdeps.store.scripts import BUDGET


@pytest.fixture
def q(connection: Redis) -> Queue:
    return Queue("work", connection=connection)


@pytest.fixture
def work(connection: Redis) -> Callable[[], object]:
    return lambda: SimpleWorker("work", connection=connection).work(burst=True)


Work = Callable[[], object]


# Functions that the tests of this file enqueue


def about_myself():
    job = get_current_job()
    assert job is not None
    return job.id, job.attempt, job.is_started, job.args


def change_meta(number):
    job = get_current_job()
    assert job is not None
    job.meta["number"] = number
    job.save_meta()


def fail_with_cause():
    try:
        steps.boom("the cause")
    except ValueError as error:
        raise KeyError("ü and\nmore") from error


def say_nothing():
    raise ValueError


# Finding jobs


def test_a_job_is_fetched_by_its_id(q: Queue, connection: Redis):
    job = q.enqueue(samples.report, 7, copies=2, meta={"a": 1})
    fetched = Job.fetch(job.id, connection=connection)
    assert fetched == job
    assert (fetched.func_name, fetched.args, fetched.kwargs) == ("samples.report", (7,), {"copies": 2})
    assert (fetched.origin, fetched.meta, fetched.get_status()) == ("work", {"a": 1}, "queued")


def test_a_job_is_fetched_by_a_url(valkey: Redis, valkey_url: str):
    job = Queue(connection=valkey).enqueue(steps.nothing)
    assert Job.fetch(job.id, url=valkey_url).is_queued
    assert Job.exists(job.id, url=valkey_url)


@pytest.mark.parametrize("job_id", ["nobody", "", "a b", "a:b", "ü", "*", "x" * 10_000])
def test_an_unknown_job_is_not_found(q: Queue, connection: Redis, job_id: str):
    with pytest.raises(NoSuchJobError, match="it expired or never existed") as caught:
        Job.fetch(job_id, connection=connection)
    assert caught.value.job_id == job_id
    assert isinstance(caught.value, LookupError)
    assert not Job.exists(job_id, connection=connection)
    assert Job.fetch_many([job_id], connection=connection) == [None]


def test_many_jobs_are_fetched_in_their_order(q: Queue, connection: Redis):
    jobs = [q.enqueue(steps.echo, n) for n in range(3)]
    ids = [jobs[2].id, "nobody", jobs[0].id, jobs[2].id]
    assert Job.fetch_many(ids, connection=connection) == [jobs[2], None, jobs[0], jobs[2]]
    assert Job.fetch_many((job.id for job in jobs), connection=connection) == jobs
    assert Job.fetch_many([], connection=connection) == []


def test_more_jobs_are_fetched_than_one_call_takes(valkey: Redis):
    job = Queue(connection=valkey).enqueue(steps.nothing)
    found = Job.fetch_many(["nobody"] * 2 * BUDGET + [job.id], connection=valkey)
    assert found == [None] * 2 * BUDGET + [job]


@pytest.mark.parametrize("wrong", [None, 5, b"abc", ["abc"]])
def test_what_is_no_id_is_refused(connection: Redis, wrong: Any):
    for find in (Job.fetch, Job.exists, lambda job_id, connection: Job.fetch_many([job_id], connection)):
        with pytest.raises(TypeError, match=rf"a job's id is a str, not {type(wrong).__name__}"):
            find(wrong, connection)


@pytest.mark.parametrize("wrong", [None, 5, "abc", b"abc"])
def test_what_is_no_list_of_ids_is_refused(connection: Redis, wrong: Any):
    with pytest.raises(TypeError, match=rf"a list of ids is wanted here, not {type(wrong).__name__}"):
        Job.fetch_many(wrong, connection)


def test_jobs_are_equal_by_their_ids(q: Queue, connection: Redis):
    one, two = q.enqueue(steps.nothing), q.enqueue(steps.nothing)
    assert one == Job.fetch(one.id, connection=connection)
    assert one != two
    assert one != one.id
    assert len({one, two, Job.fetch(one.id, connection=connection)}) == 2
    assert repr(one) == f"Job({one.id!r})"


# Statuses


def test_every_status_has_a_question(q: Queue, work: Work):
    finished, failed = q.enqueue(steps.nothing), q.enqueue(steps.boom)
    work()
    queued = q.enqueue(steps.nothing)
    jobs = {
        JobStatus.FINISHED: finished,
        JobStatus.FAILED: failed,
        JobStatus.QUEUED: queued,
        JobStatus.DEFERRED: q.enqueue(steps.nothing, depends_on=queued),
        JobStatus.SCHEDULED: q.enqueue_in(60, steps.nothing),
        JobStatus.UPSTREAM_FAILED: q.enqueue(steps.nothing, depends_on=failed),
        JobStatus.SKIPPED: q.enqueue(steps.nothing, depends_on=Dependency(finished, rule="all_failed")),
    }
    asked = [status for status in JobStatus if status is not JobStatus.JOINING]  # which nothing leads to yet
    for status, job in jobs.items():
        assert job.get_status() is status
        assert job.get_status() == status.value
        assert [other for other in asked if getattr(job, f"is_{other}")] == [status]


def test_a_job_knows_itself_while_it_runs(q: Queue, work: Work):
    job = q.enqueue(about_myself)
    work()
    assert job.result == (job.id, 1, True, ())
    assert get_current_job() is None


def test_the_status_is_asked_anew_unless_told_otherwise(q: Queue, work: Work):
    job = q.enqueue(steps.nothing)
    assert job.is_queued
    work()
    assert job.get_status(refresh=False) == "queued"
    assert job.get_status() == "finished"
    assert job.get_status(refresh=False) == "finished"


def test_what_was_read_stays_until_it_is_refreshed(q: Queue, connection: Redis, work: Work):
    job = q.enqueue(change_meta, 5, meta={"before": 1})
    assert (job.meta, job.started_at) == ({"before": 1}, None)
    work()
    assert (job.meta, job.started_at) == ({"before": 1}, None)
    job.refresh()
    assert job.meta == {"before": 1, "number": 5}
    assert job.started_at is not None


# Results


@pytest.mark.parametrize(
    "value", [None, 0, "", "text", [1, {"a": (2, {3})}], datetime(2024, 1, 1, tzinfo=timezone.utc), b"\0" * 100, "@"]
)
def test_a_result_comes_back_as_it_was(q: Queue, work: Work, value: object):
    job = q.enqueue(steps.echo, value)
    work()
    assert (job.result, job.return_value(), job.return_value(refresh=True), job.wait()) == (value,) * 4


def test_the_result_of_a_job_that_has_not_ended_is_an_error(q: Queue):
    queued = q.enqueue(steps.nothing)
    for job in (queued, q.enqueue(steps.nothing, depends_on=queued), q.enqueue_in(60, steps.nothing)):
        with pytest.raises(JobNotEndedError, match=rf"job '{job.id}' is \w+; wait for it with job.wait\(\)"):
            _ = job.result
        assert job.return_value() is None


def test_the_result_of_a_job_that_failed_is_its_failure(q: Queue, work: Work):
    job = q.enqueue(steps.boom, "no such file")
    work()
    with pytest.raises(JobFailedError, match="no such file") as caught:
        _ = job.result
    error = caught.value
    assert (error.job_id, error.status, error.exc_info) == (job.id, "failed", job.exc_info)
    assert str(error).startswith(f"job '{job.id}' ended as failed\n\nThe traceback from the worker:\nTraceback (most")
    assert job.return_value() is None


def test_the_result_of_a_job_that_never_ran_says_why(q: Queue, work: Work):
    failed = q.enqueue(steps.boom)
    below = q.enqueue(steps.nothing, depends_on=failed)
    work()
    with pytest.raises(JobFailedError, match=f"^job '{below.id}' ended as upstream_failed") as caught:
        _ = below.result
    assert (caught.value.status, caught.value.exc_info) == ("upstream_failed", None)


def test_a_canceled_job_says_why(q: Queue, connection: Redis):
    job = q.enqueue(steps.nothing, ttl=60)
    connection.zadd("{rqdeps}:timers", {job.id: 1})
    Store(connection).run(upkeep.maintain(["work"], lease_ms=30_000))
    assert job.is_canceled
    assert job.reason == "its ttl of 60 s ran out before it started"
    with pytest.raises(JobFailedError, match="ended as canceled: its ttl of 60 s ran out before it started"):
        job.wait()


def test_a_result_that_is_not_kept_is_an_error_of_its_own(q: Queue, work: Work):
    job = q.enqueue(steps.echo, 1, result_ttl=0)
    work()
    for get in (lambda: job.result, job.wait):
        with pytest.raises(ResultExpiredError, match=f"job '{job.id}' finished, but its result is kept no longer"):
            get()
    assert job.is_finished
    assert job.return_value() is None


# Attempts


def test_attempts_that_failed_are_kept(q: Queue, connection: Redis):
    job = q.enqueue(steps.fail_before_attempt, 3, retry=5)
    assert (job.attempts, job.exc_info, job.attempt, job.retries_left, job.worker_name) == ([], None, 0, 5, None)
    SimpleWorker("work", connection=connection, name="my.worker").work(burst=True)
    job.refresh()
    assert job.result == 3
    assert (job.attempt, job.retries_left) == (3, 3)
    assert [(one.number, one.outcome, one.message) for one in job.attempts] == [
        (1, "failed", "attempt 1 fails"),
        (2, "failed", "attempt 2 fails"),
    ]
    first, second = job.attempts
    assert first.started_at <= first.ended_at <= second.started_at <= second.ended_at
    assert first.error_type == "builtins.ConnectionError"
    assert second.traceback == job.exc_info
    assert first.worker == job.worker_name == "my.worker"


def test_a_traceback_shows_the_job_alone_with_its_causes(q: Queue, work: Work):
    job = q.enqueue(fail_with_cause)
    work()
    assert job.exc_info is not None
    lines = job.exc_info.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert any("ValueError: the cause" in line for line in lines)
    assert any("in fail_with_cause" in line for line in lines)
    assert not any("/rqdeps/" in line for line in lines)
    assert job.attempts[0].message == str(KeyError("ü and\nmore"))


def test_an_error_without_words(q: Queue, work: Work):
    job = q.enqueue(say_nothing)
    work()
    assert (job.attempts[0].error_type, job.attempts[0].message) == ("builtins.ValueError", "")


def test_the_last_ten_attempts_are_kept(q: Queue, work: Work):
    job = q.enqueue(steps.boom, retry=14)
    work()
    assert job.is_failed
    assert [attempt.number for attempt in job.attempts] == list(range(6, 16))


def test_a_retry_waits_for_its_interval(q: Queue, connection: Redis):
    job = q.enqueue(steps.boom, retry=Retry(1, interval=3600))
    SimpleWorker("work", connection=connection).work(max_jobs=1)
    assert job.is_scheduled
    assert (job.attempt, job.retries_left) == (1, 0)
    assert job.scheduled_for is None, "that is the time the caller gave"


# What a job is


def test_the_description_is_the_call_unless_one_is_given(q: Queue):
    first = q.enqueue(steps.add, 1, right="ü")
    assert first.description == "steps.add(1, right='ü')"
    assert q.enqueue(steps.nothing).description == "steps.nothing()"
    assert q.enqueue(steps.add, 1, 2, description="one and two").description == "one and two"
    assert first.id in q.enqueue(steps.echo, first.output).description


def test_arguments_show_outputs_as_such(q: Queue):
    first = q.enqueue(steps.nothing)
    job = q.enqueue(samples.anything, [first.output], by_name=first.output_or(5), depends_on=first)
    assert job.args == ([Output(first.id)],)
    assert job.kwargs == {"by_name": Output(first.id, 5)}


def test_meta_is_saved_when_told_to(q: Queue, connection: Redis):
    job = q.enqueue(steps.nothing)
    assert job.meta == {}
    for meta in ({"short": 1}, {"long": "x" * 1000}, {"$": (1, None)}, {}):
        job.meta.clear()
        job.meta.update(meta)
        job.save_meta()
        assert Job.fetch(job.id, connection=connection).meta == meta


def test_meta_that_cannot_be_carried_is_refused(q: Queue, connection: Redis):
    job = q.enqueue(steps.nothing, meta={"before": 1})
    job.meta["object"] = object()
    with pytest.raises(SerializationError, match=r'meta\["object"\] is of the type object'):
        job.save_meta()
    assert Job.fetch(job.id, connection=connection).meta == {"before": 1}


def test_times_are_those_of_the_server(q: Queue, connection: Redis, work: Work):
    seconds, microseconds = connection.time()
    before = datetime.fromtimestamp(seconds + microseconds // 1000 / 1000, timezone.utc)
    job = q.enqueue(steps.nothing)
    assert (job.started_at, job.ended_at, job.scheduled_for) == (None, None, None)
    work()
    job.refresh()
    times = [before, job.created_at, job.enqueued_at, job.started_at, job.ended_at]
    assert all(one is not None and one.utcoffset() == timedelta(0) for one in times)
    assert sorted(times) == times  # type: ignore[type-var]


# Neighbours


def test_dependencies_tell_group_rule_and_outcome(q: Queue, work: Work):
    good, bad, later = q.enqueue(steps.nothing), q.enqueue(steps.boom), q.enqueue_in(60, steps.nothing)
    rest = Dependency([bad, later], rule="all_done")
    job = q.enqueue(steps.echo, good.output, depends_on=[good, rest])
    work()
    edges = {edge.id: edge for edge in job.dependencies()}
    assert next(iter(edges)) == good.id
    assert set(job.dependency_ids) == set(edges) == {good.id, bad.id, later.id}
    assert [(edge.group, edge.rule, edge.wants_output) for edge in (edges[good.id], edges[bad.id])] == [
        (0, "all_success", True),
        (1, "all_done", False),
    ]
    assert [(edges[one.id].outcome, edges[one.id].status) for one in (good, bad, later)] == [
        (JobStatus.FINISHED, JobStatus.FINISHED),
        (JobStatus.FAILED, JobStatus.FAILED),
        (None, JobStatus.SCHEDULED),
    ]


def test_dependents_come_in_the_order_of_enqueueing(q: Queue, work: Work):
    first = q.enqueue(steps.nothing)
    below = [q.enqueue(steps.nothing, depends_on=first) for _ in range(12)]
    q.enqueue(steps.nothing, depends_on=below[0])
    assert first.dependent_ids == [job.id for job in below]
    work()
    assert first.dependent_ids == [job.id for job in below]
    assert below[1].dependent_ids == first.dependency_ids == []


# A job that is gone


def test_a_job_that_was_deleted_says_so(connection: Redis):
    q = Queue("work", connection=connection)
    job = q.enqueue(steps.nothing)
    held = Job.fetch(job.id, connection=connection)
    connection.flushall()
    questions: list[Callable[[], object]] = [
        *(job.refresh, job.get_status, lambda: job.is_queued, lambda: job.result, job.return_value, job.wait),
        *(lambda: job.args, lambda: job.description, lambda: job.meta, job.save_meta, lambda: held.kwargs),
        *(held.refresh, held.save_meta, lambda: Job.fetch(job.id, connection=connection)),
    ]
    for ask in questions:
        with pytest.raises(NoSuchJobError, match=f"there is no job '{job.id}': it expired or never existed"):
            ask()
    assert held.func_name == "steps.nothing", "what was read stays"
    assert (job.attempts, job.dependencies(), job.dependency_ids, job.dependent_ids) == ([], [], [], [])
    with pytest.raises(NoSuchJobError):
        q.enqueue(steps.echo, job.output)


# Waiting


@contextmanager
def when_first_asked(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Iterator[list[str]]:
    """Does something once a waiter has been told that its job has not ended. Gives the answers that it got."""
    answers: list[str] = []
    ask = reads.watch

    def watch(job_id: str) -> Call[str]:
        call = ask(job_id)

        def read(reply: Any) -> str:
            answers.append(call.read(reply))
            if len(answers) == 1:
                act()
            return answers[-1]

        return replace(call, read=read)

    monkeypatch.setattr(reads, "watch", watch)
    yield answers
    monkeypatch.undo()


def test_waiting_is_ended_by_the_server(q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch):
    job = q.enqueue(steps.echo, "value")
    with when_first_asked(monkeypatch, work) as answers:
        assert job.wait(timeout=30) == "value"
    assert answers == ["queued", "finished"]


def test_waiting_for_a_worker_in_a_thread(q: Queue, connection: Redis, monkeypatch: pytest.MonkeyPatch):
    worker = threading.Thread(target=SimpleWorker("work", connection=connection).work, kwargs={"burst": True})
    first = q.enqueue(steps.echo, 1)
    last = q.enqueue(steps.add, first.output, 1)
    with when_first_asked(monkeypatch, worker.start) as answers:
        assert last.wait() == 2
    assert answers == ["deferred", "finished"]
    worker.join()


def test_waiting_for_a_job_that_has_ended_is_no_wait(q: Queue, work: Work):
    job = q.enqueue(steps.echo, 1)
    work()
    assert job.wait(timeout=0) == job.wait(timeout=-1) == job.wait(timeout=math.inf) == job.wait() == 1


@pytest.mark.parametrize("timeout", [0, 0.01, -1])
def test_waiting_ends_after_its_timeout(q: Queue, timeout: float):
    job = q.enqueue(steps.nothing)
    with pytest.raises(WaitTimeoutError, match=f"job '{job.id}' has not ended after {timeout} s") as caught:
        job.wait(timeout)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, RqdepsError)


@pytest.mark.parametrize(
    ("timeout", "error"), [("1", TypeError), (True, TypeError), ([], TypeError), (math.nan, ValueError)]
)
def test_a_timeout_that_makes_no_sense_is_refused(q: Queue, timeout: Any, error: type[Exception]):
    with pytest.raises(error, match="timeout is a number of seconds, not"):
        q.enqueue(steps.nothing).wait(timeout)


def test_waiting_for_a_job_that_fails_raises_with_the_remote_traceback(
    q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch
):
    job = q.enqueue(steps.boom, "no such file", retry=1)
    with when_first_asked(monkeypatch, work), pytest.raises(JobFailedError) as caught:
        job.wait()
    shown = "".join(traceback.format_exception(caught.value))
    assert "in boom" in shown
    assert "ValueError: no such file" in shown


def test_waiting_for_a_job_whose_dependency_fails(q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch):
    job = q.enqueue(steps.nothing, depends_on=q.enqueue(steps.boom))
    with (
        when_first_asked(monkeypatch, work) as answers,
        pytest.raises(JobFailedError, match=f"job '{job.id}' ended as upstream_failed"),
    ):
        job.wait()
    assert answers == ["deferred", "upstream_failed"]


def test_several_wait_for_one_job(q: Queue, connection: Redis, work: Work):
    job = q.enqueue(steps.echo, "value")
    came = threading.Barrier(4)
    values: list[str] = []

    def wait() -> None:
        own = Job.fetch(job.id, connection=connection)
        came.wait()
        values.append(own.wait(timeout=30))

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    came.wait()
    work()
    for waiter in waiters:
        waiter.join()
    assert values == ["value"] * 3


def test_waiting_inside_a_job_is_refused_with_the_way_out(q: Queue, work: Work):
    other = q.enqueue_in(3600, steps.nothing)
    job = q.enqueue(steps.wait_for, other.id)
    work()
    (attempt,) = job.attempts
    assert attempt.error_type == "rqdeps.errors.DeadlockError"
    assert attempt.message.startswith(f"a job can't wait for job '{other.id}': ")
    assert "with depends_on, or pass its output on" in attempt.message


def test_a_waiter_whose_connection_breaks_listens_anew(valkey: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch):
    q = Queue("work", url=valkey_url)
    job = q.enqueue(steps.echo, "value")

    def cut() -> None:
        valkey.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        SimpleWorker("work", connection=valkey).work(burst=True)

    began = time.monotonic()
    with when_first_asked(monkeypatch, cut) as answers:
        assert job.wait(timeout=30) == "value"
    assert answers[0] == "queued"
    assert time.monotonic() - began < 10
    q.store.client.close()


def test_a_waiter_whose_server_goes_away_says_so(valkey: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch):
    job = Queue("work", connection=valkey).enqueue(steps.nothing)
    gone = Job(job.id, Queue(url=f"unix://{valkey_url.removeprefix('unix://')}.gone").store)
    with pytest.raises(ConnectionUnavailableError, match=r"no answer from the server at unix:///.*\.gone"):
        gone.wait(timeout=5)


def test_a_job_that_could_not_run_names_what_it_waited_for(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    failed = queue.enqueue(steps.boom)
    below = queue.enqueue(steps.echo, failed.output)
    SimpleWorker("work", connection=connection).work(burst=True)
    why = rf"can't be met, since {failed.id} \(boom\) failed: ValueError: boom; requeue"
    with pytest.raises(JobFailedError, match=why):
        _ = below.result
