"""Queues that run when a test says so, time that passes when it says so, and assertions that say what there is."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from unittest import mock

import followers
import pytest
import steps
from followers import Order
from redis import Redis

from rqdeps import (
    AsyncQueue,
    Dependency,
    Fallback,
    JobTimeoutError,
    NoSuchJobError,
    Queue,
    ResultExpiredError,
    Retry,
    Worker,
)
from rqdeps.store.invariants import check_invariants
from rqdeps.testing import (
    EndlessDrainError,
    ExtraMissingError,
    FakeQueue,
    assert_enqueued,
    assert_failed,
    assert_finished,
    assert_not_enqueued,
    assert_ran_before,
)


@pytest.fixture
def q() -> Iterator[FakeQueue]:
    """A fake queue, whose data must be in order after the test."""
    followers.told.clear()
    with FakeQueue() as queue:
        yield queue
        check_invariants(queue.store.client)


# Running jobs


def test_all_that_is_enqueued_runs_in_order_with_what_it_releases(q: FakeQueue):
    first, second = q.enqueue(steps.add, 1, 2), q.enqueue(steps.add, 3, 4)
    third = q.enqueue(steps.add, first.output, second.output)
    assert q.drain() == [first, second, third]
    assert third.result == 10
    assert q.drain() == []


def test_what_a_job_spawns_or_enqueues_runs_too(q: FakeQueue):
    job = q.enqueue(followers.spawner)
    mapped = q.map(followers.take, [Order(5), Order(6)])
    placing = q.enqueue(followers.place)
    assert len(q.drain()) == 8
    assert (job.result, mapped.result) == ([0, 1], [5, 6])
    assert_finished(placing)
    assert followers.told == ["placed"]


def test_the_exception_of_a_job_is_raised_as_it_is_and_the_next_drain_goes_on(q: FakeQueue):
    error = ConnectionError("no")
    failing, next_one = q.enqueue(steps.echo, 1), q.enqueue(steps.echo, 2)
    q.fail(steps.echo, error)
    with pytest.raises(ConnectionError) as raised:
        q.drain()
    assert raised.value is error
    assert (failing.is_failed, next_one.is_queued) == (True, True)
    assert q.drain() == [next_one]


def test_the_traceback_leads_from_the_test_to_the_function(q: FakeQueue):
    q.enqueue(steps.boom)
    with pytest.raises(ValueError, match="boom") as raised:
        q.drain()
    assert [entry.name for entry in raised.traceback.filter(raised)] == [
        "test_the_traceback_leads_from_the_test_to_the_function",
        "boom",
    ]


def test_failures_can_be_left_to_assertions(q: FakeQueue):
    failing, other = q.enqueue(steps.boom), q.enqueue(steps.echo, 1)
    below = q.enqueue(steps.echo, failing.output)
    cleaning_up = q.enqueue(steps.echo, 2, depends_on=Dependency([failing, other], rule="all_done"))
    assert q.drain(raises=False) == [failing, other, cleaning_up]
    assert below.is_upstream_failed


def test_a_failure_that_is_retried_or_stood_in_for_is_not_raised(q: FakeQueue):
    retried = q.enqueue(steps.fail_before_attempt, 3, retry=2)
    stood_in_for = q.enqueue(steps.boom, fallback=followers.stand_in_for_failed)
    later = q.enqueue(steps.boom, retry=Retry(1, interval=60))
    assert q.drain().count(retried) == 3
    assert later.is_scheduled
    assert retried.result == 3
    assert q.store.client is not None
    assert assert_finished(assert_enqueued(followers.stand_in_for_failed)) == "instead, after boom"
    assert stood_in_for.is_failed


def test_the_failure_of_what_stands_in_is_raised(q: FakeQueue):
    q.enqueue(steps.boom, "first", fallback=Fallback(steps.boom, "second"))
    with pytest.raises(ValueError, match="second"):
        q.drain()


def test_a_failure_that_no_retry_can_mend_is_raised_at_once(q: FakeQueue):
    q.enqueue(followers.no_use, retry=5)
    with pytest.raises(Exception, match="no use"):
        q.drain()


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.fail.Exception])
def test_what_is_meant_for_the_test_is_raised_whatever_becomes_of_the_job(q: FakeQueue, error: type[BaseException]):
    q.enqueue(steps.echo, 1, retry=5)
    q.fail(steps.echo, error)
    with pytest.raises(error):
        q.drain(raises=False)


def test_callbacks_and_exception_handlers_are_called(q: FakeQueue):
    error = RuntimeError("no")
    q.fail(steps.echo, error, times=1)
    options = {"on_success": followers.on_success, "on_failure": followers.on_failure, "retry": 1}
    q.enqueue(steps.echo, 5, **options)
    q.drain(exception_handlers=[followers.handler])
    assert followers.told == [("failure", error), ("handled", error), ("success", 5)]


def test_coroutines_run(q: FakeQueue):
    job = q.enqueue(followers.awaited, 5)
    q.drain()
    assert job.result == 5


def test_all_queues_are_drained_the_own_one_first_or_those_that_are_named(q: FakeQueue):
    other = q.queue("another")
    others, own = other.enqueue(steps.echo, 1), q.enqueue(steps.echo, 2)
    assert q.drain() == [own, others]
    others, own, third = other.enqueue(steps.echo, 1), q.enqueue(steps.echo, 2), q.queue("third").enqueue(steps.echo, 3)
    assert q.drain("third", other) == [third, others]
    assert other.drain() == [own]


def test_a_queue_that_is_paused_is_not_drained(q: FakeQueue):
    q.pause()
    job = q.enqueue(steps.nothing)
    assert q.drain() == []
    q.resume()
    assert q.drain() == [job]


def test_a_drain_without_end_is_ended_with_the_functions_to_blame(q: FakeQueue):
    q.enqueue(followers.itself)
    with pytest.raises(EndlessDrainError, match=r"has made 20 attempts.*followers\.itself 20 times"):
        q.drain(max_jobs=20)
    assert q.count == 1


def test_so_many_jobs_as_are_allowed_may_run(q: FakeQueue):
    for _ in range(3):
        q.enqueue(steps.nothing)
    assert len(q.drain(max_jobs=3)) == 3


# Time


def test_what_is_delayed_runs_once_time_has_passed(q: FakeQueue):
    job = q.enqueue_in("1h", steps.nothing)
    assert q.drain() == []
    q.advance(timedelta(minutes=59))
    assert q.drain() == []
    q.advance("1m")
    assert q.drain() == [job]
    assert timedelta(hours=1) <= job.started_at - job.created_at < timedelta(hours=1, minutes=1)


def test_time_passes_until_something_is_due(q: FakeQueue):
    job = q.enqueue(followers.snooze_once)
    q.drain()
    assert timedelta(minutes=59) < q.advance() <= timedelta(hours=1)
    assert q.drain() == [job]
    with pytest.raises(ValueError, match="nothing waits for a time"):
        q.advance()


def test_retries_run_when_they_are_due(q: FakeQueue):
    job = q.enqueue(steps.fail_before_attempt, 3, retry=Retry(2, interval=[60, 600]))
    q.drain()
    q.advance(60)
    assert q.drain() == [job]
    q.advance(60)
    assert q.drain() == []
    q.advance(540)
    assert q.drain() == [job]
    assert job.result == 3


def test_what_is_enqueued_for_a_moment_of_the_advanced_clock_runs_then(q: FakeQueue):
    job = q.enqueue_at(datetime.now(timezone.utc) + timedelta(days=2), steps.nothing)
    q.advance("1d")
    assert q.drain() == []
    q.advance("1d")
    assert q.drain() == [job]


def test_times_to_live_run_out(q: FakeQueue):
    waiting, kept = q.enqueue(steps.nothing, ttl=60), q.queue("other").enqueue(steps.nothing, result_ttl=60)
    q.drain("other")
    q.advance(61)
    assert waiting.is_canceled
    with pytest.raises(ResultExpiredError):
        _ = kept.result
    q.advance("10m")
    with pytest.raises(NoSuchJobError):
        kept.refresh()


def test_a_job_runs_out_of_time_without_anybody_waiting(q: FakeQueue):
    job = q.enqueue(steps.echo, 1, job_timeout="1h", retry=1, on_failure=followers.on_failure)
    q.time_out(steps.echo)
    began = time.monotonic()
    q.drain()
    assert time.monotonic() - began < 60
    (attempt,) = job.attempts
    assert attempt.ended_at - attempt.started_at >= timedelta(hours=1)
    assert attempt.message == "the job ran for longer than its job_timeout of 3600 s"
    assert isinstance(followers.told[0][1], JobTimeoutError)
    assert job.result == 1


def test_time_that_passes_while_a_job_runs_counts_for_its_timeout(q: FakeQueue):
    took = []

    async def takes(value):
        took.append(q.advance(40))
        q.advance(40)

    q.replace(followers.awaited, takes)
    enough, not_enough = (q.enqueue(followers.awaited, 1, job_timeout=timeout) for timeout in (81, 60))
    with pytest.raises(JobTimeoutError):
        q.drain()
    assert_finished(enough)
    assert_failed(not_enough, JobTimeoutError, match="60 s")
    assert took == [timedelta(seconds=40)] * 2


def test_a_lease_does_not_run_out_while_a_job_lets_time_pass(q: FakeQueue):
    q.replace(steps.echo, lambda value: q.advance("7d"))
    job = q.enqueue(steps.echo, 1, job_timeout=-1)
    assert q.drain() == [job]
    assert job.attempt == 1


def test_a_job_must_say_how_long_time_passes(q: FakeQueue):
    q.replace(steps.echo, lambda value: q.advance())
    q.enqueue(steps.echo, 1)
    with pytest.raises(ValueError, match="say how much"):
        q.drain()


def test_a_job_without_a_timeout_can_not_run_out_of_time(q: FakeQueue):
    q.time_out(steps.nothing)
    q.enqueue(steps.nothing, job_timeout=-1)
    with pytest.raises(ValueError, match="it has no job_timeout"):
        q.drain()


# What runs in place of functions


def test_something_else_runs_in_place_of_a_function_so_many_times(q: FakeQueue):
    stand_in = mock.Mock(return_value="stood in")
    q.replace("steps.add", stand_in, times=2)
    q.fail(steps.add, ZeroDivisionError)
    jobs = [q.enqueue(steps.add, number, right=1) for number in range(4)]
    q.drain(raises=False)
    assert_failed(jobs[0], ZeroDivisionError)
    assert [job.return_value() for job in jobs] == [None, "stood in", "stood in", 4]
    assert stand_in.mock_calls == [mock.call(1, right=1), mock.call(2, right=1)]


def test_a_function_fails_as_often_as_it_is_told_to(q: FakeQueue):
    q.fail(steps.nothing, times=None)
    job = q.enqueue(steps.nothing, retry=3)
    with pytest.raises(RuntimeError, match=r"steps\.nothing was made to fail by a test"):
        q.drain()
    assert len(job.attempts) == 4
    assert {attempt.traceback for attempt in job.attempts} == {job.attempts[0].traceback}
    with pytest.raises(ValueError, match="times is at least 1"):
        q.fail(steps.nothing, times=0)


def test_an_exception_that_is_raised_again_has_the_traceback_of_that_time_alone(q: FakeQueue):
    q.fail(steps.nothing, OSError("no"), times=2)
    job = q.enqueue(steps.nothing, retry=2)
    q.drain()
    assert len({attempt.traceback for attempt in job.attempts}) == 1


# Programs under test


def test_queues_of_a_program_go_to_the_test_and_back(q: FakeQueue):
    store = followers.queue.store
    with FakeQueue("inner") as inner:
        inner.take_over(followers.queue, followers.client, "redis://localhost:2")
        followers.queue.enqueue(followers.tell, "queue")
        Queue(connection=followers.client).enqueue(followers.tell, "client")
        Queue(url="redis://localhost:2").enqueue(followers.tell, "url")
        Queue("inner").enqueue(followers.tell, "nothing")
        inner.drain()
        assert followers.told == ["nothing", "client", "url", "queue"]
    assert followers.queue.store is store
    assert followers.client.connection_pool.connection_kwargs["port"] == 1
    assert Queue(url="redis://localhost:2").store.address == "redis://localhost:2"
    followers.place()
    assert_enqueued(followers.tell, args=("placed",))


def test_without_a_test_nothing_is_taken_over():
    with FakeQueue():
        pass
    assert Queue(url="redis://localhost:2").store.address == "redis://localhost:2"
    with pytest.raises(LookupError, match="use the fixture rqdeps_queue"):
        assert_enqueued(steps.nothing)


def test_what_a_program_keeps_goes_on_to_the_next_test(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RQDEPS_URL", "redis://localhost:2")
    followers.told.clear()
    with FakeQueue() as outer:
        kept, of_a_job = Queue("kept"), outer.enqueue(followers.keep)
        outer.drain()
        for _ in range(2):
            with FakeQueue() as q:
                q.take_over(followers.client)
                for queue in (kept, followers.kept[0], Queue("again"), Queue("client", followers.client)):
                    queue.enqueue(followers.tell, queue.name)
                followers.of_client.enqueue(followers.tell, "of_client")
                followers.decorated.enqueue("decorated")
                q.drain()
                assert sorted(followers.told) == ["again", "client", "decorated", "kept", "of_client", "of_job"]
                followers.told.clear()
        followers.decorated.enqueue("in the outer one")
        outer.drain()
        assert followers.told == ["in the outer one"]
        assert_enqueued(followers.keep, count=1)
        assert of_a_job.is_finished
    assert kept.connection.connection_pool.connection_kwargs["port"] == 2


def test_a_url_that_is_none_can_not_be_taken_over(q: FakeQueue):
    with pytest.raises(ValueError, match="no URL of a server"):
        q.take_over("nonsense")


def test_programs_on_asyncio_come_to_the_test_too(q: FakeQueue):
    async def program():
        async with AsyncQueue() as queue:
            job = await queue.enqueue_in("1h", followers.awaited, 5)
            await asyncio.to_thread(q.advance, "1h")
            await asyncio.to_thread(q.drain)
            return await job.get_result()

    assert asyncio.run(program()) == 5


def test_a_queue_can_be_used_without_a_with_statement():
    q = FakeQueue("mail", default_timeout="1h", serializer="pickle")
    job = q.enqueue(steps.echo, {1: 2})
    assert job.timeout == 3600
    assert_enqueued(steps.echo, queue=q)
    q.drain()
    assert job.result == {1: 2}
    q.close()


# Assertions


def test_a_job_is_found_by_what_its_function_gets(q: FakeQueue):
    job = q.enqueue(followers.take, Order(1, note="x"), urgent=True)
    plain = q.enqueue(followers.take, order=Order(2))
    assert assert_enqueued(followers.take, args=(Order(1, "x"),), kwargs={"urgent": True}) == job
    assert assert_enqueued(followers.take, kwargs={"urgent": True}) == job
    assert assert_enqueued(followers.take, args=(mock.ANY,)) == plain
    assert assert_enqueued("followers.take", kwargs={"urgent": mock.ANY}) == job
    assert assert_enqueued(followers.take, count=2) == job
    assert_not_enqueued(followers.take, args=(Order(3),))
    q.drain()
    assert_enqueued(followers.take, status="finished", count=2)


def test_a_job_is_found_by_what_it_depends_on(q: FakeQueue):
    first, second = q.enqueue(steps.nothing), q.enqueue(steps.echo, 1)
    job = q.enqueue(steps.echo, first.output, depends_on=second)
    for wanted in ([first, second], [second.id, first], Dependency([first, second]), [steps.nothing, steps.echo]):
        assert assert_enqueued(steps.echo, depends_on=wanted) == job
    assert assert_enqueued(steps.nothing, depends_on=[]) == first
    assert_not_enqueued(steps.echo, depends_on=first)
    assert_not_enqueued(steps.echo, depends_on=[first, second, steps.boom])


def test_a_job_is_found_by_its_place_and_time(q: FakeQueue):
    other, at = q.queue("other"), datetime.now(timezone.utc) + timedelta(hours=2)
    now, later = other.enqueue(steps.nothing), q.enqueue_in("1h", steps.nothing)
    then = q.enqueue_at(at, steps.nothing)
    assert assert_enqueued(steps.nothing, queue="other") == now
    assert assert_enqueued(steps.nothing, queue=other, delay=0) == now
    assert assert_enqueued(steps.nothing, delay=3600) == later
    assert assert_enqueued(steps.nothing, at=at) == then
    assert assert_enqueued(steps.nothing, status="scheduled", count=2) == later


def test_an_assertion_that_fails_names_what_there_is_the_nearest_first(q: FakeQueue):
    with pytest.raises(AssertionError, match=r"no job calls steps\.add: nothing was enqueued"):
        assert_enqueued(steps.add)
    q.enqueue(steps.nothing)
    q.enqueue(steps.add, 1, 2, depends_on=q.enqueue(steps.sleep, 0, job_id="first"))
    q.enqueue_in("1h", steps.add, 1, right=3)
    with pytest.raises(AssertionError) as raised:
        assert_enqueued(
            steps.add, args=(1, 3), depends_on=[steps.echo], queue="mail", delay="5m", at=datetime.now(timezone.utc)
        )
    lines = re.sub(r"at [-\d:.+ ]+\b", "at …", str(raised.value)).splitlines()[1:]
    assert lines == [
        "  steps.add(1, right=3)  scheduled in default",
        "    ≠ it does not depend on a job of steps.echo",
        "    ≠ its queue is default, not mail",
        "    ≠ it is to run at …, not at …",
        "    ≠ its delay is 1 h 00 m",
        "  steps.add(1, 2)  deferred in default",
        "    ≠ right is 2, not 3",
        "    ≠ it does not depend on a job of steps.echo",
        "    ≠ it also depends on steps.sleep (job first)",
        "    ≠ its queue is default, not mail",
        "    ≠ it waits for no time",
        "    ≠ it has no delay",
        "  steps.sleep(0)  queued in default",
        "  steps.nothing()  queued in default",
    ]
    head = str(raised.value).splitlines()[0]
    assert head.startswith("no job calls steps.add with args=(1, 3), depends_on=[steps.echo], queue='mail', delay='5m'")
    assert head.endswith(". Enqueued were:")


def test_an_assertion_on_a_number_of_jobs_says_how_many_there_are(q: FakeQueue):
    for number in range(15):
        q.enqueue(steps.echo, number)
    with pytest.raises(AssertionError, match=r"^15 jobs call steps\.echo, where 1 is wanted\. [^†]*\n  and 3 more$"):
        assert_enqueued(steps.echo, count=1)
    with pytest.raises(AssertionError, match=r"^1 job calls steps\.echo with args=\(3,\), where none is wanted\. "):
        assert_not_enqueued(steps.echo, args=(3,))
    with pytest.raises(ValueError, match="assert_not_enqueued is for none"):
        assert_enqueued(steps.boom, count=0)
    with pytest.raises(TypeError, match="takes no count"):
        assert_not_enqueued(steps.echo, count=3)


def test_a_slip_in_what_is_wanted_is_an_error(q: FakeQueue):
    q.enqueue(steps.nothing)
    with pytest.raises(TypeError, match=r"nothing is known of depend_on=.*depends_on"):
        assert_enqueued(steps.nothing, depend_on=[])


def test_what_ran_before_what(q: FakeQueue):
    first = q.enqueue(steps.fail_before_attempt, 2, retry=1)
    second = q.enqueue(steps.echo, first.output)
    never = q.enqueue_in(60, steps.nothing)
    q.drain()
    assert_ran_before(first, second)
    assert_ran_before(steps.fail_before_attempt, "steps.echo")
    with pytest.raises(AssertionError, match=r"^job \w+ \(steps\.echo\(.*\)\) did not run before job \w+ ") as raised:
        assert_ran_before(second, first)
    assert re.sub(r"\(job \w+\)", "", str(raised.value)).splitlines()[1:] == [
        "  → 1. steps.fail_before_attempt  queued  ",
        "  → 2. steps.fail_before_attempt  finished  ",
        "  → 3. steps.echo  finished  ",
    ]
    with pytest.raises(AssertionError, match=r"did not run before"):
        assert_ran_before(first, first)
    with pytest.raises(AssertionError, match=r"^job \w+ \(steps\.nothing\(\)\) has not run"):
        assert_ran_before(first, never)


def test_how_a_job_ended(q: FakeQueue):
    good, bad = q.enqueue(steps.echo, 5), q.enqueue(steps.boom, "no such host")
    q.drain(raises=False)
    assert assert_finished(good) == 5
    assert_failed(bad)
    assert_failed(bad, ValueError, match="such")
    assert_failed(bad, "builtins.ValueError")
    with pytest.raises(AssertionError, match=r"^steps\.boom\('no such host'\): Job \w+ has failed: ValueError: no"):
        assert_finished(bad)
    with pytest.raises(AssertionError, match=r"^steps\.echo\(5\): Job \w+ has finished"):
        assert_failed(good)
    with pytest.raises(AssertionError, match=r"another exception than builtins\.OSError: .*ValueError"):
        assert_failed(bad, OSError)
    with pytest.raises(AssertionError, match=r"does not match 'timeout': "):
        assert_failed(bad, match="timeout")


# Without what only tests need


def test_importing_it_imports_next_to_nothing():
    program = "import rqdeps.testing.plugin, sys; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"redis", "fakeredis", "lupa", "click", "rich", "asyncio", "multiprocessing"}
    assert not heavy & {name.partition(".")[0] for name in names} - _modules_of_pytest()
    assert {name for name in names if name.startswith("rqdeps")} == {
        "rqdeps",
        "rqdeps.errors",
        "rqdeps.testing",
        "rqdeps.testing.plugin",
        "rqdeps.version",
    }


def _modules_of_pytest() -> set[str]:
    program = "import pytest, sys; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    return {name.partition(".")[0] for name in names}


def test_it_does_without_pytest():
    program = (
        "import rqdeps.testing as t, sys; [getattr(t, name) for name in t.__all__]; print('pytest' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize(("missing", "named"), [("fakeredis", "fakeredis"), ("lupa", r"fakeredis\[lua\]")])
def test_what_is_missing_is_named_with_the_way_out(missing: str, named: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "rqdeps.testing.fake_server.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    with pytest.raises(ExtraMissingError, match=rf"package {named}, .*pip install 'rqdeps\[testing\]'"):
        FakeQueue()


def test_a_client_of_the_queue_can_be_used_by_a_program(q: FakeQueue):
    assert isinstance(q.store.client, Redis)
    ahead, _ = q.store.client.time()
    q.advance(3600)
    assert 3600 <= q.store.client.time()[0] - ahead < 3660


def test_what_is_mistyped_is_told() -> None:
    with FakeQueue() as q:
        q.enqueue(steps.nothing)
        with pytest.raises(ValueError, match="module steps has no 'nothign'"):
            assert_not_enqueued("steps.nothign")
        with pytest.raises(ValueError, match="there is no status 'finishd'; there are:"):
            assert_not_enqueued(steps.nothing, status="finishd")
        with pytest.raises(ValueError, match="module steps has no 'nothign'"):
            q.fail("steps.nothign")
        with pytest.raises(TypeError, match="what is raised is an exception, or a class of exceptions, not 'no'"):
            q.fail(steps.nothing, "no")  # type: ignore[arg-type]
        assert_not_enqueued("of_another.program")


def test_a_forked_worker_is_refused_as_nobody_else_could_reach_the_queue() -> None:
    with FakeQueue() as q, pytest.raises(ValueError, match="fakeredis in this one: SimpleWorker runs its jobs"):
        Worker([q]).work(burst=True)
