"""Enqueueing: all the forms of it, what jobs may wait for, and that what can't work is refused before it is stored."""

from __future__ import annotations

import functools
import itertools
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from types import FunctionType
from typing import Any

import fakeredis
import pytest
import redis.asyncio
import samples
import steps
from redis import Redis

from rqdeps import (
    Dependency,
    DuplicateJobError,
    Job,
    JobStatus,
    NoSuchJobError,
    Queue,
    Retry,
    SimpleWorker,
    get_current_job,
)
from rqdeps.enqueuer import WithOptions
from rqdeps.errors import DependencyCycleError, SerializationError, UnsupportedFunctionError
from rqdeps.store import connect
from rqdeps.store.invariants import check_invariants
from rqdeps.worker_info import workers

HOUR = timedelta(hours=1)


@pytest.fixture
def q(connection: Redis) -> Queue:
    return Queue("work", connection=connection)


@pytest.fixture
def fake() -> Iterator[Redis]:
    """A client of fakeredis, for what is decided before anything is sent."""
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        yield client
        check_invariants(client)


@pytest.fixture
def fq(fake: Redis) -> Queue:
    return Queue("work", connection=fake)


@pytest.fixture
def a(fq: Queue) -> Job[None]:
    """A job to wait for."""
    return fq.enqueue(steps.nothing)


def work(connection: Redis, *queues: str) -> None:
    SimpleWorker(queues or "work", connection=connection).work(burst=True)


def stored(connection: Redis) -> dict[bytes, object]:
    return {key: connection.dump(key) for key in connection.scan_iter()}


@contextmanager
def nothing_is_stored(connection: Redis) -> Iterator[None]:
    before = stored(connection)
    yield
    assert stored(connection) == before


def facts(connection: Redis, job: Job[Any]) -> dict[str, str]:
    """What is stored of a job, where ``Job`` does not show it."""
    return {name.decode(): value.decode() for name, value in connection.hgetall(f"{{rqdeps}}:job:{job.id}").items()}


def rules(job: Job[Any]) -> list[tuple[str, str]]:
    return [(edge.id, edge.rule) for edge in job.dependencies()]


# Functions that the tests of this file enqueue


def describe(description):
    return description


def find(text, *, unique=True):
    return text, unique


def names_of_queues():
    return [worker.queues for worker in get_current_job()._store.perform(workers())]


# Calls


def test_a_function_is_enqueued_with_its_arguments(q: Queue, connection: Redis):
    job = q.enqueue(samples.report, 7, copies=2)
    assert job.is_queued
    assert (job.func_name, job.args, job.kwargs) == ("samples.report", (7,), {"copies": 2})
    assert (job.origin, q.count, q.job_ids) == ("work", 1, [job.id])
    work(connection)
    assert job.result == (7, 2, "report")


def test_a_function_may_be_given_by_its_path(q: Queue, connection: Redis):
    job = q.enqueue("samples.Mailer.static", 7)
    work(connection)
    assert job.result == 7


def test_a_function_that_a_worker_can_import_need_not_exist_here(fq: Queue):
    assert fq.enqueue("elsewhere.report", 7).is_queued


def test_options_have_the_names_they_have_in_rq(q: Queue, connection: Redis):
    first = q.enqueue(steps.nothing)
    job = q.enqueue(
        steps.add,
        1,
        right=2,
        job_id="mine",
        job_timeout="5m",
        result_ttl=60,
        failure_ttl=timedelta(days=1),
        ttl=HOUR,
        description="adds",
        depends_on=first,
        at_front=True,
        meta={"who": "me"},
        retry=Retry(3, interval=[1, 2]),
    )
    assert (job.id, job.timeout, job.description, job.meta) == ("mine", 300.0, "adds", {"who": "me"})
    assert (job.dependency_ids, job.retries_left) == ([first.id], 3)
    assert (job.args, job.kwargs) == ((1,), {"right": 2})
    found = facts(connection, job)
    assert [found[name] for name in ("result_ttl", "failure_ttl", "ttl")] == ["60000", "86400000", "3600000"]
    assert (found["retries"], found["retry"], found["at_front"]) == ("3", "1000,2000", "1")


def test_options_left_out_are_not_stored(q: Queue, connection: Redis):
    job = q.enqueue(steps.nothing, ttl=None, meta=None, retry=0, depends_on=None, description=None, at_front=False)
    assert set(facts(connection, job)) == {
        *("status", "queue", "function", "payload", "enqueued_at"),
    }
    assert (job.timeout, job.meta, job.retries_left, job.dependency_ids) == (180.0, {}, 0, [])


def test_a_job_that_is_queued_again_keeps_the_time_of_its_creation(fq: Queue, fake: Redis):
    job = fq.enqueue(steps.nothing)
    assert job.created_at == job.enqueued_at is not None
    fake.hincrby(f"{{rqdeps}}:job:{job.id}", "enqueued_at", -5000)
    job.refresh()
    created = job.created_at
    for life in (2, 3):
        job.cancel()
        job.requeue()
        job.refresh()
        assert (job.is_queued, facts(fake, job)["epoch"]) == (True, str(life))
        assert job.created_at == created
        assert job.enqueued_at >= created + timedelta(seconds=5)


@pytest.mark.parametrize("name", ["job_timeout", "result_ttl", "failure_ttl", "ttl"])
def test_minus_one_means_without_limit(fq: Queue, fake: Redis, name: str):
    job = fq.enqueue(steps.nothing, **{name: -1})
    field = {"job_timeout": "timeout"}.get(name, name)
    assert facts(fake, job).get(field) == (None if name == "ttl" else "-1")


def test_arguments_may_be_given_apart_from_the_options(q: Queue, connection: Redis):
    job = q.enqueue(samples.anything, args=[1, 2], kwargs={"job_id": 3, "retry": 4}, job_id="mine", retry=1)
    assert (job.id, job.args, job.kwargs, job.retries_left) == ("mine", (1, 2), {"job_id": 3, "retry": 4}, 1)
    assert q.enqueue(steps.nothing, args=None, kwargs=None).args == ()
    work(connection)
    assert job.result == ((1, 2), {"job_id": 3, "retry": 4})


@pytest.mark.parametrize(
    "name", ["self", "f", "func", "datetime", "time_delta", "timeout", "$", "", "a b", "ü", "\ud800"]
)
def test_any_other_name_reaches_the_function(fq: Queue, fake: Redis, name: str):
    by_name = fq.enqueue(samples.anything, **{name: 1})
    later = fq.enqueue_in(0, samples.anything, **{name: 1})
    work(fake)
    assert by_name.result == later.result == ((), {name: 1})


def test_enqueue_call_takes_arguments_and_options_apart(q: Queue):
    job = q.enqueue_call(samples.report, (7,), {"copies": 2}, timeout=5, job_id="mine")
    assert (job.id, job.args, job.kwargs, job.timeout) == ("mine", (7,), {"copies": 2}, 5.0)
    assert q.enqueue_call("samples.report", args=[7]).args == (7,)
    assert q.enqueue_call(func=steps.nothing).args == ()


