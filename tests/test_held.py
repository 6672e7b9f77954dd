"""Jobs that are held, and graphs wired by hand: create, save, add dependencies in any order, release."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any, cast

import pytest
import samples
from by_hand import HandWorker, statuses
from every_status import budget, claim_until, every_reply_lost, job_in, maintain
from redis import Redis

from rqdeps import Dependency, Job, NoSuchJobError, Queue
from rqdeps.dependency import RULES, Rule
from rqdeps.errors import (
    DependencyCycleError,
    DuplicateJobError,
    GraphTooLargeError,
    InvalidJobOperationError,
    JobNotEndedError,
)
from rqdeps.store.scripts import BUDGET


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["default", "first", "second", "third"])


def hold(queue: Queue, **options: Any) -> Job[Any]:
    return queue.options(hold=True, **options).enqueue(samples.anything)


def create(connection: Redis, *args: Any, **options: Any) -> Job[Any]:
    return Job.create(samples.anything, args, connection=connection, **options)


def status_of(*jobs: Job[Any]) -> list[str | None]:
    return statuses(jobs[0]._store, [job.id for job in jobs])


def circle_of(error: DependencyCycleError) -> list[str]:
    """The circle that an error spells out."""
    message = str(error)
    assert message.startswith("these jobs would wait for each other for ever: ")
    return re.findall(r"'([\w.-]+)'", message)


# Jobs that nobody knows yet


def test_a_created_job_is_known_to_nobody(q: Queue, connection: Redis) -> None:
    job = create(connection, 1, id="mine", meta={"a": 1}, description="text", timeout=7, fallback=samples.anything)
    assert not Job.exists("mine", connection=connection)
    assert (job.id, job.args, job.kwargs, job.origin) == ("mine", (1,), {}, "default")
    assert (job.get_status(), job.meta, job.description, job.timeout) == ("created", {"a": 1}, "text", 7)
    assert job.fallback_id is not None
    assert (job.is_created, job.created_at, job.attempt) == (True, None, 0)
    assert job.explain() == "Job mine is not saved yet: Queue.enqueue_job enqueues it."
    with pytest.raises(JobNotEndedError):
        _ = job.result
    assert job.dependencies() == []
    assert not connection.exists("{rqdeps}:job:mine")


def test_a_created_job_tells_what_it_depends_on(q: Queue, connection: Redis) -> None:
    first = create(connection)
    job = create(connection, "text", create(connection, id="second").output, depends_on=first)
    assert job.dependency_ids == [first.id, "second"]
    assert [(each.group, each.rule, each.wants_output, each.outcome) for each in job.dependencies()] == [
        (0, "all_success", False, None),
        (1, "all_success", True, None),
    ]


def test_a_saved_job_is_held(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = create(connection, queue="first", meta={"a": 1})
    job.save()
    fetched = Job.fetch(job.id, connection=connection)
    assert (fetched.get_status(), fetched.origin, fetched.meta) == ("created", "first", {"a": 1})
    assert hands.claim() == []
    assert Queue("first", connection=connection).get_job_ids(status="created") == [job.id]
    job.release()
    assert hands.claim() == [job.id]


def test_a_created_job_is_enqueued_by_a_queue(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = create(connection, queue="first")
    assert Queue("second", connection=connection).enqueue_job(job) is job
    assert (job.get_status(), job.origin) == ("queued", "second")
    with pytest.raises(InvalidJobOperationError) as caught:
        q.enqueue_job(job)
    assert str(caught.value) == f"job {job.id!r} is queued, and not held: there is nothing to release"


def test_a_saved_job_is_enqueued_by_another_queue(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = create(connection, queue="first")
    job.save()
    second = Queue("second", connection=connection)
    second.enqueue_job(job)
    assert (job.get_status(), job.origin) == ("queued", "second")
    assert second.job_ids == [job.id]
    assert sum(Queue("first", connection=connection).counts.values()) == 0
    assert HandWorker(q.store, ["first"]).claim() == []
    assert HandWorker(q.store, ["second"]).claim() == [job.id]


def test_a_held_job_is_enqueued_by_its_own_queue(q: Queue) -> None:
    job = hold(q)
    q.enqueue_job(job)
    assert q.job_ids == [job.id]


def test_saving_once_more_stores_meta(q: Queue, connection: Redis) -> None:
    job = create(connection)
    job.save()
    job.meta["k"] = 1
    job.save()
    assert Job.fetch(job.id, connection=connection).meta == {"k": 1}
    assert job.is_created


def test_created_jobs_are_enqueued_together_in_any_order(q: Queue, hands: HandWorker, connection: Redis) -> None:
    first = create(connection, queue="first")
    second = create(connection, first.output, queue="second")
    third = Queue.prepare_data(samples.anything, depends_on=[first, second])
    jobs = q.enqueue_many([third, second, first])
    assert [job.id for job in jobs] == [third.id, second.id, first.id]
    assert [job.origin for job in jobs] == ["default", "second", "first"]
    assert status_of(*jobs) == ["deferred", "deferred", "queued"]


def test_a_created_job_that_waits_for_one_not_saved_is_refused(q: Queue, connection: Redis) -> None:
    first = create(connection, id="first")
    second = create(connection, depends_on=first)
    for attempt in (second.save, lambda: q.enqueue_job(second)):
        with pytest.raises(NoSuchJobError, match="'first'"):
            attempt()
    first.save()
    second.save()
    second.release()
    assert status_of(first, second) == ["created", "deferred"]


def test_an_id_that_is_taken_can_not_be_saved(q: Queue, connection: Redis) -> None:
    q.enqueue(samples.anything, job_id="taken")
    with pytest.raises(DuplicateJobError, match="'taken'"):
        create(connection, id="taken").save()


# Held jobs


def test_a_held_job_waits_to_be_released(q: Queue, hands: HandWorker) -> None:
    job = hold(q, ttl=60)
    after = q.enqueue(samples.anything, job.output)
    maintain(q.store)
    assert hands.claim() == []
    assert status_of(job, after) == ["created", "deferred"]
    assert (q.counts["created"], q.get_job_ids(status="created")) == (1, [job.id])  # type: ignore[index]
    job.release()
    assert hands.claim() == [job.id]
    assert hands.finish(job.id) == [after.id]


def test_the_time_to_start_begins_with_the_release(q: Queue, connection: Redis) -> None:
    job = hold(q, ttl=60)
    assert not connection.exists("{rqdeps}:timers")
    job.release()
    assert connection.zrange("{rqdeps}:timers", 0, -1) == [job.id.encode()]


def test_a_released_job_waits_for_its_time_or_its_dependencies(q: Queue, hands: HandWorker, connection: Redis) -> None:
    first = q.enqueue(samples.anything)
    deferred = hold(q, depends_on=first)
    at_front = hold(q, at_front=True)
    for job in (deferred, at_front):
        job.release()
    assert deferred.is_deferred
    assert q.job_ids == [at_front.id, first.id]
    claim_until(hands, first.id)
    assert hands.finish(first.id) == [deferred.id]


def test_what_ends_while_a_job_is_held_counts_when_it_is_released(q: Queue, hands: HandWorker) -> None:
    good, bad = job_in("started", q, hands), job_in("started", q, hands)
    held = {
        rule: (hold(q, depends_on=Dependency(good, rule=rule)), hold(q, depends_on=Dependency(bad, rule=rule)))
        for rule in cast("list[Rule]", ["all_success", "all_failed"])
    }
    hands.finish(good.id)
    hands.fail(bad.id)
    jobs = [job for pair in held.values() for job in pair]
    assert set(status_of(*jobs)) == {"created"}
    q.release_many(jobs)
    assert status_of(*jobs) == ["queued", "upstream_failed", "skipped", "queued"]


def test_a_job_is_released_once(q: Queue, hands: HandWorker) -> None:
    for status in ("deferred", "scheduled", "queued", "started", "finished", "failed", "canceled", "skipped"):
        job = job_in(status, q, hands)
        with pytest.raises(InvalidJobOperationError) as caught:
            job.release()
        assert str(caught.value) == f"job {job.id!r} is {status}, and not held: there is nothing to release"
        assert status_of(job) == [status]


def test_held_jobs_are_released_all_or_none(q: Queue) -> None:
    jobs = [hold(q) for _ in range(5)]
    with pytest.raises(InvalidJobOperationError, match="is queued, and not held"):
        q.release_many([*jobs, q.enqueue(samples.anything)])
    with pytest.raises(NoSuchJobError, match="'nobody'"):
        q.release_many([*jobs, Job("nobody", q.store)])
    assert set(status_of(*jobs)) == {"created"}
    shuffled = random.Random(1).sample(jobs, 5)
    for job in q.job_ids:
        Job(job, q.store).cancel()
    q.release_many(shuffled)
    assert q.job_ids == [job.id for job in shuffled]


def test_more_held_jobs_are_released_than_one_call_takes(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    first = queue.enqueue(samples.anything)
    first.skip()
    datas = [Queue.prepare_data(samples.anything, depends_on=first, hold=True) for _ in range(2 * BUDGET)]
    jobs = queue.enqueue_many(datas)
    assert set(status_of(*jobs)) == {"created"}
    queue.release_many(jobs)
    assert queue.get_job_ids(length=10_000) == [job.id for job in jobs]


def test_a_held_job_can_be_changed_like_any_other(q: Queue, hands: HandWorker) -> None:
    canceled, deleted, skipped = hold(q), hold(q), hold(q)
    canceled.cancel()
    deleted.delete()
    skipped.skip(3)
    assert status_of(canceled, deleted, skipped) == ["canceled", None, "finished"]
    canceled.requeue()
    assert canceled.is_queued
    assert hands.claim() == [canceled.id]


def test_all_that_is_done_to_held_jobs_may_arrive_twice(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    queue.store.open()
    first = queue.enqueue(samples.anything)
    with every_reply_lost():
        job = create(valkey, queue="first", id="mine")
        job._store = queue.store
        job.save()
        held = hold(queue)
        held.add_dependency([first, job])
        queue.release_many([held])
        queue.enqueue_job(job)
        held.add_dependency(Dependency(hold(queue), rule="all_done"))
    maintain(queue.store, "default", "first")
    assert status_of(held, job) == ["deferred", "queued"]
    assert job.origin == "default"
    assert len(held.dependency_ids) == 3


# Wiring by hand


@pytest.mark.parametrize("seed", range(3))
def test_many_to_many_across_queues_wired_in_any_order(connection: Redis, seed: int) -> None:
    queues = [Queue(name, connection=connection) for name in ("first", "second", "third")]
    hands = HandWorker(queues[0].store, ["first", "second", "third"])
    layers = [[hold(queue) for _ in range(4)] for queue in queues]
    edges = [edge for above, below in itertools.pairwise(layers) for edge in itertools.product(above, below)]
    steps: list[tuple[Job[Any], Job[Any] | None]] = [*edges, *((job, None) for job in itertools.chain(*layers))]
    random.Random(seed).shuffle(steps)
    # A job is released when all that it is to wait for is known, or else it might run before.
    for job, dependent in steps:
        if dependent is not None:
            dependent.add_dependency(job)
    for job, dependent in steps:
        if dependent is None:
            job.release()
    ran: list[str] = []
    while claimed := hands.claim():
        random.Random(seed).shuffle(claimed)
        for job_id in claimed:
            hands.finish(job_id)
            ran.append(job_id)
    places = {job_id: place for place, job_id in enumerate(ran)}
    assert len(places) == 12
    assert all(places[above.id] < places[below.id] for above, below in edges)


@pytest.mark.parametrize("rule", RULES)
def test_an_added_dependency_has_its_rule(q: Queue, hands: HandWorker, rule: Rule) -> None:
    first, second = job_in("started", q, hands), job_in("started", q, hands)
    whole = q.enqueue(samples.anything, depends_on=Dependency([first, second], rule=rule))
    by_rule, by_group = hold(q), hold(q)
    by_rule.add_dependency([first, second], rule=rule)
    by_group.add_dependency(Dependency([first.id, second.id], rule=rule))
    q.release_many([by_rule, by_group])
    assert [each.rule for each in by_rule.dependencies()] == [rule, rule]
    assert len(set(status_of(whole, by_rule, by_group))) == 1
    hands.finish(first.id)
    assert len(set(status_of(whole, by_rule, by_group))) == 1
    hands.fail(second.id)
    assert len(set(status_of(whole, by_rule, by_group))) == 1


def test_dependencies_of_one_rule_add_up_where_that_means_the_same(q: Queue) -> None:
    jobs = [q.enqueue(samples.anything) for _ in range(4)]
    held = hold(q)
    for job in jobs[:2]:
        held.add_dependency(job)
    for job in jobs[2:]:
        held.add_dependency(job, rule="one_success")
    assert [(each.rule, each.group) for each in sorted(held.dependencies(), key=lambda each: each.group)] == [
        ("all_success", 0), ("all_success", 0), ("one_success", 1), ("one_success", 2),
    ]  # fmt: skip


def test_a_draft_gets_dependencies_like_a_saved_job(q: Queue, hands: HandWorker, connection: Redis) -> None:
    jobs = [q.enqueue(samples.anything) for _ in range(3)]
    draft = create(connection, depends_on=jobs[0])
    draft.add_dependency(jobs[1])
    draft.add_dependency(Dependency(jobs[2], rule="all_done"))
    with pytest.raises(ValueError, match=f"job '{draft.id}' depends on '{jobs[1].id}' already"):
        draft.add_dependency(jobs[1])
    q.enqueue_job(draft)
    assert {each.id: each.rule for each in draft.dependencies()} == {
        jobs[0].id: "all_success",
        jobs[1].id: "all_success",
        jobs[2].id: "all_done",
    }


def test_a_draft_does_not_wait_for_itself(q: Queue, connection: Redis) -> None:
    draft = create(connection, id="mine")
    draft.add_dependency(draft)
    with pytest.raises(DependencyCycleError, match="'mine' → 'mine'"):
        draft.save()


def test_a_queued_job_is_pulled_back_by_a_new_dependency(q: Queue, hands: HandWorker) -> None:
    first = q.enqueue(samples.anything)
    job, at_front = q.enqueue(samples.anything, ttl=60), q.enqueue(samples.anything, at_front=True)
    for each in (job, at_front):
        each.add_dependency(first)
        assert each.is_deferred
    assert q.job_ids == [first.id]
    assert hands.claim() == [first.id]
    assert set(hands.finish(first.id)) == {job.id, at_front.id}
    assert hands.claim() == [at_front.id, job.id]


def test_a_scheduled_job_is_pulled_back_and_waits_for_its_time_after(q: Queue, hands: HandWorker) -> None:
    first = job_in("started", q, hands)
    job = q.enqueue_in(3600, samples.anything)
    job.add_dependency(first)
    assert job.is_deferred
    hands.finish(first.id)
    assert job.is_scheduled


@pytest.mark.parametrize(
    ("status", "became"),
    [("finished", "queued"), ("failed", "upstream_failed"), ("skipped", "skipped"), ("canceled", "upstream_failed")],
)
def test_a_dependency_that_has_ended_counts_at_once(q: Queue, hands: HandWorker, status: str, became: str) -> None:
    ended = job_in(status, q, hands)
    job, held = q.enqueue(samples.anything), hold(q)
    after = q.enqueue(samples.anything, depends_on=job)
    for each in (job, held):
        each.add_dependency(ended)
    assert status_of(job, held) == [became, "created"]
    assert status_of(after) == [became if became != "queued" else "deferred"]
    held.release()
    assert status_of(held) == [became]


def test_what_can_not_run_may_wait_for_more(q: Queue, hands: HandWorker) -> None:
    jobs = [job_in(status, q, hands) for status in ("upstream_failed", "canceled", "skipped")]
    first = q.enqueue(samples.anything)
    for job in jobs:
        job.add_dependency(first)
        assert first.id in job.dependency_ids
    # Had the last waited for both from the start, it would wait: the first could fail yet.
    assert status_of(*jobs) == ["upstream_failed", "canceled", "deferred"]
    claim_until(hands, first.id)
    hands.finish(first.id)
    assert status_of(*jobs) == ["upstream_failed", "canceled", "skipped"]


@pytest.mark.parametrize("status", ["started", "finished", "failed", "stopped"])
def test_what_has_run_can_not_wait_for_more(q: Queue, hands: HandWorker, status: str) -> None:
    first, job = q.enqueue(samples.anything), job_in(status, q, hands)
    with pytest.raises(InvalidJobOperationError) as caught:
        job.add_dependency(first)
    assert str(caught.value) == (
        f"job {job.id!r} is {status}: a job can be made to wait for others only before it has run"
    )
    assert (job.dependency_ids, first.dependent_ids) == ([], [])


def test_what_waits_for_another_attempt_can_not_wait_for_more(q: Queue, hands: HandWorker) -> None:
    first, job = q.enqueue(samples.anything), job_in("started", q, hands, retry=2)
    hands.fail(job.id, retry_in_ms=0)
    assert job.is_queued
    with pytest.raises(InvalidJobOperationError, match="only before it has run"):
        job.add_dependency(first)


def test_a_job_stands_in_one_group_only(q: Queue) -> None:
    first, second = q.enqueue(samples.anything), q.enqueue(samples.anything)
    job = q.enqueue(samples.anything, depends_on=first)
    for rule in (None, "all_done"):
        with pytest.raises(ValueError, match=f"job '{job.id}' depends on '{first.id}' already; a job stands in one"):
            job.add_dependency([second, first], rule=rule)
    assert job.dependency_ids == [first.id]
    with pytest.raises(ValueError, match="twice"):
        job.add_dependency([second, second])
    with pytest.raises(ValueError, match="a Dependency has a rule of its own; drop rule='all_done'"):
        job.add_dependency(Dependency(second), rule="all_done")


def test_an_unknown_dependency_can_not_be_added(q: Queue) -> None:
    first, job = q.enqueue(samples.anything), q.enqueue(samples.anything)
    with pytest.raises(NoSuchJobError, match="'nobody'"):
        job.add_dependency([first, "nobody"])
    assert (job.get_status(), job.dependency_ids, first.dependent_ids) == ("queued", [], [])


def test_more_dependencies_than_one_call_takes(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    above = queue.enqueue_many([Queue.prepare_data(samples.anything) for _ in range(2 * BUDGET)])
    queued, held, draft = queue.enqueue(samples.anything), hold(queue), create(valkey)
    with pytest.raises(GraphTooLargeError, match=f"{2 * BUDGET} dependencies are more than a job can get in one step"):
        queued.add_dependency(above)
    assert queued.is_queued
    held.add_dependency(above)
    draft.add_dependency(above)
    queue.enqueue_job(draft)
    held.release()
    assert status_of(held, draft) == ["deferred", "deferred"]
    assert len(held.dependency_ids) == len(draft.dependency_ids) == 2 * BUDGET
    assert {(each.group, each.rule) for each in held.dependencies()} == {(0, "all_success")}


# Circles


def test_a_job_can_not_wait_for_itself(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    with pytest.raises(DependencyCycleError) as caught:
        job.add_dependency(job)
    assert str(caught.value) == f"these jobs would wait for each other for ever: '{job.id}' → '{job.id}'"
    assert job.is_queued


def test_two_jobs_can_not_wait_for_each_other(q: Queue) -> None:
    first = hold(q)
    second = q.enqueue(samples.anything, depends_on=first)
    with pytest.raises(DependencyCycleError) as caught:
        first.add_dependency(second)
    # Each waits for the next.
    assert circle_of(caught.value) == [first.id, second.id, first.id]
    assert (first.dependency_ids, second.dependent_ids) == ([], [])
    first.release()
    assert first.is_queued


@pytest.mark.parametrize("length", [5, 30])
@pytest.mark.parametrize("size", [7, BUDGET])
def test_a_long_circle_is_spelled_out(q: Queue, length: int, size: int) -> None:
    chain = [hold(q)]
    for _ in range(length):
        chain.append(q.enqueue(samples.anything, depends_on=[chain[-1], hold(q)]))
    with budget(size), pytest.raises(DependencyCycleError) as caught:
        chain[0].add_dependency(chain[-1])
    ids = [job.id for job in chain]
    assert circle_of(caught.value) == [ids[0], *reversed(ids)]
    assert chain[0].dependency_ids == []


def test_a_circle_beyond_one_calls_budget_is_found(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    first = hold(queue)
    datas = [Queue.prepare_data(samples.anything, depends_on=first)]
    for _ in range(2 * BUDGET):
        datas.append(Queue.prepare_data(samples.anything, depends_on=datas[-1]))
    wide = [Queue.prepare_data(samples.anything, depends_on=datas[-1]) for _ in range(BUDGET)]
    last = Queue.prepare_data(samples.anything, depends_on=wide)
    queue.enqueue_many([*datas, *wide, last])
    with pytest.raises(DependencyCycleError) as caught:
        first.add_dependency(last.id)
    found = circle_of(caught.value)
    assert found[:2] == [first.id, last.id]
    assert found[3:] == [*(each.id for each in reversed(datas)), first.id]
    # What is no circle is no circle, however large.
    other = queue.enqueue(samples.anything)
    after_other = queue.enqueue(samples.anything, depends_on=other)
    other.add_dependency(last.id)
    assert status_of(other, after_other) == ["deferred", "deferred"]


def test_a_circle_through_a_fallback_is_found(q: Queue) -> None:
    job = q.options(hold=True, fallback=samples.anything).enqueue(samples.anything)
    fallback_id = job.fallback_id
    assert fallback_id is not None
    with pytest.raises(DependencyCycleError) as caught:
        job.add_dependency(fallback_id)
    assert circle_of(caught.value) == [job.id, fallback_id, job.id]
    # Who waits for the job waits for its fallback: it can't wait for them, nor for anybody else.
    after = q.enqueue(samples.anything, depends_on=job)
    with pytest.raises(InvalidJobOperationError, match=f"is the fallback of '{job.id}', and waits for nothing else"):
        Job(fallback_id, q.store).add_dependency(after)
    upstream = q.options(hold=True).enqueue(samples.anything)
    job.add_dependency(upstream)
    for size in (2, BUDGET):
        with budget(size), pytest.raises(DependencyCycleError) as caught:
            upstream.add_dependency(fallback_id)
        assert circle_of(caught.value) == [upstream.id, fallback_id, job.id, upstream.id]


def test_a_circle_among_new_jobs_is_spelled_out(q: Queue, connection: Redis) -> None:
    datas = [Queue.prepare_data(samples.anything, job_id=f"{n}", depends_on=f"{(n + 1) % 3}") for n in range(3)]
    with pytest.raises(DependencyCycleError) as caught:
        q.enqueue_many(datas)
    found = circle_of(caught.value)
    assert (found[0], sorted(found[1:])) == (found[-1], ["0", "1", "2"])
    assert all((int(one) + 1) % 3 == int(other) for one, other in itertools.pairwise(found))
    with pytest.raises(DependencyCycleError, match="'mine' → 'mine'"):
        q.enqueue(samples.anything, job_id="mine", depends_on="mine")
    assert sum(q.counts.values()) == 0


def test_drafts_that_wait_for_each_other_are_refused(q: Queue, connection: Redis) -> None:
    first, second = create(connection, id="first"), create(connection, id="second")
    second.add_dependency(first)
    first.add_dependency(second)
    with pytest.raises(DependencyCycleError, match=r"'first' → 'second' → 'first'|'second' → 'first' → 'second'"):
        q.enqueue_many([first, second])


def test_no_graph_wired_at_random_has_a_circle(valkey: Redis) -> None:
    """Edges are added one by one, by calls of any budget: refused are just those that would close a circle."""
    for seed in range(6):
        valkey.flushall()
        queue = Queue(connection=valkey)
        chance = random.Random(seed)
        jobs = [hold(queue) for _ in range(8)]
        waits_for: dict[str, set[str]] = {job.id: set() for job in jobs}

        def reaches(start: str, goal: str, edges: dict[str, set[str]]) -> bool:
            return start == goal or any(reaches(up, goal, edges) for up in edges[start])

        with budget(chance.choice([2, 5, BUDGET])):
            for _ in range(40):
                below, above = chance.choice(jobs), chance.choice(jobs)
                if above.id in waits_for[below.id]:
                    continue
                try:
                    below.add_dependency(above)
                except DependencyCycleError:
                    assert reaches(above.id, below.id, waits_for)
                else:
                    assert not reaches(above.id, below.id, waits_for)
                    waits_for[below.id].add(above.id)
            queue.release_many(jobs)
            hands = HandWorker(queue.store)
            done = 0
            while claimed := hands.claim(1):
                hands.finish(claimed[0])
                done += 1
                maintain(queue.store)
        assert done == len(jobs)
