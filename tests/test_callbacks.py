"""Callbacks as values, as options of every way to enqueue, and as data that a worker is handed with the job."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import growing
import pytest
import samples
import steps
from by_hand import HandWorker
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from rqdeps import Callback, Fallback, Job, Queue, SimpleWorker, Workflow
from rqdeps.callbacks import NO_CALLBACKS, Callbacks
from rqdeps.cli import main
from rqdeps.errors import UnsupportedFunctionError
from rqdeps.options import JobOptions
from rqdeps.worker.held import Held

#: A path too long for a field of a hash.
LONG = "an_application.with_many_packages.and_a_module.in_which_there_is.a_function"

#: Callbacks in all forms, and what they come to.
OPTIONS: dict[str, Any] = {
    "on_success": samples.anything,
    "on_failure": Callback(LONG, timeout="1m 30s"),
    "on_stopped": "samples.report",
}
CALLBACKS = Callbacks(Callback("samples.anything"), Callback(LONG, 90), Callback("samples.report"))
TEXT = f"samples.anything,{LONG}:90000ms,samples.report"


def field(connection: Redis, job: Job[Any]) -> str | None:
    value = connection.hget(f"{{rqdeps}}:job:{job.id}", "callbacks")
    return None if value is None else value.decode()


def drain(queue: Queue) -> None:
    SimpleWorker([queue]).work(burst=True)


# One callback


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (samples.report, "samples.report"),
        ("tasks.report", "tasks.report"),
        (samples.Mailer.for_class, "samples.Mailer.for_class"),
        (samples.Mailer, "samples.Mailer"),
        (print, "builtins.print"),
    ],
)
def test_a_callback_is_what_a_worker_can_import(func: Any, name: str) -> None:
    assert Callback(func).name == name


@pytest.mark.parametrize(
    ("func", "message"),
    [
        (samples.unnamed, r"has no path: define a function with def and a name"),
        (lambda job, connection, result: None, r"has no path: define a function with def and a name"),
        (samples.make_nested(), "is defined inside a function"),
        (samples.Mailer().send, "is bound to .* which a worker does not have"),
        ("report", "'report' is no dotted path of a function"),
        ("", "'' is no dotted path of a function"),
        ("tasks.report,tasks.other", "is no dotted path of a function"),
        ("__main__.report", "which a worker can't import: move it to a module"),
        (5, "5 is not callable: pass the function itself"),
    ],
)
def test_what_no_worker_could_import_is_refused_with_the_way_out(func: Any, message: str) -> None:
    with pytest.raises(UnsupportedFunctionError, match=message):
        Callback(func)


@pytest.mark.parametrize(
    ("timeout", "timeout_ms"),
    [(None, 60_000), (5, 5_000), (0.25, 250), ("5m", 300_000), ("30", 30_000), (timedelta(seconds=1), 1_000)],
)
def test_a_callback_has_a_minute_unless_it_says_otherwise(timeout: Any, timeout_ms: int) -> None:
    assert Callback("tasks.report").timeout_ms == 60_000
    assert Callback("tasks.report", timeout).timeout_ms == Callback("tasks.report", timeout=timeout).timeout_ms
    assert Callback("tasks.report", timeout).timeout_ms == timeout_ms


@pytest.mark.parametrize(
    ("timeout", "error", "message"),
    [
        (0, ValueError, "^the timeout of a callback is 0, which leaves no time to run"),
        (-1, ValueError, "^the timeout of a callback can't be -1: .* not negative"),
        ("soon", ValueError, "^the timeout of a callback must be seconds as a number"),
        (True, TypeError, "^the timeout of a callback must be seconds as a number"),
        (10**12, ValueError, "the longest duration is 100 years"),
    ],
)
def test_a_timeout_that_makes_no_sense_is_refused(timeout: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Callback("tasks.report", timeout)


def test_a_callback_is_a_value() -> None:
    callback = Callback(samples.report, "1m")
    assert callback == Callback("samples.report") != Callback("samples.report", 5)
    assert len({callback, Callback("samples.report"), Callback("samples.anything")}) == 2
    assert pickle.loads(pickle.dumps(callback)) == copy.deepcopy(callback) == callback
    assert repr(callback) == "Callback('samples.report')"
    assert repr(Callback("samples.report", 0.5)) == "Callback('samples.report', timeout=0.5)"
    with pytest.raises(FrozenInstanceError):
        callback.name = "tasks.other"  # type: ignore[misc]


# Those of one job, as text

names = st.from_regex(r"[a-z_]{1,4}(\.[A-Za-z_]{1,4}){1,3}", fullmatch=True).filter(
    lambda name: not name.startswith("__main__.")
)
callbacks = st.builds(Callback, names, st.none() | st.integers(1, 10**12).map(lambda ms: timedelta(milliseconds=ms)))
some = st.none() | callbacks


@given(st.builds(Callbacks, some, some, some))
def test_callbacks_come_back_from_their_text(every: Callbacks) -> None:
    assert Callbacks.decode(every.encode()) == every


@pytest.mark.parametrize(
    ("given_ones", "text"),
    [
        (NO_CALLBACKS, ""),
        (CALLBACKS, TEXT),
        (Callbacks(on_success=Callback("tasks.report")), "tasks.report"),
        (Callbacks(on_failure=Callback("tasks.report", 5)), ",tasks.report:5000ms"),
        (Callbacks(on_stopped=Callback("tasks.report")), ",,tasks.report"),
        (Callbacks(Callback("a.b"), None, Callback("c.d")), "a.b,,c.d"),
    ],
)
def test_the_text_of_callbacks_stays_as_it_is(given_ones: Callbacks, text: str) -> None:
    assert given_ones.encode() == text
    assert Callbacks.decode(text) == given_ones


@pytest.mark.parametrize(
    "text",
    [
        *("report", "a.b,c", "a.b,c.d,e.f,g.h", "a.b,,,", "a.b:soon", "a.b:0ms", "a.b:-5ms", "a.b:5ms:5ms", ":5ms"),
        *(f"a.b:{'9' * 5_000}ms", "a.b:9999999999999999ms", "__main__.f", "a.b\n", "os.system('ls')", "\x00"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"callback|dotted path|a worker can't import"):
        Callbacks.decode(text)


def test_those_that_there_are_have_the_names_of_their_options() -> None:
    assert NO_CALLBACKS.given() == {}
    assert list(CALLBACKS.given()) == ["on_success", "on_failure", "on_stopped"]
    assert Callbacks(on_stopped=Callback("a.b")).given() == {"on_stopped": Callback("a.b")}


# As options


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("wrong", [True, False, 3, ["samples.report"]])
def test_an_option_that_is_no_function_is_refused(q: Queue, connection: Redis, name: str, wrong: Any) -> None:
    message = f"^{name} is a function, its dotted path, or a Callback, not {type(wrong).__name__}"
    with pytest.raises(TypeError, match=message):
        q.enqueue(steps.nothing, **{name: wrong})
    with pytest.raises(TypeError, match=message):
        q.options(**{name: wrong})
    assert connection.keys() == []


def test_a_function_that_no_worker_could_import_is_refused_before_anything_is_stored(
    q: Queue, connection: Redis
) -> None:
    with pytest.raises(UnsupportedFunctionError, match="is defined inside a function"):
        q.enqueue(steps.nothing, on_failure=samples.make_nested())
    assert connection.keys() == []


def in_a_workflow(q: Queue) -> Job[Any]:
    with Workflow("flow", queue=q) as workflow:
        return workflow.enqueue(steps.nothing, **OPTIONS)


def created(q: Queue) -> Job[Any]:
    job = Job.create(steps.nothing, connection=q.store.client, **OPTIONS)
    assert job.callbacks == CALLBACKS, "also before anybody has saved it"
    job.save()
    return job


WAYS: dict[str, Callable[[Queue], Job[Any]]] = {
    "enqueue": lambda q: q.enqueue(steps.nothing, **OPTIONS),
    "enqueue with arguments apart": lambda q: q.enqueue(steps.echo, args=(1,), **OPTIONS),
    "enqueue_call": lambda q: q.enqueue_call(steps.nothing, **OPTIONS),
    "enqueue_in": lambda q: q.enqueue_in(60, steps.nothing, **OPTIONS),
    "options": lambda q: q.options(**OPTIONS).enqueue(steps.nothing),
    "held": lambda q: q.options(hold=True, **OPTIONS).enqueue(steps.nothing),
    "enqueue_many": lambda q: q.enqueue_many([Queue.prepare_data(steps.nothing, **OPTIONS)])[0],
    "create": created,
    "workflow": in_a_workflow,
    "chain": lambda q: q.options(**OPTIONS).chain(steps.nothing, steps.echo)[1],
}


@pytest.mark.parametrize("way", list(WAYS))
def test_every_way_to_enqueue_takes_callbacks(q: Queue, connection: Redis, way: str) -> None:
    job = WAYS[way](q)
    assert job.callbacks == CALLBACKS == Job.fetch(job.id, connection).callbacks


def test_nothing_is_stored_of_callbacks_that_are_not_there(q: Queue, connection: Redis) -> None:
    job = q.enqueue(steps.nothing, on_success=None, on_failure=None, on_stopped=None)
    assert field(connection, job) is None
    assert job.callbacks == NO_CALLBACKS


def test_a_function_has_arguments_of_these_names_by_kwargs(q: Queue) -> None:
    assert q.enqueue(samples.anything, kwargs={"on_success": 1}).kwargs == {"on_success": 1}
    assert q.options().enqueue(samples.anything, on_success=1).kwargs == {"on_success": 1}


def test_a_fallback_has_callbacks_of_its_own(q: Queue) -> None:
    plain = q.enqueue(steps.boom, fallback=samples.anything, **OPTIONS)
    own = q.enqueue(steps.boom, fallback=Fallback(samples.anything, **OPTIONS))
    for job in (plain, own):
        job.refresh()
    assert [job.callbacks for job in (plain, own)] == [CALLBACKS, NO_CALLBACKS]
    stand_ins = [Job.fetch(job.fallback_id or "", q.store.client) for job in (plain, own)]
    assert [job.callbacks for job in stand_ins] == [NO_CALLBACKS, CALLBACKS]


def test_the_elements_of_a_map_have_its_callbacks_and_it_has_none(q: Queue) -> None:
    job = q.options(fallback=Fallback(steps.echo, 1, **OPTIONS), **OPTIONS).map(growing.negated, [1, 2])
    drain(q)
    assert job.result == [-1, -2]
    assert job.callbacks == NO_CALLBACKS
    elements = Job.fetch_many(job.spawned_ids, q.store.client)
    stand_ins = Job.fetch_many([element.fallback_id or "" for element in elements if element], q.store.client)
    assert [each and each.callbacks for each in (*elements, *stand_ins)] == [CALLBACKS] * 4


def test_what_a_map_carries_from_before_there_were_callbacks_has_none() -> None:
    assert JobOptions.restored({"timeout_ms": 5}).callbacks == NO_CALLBACKS
    assert "callbacks" not in JobOptions().plain()


def test_what_a_job_spawns_has_callbacks(q: Queue) -> None:
    job = q.enqueue(growing.spawn_one, "steps.nothing", [], {"on_failure": "samples.report"})
    drain(q)
    (spawned,) = job.spawned_ids
    assert Job.fetch(spawned, q.store.client).callbacks == Callbacks(on_failure=Callback("samples.report"))


# As data


@pytest.mark.parametrize(("name", "is_long"), [("samples.report", False), (LONG, True)])
def test_callbacks_have_a_key_of_their_own_only_where_they_are_long(
    q: Queue, connection: Redis, name: str, is_long: bool
) -> None:
    job = q.enqueue(steps.nothing, on_success=name)
    key = f"{{rqdeps}}:callbacks:{job.id}"
    assert field(connection, job) == ("@" if is_long else name)
    assert connection.get(key) == (name.encode() if is_long else None)
    job.delete()
    assert connection.exists(key) == 0


def claimed_text(hands: HandWorker, job: Job[Any]) -> str:
    """What a horse would be handed."""
    assert hands.claim() == [job.id]
    return Held.of(hands.held[job.id], now=0.0, begins=True).task().callbacks


@pytest.mark.parametrize("options", [OPTIONS, {"on_stopped": samples.report}, {}])
def test_a_horse_is_handed_the_callbacks_of_the_job(q: Queue, hands: HandWorker, options: dict[str, Any]) -> None:
    job = q.enqueue(steps.nothing, **options)
    assert Callbacks.decode(claimed_text(hands, job)) == Callbacks.of(options)
    hands.finish(job.id)


def test_callbacks_stay_through_retries_and_further_lives(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(steps.nothing, retry=1, **OPTIONS)
    assert claimed_text(hands, job) == TEXT
    hands.fail(job.id, retry_in_ms=0)
    assert claimed_text(hands, job) == TEXT
    hands.fail(job.id)
    job.requeue()
    assert claimed_text(hands, job) == TEXT
    hands.finish(job.id)
    job.requeue(force=True)
    assert claimed_text(hands, job) == TEXT
    hands.finish(job.id)


def test_rqdeps_job_names_the_callbacks(valkey: Redis, valkey_url: str) -> None:
    job = Queue(connection=valkey).enqueue(
        steps.nothing, on_success=samples.report, on_stopped=Callback(LONG, "1m 30s")
    )
    output = CliRunner().invoke(main, ["job", job.id, "--url", valkey_url]).output
    assert [line.split(maxsplit=2) for line in output.splitlines() if line.startswith("on ")] == [
        ["on", "success", "samples.report (for 1 m 00 s at most)"],
        ["on", "stopped", f"{LONG} (for 1 m 30 s at most)"],
    ]