def test_a_queue_with_options_reserves_no_name(q: Queue, connection: Redis):
    first = q.enqueue(steps.nothing)
    with_options = q.options(retry=2, depends_on=first, job_timeout=10)
    job = with_options.enqueue(samples.anything, 1, retry=3, depends_on=4, args=5, kwargs=6, depend_on=7, unique=8)
    assert isinstance(with_options, WithOptions)
    assert (job.retries_left, job.dependency_ids, job.timeout) == (2, [first.id], 10.0)
    work(connection)
    names = {"retry": 3, "depends_on": 4, "args": 5, "kwargs": 6, "depend_on": 7, "unique": 8}
    assert job.result == ((1,), names)


def test_a_queue_with_options_enqueues_more_than_once(fq: Queue):
    dependencies = [fq.enqueue(steps.nothing).id for _ in range(2)]
    several = fq.options(depends_on=iter(dependencies))
    assert [several.enqueue(steps.nothing).dependency_ids for _ in range(2)] == [dependencies] * 2


def test_the_ids_of_jobs_sort_in_the_order_of_enqueueing(fq: Queue):
    ids = [fq.enqueue(steps.nothing).id for _ in range(100)]
    assert sorted(ids) == ids == fq.job_ids


def test_an_enqueue_is_one_round_trip(valkey: Redis):
    queue = Queue("work", connection=valkey)
    first = queue.enqueue(steps.nothing)
    with round_trips(valkey) as count:
        queue.enqueue(steps.echo, first.output, retry=3, meta={"a": 1}, ttl=60)
    assert count == {"evalsha": 1}


def test_threads_may_share_a_queue(valkey: Redis):
    queue = Queue("work", connection=valkey)

    def enqueue() -> None:
        for n in range(50):
            queue.enqueue(steps.echo, n)

    threads = [threading.Thread(target=enqueue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.count == len(set(queue.job_ids)) == 200


# Later


def test_a_job_may_be_put_off(q: Queue, connection: Redis):
    job = q.enqueue_in(HOUR, samples.report, 7, job_id="later", copies=2)
    assert job.is_scheduled
    assert (job.id, job.args, job.kwargs) == ("later", (7,), {"copies": 2})
    assert q.get_job_ids(status="scheduled") == ["later"]
    assert job.scheduled_for is not None
    assert job.created_at is not None
    assert job.scheduled_for - job.created_at == HOUR


@pytest.mark.parametrize("delay", [60, 60.0, "60", "1m", timedelta(minutes=1)])
def test_a_delay_is_written_in_many_ways(fq: Queue, delay: Any):
    job = fq.enqueue_in(delay, steps.nothing)
    assert job.scheduled_for is not None
    assert job.created_at is not None
    assert job.scheduled_for - job.created_at == timedelta(minutes=1)


@pytest.mark.parametrize(
    "zone", [timezone.utc, timezone(timedelta(hours=-14)), timezone(timedelta(hours=5, minutes=45))]
)
def test_a_job_may_be_put_off_until_a_moment(q: Queue, zone: timezone):
    moment = datetime(2100, 1, 2, 3, 4, 5, 6000, tzinfo=timezone.utc)
    job = q.enqueue_at(moment.astimezone(zone), steps.nothing)
    assert job.is_scheduled
    assert job.scheduled_for == moment


def test_a_moment_is_never_brought_forward(fq: Queue):
    moment = datetime(2100, 1, 1, microsecond=1, tzinfo=timezone.utc)
    assert fq.enqueue_at(moment, steps.nothing).scheduled_for == moment + timedelta(microseconds=999)


@pytest.mark.parametrize(
    "moment", [datetime(2000, 1, 1, tzinfo=timezone.utc), datetime.min.replace(tzinfo=timezone.utc)]
)
def test_a_moment_that_has_passed_means_now(q: Queue, moment: datetime):
    job = q.enqueue_at(moment, steps.nothing)
    assert job.is_queued
    assert job.scheduled_for is not None


def test_no_delay_means_now(q: Queue):
    assert q.enqueue_in(0, steps.nothing).is_queued


def test_a_job_waits_for_its_dependencies_first_and_then_for_its_time(q: Queue, connection: Redis):
    first = q.enqueue(steps.nothing)
    job = q.enqueue_in(HOUR, steps.nothing, depends_on=first)
    assert job.is_deferred
    work(connection)
    assert job.is_scheduled


@pytest.mark.parametrize(
    ("moment", "error", "message"),
    [
        (datetime(2100, 1, 1), ValueError, r"has no time zone, .* use datetime.now\(timezone.utc\) or .astimezone\(\)"),
        (datetime.max.replace(tzinfo=timezone.utc), ValueError, "is more than 100 years ahead"),
        (date(2100, 1, 1), TypeError, "a datetime says when, not date"),
        (None, TypeError, "a datetime says when, not NoneType"),
        (5, TypeError, "a datetime says when, not int"),
        ("2100-01-01", TypeError, "a datetime says when, not str"),
    ],
)
def test_what_is_no_moment_is_refused(fq: Queue, fake: Redis, moment: Any, error: type[Exception], message: str):
    with nothing_is_stored(fake), pytest.raises(error, match=message):
        fq.enqueue_at(moment, steps.nothing)


@pytest.mark.parametrize(
    ("delay", "error", "message"),
    [
        (None, TypeError, "time_delta says after how long, and can't be None: use enqueue"),
        (steps.nothing, TypeError, "time_delta must be seconds as a number"),
        (True, TypeError, "time_delta must be"),
        (-1, ValueError, "time_delta can't be -1"),
        (timedelta(seconds=-1), ValueError, "time_delta can't be"),
        (math.inf, ValueError, "the longest duration is 100 years"),
        (math.nan, ValueError, "time_delta can't be nan"),
        ("soon", ValueError, "time_delta must be .* not 'soon'"),
    ],
)
def test_what_is_no_delay_is_refused(fq: Queue, fake: Redis, delay: Any, error: type[Exception], message: str):
    with nothing_is_stored(fake), pytest.raises(error, match=message):
        fq.enqueue_in(delay, steps.nothing)


# Functions and arguments that are refused


def in_main() -> FunctionType:
    return FunctionType(
        compile("def report(): pass", "main.py", "exec").co_consts[0], {"__name__": "__main__"}, "report"
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 1, "has no path: define a function with def and a name"),
        (samples.make_nested(), "is defined inside a function, .* move it to the top level of its module"),
        (samples.Mailer().send, "is bound to .*, which a worker does not have: pass a function, and with it"),
        (samples.Mailer(), "has no path of its own: pass a function that finds or builds the object"),
        (functools.partial(steps.echo, 1), "is a functools.partial, which has no path: pass its function"),
        (in_main(), "belongs to the program that was started .* move it to a module, such as tasks.py"),
        ("__main__.report", "belongs to the program that was started .* move it to a module"),
        (samples.badly_wrapped, "is defined inside a function, .* if a decorator made it, use functools.wraps there"),
        (samples.given_before_replacing, "not to the function given, which was replaced, .* pass what the path leads"),
        (steps.add(1, 2), "3 is not callable: pass the function itself, report, and not what it returns"),
        (None, "None is not callable"),
        ("", "'' is no dotted path of a function, such as 'tasks.report'"),
        ("report", "'report' is no dotted path"),
        ("not a.path", "is no dotted path"),
        (b"steps.echo", "is not callable"),
    ],
)
def test_a_function_that_no_worker_could_find_is_refused(fq: Queue, fake: Redis, function: Any, message: str):
    with nothing_is_stored(fake):
        for enqueue in enqueues_of(fq):
            with pytest.raises(UnsupportedFunctionError, match=message):
                enqueue(function)


