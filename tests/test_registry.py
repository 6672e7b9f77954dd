"""Registries, and what else can be seen of queues and jobs, by RQ's names."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import samples
import steps
from by_hand import HandWorker
from every_status import STATUSES, job_in
from redis import Redis

from rqdeps import (
    InvalidJobOperationError,
    Job,
    JobStatus,
    NoSuchJobError,
    Queue,
    SimpleWorker,
    cancel_job,
    requeue_job,
)
from rqdeps.registry import BaseRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rqdeps.results import Result

REGISTRIES = {each.status.value: each for each in BaseRegistry.__subclasses__()}


def test_every_status_but_one_has_a_registry() -> None:
    assert REGISTRIES.keys() == {status.value for status in JobStatus} - {"queued"}


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "queued"])
def test_a_registry_holds_the_jobs_of_its_status(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    registry = REGISTRIES[status](queue=q)
    ids = registry.get_job_ids()
    assert job.id in ids
    assert job in registry
    assert job.id in registry
    assert (len(registry), registry.count, registry.get_job_count(cleanup=False)) == (len(ids),) * 3
    for other, kind in REGISTRIES.items():
        if other != status:
            assert job not in kind(q.name, q.connection)
    assert job not in REGISTRIES[status]("elsewhere", q.connection)
    assert 5 not in registry  # type: ignore[comparison-overlap]
    assert "nobody" not in registry


def test_registries_are_cut_as_sorted_sets_are(q: Queue) -> None:
    jobs = [q.enqueue_in(100 + number, samples.anything).id for number in range(5)]
    registry = q.scheduled_job_registry
    for start in range(-7, 8):
        for end in range(-7, 8):
            for desc in (False, True):
                expected = q.connection.zrange("{rqdeps}:scheduled:default", start, end, desc=desc)
                found = registry.get_job_ids(start, end, desc=desc)
                assert found == [each.decode() for each in expected], (start, end, desc)  # type: ignore[union-attr]
    assert registry.get_job_ids() == jobs
    assert bool(REGISTRIES["failed"](queue=q)) is True


def test_when_a_job_is_due_is_known(q: Queue) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    job = q.enqueue_at(soon, samples.anything)
    registry = ScheduledJobRegistry(queue=q)
    for each in (job, job.id):
        assert abs(registry.get_scheduled_time(each) - soon) < timedelta(milliseconds=2)
    with pytest.raises(NoSuchJobError):
        registry.get_scheduled_time(q.enqueue(samples.anything))


def test_a_job_gets_another_life_out_of_its_registry(q: Queue, hands: HandWorker) -> None:
    failed, finished = job_in("failed", q, hands), job_in("finished", q, hands)
    assert q.failed_job_registry.requeue(failed.id).get_status() == "queued"
    assert q.finished_job_registry.requeue(finished, at_front=True) == finished
    assert q.job_ids == [finished.id, failed.id]
    with pytest.raises(InvalidJobOperationError, match=r"is queued in queue 'default', and not failed in 'default'"):
        q.failed_job_registry.requeue(failed)
    with pytest.raises(NoSuchJobError):
        q.failed_job_registry.requeue("nobody")


@pytest.mark.parametrize("delete_job", [False, True])
@pytest.mark.parametrize("status", [status for status in STATUSES if status != "queued"])
def test_what_is_removed_from_a_registry_is_never_lost(
    q: Queue, hands: HandWorker, status: str, delete_job: bool
) -> None:
    job = job_in(status, q, hands)
    registry = REGISTRIES[status](queue=q)
    if status == "started" and not delete_job:
        with pytest.raises(InvalidJobOperationError, match="cancel"):
            registry.remove(job)
        return
    registry.remove(job, delete_job=delete_job)
    if delete_job or JobStatus(status).is_terminal:
        assert not Job.exists(job.id, q.connection)
    elif status != "joining":  # it ends once what it joins has
        assert job.get_status() == "canceled"


def test_registries_say_what_is_wrong(q: Queue) -> None:
    with pytest.raises(TypeError, match="give a queue, or where it is"):
        FinishedJobRegistry(connection=q.connection, queue=q)
    assert StartedJobRegistry(queue=q) == StartedJobRegistry(q.name, q.connection)
    assert StartedJobRegistry(queue=q) != FinishedJobRegistry(queue=q)
    assert hash(StartedJobRegistry(queue=q)) == hash(StartedJobRegistry(q.name, q.connection))
    assert repr(StartedJobRegistry(queue=q)) == "StartedJobRegistry('default')"
    assert StartedJobRegistry(queue=q).cleanup() is None  # type: ignore[func-returns-value]


# Queues


def test_a_queue_tells_what_is_in_it(q: Queue, connection: Redis) -> None:
    assert (q.is_empty(), q.job_ids, q.jobs, len(q), bool(q)) == (True, [], [], 0, True)
    jobs = [q.enqueue(samples.anything) for _ in range(5)]
    ids = [job.id for job in jobs]
    assert (q.is_empty(), q.job_ids, q.jobs, len(q)) == (False, ids, jobs, 5)
    assert (q.get_job_ids(1, 2), q.get_jobs(3), q.get_job_ids(length=0)) == (ids[1:3], jobs[3:], [])
    assert [q.get_job_position(each) for each in (jobs[0], ids[3], "nobody")] == [0, 3, None]
    assert [job.get_position() for job in jobs] == [0, 1, 2, 3, 4]
    elsewhere = Queue("elsewhere", connection=connection)
    assert (elsewhere.fetch_job(ids[0]), q.fetch_job(ids[0])) == (None, jobs[0])
    assert elsewhere.get_job_position(ids[0]) is None
    assert q == Queue(connection=connection) != elsewhere
    assert sorted([elsewhere, q]) == [q, elsewhere]
    assert len({q, Queue(connection=connection), elsewhere}) == 2
    assert q != "default"
    assert q.connection is connection


def test_a_queue_is_emptied_and_what_waits_for_its_jobs_is_told(q: Queue, connection: Redis) -> None:
    jobs = q.enqueue_many([q.prepare_data(samples.anything) for _ in range(300)])
    waiting = Queue("other", connection=connection).enqueue(samples.anything, depends_on=jobs[150])
    scheduled = q.enqueue_in(60, samples.anything)
    assert q.empty() == 300
    assert (q.count, waiting.get_status(), scheduled.get_status()) == (0, "canceled", "scheduled")
    assert q.empty() == 0


def test_a_job_that_is_removed_from_its_queue_is_canceled(q: Queue, connection: Redis) -> None:
    one, other = q.enqueue(samples.anything), q.enqueue(samples.anything)
    assert [Queue("elsewhere", connection=connection).remove(one), q.remove("nobody")] == [0, 0]
    assert [q.remove(one), q.remove(one), q.remove(other.id)] == [1, 0, 1]
    assert (one.get_status(), other.get_status()) == ("canceled", "canceled")


def test_a_queue_is_deleted_with_its_settings(q: Queue, connection: Redis) -> None:
    q.enqueue(samples.anything)
    q.pause()
    q.limit(3)
    with pytest.raises(InvalidJobOperationError, match="queue 'default' has 1 job, which nobody would run"):
        q.delete(delete_jobs=False)
    q.delete()
    assert (q.count, q.is_paused, q.started_limit) == (0, False, None)
    q.delete(delete_jobs=False)


# Jobs


def test_results_tell_how_attempts_ended_the_last_first(q: Queue) -> None:
    job = q.enqueue(steps.fail_before_attempt, 3, retry=5)
    assert (job.results(), job.latest_result()) == ([], None)
    SimpleWorker([q], name="mine").work(burst=True)
    success, second, first = job.results()
    assert success == job.latest_result()
    assert (success.type, success.return_value, success.exc_string) == (Result.Type.SUCCESSFUL, 3, None)
    assert (second.type, first.type) == (Result.Type.FAILED, Result.Type.FAILED)
    assert "attempt 1 fails" in (first.exc_string or "")
    assert {each.worker_name for each in (success, second, first)} == {"mine"}
    assert first.created_at <= second.created_at <= success.created_at  # type: ignore[operator]


def test_the_latest_result_is_waited_for(q: Queue) -> None:
    job = q.enqueue(steps.echo, "x")
    assert job.latest_result(timeout=0.05) is None
    SimpleWorker([q]).work(burst=True)
    result = job.latest_result(timeout=5)
    assert result is not None
    assert result.return_value == "x"


def test_a_job_knows_its_neighbours_and_its_function(q: Queue) -> None:
    first, second = q.enqueue(steps.nothing), q.enqueue(steps.nothing, meta={"a": 1})
    job = q.enqueue(steps.nothing, depends_on=[first, second], result_ttl=5, failure_ttl=-1, ttl=90)
    assert job.func is steps.nothing
    followed = q.enqueue(steps.nothing, on_failure=steps.echo)
    assert (followed.failure_callback, followed.success_callback, followed.stopped_callback) == (steps.echo, None, None)
    assert job.fetch_dependencies() == [first, second]
    assert (job.dependency, first.dependency) == (first, None)
    assert (job.result_ttl, job.failure_ttl, job.ttl, first.result_ttl, first.ttl) == (5, -1, 90, 600, None)
    assert (second.get_meta(), second.get_meta(refresh=False)) == ({"a": 1}, {"a": 1})
    assert job.connection is q.connection


def test_jobs_are_canceled_and_requeued_by_their_ids(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    cancel_job(job.id, q.connection)
    assert job.get_status() == "canceled"
    assert requeue_job(job.id, connection=q.connection).get_status() == "queued"
    for cancel in (lambda: cancel_job(job.id, q.connection, enqueue_dependents=True),):
        with pytest.raises(ValueError, match=r"skip\(\) has them run"):
            cancel()
    with pytest.raises(NoSuchJobError):
        cancel_job("nobody", q.connection)


def test_dependents_go_with_a_job_if_that_is_wished(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    below = q.enqueue(samples.anything, depends_on=job)
    job.delete(delete_dependents=True)
    assert Job.fetch_many([job.id, below.id], q.connection) == [None, None]


def test_a_job_is_created_for_a_queue(q: Queue, connection: Redis) -> None:
    job = Job.create(samples.anything, connection=connection, origin="there", id="mine")
    assert (job.origin, job.id) == ("there", "mine")
    job.save()
    assert Job.fetch(id="mine", connection=connection).origin == "there"
