"""What a person can do with jobs: cancel, delete, requeue and skip them; and pause a queue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, cast

import pytest
import samples
from by_hand import LEASE_MS, HandWorker, statuses
from every_status import ENDED, OPEN, STATUSES, budget, claim_until, every_reply_lost, job_in, maintain
from redis import Redis

from rqdeps import Dependency, Job, NoSuchJobError, Queue
from rqdeps.dependency import Rule
from rqdeps.errors import InvalidJobOperationError, JobFailedError, SerializationError, UpstreamFailedError
from rqdeps.store.calls import changes, claims, reads, upkeep
from rqdeps.store.calls.call import Call
from rqdeps.store.calls.changes import Policy
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.calls.inbox import STOP, Message
from rqdeps.store.invariants import check_invariants

POLICIES: list[Policy] = ["cancel", "release", "delete"]

#: How a job that ended so looks to those that wait for it.
FAILS = {"failed", "stopped", "canceled", "upstream_failed"}


def below(queue: Queue, job: Job[Any], rule: Rule = "all_success", **options: Any) -> Job[Any]:
    return queue.enqueue(samples.anything, depends_on=Dependency(job, rule=rule), **options)


def status_of(job: Job[Any]) -> str | None:
    return statuses(job._store, [job.id])[0]


def verdict_after(status: str, rule: Rule) -> str:
    """The status of a job that waits for one that has ended so."""
    if status == "skipped":
        return {"all_success": "skipped", "all_failed": "skipped", "all_done": "queued"}[rule]
    if status in FAILS:
        return {"all_success": "upstream_failed", "all_failed": "queued", "all_done": "queued"}[rule]
    return {"all_success": "queued", "all_failed": "skipped", "all_done": "queued"}[rule]


THREE_RULES: list[Rule] = ["all_success", "all_failed", "all_done"]


def dependents(queue: Queue, job: Job[Any]) -> dict[Rule, Job[Any]]:
    return {rule: below(queue, job, rule) for rule in THREE_RULES}


def all_statuses(jobs: dict[Rule, Job[Any]]) -> dict[Rule, str | None]:
    return {rule: status_of(job) for rule, job in jobs.items()}


# Cancel


@pytest.mark.parametrize("status", [status for status in OPEN if status != "started"])
def test_what_has_not_run_is_canceled_and_counts_as_failed(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    waiting = dependents(q, job)
    assert job.cancel() is True
    assert job.is_canceled
    assert all_statuses(waiting) == {rule: verdict_after("canceled", rule) for rule in THREE_RULES}
    claimed = hands.claim()
    assert job.id not in claimed
    assert {waiting["all_failed"].id, waiting["all_done"].id} <= set(claimed)


def test_what_runs_is_asked_to_stop(q: Queue, hands: HandWorker) -> None:
    job = job_in("started", q, hands)
    waiting = dependents(q, job)
    q.store.run(upkeep.beat("hand", {"pid": 1}))
    assert job.cancel() is True
    job.refresh()
    assert job.is_started
    assert job.is_being_stopped
    claim = hands.held[job.id]
    assert q.store.run(upkeep.beat("hand", {"pid": 1})).messages == [Message(STOP, f"{job.id}:{claim.fence}")]
    assert q.store.run(claims.renew([(claim, True)], lease_ms=LEASE_MS)) == ["to be stopped"]
    assert set(all_statuses(waiting).values()) == {"deferred"}
    hands._report(Outcome(hands.held.pop(job.id), "stopped", value=b'{"message": "stopped"}'))
    assert (job.is_stopped, job.is_being_stopped) == (True, False)
    assert all_statuses(waiting) == {rule: verdict_after("stopped", rule) for rule in THREE_RULES}


@pytest.mark.parametrize("end", ["fail", "retry", "snooze", "give back", "lose the worker"])
def test_what_is_to_be_stopped_gets_no_further_attempt(
    q: Queue, hands: HandWorker, connection: Redis, end: str
) -> None:
    job = job_in("started", q, hands, retry=3)
    job.cancel()
    claim = hands.held[job.id]
    if end == "give back":
        q.store.run(claims.give_back([claim]))
    elif end == "lose the worker":
        maintain(q.store)
        connection.zadd("{rqdeps}:started:default", {job.id: 1})
        maintain(q.store)
    else:
        outcome = {
            "fail": Outcome(claim, "failed", value=b"{}"),
            "retry": Outcome(claim, "failed", delay_ms=0, value=b"{}"),
            "snooze": Outcome(claim, "snoozed", delay_ms=60_000),
        }[end]
        hands._report(outcome)
    assert job.is_stopped
    assert hands.claim() == []


def test_what_finishes_before_it_could_be_stopped_has_finished(q: Queue, hands: HandWorker) -> None:
    job = job_in("started", q, hands)
    job.cancel()
    hands.finish(job.id)
    assert job.is_finished
    assert not job.is_being_stopped


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_stays_as_it_is(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    waiting = dependents(q, job)
    before = all_statuses(waiting)
    assert job.cancel() is (status == "canceled")
    assert status_of(job) == status
    assert all_statuses(waiting) == before == {rule: verdict_after(status, rule) for rule in THREE_RULES}


def test_a_canceled_job_is_an_error_for_who_waits_for_its_result(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    job.cancel()
    with pytest.raises(JobFailedError, match=f"job '{job.id}' ended as canceled"):
        job.wait(timeout=1)


def test_a_job_that_nobody_has_saved_can_not_be_canceled(connection: Redis) -> None:
    job = Job.create(samples.anything, connection=connection)
    for change in (job.cancel, job.delete, job.requeue, job.skip, job.release, job.wait):
        with pytest.raises(InvalidJobOperationError, match=r"is not saved yet: Queue\.enqueue_job"):
            change()  # type: ignore[operator]


def test_a_canceled_retry_is_over(q: Queue, hands: HandWorker) -> None:
    job = job_in("started", q, hands, retry=3)
    hands.fail(job.id, retry_in_ms=60_000)
    assert job.is_scheduled
    assert job.cancel()
    assert job.is_canceled
    maintain(q.store)


# Delete


def test_a_deleted_job_is_gone_whatever_it_was(q: Queue, hands: HandWorker, connection: Redis) -> None:
    for status, policy in product(STATUSES, POLICIES):
        job = job_in(status, q, hands, meta={"text": "long " * 20}, description="long " * 20)
        waiting = dependents(q, job)
        before = all_statuses(waiting)
        job.delete(dependents=policy)
        case = f"{status}, {policy}"
        assert not Job.exists(job.id, connection=connection), case
        assert not [key for key in connection.scan_iter() if job.id in key.decode()], case
        if status in ENDED:  # they had been told
            assert all_statuses(waiting) == before, case
        else:
            became = {"cancel": "canceled", "release": "queued", "delete": None}[policy]
            assert set(all_statuses(waiting).values()) == {became}, case
        connection.flushall()
        q.store.open()


def test_the_deletion_of_what_runs_voids_its_claim(q: Queue, hands: HandWorker) -> None:
    job = job_in("started", q, hands)
    claim = hands.held[job.id]
    job.delete()
    assert q.store.run(claims.renew([(claim, True)], lease_ms=LEASE_MS)) == ["lost"]
    settled = q.store.run(hands._settle([Outcome(claim, "finished", value=b"1")], want=0))
    assert settled.statuses == ["stale"]


def test_a_deleted_dependency_is_the_reason_of_those_canceled_for_it(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    waiting = below(q, job)
    further = below(q, waiting)
    job.delete()
    waiting.refresh()
    assert waiting.reason == f"job {job.id}, which it waited for, was deleted"
    assert further.is_upstream_failed


def test_all_that_waits_is_deleted_in_depth(q: Queue, connection: Redis) -> None:
    jobs = [q.enqueue(samples.anything)]
    for _ in range(30):
        jobs.append(below(q, jobs[-1]))
    other = q.enqueue(samples.anything)
    jobs.append(q.enqueue(samples.anything, depends_on=[jobs[5], other]))
    jobs[0].delete(dependents="delete")
    assert Job.fetch_many([job.id for job in jobs], connection=connection) == [None] * len(jobs)
    assert other.is_queued
    assert other.dependent_ids == []


def test_those_released_wait_for_their_other_dependencies(q: Queue, hands: HandWorker) -> None:
    first, second = q.enqueue(samples.anything), q.enqueue(samples.anything)
    waiting = q.enqueue(samples.anything, depends_on=[first, second])
    first.delete(dependents="release")
    assert waiting.is_deferred
    assert waiting.dependency_ids == [second.id]
    hands.claim()
    assert hands.finish(second.id) == [waiting.id]


def test_what_was_released_before_is_left_alone_by_a_deletion(q: Queue, hands: HandWorker) -> None:
    for policy in POLICIES:
        first, second = q.enqueue(samples.anything), q.enqueue(samples.anything)
        started = q.enqueue(samples.anything, depends_on=Dependency([first, second], rule="one_success"))
        claim_until(hands, first.id)
        hands.finish(first.id)
        assert started.is_queued
        second.delete(dependents=policy)
        assert started.is_queued
        claim_until(hands, started.id)
        hands.finish(started.id)


def test_held_dependents_follow_the_policy(q: Queue) -> None:
    for policy, became in (("cancel", "canceled"), ("release", "created"), ("delete", None)):
        job = q.enqueue(samples.anything)
        held = q.options(hold=True, depends_on=job).enqueue(samples.anything)
        job.delete(dependents=cast(Policy, policy))
        assert status_of(held) == became
        if policy == "release":
            held.release()
            assert held.is_queued


def test_an_output_is_not_waited_for_once_its_job_was_deleted_and_released(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(samples.anything)
    waiting = q.enqueue(samples.anything, job.output_or("nothing"))
    job.delete(dependents="release")
    assert waiting.is_queued
    hands.claim()
    hands.finish(waiting.id)


def test_an_unknown_policy_is_refused(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    with pytest.raises(ValueError, match="dependents= is one of 'cancel', 'release', 'delete', not 'keep'"):
        job.delete(dependents=cast(Any, "keep"))
    assert job.is_queued


# Requeue


@pytest.mark.parametrize("status", ["failed", "stopped", "canceled"])
def test_what_ended_badly_gets_another_life(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands, retry=2)
    waiting = dependents(q, job)
    released = ["all_failed", "all_done"]
    job.requeue()
    job.refresh()
    assert (job.get_status(), job.retries_left, job.ended_at, job.reason) == ("queued", 2, None, None)
    assert all_statuses(waiting) == {"all_success": "deferred", **dict.fromkeys(released, "queued")}
    claim_until(hands, job.id)
    assert waiting["all_success"].id in hands.finish(job.id)


@pytest.mark.parametrize("status", OPEN)
def test_what_has_not_ended_can_not_be_requeued(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    for force in (False, True):
        with pytest.raises(InvalidJobOperationError) as caught:
            job.requeue(force=force)
        assert str(caught.value) == f"job {job.id!r} is {status}, and has not ended: there is nothing to requeue"
    assert status_of(job) == status


def test_what_has_finished_is_requeued_by_force_only(q: Queue, hands: HandWorker) -> None:
    job = job_in("finished", q, hands)
    with pytest.raises(
        InvalidJobOperationError, match=r"has finished: requeue\(force=True\) runs it again, and whatever waits for it"
    ):
        job.requeue()
    assert job.is_finished
    waiting = dependents(q, job)
    job.requeue(force=True)
    assert job.is_queued
    assert all_statuses(waiting) == {"all_success": "queued", "all_failed": "deferred", "all_done": "queued"}
    claim_until(hands, job.id)
    hands.finish(job.id, b"j2")
    assert job.result == 2
    assert waiting["all_failed"].is_skipped


@pytest.mark.parametrize("status", ["upstream_failed", "skipped"])
def test_what_its_dependencies_keep_from_running_is_requeued_by_force_only(
    q: Queue, hands: HandWorker, status: str
) -> None:
    job = job_in(status, q, hands)
    (root,) = job.dependencies()
    with pytest.raises(UpstreamFailedError) as caught:
        job.requeue()
    way_out = {
        "upstream_failed": f"requeue {root.id!r} (failed) instead, or use force=True to run it all the same",
        "skipped": f"{root.id!r} has finished; requeue(force=True) runs it all the same",
    }[status]
    assert str(caught.value) == f"job {job.id!r} is {status}, so it can't run by itself: {way_out}"
    assert (caught.value.job_id, caught.value.status) == (job.id, status)
    assert caught.value.culprits == [(root.id, root.status)]
    assert status_of(job) == status
    job.requeue(force=True)
    assert job.is_queued


def test_a_job_canceled_before_its_dependencies_ended_waits_for_them_again(q: Queue, hands: HandWorker) -> None:
    first = q.enqueue(samples.anything)
    job = below(q, first)
    further = below(q, job)
    job.cancel()
    job.requeue()
    assert statuses(q.store, [job.id, further.id]) == ["deferred", "deferred"]
    job.cancel()
    hands.claim()
    hands.fail(first.id)
    assert job.is_canceled
    with pytest.raises(UpstreamFailedError, match=f"requeue '{first.id}' \\(failed\\) instead"):
        job.requeue()
    first.requeue()
    job.requeue()
    assert job.is_deferred
    claim_until(hands, first.id)
    assert hands.finish(first.id) == [job.id]


def test_the_root_of_a_failure_is_found_far_above(q: Queue, hands: HandWorker) -> None:
    root = job_in("failed", q, hands)
    job = root
    for _ in range(300):
        job = below(q, job)
    with pytest.raises(UpstreamFailedError) as caught:
        job.requeue()
    assert caught.value.culprits == [(root.id, "failed")]


def test_three_of_many_roots_are_named(q: Queue, hands: HandWorker) -> None:
    roots = [job_in("failed", q, hands) for _ in range(5)]
    job = q.enqueue(samples.anything, depends_on=roots)
    with pytest.raises(UpstreamFailedError, match=r"\(failed\) and others instead, or use force=True") as caught:
        job.requeue()
    assert len(set(caught.value.culprits)) == 3
    assert {culprit for culprit, _ in caught.value.culprits} < {root.id for root in roots}


def test_a_deleted_root_is_not_what_a_person_is_told_to_requeue(q: Queue) -> None:
    root = q.enqueue(samples.anything)
    job = below(q, root)
    root.delete()
    with pytest.raises(UpstreamFailedError) as caught:
        job.requeue()
    assert str(caught.value) == (
        f"job {job.id!r} is canceled, and would be upstream_failed, so it can't run by itself: "
        f"{root.id!r} has been deleted; requeue(force=True) runs it all the same"
    )
    job.requeue(force=True)
    assert job.is_queued


def test_a_requeued_root_revives_all_below_and_the_end_runs_down_again(q: Queue, hands: HandWorker) -> None:
    root = job_in("started", q, hands)
    chain = [root]
    for _ in range(20):
        chain.append(below(q, chain[-1]))
    instead = below(q, chain[-1], "all_failed")
    hands.fail(root.id)
    assert statuses(q.store, [job.id for job in chain]) == ["failed"] + ["upstream_failed"] * 20
    assert instead.is_queued
    root.requeue()
    assert statuses(q.store, [job.id for job in chain]) == ["queued"] + ["deferred"] * 20
    assert instead.is_queued  # released is released
    claim_until(hands, root.id)
    hands.finish(root.id)
    for job in chain[1:]:
        claim_until(hands, job.id)
        hands.finish(job.id)
    assert {status_of(job) for job in chain} == {"finished"}


def test_a_requeue_goes_to_the_front_if_told(q: Queue, hands: HandWorker) -> None:
    job = job_in("failed", q, hands)
    other = q.enqueue(samples.anything)
    job.requeue(at_front=True)
    assert q.job_ids == [job.id, other.id]
    other.cancel()
    job.cancel()
    first = q.enqueue(samples.anything)
    for requeued in (job, other):
        requeued.requeue()
    assert q.job_ids == [first.id, job.id, other.id]


def test_a_requeued_job_forgets_its_result(q: Queue, hands: HandWorker) -> None:
    job = job_in("started", q, hands)
    hands.finish(job.id, b'j"old"')
    job.requeue(force=True)
    assert job.return_value() is None
    claim_until(hands, job.id)
    hands.fail(job.id)
    with pytest.raises(JobFailedError):
        _ = job.result
    assert job.attempts[-1].message == "no"


def test_a_requeued_job_has_its_ttl_again_only_if_it_never_ran(q: Queue, hands: HandWorker, connection: Redis) -> None:
    never_ran, ran = q.enqueue(samples.anything, ttl=60), q.enqueue(samples.anything, ttl=60)
    never_ran.cancel()
    claim_until(hands, ran.id)
    hands.fail(ran.id)
    never_ran.requeue()
    ran.requeue()
    assert connection.zrange("{rqdeps}:timers", 0, -1) == [never_ran.id.encode()]


def test_a_requeued_job_is_delayed_no_longer_than_it_was_to_be(q: Queue) -> None:
    job = q.enqueue_in(3600, samples.anything)
    job.cancel()
    job.requeue()
    assert job.is_scheduled
    job.cancel()
    job.requeue(force=True)
    assert job.is_queued


# Skip


def test_what_is_skipped_counts_as_finished_with_a_value(q: Queue, hands: HandWorker, connection: Redis) -> None:
    for status in STATUSES:
        if status == "finished":
            continue
        job = job_in(status, q, hands)
        claim = hands.held.get(job.id)
        waiting = dependents(q, job)
        had_been_released = [rule for rule, found in all_statuses(waiting).items() if found == "queued"]
        job.skip(output={"answer": 42})
        job.refresh()
        assert (job.get_status(), job.result) == ("finished", {"answer": 42}), status
        assert job.reason == "a person had it skipped, with this value as its output"
        expected = {rule: verdict_after("finished", rule) for rule in THREE_RULES}
        assert all_statuses(waiting) == {**expected, **dict.fromkeys(had_been_released, "queued")}, status
        if claim:
            settled = q.store.run(hands._settle([Outcome(claim, "finished", value=b"1")], want=0))
            assert settled.statuses == ["stale"]
            assert job.result == {"answer": 42}
        assert job.id not in hands.claim()
        hands.held.clear()


def test_what_has_finished_can_not_be_skipped(q: Queue, hands: HandWorker) -> None:
    job = job_in("finished", q, hands)
    with pytest.raises(InvalidJobOperationError) as caught:
        job.skip(1)
    assert str(caught.value) == f"job {job.id!r} has finished already: there is nothing to skip"
    assert job.result is None


def test_the_value_of_a_skip_is_passed_on(q: Queue, hands: HandWorker) -> None:
    for value in (7, "long " * 50):
        job = q.enqueue(samples.anything)
        waiting = q.enqueue(samples.anything, job.output)
        job.skip(value)
        claim_until(hands, waiting.id)
        _, (output,) = q.store.run(reads.outputs(waiting.id))
        assert (output.job_id, output.status) == (job.id, "finished")
        assert job.result == value
        hands.finish(waiting.id)


def test_a_value_that_can_not_be_carried_skips_nothing(q: Queue) -> None:
    job = q.enqueue(samples.anything)
    with pytest.raises(SerializationError, match="output"):
        job.skip(object())
    assert job.is_queued


def test_a_skipped_job_can_be_requeued_by_force(q: Queue, hands: HandWorker) -> None:
    job = job_in("failed", q, hands)
    job.skip("instead")
    job.requeue(force=True)
    job.refresh()
    assert (job.get_status(), job.reason) == ("queued", None)
    claim_until(hands, job.id)
    hands.finish(job.id, b"j1")
    assert (job.result, job.reason) == (1, None)


# What is the same for all


CHANGES: dict[str, Callable[[Job[Any]], object]] = {
    "cancel": lambda job: job.cancel(),
    "delete": lambda job: job.delete(),
    "delete, release": lambda job: job.delete(dependents="release"),
    "delete, delete": lambda job: job.delete(dependents="delete"),
    "requeue": lambda job: job.requeue(),
    "requeue by force": lambda job: job.requeue(force=True),
    "skip": lambda job: job.skip("value"),
    "release": lambda job: job.release(),
    "add_dependency": lambda job: job.add_dependency("first"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_that_does_not_exist_can_not_be_changed(q: Queue, change: str) -> None:
    q.enqueue(samples.anything, job_id="first")
    with pytest.raises(NoSuchJobError, match="'nobody'"):
        CHANGES[change](Job("nobody", q.store))


def after(change: str, job: Job[Any], below_it: Sequence[Job[Any]]) -> tuple[object, list[str | None]]:
    """What a change says, and what it leads to."""
    try:
        said: object = CHANGES[change](job)
        said = None if said is job else said
    except InvalidJobOperationError as error:
        said = re.sub(r"'\w+'", "a job", str(error))
    return said, statuses(job._store, [job.id, *[each.id for each in below_it]])


@pytest.mark.parametrize("status", STATUSES)
def test_what_arrives_twice_is_done_once(valkey: Redis, status: str) -> None:
    for change in CHANGES:
        found = []
        for is_lost in (False, True):
            valkey.flushall()
            queue = Queue(connection=valkey)
            queue.store.open()
            hands = HandWorker(queue.store)
            queue.enqueue(samples.anything, job_id="first")
            job = job_in(status, queue, hands)
            waiting = dependents(queue, job)
            if is_lost:
                with every_reply_lost():
                    found.append(after(change, job, list(waiting.values())))
            else:
                found.append(after(change, job, list(waiting.values())))
        (said, came_to), (said_then, came_to_then) = found
        assert came_to_then == came_to, change
        # A refusal whose reply was lost can look like a change that was made: what it asked for is so.
        assert said_then == said or (isinstance(said, str) and said_then is None), change


# Half-done cascades


def chaos(queue: Queue, hands: HandWorker, width: int) -> tuple[Job[Any], list[Job[Any]]]:
    """A job that runs, with a wide and a deep graph below it, in which everything waits for success."""
    root = job_in("started", queue, hands)
    graph = [below(queue, root) for _ in range(width)]
    for _ in range(width):
        graph.append(below(queue, graph[-1]))
    graph.append(queue.enqueue(samples.anything, depends_on=graph[:width]))
    return root, graph


#: Changes of one call each, as the first step of its cascade only.
STEPS: dict[str, Callable[[str], Call[Any]]] = {
    "cancel": lambda job_id: changes.cancel([job_id]),
    "requeue": lambda job_id: changes.requeue(job_id, force=True, at_front=False),
    "skip": lambda job_id: changes.skip(job_id, b"j1", "skipped"),
}


@pytest.mark.parametrize("steps", list(product(STEPS, repeat=3)), ids="-".join)
def test_changes_that_overtake_each_others_cascades_come_to_what_the_last_one_says(
    valkey: Redis, steps: tuple[str, ...]
) -> None:
    for size in (1, 2, 7):
        queue = Queue(connection=valkey)
        hands = HandWorker(queue.store)
        root, graph = chaos(queue, hands, width=6)
        hands.fail(root.id)
        with budget(size):
            for step in steps:
                try:
                    queue.store.run(STEPS[step](root.id))
                except InvalidJobOperationError:
                    continue
            maintain(queue.store)
        check_what_it_came_to(root, graph, was_skipped="skip" in steps)
        assert not valkey.exists("{rqdeps}:cascades")
        check_invariants(valkey)
        for job in (root, *graph):  # so that none is in the way of the next
            job.cancel()


def check_what_it_came_to(root: Job[Any], graph: Sequence[Job[Any]], *, was_skipped: bool) -> None:
    end = status_of(root)
    found = statuses(root._store, [job.id for job in graph])
    # Those that an earlier step released stay so, and no others.
    released = {"queued"} if was_skipped else set()
    if end == "finished":
        assert found == ["queued"] * 6 + ["deferred"] * (len(found) - 6)
    elif end == "queued":
        assert set(found) <= {"deferred"} | released
    else:
        assert set(found[:6]) <= {"upstream_failed"} | released
        assert set(found[6:]) <= {"upstream_failed"} | ({"deferred"} if was_skipped else set())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_deletion_goes_on_where_a_call_stopped(valkey: Redis, size: int, policy: Policy) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    root, graph = chaos(queue, hands, width=6)
    with budget(size):
        left = queue.store.run(changes.delete([root.id], policy)).cascades_left
        assert left
        assert not Job.exists(root.id, connection=valkey)
        with pytest.raises(NoSuchJobError):
            queue.enqueue(samples.anything, depends_on=root)
        with pytest.raises(NoSuchJobError):
            root.requeue()
        root.delete()  # somebody else goes on with it, by the policy it was begun with
        maintain(queue.store)
    found = statuses(queue.store, [job.id for job in graph])
    if policy == "cancel":
        assert found[:6] == ["canceled"] * 6
        assert set(found[6:]) == {"upstream_failed"}
    elif policy == "release":
        assert found[:6] == ["queued"] * 6
        assert set(found[6:]) == {"deferred"}
    else:
        assert found == [None] * len(found)


@pytest.mark.parametrize("size", [1, 3])
def test_what_a_job_came_to_is_told_before_it_goes(valkey: Redis, size: int) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    root, graph = chaos(queue, hands, width=6)
    claim = hands.held.pop(root.id)
    with budget(size):
        settled = queue.store.run(hands._settle([Outcome(claim, "finished", value=b"j1")], want=0))
        assert settled.cascades_left
        root.delete(dependents="delete")
        maintain(queue.store)
    found = statuses(queue.store, [job.id for job in graph])
    assert found[:6] == ["queued"] * 6
    assert set(found[6:]) == {"deferred"}


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("release", "add_dependency")])
def test_a_change_of_a_wide_graph_comes_to_its_end_before_it_returns(valkey: Redis, change: str) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    root = job_in("started", queue, hands)
    datas = [Queue.prepare_data(samples.anything, depends_on=root) for _ in range(1_200)]
    jobs = queue.enqueue_many(datas)
    if "requeue" in change:
        hands.fail(root.id)
        assert set(statuses(queue.store, [job.id for job in jobs])) == {"upstream_failed"}
    elif change == "cancel":
        root = job_in("deferred", queue, hands)
        jobs = queue.enqueue_many([Queue.prepare_data(samples.anything, depends_on=root) for _ in range(1_200)])
    CHANGES[change](root)
    became = {
        "cancel": "upstream_failed",
        "delete": "canceled",
        "delete, release": "queued",
        "delete, delete": None,
        "requeue": "deferred",
        "requeue by force": "deferred",
        "skip": "queued",
    }[change]
    assert set(statuses(queue.store, [job.id for job in jobs])) == {became}
    assert not valkey.exists("{rqdeps}:cascades")


@pytest.mark.parametrize("change", ["cancel", "delete", "delete, delete", "skip"])
def test_a_change_runs_down_a_deep_graph_before_it_returns(valkey: Redis, change: str) -> None:
    queue = Queue(connection=valkey)
    root = queue.enqueue(samples.anything)
    datas = [Queue.prepare_data(samples.anything, depends_on=root)]
    for _ in range(900):
        datas.append(Queue.prepare_data(samples.anything, depends_on=datas[-1]))
    jobs = queue.enqueue_many(datas)
    CHANGES[change](root)
    found = statuses(queue.store, [job.id for job in jobs])
    first, others = {
        "cancel": ("upstream_failed", "upstream_failed"),
        "delete": ("canceled", "upstream_failed"),
        "delete, delete": (None, None),
        "skip": ("queued", "deferred"),
    }[change]
    assert found == [first] + [others] * 900


def test_a_job_with_more_dependencies_than_the_budget_is_deleted(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    above = queue.enqueue_many([Queue.prepare_data(samples.anything) for _ in range(30)])
    job = queue.enqueue(samples.anything, depends_on=above)
    with budget(7):
        job.delete()
    assert statuses(queue.store, [job.id]) == [None]
    assert {tuple(each.dependent_ids) for each in above} == {()}


# Pause and resume


def test_a_paused_queue_gives_nothing_to_workers_and_takes_jobs(connection: Redis) -> None:
    paused, other = Queue("paused", connection=connection), Queue("other", connection=connection)
    hands = HandWorker(paused.store, ["paused", "other"])
    runs = paused.enqueue(samples.anything)
    after_it = paused.enqueue(samples.anything, depends_on=runs)
    claim_until(hands, runs.id)
    assert not paused.is_paused
    paused.pause()
    paused.pause()
    assert (paused.is_paused, other.is_paused) == (True, False)
    late, elsewhere = paused.enqueue(samples.anything), other.enqueue(samples.anything)
    hands.finish(runs.id)
    assert after_it.is_queued
    assert hands.claim() == [elsewhere.id]
    assert paused.job_ids == [late.id, after_it.id]
    hands.finish(elsewhere.id)
    paused.resume()
    paused.resume()
    assert not paused.is_paused
    assert hands.claim() == [late.id, after_it.id]


def test_a_queue_is_paused_before_it_has_jobs(connection: Redis) -> None:
    queue = Queue("new", connection=connection)
    queue.pause()
    assert Queue.all(connection=connection) == [] or [found.name for found in Queue.all(connection=connection)] == [
        "new"
    ]
    job = queue.enqueue(samples.anything)
    hands = HandWorker(queue.store, ["new"])
    assert hands.claim() == []
    job.cancel()
    queue.resume()
    assert hands.claim() == []


def test_resuming_a_queue_wakes_workers(connection: Redis) -> None:
    queue = Queue("paused", connection=connection)
    queue.pause()
    queue.enqueue(samples.anything)
    hands = HandWorker(queue.store, ["paused"])
    hands.claim()
    connection.delete("{rqdeps}:wake:paused")
    queue.resume()
    assert connection.exists("{rqdeps}:wake:paused")


def test_jobs_of_a_paused_queue_can_be_changed(connection: Redis) -> None:
    queue = Queue("paused", connection=connection)
    queue.pause()
    first, second, third, fourth = (queue.enqueue(samples.anything) for _ in range(4))
    first.cancel()
    second.delete()
    third.skip(3)
    assert queue.job_ids == [fourth.id]
    first.requeue()
    assert queue.job_ids == [fourth.id, first.id]
    assert HandWorker(queue.store, ["paused"]).claim() == []
    assert fourth.is_queued