def enqueues_of(queue: Queue) -> Sequence[Callable[..., object]]:
    """All ways to enqueue."""
    return (
        queue.enqueue,
        queue.enqueue_call,
        queue.prepare_data,
        queue.options(retry=1).enqueue,
        lambda function: queue.enqueue_in(1, function),
        lambda function: queue.enqueue_at(datetime.now(timezone.utc), function),
    )


def test_a_job_in_place_of_a_function_is_refused(fq: Queue, fake: Redis, a: Job[None]):
    with nothing_is_stored(fake), pytest.raises(UnsupportedFunctionError, match="is not callable"):
        fq.enqueue(a)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1,), {}, r"add\(\) missing a required argument: 'right'"),
        ((1, 2, 3), {}, r"add\(\) too many positional arguments"),
        ((1,), {"rihgt": 2}, r"add\(\) got an unexpected keyword argument 'rihgt'; did you mean right=\?"),
        ((1, 2), {"depend_on": "x"}, r"'depend_on'; did you mean the option depends_on=\?"),
        ((1, 2), {"timeout": 5}, r"'timeout'; did you mean the option job_timeout=\?"),
        ((1, 2), {"retries": 5}, r"'retries'; did you mean the option retry=\?"),
    ],
)
def test_arguments_that_do_not_fit_the_function_are_refused(
    fq: Queue, fake: Redis, args: tuple[Any, ...], kwargs: dict[str, Any], message: str
):
    with nothing_is_stored(fake), pytest.raises(TypeError, match=message):
        fq.enqueue(steps.add, *args, **kwargs)


@pytest.mark.parametrize("function", [samples.anything, "elsewhere.report"])
def test_a_mistyped_option_is_found_even_where_any_name_is_taken(fq: Queue, fake: Redis, function: Any):
    message = r"did you mean the option depends_on=\? .* pass it as kwargs=\{'depend_on': ...\}"
    with nothing_is_stored(fake), pytest.raises(TypeError, match=message):
        fq.enqueue(function, depend_on="x")
    assert fq.enqueue(function, kwargs={"depend_on": "x"}).kwargs == {"depend_on": "x"}


def test_an_argument_with_the_name_of_an_option_needs_kwargs(fq: Queue, fake: Redis):
    message = r"missing a required argument: 'description'; description= is an option of enqueue, .* kwargs=\{'descr"
    with nothing_is_stored(fake), pytest.raises(TypeError, match=message):
        fq.enqueue(describe, description="mine")
    assert fq.enqueue(describe, kwargs={"description": "mine"}).kwargs == {"description": "mine"}


@pytest.mark.parametrize("name", ["pipeline", "rate_limit", "webhooks"])
@pytest.mark.parametrize("value", [True, False, 3, steps.nothing])
def test_options_of_rq_that_are_not_there_are_refused(fq: Queue, fake: Redis, name: str, value: object):
    message = rf"has no option '{name}': .+; to pass it to the function, use kwargs=\{{'{name}': ...\}}"
    with nothing_is_stored(fake), pytest.raises(ValueError, match=message):
        fq.enqueue(find, "x", **{name: value})
    with pytest.raises(ValueError, match=message):
        fq.options(**{name: value})  # type: ignore[misc]
    assert fq.enqueue(steps.nothing, **{name: None}).is_queued


def test_a_reserved_name_reaches_the_function_by_kwargs(fq: Queue, fake: Redis):
    job = fq.enqueue(find, kwargs={"text": "x", "unique": False})
    work(fake)
    assert job.result == ("x", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"args": "abc"}, "args= is a list or a tuple of the function's arguments, not str"),
        ({"args": 5}, "args= is a list or a tuple .* not int"),
        ({"args": (n for n in "ab")}, "args= is a list or a tuple .* not generator"),
        ({"kwargs": [("value", 1)]}, "kwargs= is a dictionary of the function's arguments by name"),
        ({"kwargs": {1: 2}}, "kwargs= is a dictionary of the function's arguments by name"),
        ({"args": (1,), "value": 2}, "these alone are the function's arguments; value= came beside them"),
    ],
)
def test_arguments_in_another_form_are_refused(fq: Queue, fake: Redis, options: dict[str, Any], message: str):
    with nothing_is_stored(fake), pytest.raises(TypeError, match=message):
        fq.enqueue(steps.echo, **options)


def test_arguments_by_position_beside_args_are_refused(fq: Queue, fake: Redis):
    with nothing_is_stored(fake), pytest.raises(TypeError, match=r"these alone .* 'x' came beside them"):
        fq.enqueue(steps.echo, "x", args=(1,))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"argument 1 is of the type object, which can't be carried: pass its id or a plain dict"),
        ([{"deep": {1, object}}], r"argument 1\[0\]\[\"deep\"\]"),
        ((n for n in "ab"), r"argument 1 is of the type generator, .* pass list\(\.\.\.\) of it"),
        (steps.echo, r"argument 1 is of the type function, .* pass its dotted path as a str"),
        (Job, "argument 1 is of the type type, .* pass its"),
    ],
)
def test_a_value_that_cannot_be_carried_is_refused(fq: Queue, fake: Redis, value: object, message: str):
    with nothing_is_stored(fake), pytest.raises(SerializationError, match=message):
        fq.enqueue(steps.echo, value)


def test_a_job_as_an_argument_is_refused_in_favour_of_its_output(fq: Queue, fake: Redis, a: Job[None]):
    with nothing_is_stored(fake):
        for job in (a, fq.prepare_data(steps.nothing)):
            with pytest.raises(SerializationError, match=r'argument 1\["x"\]\[0\] is a job: pass its .output for'):
                fq.enqueue(steps.echo, {"x": [job]})


# Options that are refused


