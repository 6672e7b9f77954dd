"""Jobs with each serializer, in both kinds of workers; what can't be read fails its job and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import codecs_of_tests as own
import fakeredis
import pytest
import steps
from models import Color, Point
from redis import Redis

from rqdeps import AsyncQueue, Job, JobStatus, Queue, Retry, SimpleWorker, Unbuilt, Worker, Workflow

Work = Callable[..., Any]


@pytest.fixture(params=[Worker, SimpleWorker])
def work(request: pytest.FixtureRequest, valkey: Redis) -> Work:
    """Runs what is queued, in processes or in this one."""

    def work(**options: Any) -> None:
        request.param("default", connection=valkey, **options).work(burst=True)

    return work


@pytest.fixture
def pickled(valkey: Redis) -> Queue:
    return Queue(connection=valkey, serializer="pickle")


@pytest.fixture
def custom(valkey: Redis) -> Queue:
    return Queue(connection=valkey, serializer=own.backwards)


def with_payload(queue: Queue, payload: bytes, **options: Any) -> Job[Any]:
    """A job with a payload that somebody else has written."""
    job = queue.options(hold=True, **options).enqueue(steps.echo, 1)
    key = f"{{rqdeps}}:job:{job.id}"
    assert len(payload) <= 64
    queue.store.client.hset(key, "payload", payload)
    job.release()
    return job


# JSON


def test_jobs_get_real_dataclasses_and_programs_their_values(valkey: Redis, work: Work) -> None:
    q = Queue(connection=valkey)
    first = q.enqueue(models_moved, Point(1, Color.RED))
    second = q.enqueue(models_moved, first.output)
    again = q.enqueue(models_moved, Unbuilt("models.Point", {"x": 5, "y": Color.GREEN}))
    work()
    assert isinstance(second.result, Unbuilt)
    assert second.result.build(Point, Color) == Point(3, Color.RED)
    assert again.result.build(Point, Color) == Point(6, Color.GREEN)
    assert first.args == (
        Unbuilt("models.Point", {"x": 1, "y": Unbuilt("models.Color", {"name": "RED"}, is_member=True)}),
    )


def models_moved(point):
    assert type(point) is Point
    assert type(point.y) is Color
    return Point(point.x + 1, point.y)


# Pickle


def test_pickled_values_pass_from_job_to_job(pickled: Queue, work: Work) -> None:
    first = pickled.enqueue(own.doubled, own.Handle(2))
    held = pickled.enqueue(own.unwrap, own.Handle(first.output))
    spawned = pickled.enqueue(own.spawn_two, first.output)
    mapped = pickled.map(own.doubled, [own.Handle(1), own.Handle(2)])
    total = pickled.enqueue(own.echo, mapped.output)
    stood_in = pickled.enqueue(own.fail, own.Handle(7), fallback=own.fall_back)
    work(serializer="pickle")
    assert first.result == own.Handle(4)
    assert held.result == own.Handle(4)
    assert spawned.result == [4, {"again": own.Handle(8)}]
    assert total.result == [own.Handle(2), own.Handle(4)]
    assert pickled.fetch_job(stood_in.fallback_id).result == ["fallback", 7]
    assert Job.fetch(mapped.spawned_ids[0], pickled.store.client).description == "codecs_of_tests.doubled(…)"


def test_workflows_skips_and_meta_go_by_the_queue(pickled: Queue, work: Work) -> None:
    with Workflow("w", queue=pickled) as workflow:
        first = workflow.options(hold=True, meta={"a": 1}).enqueue(own.fail, own.Handle(1))
        second = workflow.enqueue(own.unwrap, first.output)
    first.skip(own.Handle("skipped"))
    work(serializer="pickle")
    assert second.result == "skipped"
    assert Job.fetch(first.id, pickled.store.client).meta == {"a": 1}
    assert workflow.status == "finished"


def test_a_worker_that_was_not_told_to_unpickle_fails_the_job_and_goes_on(
    valkey: Redis, pickled: Queue, work: Work
) -> None:
    refused = pickled.enqueue(own.unwrap, own.Handle(1), retry=3)
    after = Queue(connection=valkey).enqueue(own.echo, "fine")
    work()
    assert (refused.get_status(), refused.attempt) == ("failed", 1)
    assert refused.attempts[0].error_type == "rqdeps.errors.SerializationError"
    assert "rqdeps worker --serializer pickle" in refused.attempts[0].message
    assert after.result == "fine"


def test_a_program_that_was_not_told_to_unpickle_does_not(valkey: Redis, pickled: Queue, work: Work) -> None:
    job = pickled.enqueue(own.handle, 1)
    work(serializer="pickle")
    with pytest.raises(Exception, match=r"RQDEPS_SERIALIZER=pickle"):
        _ = Job.fetch(job.id, valkey).result
    assert pickled.fetch_job(job.id).result == own.Handle(1)


def test_a_worker_for_a_queue_takes_the_serializer_of_that_queue(pickled: Queue) -> None:
    job = pickled.enqueue(own.doubled, own.Handle(2))
    SimpleWorker(pickled).work(burst=True)
    assert job.result == own.Handle(4)


def test_what_a_job_gives_and_enqueues_is_written_like_its_own_arguments(
    valkey: Redis, pickled: Queue, work: Work
) -> None:
    jobs = [queue.enqueue(own.marks) for queue in (pickled, Queue(connection=valkey))]
    work(serializer="pickle")
    assert [job.result for job in jobs] == [("pickle", "pickle"), ("json", "json")]


def test_what_can_not_be_pickled_or_unpickled_fails_its_job_without_retry(pickled: Queue, work: Work) -> None:
    locked = pickled.enqueue(own.locked, retry=3)
    shattering = pickled.enqueue(own.echo, own.Shattering(), retry=3)
    given = pickled.enqueue(own.give_shattering)
    taker = pickled.enqueue(own.echo, given.output, retry=3)
    after = pickled.enqueue(own.echo, "fine")
    work(serializer="pickle")
    assert [job.get_status() for job in (locked, shattering, given, taker, after)] == [
        *("failed", "failed", "finished", "failed", "finished")
    ]
    assert {job.attempt for job in (locked, shattering, taker)} == {1}
    assert "result can't be pickled" in locked.attempts[0].message
    assert "these bytes can't be unpickled" in taker.attempts[0].message


# One's own


def test_a_serializer_of_your_own_carries_jobs_maps_and_what_they_spawn(custom: Queue, work: Work) -> None:
    first = custom.enqueue(own.echo, {"a": [1]})
    second = custom.enqueue(own.echo, value=first.output)
    mapped = custom.map(own.echo, second.output_or([1]))
    items = custom.map(steps.add, [1, 2], args=[10])
    spawned = custom.enqueue(own.spawn_list, 5)
    stood_in = custom.enqueue(own.fail, 1, fallback=own.echo)
    work(serializer="codecs_of_tests:backwards")
    assert second.result == {"a": [1]}
    assert mapped.get_status() == "failed"  # a dict is not to be mapped over
    assert items.result == [11, 12]
    assert spawned.result == [5, [5]]
    assert custom.fetch_job(stood_in.fallback_id).result == 1


def test_a_worker_without_the_serializer_fails_the_job_and_goes_on(valkey: Redis, custom: Queue, work: Work) -> None:
    refused = custom.enqueue(own.echo, 1, retry=3)
    after = Queue(connection=valkey).enqueue(own.echo, "fine")
    work(serializer="pickle")
    assert (refused.get_status(), refused.attempt, after.result) == ("failed", 1, "fine")


def test_a_worker_whose_serializer_can_not_be_imported_does_not_start(valkey: Redis) -> None:
    with pytest.raises(Exception, match=r"nowhere.serializer can't be imported"):
        SimpleWorker("default", connection=valkey, serializer="nowhere:serializer").work(burst=True)


# With asyncio


def test_asyncio_goes_the_same_way() -> None:
    server = fakeredis.FakeServer()

    async def enqueue() -> Any:
        client = fakeredis.FakeAsyncRedis(server=server)
        async with AsyncQueue(connection=client, serializer="pickle") as q:
            job = await q.options(retry=1).enqueue(own.doubled, own.Handle(2))
            work = SimpleWorker("default", connection=fakeredis.FakeRedis(server=server), serializer="pickle").work
            await asyncio.to_thread(work, burst=True)
            result = await job.wait(timeout=10)
            assert await q.fetch_job(job.id) == job
        await client.aclose()
        return result

    assert asyncio.run(enqueue()) == own.Handle(4)


# What can't be read


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"j",
        b"j[[1",
        b"j\xff\xfe",
        b"jnull",
        b"j[[1],[2]]",
        b"x[[1]]",
        b"s" + b"\0" * 40,
        b"p\x80\x05K\x01.",
        b"c\n[]",
        b"j" + b"[" * 60,
        b'j[[{"$":["unheard",1]}]]',
        b'j[[{"$":["dataclass","models.Gone",{}]}]]',
        b'j[[{"$":["dataclass","models.Point",{"x":1}]}]]',
        b'j[[{"$":["enum","models.Color","BLUE"]}]]',
        b'j[[{"$":["enum","nowhere.Color","RED"]}]]',
        b'j[[{"$":["output",[]]}]]',
        b'j[[{"$":["output","unknown"]}]]',
    ],
    ids=lambda payload: ascii(payload[:40]),
)
def test_a_payload_that_can_not_be_read_fails_its_job_and_nothing_else(
    valkey: Redis, work: Work, payload: bytes
) -> None:
    q = Queue(connection=valkey)
    bad = with_payload(q, payload, retry=3)
    after = q.enqueue(own.echo, "fine")
    work()
    assert (bad.get_status(), bad.attempt, after.result) == ("failed", 1, "fine")
    assert bad.attempts[0].message
    assert bad.description.startswith("steps.echo(")


def test_results_that_hold_each_other_are_an_error(valkey: Redis, work: Work) -> None:
    q = Queue(connection=valkey)
    job = q.enqueue(own.spawn_list, 1)
    work()
    one, two = job.spawned_ids
    for spawned, other in ((one, two), (two, one)):
        valkey.hset(f"{{rqdeps}}:job:{spawned}", "result", b'j{"$":["output","%s"]}' % other.encode())
    with pytest.raises(Exception, match=r"holds itself, by way of others|is wanted, but"):
        _ = job.result


def test_a_status_is_a_status_wherever_it_is_read(q: Queue) -> None:
    job = q.enqueue(steps.echo, [JobStatus.FAILED])
    assert job.args == ([JobStatus.FAILED],)
    SimpleWorker([q]).work(burst=True)
    assert job.result == [JobStatus.FAILED]
    assert isinstance(job.result[0], JobStatus)


def return_retry() -> Retry:
    return Retry(3)


def test_a_job_that_returns_a_retry_is_told_how_to_run_again(q: Queue) -> None:
    job = q.enqueue(return_retry)
    SimpleWorker([q]).work(burst=True)
    assert job.is_failed
    assert "raise Snooze(delay) to have the job run again" in job.attempts[0].message
