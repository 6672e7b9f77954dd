"""Queues and jobs on asyncio: that they offer all that ``Queue`` and ``Job`` do, and that both say the same."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import fakeredis
import pytest
import redis.asyncio
import samples
import servers
import steps
from by_hand import HandWorker
from every_status import STATUSES, job_in

from rqdeps import AsyncJob, AsyncQueue, Callback, Dependency, Job, JobStatus, NoSuchJobError, Queue, SimpleWorker
from rqdeps.enqueuer import WithOptions
from rqdeps.errors import DeadlockError, NotLoadedError, SerializationError, WaitTimeoutError
from rqdeps.here import current_job, patience_for
from rqdeps.store.invariants import check_invariants

#: What is a property of ``Job`` or ``Queue`` that asks the server, and its name here.
RENAMED = {
    "args": "get_args",
    "count": "get_count",
    "counts": "get_counts",
    "description": "get_description",
    "exc_info": "get_exc_info",
    "kwargs": "get_kwargs",
    "result": "get_result",
    "started_limit": "get_started_limit",
}

#: What has no counterpart, and why.
FOR_THE_RUNNING_JOB = "a job that runs has itself in its hands as a Job, by get_current_job()"
FOR_RQ = "a name for programs written for RQ, which has nothing for asyncio"
MISSING = {
    Job: {
        **dict.fromkeys(("map", "options", "spawn", "spawn_data"), FOR_THE_RUNNING_JOB),
        **dict.fromkeys(("connection", "dependency", "fetch_dependencies", "func", "get_position"), FOR_RQ),
        **dict.fromkeys(("failure_callback", "stopped_callback", "success_callback"), FOR_RQ),
        **dict.fromkeys(("latest_result", "results"), FOR_RQ),
    },
    Queue: {
        **dict.fromkeys(("connection", "get_job_position", "job_ids", "jobs"), FOR_RQ),
        **dict.fromkeys(("canceled_job_registry", "deferred_job_registry", "failed_job_registry"), FOR_RQ),
        **dict.fromkeys(("finished_job_registry", "scheduled_job_registry", "started_job_registry"), FOR_RQ),
    },
}

#: What only these have.
MORE = {"AsyncQueue": {"aclose"}, "AsyncJob": {"aclose", "get_meta"}, "AsyncWithOptions": set()}


@dataclass
class Side:
    """A server, as seen from a program that waits for it, and how to reach it from one on asyncio."""

    queue: Queue
    hands: HandWorker
    connect: Callable[[], redis.asyncio.Redis]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncQueue]:
        async with self.connect() as client, AsyncQueue(connection=client) as queue:
            yield queue

    def run(self, check: Callable[[AsyncQueue], Coroutine[Any, Any, Any]]) -> Any:
        """Runs a coroutine with a queue, and gives what it returns."""

        async def run() -> Any:
            async with self.open() as queue:
                return await check(queue)

        return asyncio.run(run())

    def work(self) -> None:
        """Does all there is to do."""
        SimpleWorker("default", connection=self.queue.store.client).work(burst=True)


@pytest.fixture(params=["fakeredis", servers.VALKEY_9.name])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    if request.param == "fakeredis":
        server = fakeredis.FakeServer()
        client = fakeredis.FakeRedis(server=server)
        queue = Queue(connection=client)
        yield Side(queue, HandWorker(queue.store), lambda: fakeredis.FakeAsyncRedis(server=server))
        check_invariants(client)
    else:
        queue = Queue(connection=request.getfixturevalue("valkey"))
        url = request.getfixturevalue("valkey_url")
        yield Side(queue, HandWorker(queue.store), lambda: redis.asyncio.Redis.from_url(url))


async def asked(holder: object, name: str, *args: Any, **kwargs: Any) -> Any:
    """What a method or property tells, by its name in ``Job`` or ``Queue``, on either side."""
    if isinstance(holder, (AsyncQueue, AsyncJob)):
        name = RENAMED.get(name, name)
    found = getattr(holder, name)
    if callable(found):
        found = found(*args, **kwargs)
    return await found if isinstance(found, Awaitable) else found


# That nothing is missing


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


PAIRS = [(Queue, AsyncQueue), (Job, AsyncJob), (WithOptions, type(AsyncQueue.on("any", None).options()))]


@pytest.mark.parametrize(("kind", "async_kind"), PAIRS, ids=lambda kind: kind.__name__)
def test_all_that_there_is_has_its_counterpart(kind: type, async_kind: type) -> None:
    wanted = {RENAMED.get(name, name) for name in public(kind)} - set(MISSING.get(kind, ()))
    assert public(async_kind) == wanted | MORE[async_kind.__name__]


@pytest.mark.parametrize(("kind", "async_kind"), PAIRS, ids=lambda kind: kind.__name__)
def test_counterparts_take_the_same_arguments(kind: type, async_kind: type) -> None:
    compared = 0
    for name in public(kind) & public(async_kind):
        one, other = inspect.getattr_static(kind, name), inspect.getattr_static(async_kind, name)
        if isinstance(one, property):
            assert isinstance(other, property) or list(inspect.signature(other).parameters) == ["self"], name
        else:
            one, other = getattr(kind, name), getattr(async_kind, name)
            assert parameters(one) == parameters(other), name
            compared += 1
    assert compared >= 3


def parameters(function: Callable[..., Any]) -> list[tuple[str, object, object]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def test_all_is_documented() -> None:
    for _, kind in PAIRS:
        for name in public(kind):
            assert getattr(kind, name).__doc__, name


# Enqueueing


def test_what_is_enqueued_here_runs_and_tells_its_result(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        first = await q.enqueue(steps.add, 1, right=2)
        second = await q.enqueue(steps.total, [first.output, 4])
        third = await q.options(retry=3, depends_on=[second]).enqueue(steps.echo, "third")
        many = await q.enqueue_many([q.prepare_data(steps.echo, [number]) for number in range(3)])
        mapped = await q.map(steps.add, [1, 2], args=[10])
        chained = await q.chain(steps.echo, steps.echo, args=["x"])
        called = await q.enqueue_call(steps.add, [1, 2])
        soon = await q.enqueue_in(0, steps.echo, "soon")
        past = await q.enqueue_at(datetime.now(timezone.utc) - timedelta(seconds=5), steps.echo, "past")
        with_options = q.options(meta={"a": 1})
        others = [await with_options.map(steps.echo, [1]), *await with_options.chain(steps.echo, args=["y"])]
        working = asyncio.create_task(asyncio.to_thread(side.work))
        jobs = [first, second, third, *many, mapped, *chained, called, soon, past, *others]
        results = await asyncio.gather(*[job.wait(timeout=30) for job in jobs])
        assert results == [3, 7, "third", 0, 1, 2, [11, 12], "x", "x", 3, "soon", "past", [1], "y"]
        await working
        assert await third.get_status() is JobStatus.FINISHED

    side.run(check)


def test_a_graph_of_six_hundred_jobs_comes_whole(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        first = q.prepare_data(samples.anything)
        middle = [q.prepare_data(samples.anything, [first.output]) for _ in range(598)]
        last = q.prepare_data(samples.anything, depends_on=middle)
        jobs = await q.enqueue_many([last, *middle, first])
        assert [job.id for job in jobs] == [last.id, *[each.id for each in middle], first.id]
        counts = await q.get_counts()
        assert (counts[JobStatus.QUEUED], counts[JobStatus.DEFERRED]) == (1, 599)
        assert len(await jobs[0].dependencies()) == len(await jobs[-1].dependent_ids()) == 598
        unknown = [q.prepare_data(samples.anything) for _ in range(500)]
        with pytest.raises(NoSuchJobError, match="unknown"):
            await q.enqueue_many([*unknown, q.prepare_data(samples.anything, depends_on="unknown")])
        assert await q.get_count() == 1

    side.run(check)


def test_a_job_stands_wherever_one_is_waited_for(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        one, two, three = [await q.enqueue(samples.anything) for _ in range(3)]
        after = await q.enqueue(samples.anything, depends_on=[one, Dependency([two], rule="all_done")])
        await after.add_dependency(three)
        assert set(await after.dependency_ids()) == {one.id, two.id, three.id}
        assert side.queue.enqueue(samples.anything, depends_on=one).dependency_ids == [one.id]
        assert one == Job(one.id, side.queue.store)
        assert len({one, Job(one.id, side.queue.store)}) == 1

    side.run(check)


def test_a_job_that_is_passed_where_its_output_is_meant_is_refused(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        with pytest.raises(SerializationError, match=r"argument 1 is a job: pass its \.output"):
            await q.enqueue(samples.anything, job)
        with pytest.raises(TypeError, match=r"a map goes over a list.*pass its \.output"):
            await q.map(samples.anything, job)

    side.run(check)


def test_a_coroutine_is_not_taken_for_a_job(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        forgotten = q.enqueue(samples.anything)
        with pytest.raises(TypeError, match="is no job yet: await it first"):
            await q.enqueue(samples.anything, depends_on=forgotten)
        with pytest.raises(SerializationError, match="await it first"):
            await q.enqueue(samples.anything, forgotten)
        forgotten.close()

    side.run(check)


def test_drafts_are_saved_held_and_released(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        drafts = [AsyncJob.create(samples.anything, [number], connection=q.store.client) for number in range(5)]
        assert await drafts[0].explain() == f"Job {drafts[0].id} is not saved yet: Queue.enqueue_job enqueues it."
        assert await drafts[0].get_args() == (0,)
        assert await drafts[0].get_status() is JobStatus.CREATED
        await drafts[1].add_dependency(drafts[0])
        assert await drafts[1].dependency_ids() == [drafts[0].id]
        for draft in drafts[:3]:
            await draft.save()
        assert await drafts[1].get_status() is JobStatus.CREATED
        await drafts[0].release()
        await q.release_many(drafts[1:2])
        assert await q.enqueue_job(drafts[2]) is drafts[2]
        assert await q.enqueue_job(drafts[3]) is drafts[3]
        assert await q.enqueue_many([drafts[4]]) == [drafts[4]]
        assert await q.get_job_ids() == [drafts[each].id for each in (0, 2, 3, 4)]
        assert await q.get_job_ids(status="deferred") == [drafts[1].id]

    side.run(check)


def test_a_draft_of_the_other_kind_is_refused(side: Side) -> None:
    draft = Job.create(samples.anything, connection=side.queue.store.client)

    async def check(q: AsyncQueue) -> None:
        with pytest.raises(TypeError, match=r"takes what Queue\.prepare_data\(\.\.\.\) makes, not Job"):
            await q.enqueue_many([draft])

    side.run(check)


# What a job tells


def test_what_is_stored_is_told_once_it_was_read(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything, meta={"a": 1}, on_success=samples.anything)
        assert repr(job) == f"AsyncJob({job.id!r})"
        for name in ("origin", "is_queued", "created_at", "meta", "attempt", "callbacks", "loaded_status"):
            with pytest.raises(NotLoadedError, match=r"has not been read .*`await job\.refresh\(\)`"):
                getattr(job, name)
        with pytest.raises(NotLoadedError):
            await job.get_status(refresh=False)
        assert await job.get_status() is JobStatus.QUEUED
        assert job.callbacks.given() == {"on_success": Callback("samples.anything")}
        assert job.is_queued
        side.hands.claim()
        assert job.is_queued  # as it was read
        await job.refresh()
        assert job.is_started
        assert await job.get_meta() == {"a": 1}
        job.meta["b"] = 2
        await job.save_meta()
        assert await job.get_meta() == {"a": 1, "b": 2} == Job.fetch(job.id, side.queue.store.client).meta
        job.meta["c"] = 3
        assert await job.get_meta(refresh=False) == {"a": 1, "b": 2, "c": 3}
        await job.save()
        assert await job.get_meta() == {"a": 1, "b": 2, "c": 3}

    side.run(check)


#: What there is to be asked of a job, by its name in ``Job``.
QUESTIONS = sorted(
    name
    for name in public(Job) & {*RENAMED, *public(AsyncJob)}
    if isinstance(inspect.getattr_static(Job, name), property)
    or name in ("dependencies", "explain", "get_progress", "log_lines", "return_value")
)


@pytest.mark.parametrize("status", STATUSES)
def test_all_is_told_as_there_is_without_asyncio(side: Side, status: str) -> None:
    job = job_in(status, side.queue, side.hands, meta={"status": status}, description="a job")
    side.queue.enqueue(samples.anything, depends_on=job, fallback=samples.anything)

    async def answers(holder: object) -> dict[str, Any]:
        found = {}
        for name in QUESTIONS:
            try:
                found[name] = await asked(holder, name)
            except Exception as error:
                found[name] = (type(error), str(error))
        return found

    async def check(q: AsyncQueue) -> None:
        here = await q.fetch_job(job.id)
        assert here is not None
        told, expected = await answers(here), await answers(Job(job.id, side.queue.store))
        assert {name: (told[name], expected[name]) for name in QUESTIONS if told[name] != expected[name]} == {}
        assert await here.get_kwargs() == {}
        assert await here.get_description() == "a job"

    assert len(QUESTIONS) > 40
    side.run(check)


def test_jobs_are_found(side: Side) -> None:
    job = side.queue.enqueue(samples.anything, 1, b=2)

    async def check(q: AsyncQueue) -> None:
        client = q.store.client
        found = await AsyncJob.fetch(job.id, client)
        assert (found, found.func_name) == (job, "samples.anything")
        assert await found.get_description() == "samples.anything(1, b=2)"
        assert await AsyncJob.fetch_many([job.id, "unknown"], client) == [job, None]
        assert [await AsyncJob.exists(each, client) for each in (job.id, "unknown")] == [True, False]
        assert await q.fetch_job("unknown") is None
        with pytest.raises(NoSuchJobError, match="there is no job 'unknown'"):
            await AsyncJob.fetch("unknown", client)
        with pytest.raises(TypeError, match="a list of ids is wanted"):
            await AsyncJob.fetch_many("unknown", client)
        other = await AsyncQueue.on("other", q.store).enqueue(samples.anything)
        assert [queue.name for queue in await AsyncQueue.all(client)] == ["default", "other"]
        assert await AsyncQueue.on("other", q.store).get_job_ids() == [other.id]

    side.run(check)


def test_what_was_found_by_a_url_is_closed_by_whoever_has_it(side: Side, valkey_url: str) -> None:
    job = Queue(url=valkey_url).enqueue(samples.anything)

    async def check() -> None:
        found = await AsyncJob.fetch(job.id, url=valkey_url)
        assert await found.get_status() is JobStatus.QUEUED
        await found.aclose()
        assert not await AsyncJob.exists("unknown", url=valkey_url)
        assert await AsyncJob.fetch_many(["unknown"], url=valkey_url) == [None]
        (queue,) = await AsyncQueue.all(url=valkey_url)
        async with queue:
            assert repr(queue) == "AsyncQueue('default')"
            assert await queue.get_count() == 1

    asyncio.run(check())


# Waiting


def test_a_wait_ends_with_the_job_or_with_its_time(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        with pytest.raises(WaitTimeoutError, match=r"has not ended after 0\.02 s"):
            await job.wait(timeout=0.02)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job.wait(), 0.02)
        for wrong in ("5", True, float("nan")):
            with pytest.raises((TypeError, ValueError), match="timeout is a number of seconds"):
                await job.wait(timeout=wrong)
        waiting = asyncio.create_task(job.wait(timeout=10))
        await asyncio.sleep(0.02)
        side.hands.claim()
        side.hands.finish(job.id, b"j5")
        assert await waiting == 5
        assert await job.wait(timeout=0) == 5

    side.run(check)


def test_a_job_can_not_wait_for_another_here_either(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        token = current_job.set(Job("running", side.queue.store))
        try:
            with pytest.raises(DeadlockError, match="a job can't wait for job"):
                await job.wait()
        finally:
            current_job.reset(token)

    side.run(check)


def test_a_wait_for_a_workflow_can_look_in_between(side: Side) -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        patience = patience_for(job, 1)
        assert not await job.has_ended_within(patience, look, every=0.01)

    side.run(check)
    assert looks > 2


# Errors


async def enqueue_twice(q: Any) -> None:
    await asked(q, "enqueue", samples.anything, job_id="finished")


async def enqueue_in_a_circle(q: Any) -> None:
    one, two = q.prepare_data(samples.anything, job_id="one"), q.prepare_data(samples.anything, job_id="two")
    rest = [q.prepare_data(samples.anything, depends_on=["one", "two"]) for _ in range(2)]
    one = q.prepare_data(samples.anything, job_id="one", depends_on=two)
    two = q.prepare_data(samples.anything, job_id="two", depends_on=one)
    await asked(q, "enqueue_many", [one, two, *rest])


def of_queue(name: str, *args: Any, **kwargs: Any) -> Callable[[Any], Awaitable[Any]]:
    return lambda q: asked(q, name, *args, **kwargs)


def of_job(status: str, name: str, *args: Any, **kwargs: Any) -> Callable[[Any], Awaitable[Any]]:
    def ask(q: Any) -> Awaitable[Any]:
        kind = AsyncJob if isinstance(q, AsyncQueue) else Job
        return asked(kind(status, q.store), name, *args, **kwargs)

    return ask


WRONG: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "no function": of_queue("enqueue", 5),
    "a lambda": of_queue("enqueue", lambda: None),
    "a wrong signature": of_queue("enqueue", steps.add, 1, 2, 3),
    "a mistyped option": of_queue("enqueue", steps.add, 1, 2, depend_on="x"),
    "a value that can't be carried": of_queue("enqueue", steps.echo, object()),
    "an unknown dependency": of_queue("enqueue", samples.anything, depends_on="unknown"),
    "a naive moment": of_queue("enqueue_at", datetime(2030, 1, 1), samples.anything),
    "no delay": of_queue("enqueue_in", None, samples.anything),
    "an id twice": enqueue_twice,
    "a circle": enqueue_in_a_circle,
    "no list of jobs": of_queue("enqueue_many", 5),
    "no jobs to be": of_queue("enqueue_many", ["finished"]),
    "released twice": of_queue("release_many", ["finished"]),
    "no status": of_queue("get_job_ids", status="done"),
    "no number": of_queue("get_job_ids", length="5"),
    "a negative number": of_queue("get_job_ids", offset=-1),
    "a limit of none": of_queue("limit", 0),
    "a limit that is no number": of_queue("limit", "5"),
    "an unknown option": lambda q: asked(q.options(retri=5), "enqueue", samples.anything),
    "an empty chain": of_queue("chain"),
    "a map of a text": of_queue("map", steps.echo, "text"),
    "unknown: canceled": of_job("unknown", "cancel"),
    "unknown: deleted": of_job("unknown", "delete"),
    "unknown: requeued": of_job("unknown", "requeue"),
    "unknown: skipped": of_job("unknown", "skip"),
    "unknown: released": of_job("unknown", "release"),
    "unknown: waited for": of_job("unknown", "wait"),
    "unknown: explained": of_job("unknown", "explain"),
    "unknown: its result": of_job("unknown", "result"),
    "unknown: its arguments": of_job("unknown", "args"),
    "unknown: refreshed": of_job("unknown", "refresh"),
    "a policy that is none": of_job("queued", "delete", "ignore"),
    "requeued while queued": of_job("queued", "requeue"),
    "requeued when finished": of_job("finished", "requeue"),
    "requeued below a failure": of_job("upstream_failed", "requeue"),
    "skipped when finished": of_job("finished", "skip"),
    "skipped with what can't be carried": of_job("failed", "skip", object()),
    "released while queued": of_job("queued", "release"),
    "made to wait when finished": of_job("finished", "add_dependency", "queued"),
    "made to wait for itself": of_job("queued", "add_dependency", "queued"),
    "made to wait for a dependent": of_job("queued", "add_dependency", "deferred"),
    "made to wait by two rules": of_job("queued", "add_dependency", Dependency("created"), rule="all_done"),
    "made to wait for too many": of_job("queued", "add_dependency", [f"job-{number}" for number in range(1_000)]),
    "progress of one that does not run": of_job("queued", "progress", 1),
    "progress that is no number": of_job("queued", "progress", "1"),
    "a log that is no text": of_job("queued", "log", 5),
    "no number of lines": of_job("queued", "log_lines", 0),
    "no result yet": of_job("queued", "result"),
    "no result, as it failed": of_job("failed", "result"),
    "no result, as another failed": of_job("upstream_failed", "result"),
    "a wait for one that failed": of_job("failed", "wait", timeout=5),
    "a wait that is no number": of_job("queued", "wait", timeout="5"),
}


@pytest.fixture
def prepared(side: Side) -> None:
    """A job in every status, which is its id."""
    for status in ("failed", "finished"):
        job_in(status, side.queue, side.hands, job_id=status)
    side.queue.enqueue(samples.anything, job_id="upstream_failed", depends_on="failed")
    side.queue.enqueue(samples.anything, job_id="queued")
    side.queue.enqueue(samples.anything, job_id="deferred", depends_on="queued")
    side.queue.options(hold=True, job_id="created").enqueue(samples.anything)


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_the_same_words(side: Side, what: str) -> None:
    do = WRONG[what]
    with pytest.raises(Exception, match=r"\w") as told:
        asyncio.run(do_it(do, side.queue))
    with pytest.raises(type(told.value)) as caught:
        side.run(partial(do_it, do))
    assert str(caught.value) == str(told.value)
    assert vars(caught.value) == vars(told.value)


async def do_it(do: Callable[[Any], Awaitable[Any]], q: Any) -> Any:
    return await do(q)


# Changing jobs and queues


def test_jobs_are_changed(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        after = await q.enqueue(samples.anything, depends_on=job)
        assert await job.cancel()
        assert await after.get_status() is JobStatus.UPSTREAM_FAILED
        await job.requeue(at_front=True)
        assert await after.get_status() is JobStatus.DEFERRED
        await job.skip({"given": 1})
        assert await job.get_result() == {"given": 1}
        assert await after.get_status() is JobStatus.QUEUED
        await after.delete()
        assert await q.fetch_job(after.id) is None
        assert not await job.cancel()
        side.hands.claim()
        failing = await q.enqueue(samples.anything)
        side.hands.claim()
        side.hands.fail(failing.id)
        (attempt,) = await failing.attempts()
        assert attempt.message == "no"
        assert await failing.get_exc_info() is None
        assert await failing.return_value() is None
        assert await job.return_value() == {"given": 1}

    side.run(check)


def test_what_a_job_tells_people_is_read_and_added_to(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        job = await q.enqueue(samples.anything)
        assert await job.get_progress() is None
        side.hands.claim()
        await job.progress(1, 4, "a note")
        assert job.loaded_progress is None
        assert str(await job.get_progress()) == "1 of 4 done (25 %): a note"
        await job.log("one\ntwo")
        assert [line.text for line in await job.log_lines()] == ["one", "two"]
        assert [line.text for line in await job.log_lines(1)] == ["two"]

    side.run(check)


def test_many_dependencies_are_added_to_a_held_job_in_portions(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        jobs = await q.enqueue_many([q.prepare_data(samples.anything) for _ in range(600)])
        held = await q.options(hold=True).enqueue(samples.anything)
        await held.add_dependency(jobs)
        assert set(await held.dependency_ids()) == {job.id for job in jobs}

    side.run(check)


def test_queues_are_paused_and_limited(side: Side) -> None:
    async def check(q: AsyncQueue) -> None:
        assert not await q.is_paused()
        await q.pause()
        assert await q.is_paused()
        assert side.queue.is_paused
        await q.resume()
        assert not await q.is_paused()
        assert await q.get_started_limit() is None
        await q.limit(3)
        assert await q.get_started_limit() == side.queue.started_limit == 3
        await q.limit(None)

    side.run(check)