DURATIONS = ["job_timeout", "result_ttl", "failure_ttl", "ttl"]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [True, [], Decimal(5), object(), b"5"])
def test_a_duration_of_another_type_is_refused(fq: Queue, fake: Redis, name: str, value: object):
    with (
        nothing_is_stored(fake),
        pytest.raises(TypeError, match=rf"^{name} must be seconds as a number, a string such"),
    ):
        fq.enqueue(steps.nothing, **{name: value})


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [-2, -0.5, "-5", "", "soon", "5 parsecs", math.nan, math.inf, 10**400, -HOUR])
def test_a_duration_that_makes_no_sense_is_refused(fq: Queue, fake: Redis, name: str, value: object):
    with nothing_is_stored(fake), pytest.raises(ValueError, match=rf"^{name} (must|can't) be"):
        fq.enqueue(steps.nothing, **{name: value})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"job_timeout": 0}, ValueError, "job_timeout is 0, which leaves no time to run; -1 means no limit"),
        ({"ttl": 0}, ValueError, "ttl is 0, which leaves no time to start; leave it out"),
        ({"job_id": ""}, ValueError, "'' can't be a job's id: it is 1 to 64 letters"),
        ({"job_id": "a b"}, ValueError, "'a b' can't be a job's id"),
        ({"job_id": "ü"}, ValueError, "'ü' can't be a job's id"),
        ({"job_id": "x" * 65}, ValueError, "can't be a job's id"),
        ({"job_id": 5}, TypeError, "a job's id is a str, not int"),
        ({"job_id": b"abc"}, TypeError, "a job's id is a str, not bytes"),
        ({"description": 5}, TypeError, "description is a text, not int"),
        ({"description": b"text"}, TypeError, "description is a text, not bytes"),
        ({"description": "\ud800"}, ValueError, "description can't be stored as UTF-8"),
        ({"meta": []}, TypeError, "meta is a dictionary, not list"),
        ({"meta": "text"}, TypeError, "meta is a dictionary, not str"),
        ({"meta": {"key": object()}}, SerializationError, r'meta\["key"\] is of the type object'),
        ({"retry": -1}, ValueError, "max must be 1 or more, not -1: leave retry out"),
        ({"retry": True}, TypeError, "retry must be a number of retries or a Retry, not True"),
        ({"retry": False}, TypeError, "retry must be a number of retries or a Retry, not False"),
        ({"retry": 1.5}, TypeError, "retry must be a number of retries"),
        ({"retry": "3"}, TypeError, "retry must be a number of retries"),
        ({"retry": 10**30}, ValueError, "max must be 1,000,000,000 or less"),
        ({"at_front": "false"}, TypeError, "at_front is True or False, not 'false'"),
        ({"enqueue_at_front": 1}, TypeError, "enqueue_at_front is True or False, not 1"),
        ({"run_after_failure": "no"}, TypeError, "run_after_failure is True or False, not 'no'"),
        ({"run_after_failure": True}, ValueError, "run_after_failure=True .* needs depends_on"),
        ({"allow_partial_dependencies": True}, ValueError, "allow_partial_dependencies=True .* needs depends_on"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    fq: Queue, fake: Redis, options: dict[str, Any], error: type[Exception], message: str
):
    with nothing_is_stored(fake):
        with pytest.raises(error, match=message):
            fq.enqueue(steps.nothing, **options)
        with pytest.raises(error, match=message):
            fq.options(**options).enqueue(steps.nothing)
        with pytest.raises(error, match=message):
            fq.enqueue_many([fq.prepare_data(steps.nothing), fq.prepare_data(steps.nothing, **options)])


@pytest.mark.parametrize("name", ["depend_on", "args", "timeout_", "foo"])
def test_an_unknown_option_is_refused_with_the_list_of_options(fq: Queue, name: str):
    message = f"there is no option '{name}'; the options are: allow_partial_dependencies, at_front, depends_on, descr"
    with pytest.raises(TypeError, match=message):
        fq.options(**{name: 1})  # type: ignore[misc]
    if name != "args":
        with pytest.raises(TypeError, match=message):
            fq.prepare_data(steps.nothing, **{name: 1})


@pytest.mark.parametrize("text", ["", "@", "x" * 100, "ü" * 10_000, "two\nlines", "\0"])
def test_texts_are_kept_as_they_are(q: Queue, text: str):
    job = q.enqueue(steps.echo, text, description=text, meta={text: text})
    job.refresh()
    assert job.args == (text,)
    assert job.description == (text or "steps.echo('')")
    assert job.meta == {text: text}


def test_a_short_time_is_never_rounded_down_to_none(fq: Queue, fake: Redis):
    job = fq.enqueue(steps.nothing, ttl=1e-9, job_timeout=1e-9, result_ttl=1e-9)
    found = facts(fake, job)
    assert (found["ttl"], found["timeout"], found["result_ttl"]) == ("1", "1", "1")


# Waiting for others


def test_jobs_may_be_named_in_many_ways(fq: Queue, a: Job[None]):
    b = fq.enqueue(steps.nothing)
    all_success = [(a.id, "all_success"), (b.id, "all_success")]
    for depends_on in ([a, b], (a.id, b.id), [a, b.id], iter([a, b]), (job for job in (a, b)), Dependency([a, b])):
        job = fq.enqueue(steps.nothing, depends_on=depends_on)
        assert job.is_deferred
        assert sorted(rules(job)) == all_success
    for one in (a, a.id, [a], Dependency(a), {a}, [Dependency(a.id)]):
        assert rules(fq.enqueue(steps.nothing, depends_on=one)) == all_success[:1]
    assert rules(fq.enqueue(steps.nothing, depends_on=[a, Dependency(b, rule="all_done")])) == [
        (a.id, "all_success"),
        (b.id, "all_done"),
    ]


@pytest.mark.parametrize("nobody", [None, [], (), {}, iter(())])
def test_a_job_that_waits_for_nobody_is_queued(fq: Queue, nobody: Any):
    assert fq.enqueue(steps.nothing, depends_on=nobody).is_queued


@pytest.mark.parametrize("wrong", [False, True, 0, 1, 5.5, b"x", object(), [None], [[]], steps.echo, Queue, [False]])
def test_what_is_no_job_cannot_be_waited_for(fq: Queue, fake: Redis, wrong: Any):
    with (
        nothing_is_stored(fake),
        pytest.raises(TypeError, match="is no job to depend on: pass a Job, its id, or a Dep"),
    ):
        fq.enqueue(steps.nothing, depends_on=wrong)


def test_an_output_is_passed_and_not_depended_on(fq: Queue, fake: Redis, a: Job[None]):
    with nothing_is_stored(fake), pytest.raises(TypeError, match="is no job to depend on: pass a Job"):
        fq.enqueue(steps.nothing, depends_on=a.output)


@pytest.mark.parametrize("unknown", ["", "nobody", "a b", "ü", ["nobody"], Dependency("nobody", rule="all_done")])
def test_an_unknown_dependency_is_refused_and_nothing_is_stored(q: Queue, connection: Redis, unknown: Any):
    first = q.enqueue(steps.nothing)
    with (
        nothing_is_stored(connection),
        pytest.raises(NoSuchJobError, match=r"there is no job '.*': it expired or never existed"),
    ):
        q.enqueue(steps.nothing, depends_on=[first, *(unknown if isinstance(unknown, list) else [unknown])])
    assert first.dependent_ids == []


def test_the_output_of_an_unknown_job_is_refused(fq: Queue, fake: Redis, a: Job[None]):
    outputs = Job("nobody", fq.store)
    with nothing_is_stored(fake):
        for value in (outputs.output, [outputs.output], outputs.output_or(1), a.output_or(outputs.output)):
            with pytest.raises(NoSuchJobError, match="'nobody'") as caught:
                fq.enqueue(steps.echo, value)
            assert caught.value.job_id == "nobody"
            assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("two", [lambda a: [a, a], lambda a: [a.id, a], lambda a: [Dependency(a), a]])
