"""Queues whose jobs are not left to workers."""

from __future__ import annotations

import signal
from datetime import timedelta

import growing
import pytest
import steps
from redis import Redis
from redis.exceptions import ResponseError

from rqdeps import Dependency, Job, Queue, Retry, SimpleWorker, Workflow, get_current_job
from rqdeps.worker.at_once import AtOnce

NESTED = "nested"


@pytest.fixture
def q(connection: Redis) -> Queue:
    return Queue("work", connection=connection, is_async=False)


def enqueue_another(value: str) -> str:
    here = get_current_job()
    assert here is not None
    inner = Queue("work", connection=here.connection, is_async=False).enqueue(steps.echo, value)
    assert get_current_job() == here
    return inner.result


def tell_time_left() -> float:
    """How long this job may yet run, in seconds, after another has run in it."""
    enqueue_another("x")
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_a_job_has_run_once_it_is_enqueued(q: Queue) -> None:
    job = q.enqueue(steps.add, 1, right=2)
    assert (q.is_async, job.get_status(), job.result, job.attempt) == (False, "finished", 3, 1)
    assert q.count == 0


def test_errors_are_recorded_and_not_raised(q: Queue) -> None:
    job = q.enqueue(steps.boom, "no")
    assert (job.get_status(), job.attempts[0].message) == ("failed", "no")
    assert job.exc_info is not None
    assert "ValueError: no" in job.exc_info


def test_attempts_follow_at_once_but_for_those_that_wait(q: Queue) -> None:
    again = q.enqueue(steps.fail_before_attempt, 3, retry=5)
    later = q.enqueue(steps.boom, retry=Retry(1, interval=60))
    delayed = q.enqueue_in(60, steps.nothing)
    assert (again.get_status(), again.result) == ("finished", 3)
    assert (later.get_status(), delayed.get_status()) == ("scheduled", "scheduled")


@pytest.mark.parametrize("reverse", [False, True])
def test_what_a_job_releases_runs_too_in_whatever_order_it_was_given(q: Queue, reverse: bool) -> None:
    first = q.prepare_data(steps.add, [1, 2])
    second = q.prepare_data(steps.add, [first.output, 10])
    bad = q.prepare_data(steps.boom)
    below = q.prepare_data(steps.nothing, depends_on=bad)
    at_last = q.prepare_data(steps.echo, ["cleaned"], depends_on=Dependency([below], rule="all_done"))
    datas = [first, second, bad, below, at_last]
    q.enqueue_many(datas[::-1] if reverse else datas)
    found = {job.id: job.get_status() for job in map(q.fetch_job, [data.id for data in datas]) if job is not None}
    assert list(found.values()) == ["finished", "finished", "failed", "upstream_failed", "finished"]


def test_what_was_enqueued_elsewhere_is_left_to_workers(q: Queue, connection: Redis) -> None:
    others = Queue("work", connection=connection)
    waits = others.enqueue(steps.echo, "waits")
    elsewhere = Queue("elsewhere", connection=connection)
    held = Job.create(steps.nothing, connection=connection)
    held.save()
    after = elsewhere.enqueue(steps.nothing, depends_on=held)
    ours = others.enqueue(steps.nothing, depends_on=held)
    q.enqueue_job(held)
    assert [job.get_status() for job in (waits, held, after, ours)] == ["queued", "finished", "queued", "finished"]
    assert others.job_ids == [waits.id]


def test_spawned_jobs_fallbacks_and_workflows_run_to_their_end(q: Queue) -> None:
    assert q.enqueue(growing.spawn_nested).is_finished
    job = q.enqueue(steps.boom, "no", fallback=steps.echo)
    assert job.fallback_id is not None
    assert Job.fetch(job.fallback_id, q.connection).result == "no"
    with Workflow("nightly", queue=q) as flow:
        rows = flow.enqueue(steps.count_to, 3)
        flow.enqueue(steps.total, rows.output)
    assert flow.status == "finished"
    assert [each.get_status() for each in flow.jobs] == ["finished", "finished"]


def test_a_job_may_enqueue_another_in_its_place(q: Queue) -> None:
    assert q.enqueue(enqueue_another, NESTED).result == NESTED
    assert get_current_job() is None


def test_the_limit_of_the_outer_job_goes_on_after_an_inner_one(q: Queue) -> None:
    left = q.enqueue(tell_time_left, job_timeout=100).result
    assert 0 < left < 100


def test_delays_and_pauses(q: Queue) -> None:
    q.pause()
    assert q.enqueue(steps.nothing).is_finished  # a pause is for workers
    q.resume()
    assert q.enqueue_in(timedelta(0), steps.nothing).is_finished


def test_the_time_limit_of_a_queue_is_for_jobs_that_have_none(connection: Redis) -> None:
    queue = Queue("work", connection=connection, default_timeout="5m")
    datas = [queue.prepare_data(steps.nothing), queue.prepare_data(steps.nothing, timeout=7)]
    jobs = [*queue.enqueue_many(datas), queue.enqueue(steps.nothing, job_timeout=-1), queue.enqueue(steps.nothing)]
    jobs.append(queue.enqueue_job(Job.create(steps.nothing, connection=connection)))
    assert [job.timeout for job in jobs] == [300, 7, -1, 300, 300]
    SimpleWorker([queue]).work(burst=True)
    with pytest.raises(ValueError, match="default_timeout is 0"):
        Queue(connection=connection, default_timeout=0)


def test_a_job_whose_report_is_refused_for_good_is_left_to_its_lease(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: AtOnce, outcome: object, *, want: int) -> object:
        if outcome is None:
            return settle(self, None, want=want)
        raise ResponseError("no")

    settle = AtOnce._settle
    monkeypatch.setattr(AtOnce, "_settle", refuse)
    job = q.enqueue(steps.nothing)
    assert (job.get_status(), job.attempt) == ("started", 1)
