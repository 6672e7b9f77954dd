"""Mapping a function over a list that may be known only while the graph runs, and chains of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fakeredis
import growing
import pytest
import samples
import steps
from by_hand import HandWorker, statuses
from processes import lines
from redis import Redis

from rqdeps import Dependency, Fallback, Job, Queue, SimpleWorker, Worker, Workflow
from rqdeps.dependency import RULES, Rule
from rqdeps.errors import (
    DuplicateJobError,
    InvalidJobOperationError,
    NoSuchJobError,
    SerializationError,
    UnsupportedFunctionError,
)
from rqdeps.lineage import edges_of
from rqdeps.store.invariants import check_invariants


@pytest.fixture
def connection(real_connection: Redis) -> Redis:
    """A client of each real server in turn: fakeredis would take longer than these together."""
    return real_connection


def drain(queue: Queue, *others: str) -> None:
    """Runs all that can run."""
    SimpleWorker([queue, *others], connection=queue.store.client).work(burst=True)


def status_of(*jobs: Job[Any]) -> list[str | None]:
    return statuses(jobs[0]._store, [job.id for job in jobs])


def elements_of(job: Job[Any]) -> list[Job[Any]]:
    """The jobs that a map has spawned, in order."""
    edges = job._store.perform(edges_of(job.id, joined=True))
    return [Job(job_id, job._store) for job_id in sorted(edge.dependency_id for edge in edges)]


# Items


@pytest.mark.parametrize("count", [0, 1, 7])
def test_there_is_a_call_for_each_item_and_the_result_is_a_list_in_order(q: Queue, count: int) -> None:
    job = q.map(growing.negated, list(range(count)))
    taker = q.enqueue(steps.echo, job.output)
    drain(q)
    assert job.result == taker.result == [-number for number in range(count)]
    assert len(elements_of(job)) == count


@pytest.mark.parametrize("count", [0, 1, 7])
def test_items_come_from_a_job(q: Queue, count: int) -> None:
    items = q.enqueue(steps.echo, list(range(count)))
    job = q.map(growing.negated, items.output)
    taker = q.enqueue(steps.total, job.output)
    drain(q)
    assert job.result == [-number for number in range(count)]
    assert taker.result == sum(job.result)


def test_items_may_be_or_hold_outputs(q: Queue) -> None:
    three, four = q.enqueue(steps.echo, 3), q.enqueue(steps.echo, 4)
    job = q.map(steps.echo, [three.output, 5, {"inside": [four.output]}])
    drain(q)
    assert job.result == [3, 5, {"inside": [4]}]


def test_an_output_with_a_default_gives_items(q: Queue) -> None:
    failing = q.enqueue(steps.boom)
    job = q.map(growing.negated, failing.output_or([1, 2]))
    drain(q)
    assert job.result == [-1, -2]


@pytest.mark.parametrize(
    "items",
    [(1, 2), range(1, 3), dict.fromkeys([1, 2]).keys(), {1: 1, 2: 2}.values(), iter([1, 2]), {1, 2}],
    ids=lambda items: type(items).__name__,
)
def test_items_are_anything_that_is_gone_through(fq: Queue, items: Any) -> None:
    assert fq.map(growing.negated, items).kwargs["items"] == [1, 2]


def test_a_tuple_or_set_that_a_job_returns_is_gone_through(q: Queue) -> None:
    jobs = [q.map(growing.negated, q.enqueue(steps.echo, items).output) for items in ((1, 2), {1})]
    drain(q)
    assert [job.result for job in jobs] == [[-1, -2], [-1]]


def test_a_map_of_many_keeps_their_order(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    count = 700
    job = queue.map(steps.echo, queue.enqueue(steps.echo, list(range(count))).output)
    taker = queue.enqueue(steps.echo, job.output)
    Worker([queue], connection=valkey, processes=2).work(burst=True)
    assert job.result == taker.result == list(range(count))


def test_fakeredis_does_for_tests_of_maps(fq: Queue, fake: Redis) -> None:
    parts = fq.map(growing.negated, fq.enqueue(steps.echo, [1, 2]).output)
    report = fq.enqueue(steps.total, parts.output)
    failing = fq.map(growing.only_even, [1, 2], rule="all_done")
    drain(fq)
    assert (report.result, failing.result) == (-3, [None, 2])
    check_invariants(fake)


@pytest.fixture
def fake() -> Redis:
    return fakeredis.FakeRedis(server=fakeredis.FakeServer())


@pytest.fixture
def fq(fake: Redis) -> Queue:
    return Queue(connection=fake)


@pytest.mark.parametrize(
    ("items", "way_out"),
    [
        ("abc", "over str: put it into a list if it is one item"),
        (b"abc", "over bytes: put it into a list if it is one item"),
        ({"a": 1}, r"over dict: pass list\(d.items\(\)\), list\(d\) or list\(d.values\(\)\)"),
        (5, "over int: put it into a list"),
        (None, "over NoneType: put it into a list"),
    ],
    ids=["str", "bytes", "dict", "int", "None"],
)
def test_what_is_no_list_of_items_is_refused(q: Queue, items: Any, way_out: str) -> None:
    with pytest.raises(TypeError, match=way_out):
        q.map(steps.echo, items)
    assert sum(q.counts.values()) == 0
    job = q.map(steps.echo, q.enqueue(steps.echo, items).output)
    after = q.enqueue(steps.echo, job.output)
    drain(q)
    assert status_of(job, after) == ["failed", "upstream_failed"]
    (attempt,) = job.attempts  # another could not help
    assert attempt.error_type == "rqdeps.spreading.NoItemsError"
    with pytest.raises(TypeError, match=way_out):
        raise TypeError(attempt.message)


def test_a_job_is_no_list_of_items(fq: Queue) -> None:
    job = fq.enqueue(steps.nothing)
    for items in (job, Queue.prepare_data(steps.nothing)):
        with pytest.raises(TypeError, match=r"not over \w+: pass its \.output"):
            fq.map(steps.echo, items)  # type: ignore[arg-type]
    with pytest.raises(SerializationError, match=r"\[1\] is a job: pass its \.output"):
        fq.map(steps.echo, [0, job])


# The function and its arguments


def test_further_arguments_are_the_same_for_all(q: Queue) -> None:
    job = q.map(steps.add, [1, 2], args=(10,))
    named = q.map(steps.add, [1, 2], kwargs={"right": 20})
    drain(q)
    assert (job.result, named.result) == ([11, 12], [21, 22])


def test_further_arguments_may_be_outputs(q: Queue) -> None:
    ten = q.enqueue(steps.echo, 10)
    job = q.map(steps.add, [1, 2], args=(ten.output,))
    missing = q.enqueue(steps.boom)
    named = q.map(steps.add, [1, 2], kwargs={"right": missing.output_or(20)})
    drain(q)
    assert (job.result, named.result) == ([11, 12], [21, 22])


@pytest.mark.parametrize(
    "function", ["samples.original", samples.Mailer.static, samples.original], ids=["path", "static method", "function"]
)
def test_functions_are_given_as_for_enqueue(q: Queue, function: Any) -> None:
    job = q.map(function, [1])
    drain(q)
    assert job.result in ([1], [(1, "replaced")])


def test_a_class_method_is_mapped(q: Queue) -> None:
    job = q.map(samples.SpecialMailer.for_class, [1, 2])
    drain(q)
    assert job.result == [("SpecialMailer", 1), ("SpecialMailer", 2)]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "message"),
    [
        (steps.nothing, (), {}, "nothing"),
        (steps.add, (), {}, "right"),
        (steps.add, (1, 2), {}, "add"),
        (steps.add, (1,), {"left": 2}, "left"),
        (steps.echo, (), {"valeu": 1}, "valeu"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    fq: Queue, function: Callable[..., Any], args: Any, kwargs: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        fq.map(function, [1], args=args, kwargs=kwargs)
    assert sum(fq.counts.values()) == 0


def test_a_function_that_no_worker_could_find_is_refused(fq: Queue) -> None:
    with pytest.raises(UnsupportedFunctionError):
        fq.map(lambda item: item, [1])


@pytest.mark.parametrize("enqueue", ["map", "chain"])
def test_further_arguments_are_a_list_and_a_dictionary(fq: Queue, enqueue: str) -> None:
    give = partial(fq.map, steps.add, [1]) if enqueue == "map" else partial(fq.chain, steps.echo)
    for args in ("a", 5):
        with pytest.raises(TypeError, match=r"args= is a list or a tuple"):
            give(args=args)
    with pytest.raises(TypeError, match=r"kwargs= is a dictionary"):
        give(kwargs=[("right", 1)])


def test_an_item_that_can_not_be_carried_is_named(fq: Queue) -> None:
    with pytest.raises(SerializationError, match=r"'items'\[1\] is of the type object"):
        fq.map(steps.echo, [1, object()])


# Rules

#: What becomes of a map of one element that succeeds and one that fails.
ENDS: dict[Rule, str] = dict.fromkeys(RULES, "finished") | {
    "all_success": "upstream_failed",
    "none_failed": "upstream_failed",
    "none_failed_min_one_success": "upstream_failed",
    "all_failed": "skipped",
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_decides_and_what_failed_is_none_in_place(valkey: Redis, rule: Rule) -> None:
    queue = Queue(connection=valkey)
    job = queue.map(growing.only_even, [1, 2], rule=rule)
    taker = queue.enqueue(steps.echo, job.output)
    drain(queue)
    assert job.get_status() == ENDS[rule]
    if job.is_finished:
        assert job.result == taker.result == [None, 2]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("item", [1, 2])
def test_every_rule_joins_a_single_element(valkey: Redis, rule: Rule, item: int) -> None:
    queue = Queue(connection=valkey)
    job = queue.map(growing.only_even, [item], rule=rule)
    drain(queue)
    alone = queue.enqueue(steps.nothing, depends_on=Dependency(elements_of(job)[0], rule=rule))
    assert job.is_finished is alone.is_queued
    if job.is_finished:
        assert job.result == [None if item == 1 else 2]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_met_by_no_elements(valkey: Redis, rule: Rule) -> None:
    queue = Queue(connection=valkey)
    job = queue.map(growing.only_even, [], rule=rule)
    drain(queue)
    assert job.result == []


def test_an_unknown_rule_is_refused(fq: Queue) -> None:
    with pytest.raises(ValueError, match="there is no trigger rule 'all'"):
        fq.map(steps.echo, [1], rule="all")  # type: ignore[arg-type]


def test_by_default_one_that_fails_fails_the_map(q: Queue) -> None:
    job = q.map(growing.only_even, [1, 2, 3])
    after = q.enqueue(steps.echo, job.output)
    drain(q)
    first, _, third = elements_of(job)
    assert status_of(job, after) == ["upstream_failed", "upstream_failed"]
    explained = job.explain()
    assert f"{first.id} (only_even) failed: ValueError: 1 is odd" in explained
    assert f"{third.id} (only_even) failed: ValueError: 3 is odd" in explained
    assert explained.endswith("; requeue() runs that again.")


# Options


def test_retries_are_for_each_element(q: Queue) -> None:
    job = q.options(retry=2).map(steps.fail_before_attempt, [1, 2, 3])
    short = q.options(retry=1).map(steps.fail_before_attempt, [1, 2, 3])
    drain(q)
    assert job.result == [1, 2, 3]
    assert [element.get_status() for element in elements_of(short)] == ["finished", "finished", "failed"]
    assert (job.attempt, short.attempt) == (1, 1)


def test_what_elements_get_of_the_options_and_what_the_map_has_itself(q: Queue) -> None:
    options: dict[str, Any] = {"job_timeout": 77, "meta": {"k": 1}, "description": "each", "queue": "other"}
    job = q.options(job_id="mine", **options).map(growing.facts_of_mine, [5])
    drain(q, "other")
    assert job.result == [[5, 77, {"k": 1}, "other", "each"]]
    job.refresh()
    assert (job.id, job.timeout, job.meta, job.origin) == ("mine", 180, {}, "other")
    assert job.description == "map of growing.facts_of_mine"


def test_an_element_that_takes_too_long_is_stopped_by_its_timeout(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    job = queue.options(job_timeout=0.5).map(steps.sleep, [0, 30], rule="all_done")
    drain(queue)
    assert job.result == [0, None]


def test_the_map_waits_for_what_it_depends_on(q: Queue, hands: HandWorker) -> None:
    first = q.enqueue(steps.nothing)
    job = q.options(depends_on=first).map(growing.negated, [1])
    assert job.is_deferred
    drain(q)
    assert job.result == [-1]
    with pytest.raises(NoSuchJobError):
        q.options(depends_on="nobody").map(growing.negated, [1])
    with pytest.raises(DuplicateJobError):
        q.options(job_id=job.id).map(growing.negated, [1])


def test_a_held_map_does_not_start(q: Queue) -> None:
    job = q.options(hold=True).map(growing.negated, [1])
    drain(q)
    assert job.get_status() == "created"
    job.release()
    drain(q)
    assert job.result == [-1]


def test_a_fallback_gets_what_its_element_gets(q: Queue) -> None:
    job = q.options(fallback=samples.anything).map(growing.only_even, [1, 2])
    drain(q)
    assert job.result == [((1,), {}), 2]


def test_a_fallback_has_arguments_and_options_of_its_own_and_one_behind_it(q: Queue) -> None:
    behind = Fallback(steps.echo, "the last", meta={"k": 1})
    job = q.options(fallback=Fallback(steps.boom, "first", retry=1, fallback=behind)).map(growing.only_even, [1, 2])
    drain(q)
    assert job.result == ["the last", 2]
    (first, _) = elements_of(job)
    fallback = Job[Any](str(first.fallback_id), q.store)
    last = Job[Any](str(fallback.fallback_id), q.store)
    assert (fallback.attempt, last.meta, fallback.fallback_of, last.fallback_of) == (2, {"k": 1}, first.id, fallback.id)


def test_a_fallback_may_take_the_output_of_another_job(q: Queue) -> None:
    spare = q.enqueue(steps.echo, "spare")
    job = q.options(fallback=Fallback(steps.echo, spare.output)).map(growing.only_even, [1, 2])
    drain(q)
    assert job.result == ["spare", 2]


def test_a_fallback_that_can_not_take_the_arguments_is_refused(fq: Queue) -> None:
    with pytest.raises(
        TypeError, match=r"as a fallback it gets the arguments of the job: Fallback\(function, \.\.\.\)"
    ):
        fq.options(fallback=steps.nothing).map(growing.only_even, [1])
    for wrong in (Fallback(steps.nothing, 1), Fallback(steps.echo, 1, fallback=Fallback(steps.nothing, 1))):
        with pytest.raises(TypeError, match="nothing"):
            fq.options(fallback=wrong).map(growing.only_even, [1])
    assert sum(fq.counts.values()) == 0


# Running it again


def test_requeueing_a_map_runs_failed_elements_only(q: Queue, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = q.map(growing.note_and_succeed_from, [0, 1, 2, 3], args=(2, str(log)))
    after = q.enqueue(steps.echo, job.output)
    drain(q)
    assert (job.get_status(), sorted(lines(log))) == ("upstream_failed", ["0", "1", "2", "3"])
    job.requeue()
    assert [element.get_status() for element in elements_of(job)] == ["finished", "queued", "finished", "queued"]
    drain(q)
    assert sorted(lines(log)) == ["0", "1", "1", "2", "3", "3"]
    assert (after.result, job.attempt) == ([0, 1, 2, 3], 1)
    with pytest.raises(InvalidJobOperationError, match="has finished"):
        job.requeue()


def test_by_force_a_map_runs_all_elements_anew(q: Queue, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = q.map(growing.note_and_succeed_from, [0, 1], args=(1, str(log)))
    drain(q)
    job.requeue(force=True)
    drain(q)
    assert (sorted(lines(log)), job.result) == (["0", "0", "1", "1"], [0, 1])


def test_requeueing_one_element_is_enough(q: Queue) -> None:
    job = q.map(steps.fail_before_attempt, [1, 2])
    after = q.enqueue(steps.echo, job.output)
    drain(q)
    elements_of(job)[1].requeue()
    assert status_of(job, after) == ["joining", "deferred"]
    drain(q)
    assert after.result == [1, 2]


# Maps in other places


def test_a_map_of_a_map(q: Queue) -> None:
    inner = q.map(steps.add, [1, 2, 3], args=(10,))
    outer = q.map(growing.negated, inner.output)
    drain(q)
    assert outer.result == [-11, -12, -13]


def test_a_map_over_lists_that_spawn(q: Queue) -> None:
    job = q.map(growing.spawn_echoes, [[1], [], [2, 3]])
    drain(q)
    assert job.result == [[1], [], [2, 3]]


def test_a_map_inside_a_job_is_part_of_it(q: Queue) -> None:
    job = q.enqueue(growing.map_inside, [1, 2])
    drain(q)
    assert job.result == [-1, -2]
    (mapping,) = elements_of(job)
    assert mapping.spawned_by == job.id
    failing = q.enqueue(growing.map_all_done_inside, [1, 2])
    drain(q)
    assert failing.result == "no map"


def test_a_map_in_a_workflow_belongs_to_it_with_all_elements(q: Queue) -> None:
    with Workflow("nightly", queue=q) as workflow:
        parts = workflow.enqueue(steps.echo, [1, 2])
        mapped = workflow.options(fallback=samples.anything).map(growing.only_even, parts.output)
        workflow.enqueue(steps.echo, mapped.output)
    drain(q)
    assert mapped.result == [((1,), {}), 2]
    elements = elements_of(mapped)
    fallbacks = [str(element.fallback_id) for element in elements]
    assert set(workflow.job_ids()) >= {mapped.id, *(element.id for element in elements), *fallbacks}
    counts = {status.value: count for status, count in workflow.counts.items() if count}
    assert (counts, workflow.status) == ({"finished": 5, "failed": 1, "skipped": 1}, "finished")


# Chains


def test_each_of_a_chain_gets_what_the_one_before_returned(q: Queue) -> None:
    jobs = q.chain(steps.add, growing.negated, steps.echo, args=(1,), kwargs={"right": 2})
    drain(q)
    assert [job.result for job in jobs] == [3, -3, -3]
    assert [job.dependency_ids for job in jobs] == [[], [jobs[0].id], [jobs[1].id]]


def test_a_chain_of_one(q: Queue) -> None:
    (job,) = q.options(job_id="alone").chain(steps.add, args=(1, 2))
    drain(q)
    assert (job.id, job.result) == ("alone", 3)


def test_options_of_a_chain_are_for_each_but_for_what_it_waits_for(q: Queue) -> None:
    first = q.options(hold=True).enqueue(steps.nothing)
    jobs = q.options(depends_on=first, retry=1, meta={"k": 1}).chain(steps.fail_before_attempt, steps.echo, args=(2,))
    assert [job.dependency_ids for job in jobs] == [[first.id], [jobs[0].id]]
    assert [(job.retries_left, job.meta) for job in jobs] == [(1, {"k": 1})] * 2
    first.release()
    drain(q)
    assert jobs[-1].result == 2


def test_where_a_chain_breaks_what_comes_after_can_not_run(q: Queue) -> None:
    jobs = q.chain(steps.echo, growing.only_even, steps.echo, args=(1,))
    drain(q)
    assert status_of(*jobs) == ["finished", "failed", "upstream_failed"]


def test_a_chain_is_enqueued_whole_or_not_at_all(fq: Queue) -> None:
    with pytest.raises(TypeError, match="nothing"):
        fq.chain(steps.echo, steps.nothing, args=(1,))
    with pytest.raises(TypeError, match="a chain needs at least one function"):
        fq.chain()
    with pytest.raises(ValueError, match="job_id is for one job, and a chain is several"):
        fq.options(job_id="a").chain(steps.echo, steps.echo, args=(1,))
    assert sum(fq.counts.values()) == 0


def test_a_chain_in_a_workflow(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        jobs = workflow.chain(steps.echo, growing.negated, args=(1,))
    drain(q)
    assert (jobs[-1].result, workflow.status) == (-1, "finished")