def test_a_job_stands_in_one_group_only(fq: Queue, fake: Redis, a: Job[None], two: Callable[[Job[None]], Any]):
    with nothing_is_stored(fake), pytest.raises(ValueError, match="is named twice in depends_on; a job stands in one"):
        fq.enqueue(steps.nothing, depends_on=two(a))


def test_the_shorthands_are_rules(fq: Queue, a: Job[None]):
    b = fq.enqueue(steps.nothing)
    after = fq.enqueue(steps.nothing, depends_on=[a, b], run_after_failure=True)
    partial = fq.enqueue(steps.nothing, depends_on=[a, b], allow_partial_dependencies=True)
    assert {rule for _, rule in rules(after)} == {"all_done"}
    assert {rule for _, rule in rules(partial)} == {"all_done_min_one_success"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run_after_failure": True, "allow_partial_dependencies": True}, "two different rules; choose one"),
        ({"run_after_failure": True, "rule": "all_success"}, "run_after_failure=True is a rule of its own"),
        ({"allow_partial_dependencies": True, "rule": None}, "allow_partial_dependencies=True is a rule of its own"),
    ],
)
def test_a_shorthand_beside_another_rule_is_refused(
    fq: Queue, fake: Redis, a: Job[None], options: dict[str, Any], message: str
):
    depends_on = Dependency(a, rule=options.pop("rule")) if "rule" in options else a
    with nothing_is_stored(fake), pytest.raises(ValueError, match=message):
        fq.enqueue(steps.nothing, depends_on=depends_on, **options)


def test_a_dependency_that_has_ended_counts_by_how_it_ended(q: Queue, connection: Redis):
    good, bad = q.enqueue(steps.nothing), q.enqueue(steps.boom)
    work(connection)
    assert q.enqueue(steps.nothing, depends_on=good).is_queued
    assert q.enqueue(steps.nothing, depends_on=bad).is_upstream_failed
    assert q.enqueue(steps.nothing, depends_on=Dependency(good, rule="all_failed")).is_skipped
    assert q.enqueue(steps.nothing, depends_on=[good, bad], run_after_failure=True).is_queued
    open_still = q.enqueue(steps.nothing, depends_on=[good, q.enqueue_in(60, steps.nothing)])
    assert open_still.is_deferred


def test_dependencies_may_stand_in_another_queue(q: Queue, connection: Redis):
    other = Queue("other", connection=connection)
    first = other.enqueue(steps.echo, 1)
    second = q.enqueue(steps.add, first.output, 10)
    third = other.enqueue(steps.add, second.output, 100)
    assert (q.get_job_ids(status="deferred"), other.get_job_ids(status="deferred")) == ([second.id], [third.id])
    work(connection, "other")
    assert (second.get_status(), third.get_status(), q.job_ids) == ("queued", "deferred", [second.id])
    work(connection, "work", "other")
    assert third.result == 111


# Outputs


def test_outputs_are_replaced_wherever_they_stand(q: Queue, connection: Redis):
    one, two = q.enqueue(steps.echo, 1), q.enqueue(steps.echo, 2)
    both = [job.output for job in (one, two)]
    job = q.enqueue(samples.anything, one.output, both, {"a": {"b": (two.output, {"c": both})}}, by_name=one.output)
    assert sorted(rules(job)) == [(one.id, "all_success"), (two.id, "all_success")]
    assert all(edge.wants_output for edge in job.dependencies())
    work(connection)
    assert job.result == ((1, [1, 2], {"a": {"b": (2, {"c": [1, 2]})}}), {"by_name": 1})


def test_an_output_of_a_job_that_has_finished_already(q: Queue, connection: Redis):
    first = q.enqueue(steps.echo, {"a": [1]})
    work(connection)
    second = q.enqueue(steps.echo, first.output)
    assert second.is_queued
    work(connection)
    assert second.result == {"a": [1]}


def test_an_output_of_a_job_in_a_group_stays_in_it(q: Queue, connection: Redis):
    one, two = q.enqueue(steps.echo, 1), q.enqueue(steps.boom)
    rest = Dependency(two, rule="all_done")
    job = q.enqueue(samples.anything, one.output, two.output_or("nothing"), depends_on=[one, rest])
    assert rules(job) == [(one.id, "all_success"), (two.id, "all_done")]
    work(connection)
    assert job.result == ((1, "nothing"), {})


def test_an_output_with_a_default_waits_for_the_end_in_whatever_way(q: Queue, connection: Redis):
    good, bad = q.enqueue(steps.echo, 1), q.enqueue(steps.boom)
    job = q.enqueue(steps.echo, [good.output_or(None), bad.output_or({"no": [1]})])
    assert {rule for _, rule in rules(job)} == {"all_done"}
    work(connection)
    assert job.result == [1, {"no": [1]}]


def test_an_output_that_is_needed_once_is_needed(q: Queue, connection: Redis):
    bad = q.enqueue(steps.boom)
    job = q.enqueue(steps.add, bad.output_or(1), bad.output)
    assert rules(job) == [(bad.id, "all_success")]
    work(connection)
    assert job.is_upstream_failed


@pytest.mark.parametrize(
    "depends_on",
    [
        lambda a, b: Dependency(a, rule="all_done"),
        lambda a, b: Dependency(a, rule="all_failed"),
        lambda a, b: Dependency(a, allow_failure=True),
        lambda a, b: Dependency([a, b], rule="one_success"),
        lambda a, b: Dependency([a, b], rule="all_done_min_one_success"),
        lambda a, b: Dependency(a, rule="none_failed"),
    ],
)
def test_an_output_is_refused_where_the_job_may_run_without_it(
    fq: Queue, fake: Redis, a: Job[None], depends_on: Callable[..., Dependency]
):
    b = fq.enqueue(steps.nothing)
    message = rf"may run without job '{a.id}' having finished \(rule '\w+'\), .* with output_or\(default\)"
    with nothing_is_stored(fake), pytest.raises(ValueError, match=message):
        fq.enqueue(steps.echo, [a.output], depends_on=depends_on(a, b))
    assert fq.enqueue(steps.echo, [a.output_or(None)], depends_on=depends_on(a, b)).is_deferred


def test_an_output_is_refused_beside_a_shorthand(fq: Queue, fake: Redis, a: Job[None]):
    with nothing_is_stored(fake), pytest.raises(ValueError, match="say what to pass instead with output_or"):
        fq.enqueue(steps.echo, a.output, depends_on=a, run_after_failure=True)


def test_a_default_that_cannot_be_carried_is_refused(fq: Queue, fake: Redis, a: Job[None]):
    with nothing_is_stored(fake):
        for default in (object(), a):
            with pytest.raises(SerializationError, match="the default of the output in argument 1"):
                fq.enqueue(steps.echo, a.output_or(default))  # type: ignore[arg-type]


def test_an_output_cannot_be_worked_with_before_it_is_known(a: Job[Any]):
    with pytest.raises(TypeError, match=f"the output of job '{a.id}' is known only once it has run, .* its own"):
        f"{a.output}"
    for use in (lambda x: x["key"], list):
        with pytest.raises(
            TypeError, match=f"the output of job '{a.id}' is known only once it has run, .* pass it whole"
        ):
            use(a.output)
    for use in (lambda x: x + 1, lambda x: x(), len, int):
        with pytest.raises(TypeError, match="Output"):
            use(a.output)


# Many at once


@contextmanager
def round_trips(connection: Redis) -> Iterator[dict[str, int]]:
    """Counts what a client sends, by the names of the commands; those that scripts run are not among them."""
    counts: dict[str, int] = {}
    connection.config_resetstat()
    yield counts
    found = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in connection.info("commandstats").items()}
    sent_by_clients = ("evalsha", "eval", "script|load", "ping", "client|setinfo", "multi", "exec")
    counts.update({name: calls for name, calls in found.items() if name in sent_by_clients})


def test_many_jobs_are_queued_in_the_order_given(q: Queue, connection: Redis):
    jobs = q.enqueue_many([Queue.prepare_data(steps.echo, (n,)) for n in range(20)])
    assert [job.args for job in jobs] == [(n,) for n in range(20)]
    assert q.job_ids == [job.id for job in jobs]
    work(connection)
    assert [job.result for job in jobs] == list(range(20))


def test_prepared_jobs_take_the_same_options(q: Queue):
    data = Queue.prepare_data(
        samples.report, (7,), {"copies": 2}, timeout=5, job_id="mine", meta={"a": 1}, retry=2, description="report"
    )
    (job,) = q.enqueue_many([data])
    assert (job.id, job.args, job.kwargs, job.timeout) == ("mine", (7,), {"copies": 2}, 5.0)
    assert (job.meta, job.retries_left, job.description) == ({"a": 1}, 2, "report")


def test_no_jobs_are_no_call(fq: Queue, fake: Redis):
    with nothing_is_stored(fake):
        assert fq.enqueue_many([]) == []
    assert stored(fake) == {}


def test_a_generator_of_jobs(fq: Queue):
    assert len(fq.enqueue_many(Queue.prepare_data(steps.echo, (n,)) for n in range(3))) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_jobs_of_one_call_may_wait_for_each_other_in_any_order(fq: Queue, fake: Redis, order: tuple[int, ...]):
    one = Queue.prepare_data(steps.echo, (1,))
    two = Queue.prepare_data(steps.add, (one.output, 1))
    rest = Queue.prepare_data(steps.add, (two.output, one.output_or(None)), depends_on=Dependency(one, rule="all_done"))
    last = Queue.prepare_data(steps.total, ([one.output, two.output],), depends_on=rest.id)
    datas = [one, two, rest, last]
    jobs = fq.enqueue_many([datas[n] for n in order])
    assert [job.id for job in jobs] == [datas[n].id for n in order]
    assert [job.get_status() for job in jobs].count("queued") == 1
    work(fake)
    assert [job.result for job in jobs] == [[1, 2, 3, 3][n] for n in order]


def test_prepared_jobs_may_be_kept_in_sets(fq: Queue):
    one = Queue.prepare_data(steps.nothing, meta={"a": [1]})
    two = Queue.prepare_data(steps.nothing, depends_on={one})
    jobs = fq.enqueue_many({one, two})
    assert {job.get_status() for job in jobs} == {"queued", "deferred"}


def test_jobs_of_one_call_may_wait_for_jobs_outside_of_it(q: Queue, connection: Redis):
    outside = q.enqueue(steps.echo, 1)
    failed = q.enqueue(steps.boom)
    work(connection)
    one = Queue.prepare_data(steps.add, (outside.output, 1))
    two = Queue.prepare_data(steps.nothing, depends_on=[failed])
    three = Queue.prepare_data(steps.nothing, depends_on=[one, two])
    jobs = q.enqueue_many([three, two, one])
    assert [job.get_status() for job in jobs] == ["upstream_failed", "upstream_failed", "queued"]


def test_a_graph_of_a_hundred_jobs_is_one_round_trip(valkey: Redis):
    queue = Queue("work", connection=valkey)
    queue.enqueue(steps.nothing)
    datas = [Queue.prepare_data(steps.nothing)]
    while len(datas) < 100:
        datas.append(Queue.prepare_data(steps.nothing, depends_on=datas[-3:]))
    with round_trips(valkey) as count:
        jobs = queue.enqueue_many(reversed(datas))
    assert count == {"evalsha": 1}
    assert sum(len(job.dependency_ids) for job in jobs) == 294
    work(valkey)
    assert all(job.is_finished for job in jobs)


def spoilt_batches() -> dict[str, tuple[Callable[[Queue], list[Any]], type[Exception], str]]:
    prepare = Queue.prepare_data
    return {
        "unknown dependency": (
            lambda q: [prepare(steps.nothing, depends_on=["nobody"])],
            NoSuchJobError,
            "there is no job 'nobody'",
        ),
        "a prepared job that is left out": (
            lambda q: [prepare(steps.echo, (prepare(steps.nothing, job_id="left").output,))],
            NoSuchJobError,
            "there is no job 'left'",
        ),
        "an id that is taken": (
            lambda q: [prepare(steps.nothing, job_id="taken")],
            DuplicateJobError,
            "'taken' exists",
        ),
        "one id twice": (
            lambda q: [prepare(steps.nothing, job_id="twin"), prepare(steps.nothing, job_id="twin")],
            ValueError,
            "two jobs of one call have the id 'twin'",
        ),
        "one job twice": (
            lambda q: [prepare(steps.nothing, job_id="twin")] * 2,
            ValueError,
            "two jobs of one call have the id 'twin'",
        ),
        "itself": (
            lambda q: [prepare(steps.nothing, job_id="me", depends_on="me")],
            DependencyCycleError,
            "'me' → 'me'",
        ),
        "a job": (lambda q: [Job("taken", q.store)], TypeError, r"Job\('taken'\) is enqueued already"),
        "a function": (lambda q: [steps.nothing], TypeError, "makes, not function"),
        "a call": (lambda q: [(steps.echo, (1,))], TypeError, "makes, not tuple"),
        "None": (lambda q: [None], TypeError, "makes, not NoneType"),
        "meta": (
            lambda q: [prepare(steps.nothing, meta={"a": object()})],
            SerializationError,
            r'meta\["a"\] is of the type object',
        ),
    }


@pytest.mark.parametrize("what", spoilt_batches())
def test_many_jobs_are_stored_all_or_none(fq: Queue, fake: Redis, what: str):
    fq.enqueue(steps.nothing, job_id="taken")
    make, error, message = spoilt_batches()[what]
    good = [Queue.prepare_data(steps.nothing) for _ in range(3)]
    for datas in ([*good, *make(fq)], [*make(fq), *good]):
        with nothing_is_stored(fake), pytest.raises(error, match=message):
            fq.enqueue_many(datas)


def test_jobs_refused_by_the_server_are_not_half_stored(q: Queue, connection: Redis):
    first = q.enqueue(steps.nothing, job_id="taken")
    one = Queue.prepare_data(steps.nothing, depends_on=first)
    two = Queue.prepare_data(steps.echo, (one.output,))
    for spoilt in (
        Queue.prepare_data(steps.nothing, job_id="taken"),
        Queue.prepare_data(steps.nothing, depends_on="x"),
    ):
        for datas in ([one, two, spoilt], [spoilt, two, one]):
            with nothing_is_stored(connection), pytest.raises((NoSuchJobError, DuplicateJobError)):
                q.enqueue_many(datas)


@pytest.mark.parametrize("wrong", [None, 5, steps.nothing])
def test_what_is_no_list_of_jobs_is_refused(fq: Queue, wrong: Any):
    with pytest.raises(TypeError, match="enqueue_many takes a list of jobs to be, not"):
        fq.enqueue_many(wrong)
    with pytest.raises(TypeError, match="not EnqueueData"):
        fq.enqueue_many(Queue.prepare_data(steps.nothing))  # type: ignore[arg-type]


def test_a_cycle_is_refused_and_spelled_out(fq: Queue, fake: Redis):
    waits_for = {"a": ["b", "x"], "b": ["c"], "c": ["a"], "x": []}
    datas = [Queue.prepare_data(steps.nothing, job_id=one, depends_on=others) for one, others in waits_for.items()]
    with nothing_is_stored(fake), pytest.raises(DependencyCycleError, match="wait for each other for ever: ") as caught:
        fq.enqueue_many(datas)
    circle = re.findall(r"'(\w+)'", str(caught.value))
    assert circle[0] == circle[-1]
    assert sorted(circle[1:]) == ["a", "b", "c"]
    assert all(after in waits_for[before] for before, after in itertools.pairwise(circle))


def test_a_job_cannot_wait_for_itself(fq: Queue, fake: Redis):
    with nothing_is_stored(fake), pytest.raises(DependencyCycleError, match="'me' → 'me'"):
        fq.enqueue(steps.nothing, job_id="me", depends_on="me")


def test_the_same_data_enqueued_again_is_the_same_job(q: Queue, connection: Redis):
    one = Queue.prepare_data(steps.echo, (1,))
    two = Queue.prepare_data(steps.add, (one.output, 1), job_id="two")
    jobs = q.enqueue_many([one, two])
    with nothing_is_stored(connection):
        assert q.enqueue_many([two, one]) == jobs[::-1]
    work(connection)
    three = Queue.prepare_data(steps.add, (two.output, 1))
    again = q.enqueue_many([one, two, three])
    assert [job.get_status() for job in again] == ["finished", "finished", "queued"]


@pytest.mark.parametrize("of_ones_own", [False, True])
def test_only_an_id_of_ones_own_needs_a_nonce(q: Queue, connection: Redis, of_ones_own: bool):
    datas = [Queue.prepare_data(steps.echo, (1,), job_id=f"mine-{n}" if of_ones_own else None) for n in range(3)]
    jobs = q.enqueue_many(datas[:1])
    assert q.enqueue_many(datas) == [jobs[0], *(Job(data.id, q.store) for data in datas[1:])]
    for job in q.jobs:
        assert connection.hexists(f"{{rqdeps}}:job:{job.id}", "nonce") is of_ones_own
    assert q.job_ids == [data.id for data in datas]


def test_an_id_that_was_made_here_and_taken_by_somebody_is_refused(q: Queue, connection: Redis):
    data = Queue.prepare_data(steps.echo, (1,))
    q.enqueue(steps.echo, 2, job_id=data.id)
    with nothing_is_stored(connection), pytest.raises(DuplicateJobError, match=data.id):
        q.enqueue_many([data])


# Ids of one's own


def test_an_id_that_is_taken_is_refused(q: Queue, connection: Redis):
    job = q.enqueue(steps.echo, 1, job_id="mine")
    with (
        nothing_is_stored(connection),
        pytest.raises(DuplicateJobError, match="'mine' exists already: fetch it") as caught,
    ):
        q.enqueue(steps.echo, 2, job_id="mine")
    assert caught.value.job_id == "mine"
    work(connection)
    with nothing_is_stored(connection), pytest.raises(DuplicateJobError):
        Queue("other", connection=connection).enqueue(steps.echo, 3, job_id="mine")
    assert job.result == 1


def test_options_with_an_id_serve_once(fq: Queue):
    with_id = fq.options(job_id="mine")
    assert with_id.enqueue(steps.nothing).id == "mine"
    with pytest.raises(DuplicateJobError, match="'mine'"):
        with_id.enqueue(steps.nothing)


# Order and time to live


@pytest.mark.parametrize("name", ["at_front", "enqueue_at_front"])
def test_a_job_may_go_to_the_front(q: Queue, name: str):
    back, front = q.enqueue(steps.nothing), q.enqueue(steps.nothing, **{name: True})
    assert q.job_ids == [front.id, back.id]


@pytest.mark.parametrize("by", ["option", "dependency"])
def test_a_job_goes_to_the_front_when_it_is_released(q: Queue, connection: Redis, by: str):
    first = q.enqueue(steps.nothing)
    back = q.enqueue(steps.nothing)
    if by == "option":
        front = q.enqueue(steps.nothing, depends_on=first, at_front=True)
    else:
        front = q.enqueue(steps.nothing, depends_on=Dependency(first, enqueue_at_front=True))
    SimpleWorker("work", connection=connection).work(max_jobs=1)
    assert q.job_ids == [front.id, back.id]


def test_a_time_to_live_runs_from_enqueueing_or_from_the_time_the_job_is_put_off_to(q: Queue, connection: Redis):
    def runs_out_after(job: Job[Any]) -> float:
        assert job.created_at is not None
        ends = connection.zscore("{rqdeps}:timers", job.id)
        assert ends is not None
        return ends / 1000 - job.created_at.timestamp()

    first = q.enqueue(steps.nothing)
    assert runs_out_after(q.enqueue(steps.nothing, ttl=60)) == pytest.approx(60)
    assert runs_out_after(q.enqueue(steps.nothing, ttl=60, depends_on=first)) == pytest.approx(60)
    assert runs_out_after(q.enqueue_in(HOUR, steps.nothing, ttl=60)) == pytest.approx(3660)
    assert connection.zscore("{rqdeps}:timers", first.id) is None


# Looking at a queue


def test_counts_tell_the_jobs_of_each_status(q: Queue, connection: Redis):
    done, failed = q.enqueue(steps.nothing), q.enqueue(steps.boom)
    work(connection)
    waiting = q.enqueue(steps.nothing)
    q.enqueue(steps.nothing, depends_on=waiting)
    q.enqueue(steps.nothing, depends_on=failed)
    q.enqueue(steps.nothing, depends_on=Dependency(done, rule="all_failed"))
    q.enqueue_in(HOUR, steps.nothing)
    expected = dict.fromkeys(JobStatus, 0) | dict.fromkeys(
        [
            *(JobStatus.FINISHED, JobStatus.FAILED, JobStatus.QUEUED, JobStatus.DEFERRED),
            *(JobStatus.UPSTREAM_FAILED, JobStatus.SKIPPED, JobStatus.SCHEDULED),
        ],
        1,
    )
    assert q.counts == expected
    assert q.count == 1
    for status, count in expected.items():
        assert len(q.get_job_ids(status=status)) == len(q.get_job_ids(status=status.value)) == count


def test_a_queue_without_jobs(q: Queue, connection: Redis):
    with nothing_is_stored(connection):
        assert q.count == 0
        assert set(q.counts.values()) == {0}
        assert q.job_ids == q.get_job_ids(status="finished") == []
        assert q.fetch_job("nobody") is None
        assert Queue.all(connection=connection) == []


def test_ids_come_in_pages(q: Queue):
    ids = [q.enqueue(steps.nothing).id for _ in range(10)]
    assert q.get_job_ids(offset=3, length=4) == ids[3:7]
    assert q.get_job_ids(offset=8, length=2**70) == ids[8:]
    assert q.get_job_ids(length=0) == []
    assert q.get_job_ids(offset=2**70) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"offset": -1}, ValueError, "offset is a number of jobs from 0 up, not -1"),
        ({"length": -2}, ValueError, "length is a number of jobs from 0 up, not -2"),
        ({"length": 1.5}, TypeError, "length is a number of jobs, not float"),
        ({"length": None}, TypeError, "length is a number of jobs, not NoneType"),
        ({"offset": "1"}, TypeError, "offset is a number of jobs, not str"),
        ({"offset": True}, TypeError, "offset is a number of jobs, not bool"),
        ({"status": "done"}, ValueError, "there is no status 'done'; there are: created, deferred, scheduled, queued"),
        ({"status": None}, ValueError, "there is no status None"),
    ],
)
def test_pages_that_make_no_sense_are_refused(fq: Queue, options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        fq.get_job_ids(**options)


def test_a_job_is_fetched_by_its_id(q: Queue):
    job = q.enqueue(steps.nothing)
    assert q.fetch_job(job.id) == job
    for unknown in ("nobody", "", "a b:c", "ü", "x" * 1000):
        assert q.fetch_job(unknown) is None
    for wrong in (None, 5, job.id.encode(), job):
        with pytest.raises(TypeError, match=rf"a job's id is a str, not {type(wrong).__name__}"):
            q.fetch_job(wrong)  # type: ignore[arg-type]


ODD_NAMES = ["*?[a]", "a,b", "a:b", "{x}", "ü", "🎉" * 16]


def test_queues_may_have_odd_names(q: Queue, connection: Redis):
    queues = [Queue(name, connection=connection) for name in ODD_NAMES]
    jobs = [queue.enqueue(steps.echo, queue.name) for queue in queues]
    assert [queue.name for queue in Queue.all(connection=connection)] == sorted(ODD_NAMES, key=str.encode)
    assert [queue.job_ids for queue in queues] == [[job.id] for job in jobs]
    work(connection, *ODD_NAMES)
    assert [job.result for job in jobs] == ODD_NAMES
    assert [job.origin for job in jobs] == ODD_NAMES


def test_the_queues_of_a_worker_are_told_apart(q: Queue, connection: Redis):
    job = q.enqueue(names_of_queues)
    work(connection, "work", *ODD_NAMES)
    assert job.result == [["work", *ODD_NAMES]]


def test_all_queues_come_with_their_jobs(q: Queue, connection: Redis):
    q.enqueue(steps.nothing)
    Queue("other", connection=connection).enqueue_in(1, steps.nothing)
    Queue("unused", connection=connection)
    found = Queue.all(connection=connection)
    assert [(queue.name, queue.count, queue.counts[JobStatus.SCHEDULED]) for queue in found] == [
        ("other", 0, 1),
        ("work", 1, 0),
    ]
    assert repr(found[1]) == "Queue('work')"


# Connections


@pytest.mark.parametrize("name", ["", "a b", "a\n", "x" * 65, "\ud800"])
def test_a_queue_needs_a_name(fake: Redis, name: str):
    with pytest.raises(
        ValueError, match="can't be a queue's name: names are 1 to 64 bytes of text without white space"
    ):
        Queue(name, connection=fake)


def test_the_parameters_of_a_queue_in_the_wrong_order_are_refused(fake: Redis):
    with pytest.raises(TypeError, match="a queue's name is a str, not FakeRedis"):
        Queue(fake)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"a connection is a redis.Redis client, not builtins.str; a URL is given as url="
    ):
        Queue("work", "redis://localhost")  # type: ignore[arg-type]


def test_a_connection_and_a_url_together_are_refused(fake: Redis):
    for make in (Queue, Queue.all, functools.partial(Job.fetch, "x"), functools.partial(Job.exists, "x")):
        with pytest.raises(TypeError, match="give a connection or a url, not both"):
            make(connection=fake, url="redis://localhost")


def test_a_connection_that_decodes_responses_is_refused():
    with (
        fakeredis.FakeRedis(decode_responses=True) as client,
        pytest.raises(ValueError, match="make it without decode_responses=True"),
    ):
        Queue(connection=client)


@pytest.mark.parametrize("client", [redis.asyncio.Redis(), 5, "redis://localhost", Redis, fakeredis.FakeServer()])
def test_what_is_no_client_is_refused(client: Any):
    with pytest.raises(TypeError, match=r"a connection is a redis.Redis client, not .*; a URL is given as url="):
        Queue(connection=client)


def test_namespaces_keep_deployments_on_one_server_apart(valkey: Redis, valkey_url: str):
    store = connect(valkey_url, namespace="other")
    here, there = Queue("work", connection=valkey), Queue.on("work", store)
    one, two = here.enqueue(steps.nothing, job_id="same"), there.enqueue(steps.echo, 1, job_id="same")
    three = there.enqueue(steps.echo, two.output)
    with pytest.raises(NoSuchJobError):
        here.enqueue(steps.nothing, depends_on=three.id)
    assert SimpleWorker(there).work(burst=True) is True
    assert (one.get_status(), three.result) == ("queued", 1)
    assert (here.count, there.count) == (1, 0)
    check_invariants(valkey, "other")
    store.client.close()


def test_jobs_of_one_call_that_go_to_the_front_keep_their_order(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    behind = queue.enqueue(steps.nothing)
    front = [Queue.prepare_data(steps.nothing, at_front=True) for _ in range(3)]
    back = Queue.prepare_data(steps.nothing)
    queue.enqueue_many([back, *front])
    assert queue.job_ids == [*(data.id for data in front), behind.id, back.id]


def test_two_names_of_one_option_are_refused(connection: Redis) -> None:
    with pytest.raises(TypeError, match="job_timeout was given under two names"):
        Queue("work", connection=connection).enqueue_call(steps.nothing, timeout=5, job_timeout=7)


def test_only_arguments_hold_outputs(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    job = queue.enqueue(steps.nothing)
    with pytest.raises(SerializationError, match="meta holds the output of job"):
        queue.enqueue(steps.nothing, meta={"a": job.output})
