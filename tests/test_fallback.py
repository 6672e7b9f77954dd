"""Fallbacks: what stands in for a job that has failed for good, and what its end means for those that wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import samples
import steps
from by_hand import HandWorker, statuses
from every_status import budget, claim_until, every_reply_lost, maintain
from redis import Redis

from rqdeps import Dependency, Job, JobFailedError, NoSuchJobError, Queue, SimpleWorker
from rqdeps.dependency import Output
from rqdeps.errors import (
    DuplicateJobError,
    FallbackReleasedError,
    InvalidJobOperationError,
    RqdepsError,
    UpstreamFailedError,
)
from rqdeps.fallback import MOST_IN_A_ROW, Fallback
from rqdeps.store.calls import changes, claims, reads
from rqdeps.store.calls.call import Call
from rqdeps.store.calls.changes import Policy
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.invariants import check_invariants


def fallback_of(job: Job[Any]) -> Job[Any]:
    job.refresh()
    assert job.fallback_id is not None
    return Job(job.fallback_id, job._store)


def status_of(*jobs: Job[Any]) -> list[str | None]:
    return statuses(jobs[0]._store, [job.id for job in jobs])


def fail(hands: HandWorker, *jobs: Job[Any]) -> None:
    for job in jobs:
        claim_until(hands, job.id)
        hands.fail(job.id)


def finish(hands: HandWorker, job: Job[Any], value: bytes = b"jnull") -> None:
    claim_until(hands, job.id)
    hands.finish(job.id, value)


def output_for(dependent: Job[Any], dependency: Job[Any]) -> tuple[str, bytes]:
    _, records = dependent._store.run(reads.outputs(dependent.id))
    (found,) = [record for record in records if record.job_id == dependency.id]
    return found.status, found.value


class Family:
    """A job, its fallback, that one's own, and jobs that wait for the first."""

    def __init__(self, queue: Queue) -> None:
        self.job = queue.enqueue(samples.anything, "job", fallback=Fallback(samples.report, 1, fallback=samples.report))
        self.fallback = fallback_of(self.job)
        self.last = fallback_of(self.fallback)
        self.after = queue.enqueue(samples.anything, self.job.output)
        self.instead = queue.enqueue(samples.anything, depends_on=Dependency(self.job, rule="all_failed"))
        self.whatever = queue.enqueue(samples.anything, depends_on=Dependency(self.job, rule="all_done"))

    @property
    def three(self) -> list[str | None]:
        return status_of(self.job, self.fallback, self.last)

    @property
    def dependents(self) -> list[str | None]:
        return status_of(self.after, self.instead, self.whatever)


WAITING = ["deferred", "deferred", "deferred"]
SUCCESS = ["queued", "skipped", "queued"]
FAILURE = ["upstream_failed", "queued", "queued"]


@pytest.fixture
def family(q: Queue) -> Family:
    return Family(q)


# How a fallback is given


def test_a_function_alone_gets_the_arguments_of_the_job(q: Queue) -> None:
    first = q.enqueue(samples.anything)
    job = q.enqueue(samples.report, first.output, copies=2, fallback=samples.anything, retry=3, description="mine")
    fallback = fallback_of(job)
    assert (fallback.func_name, fallback.args, fallback.kwargs) == (
        "samples.anything",
        (Output(first.id),),
        {"copies": 2},
    )
    assert (fallback.get_status(), fallback.fallback_of) == ("deferred", job.id)
    assert fallback.retries_left == 0  # the job's options are its own
    assert fallback.description.startswith("samples.anything(")
    assert (fallback.fallback_id, job.fallback_of) == (None, None)


def test_a_function_alone_is_held_against_the_arguments_of_the_job(q: Queue) -> None:
    with pytest.raises(TypeError) as caught:
        q.enqueue(samples.report, 1, copies=2, fallback=samples.original)
    assert "copies" in str(caught.value)
    assert str(caught.value).endswith(
        "; as a fallback it gets the arguments of the job: Fallback(function, ...) gives it others"
    )
    assert sum(q.counts.values()) == 0


def test_a_path_alone_gets_the_arguments_of_the_job(q: Queue) -> None:
    job = q.enqueue("samples.report", 1, fallback="samples.anything")
    assert (fallback_of(job).func_name, fallback_of(job).args) == ("samples.anything", (1,))


def test_a_fallback_has_arguments_and_options_of_its_own(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(
        samples.report,
        1,
        fallback=Fallback(samples.anything, "a", b=2, job_id="spare", retry=2, at_front=True, meta={"k": 1}),
    )
    fallback = fallback_of(job)
    assert (fallback.id, fallback.args, fallback.kwargs) == ("spare", ("a",), {"b": 2})
    assert (fallback.retries_left, fallback.meta) == (2, {"k": 1})
    claim_until(hands, job.id)
    other = q.enqueue(samples.anything)
    hands.fail(job.id)
    assert q.job_ids == ["spare", other.id]
    claim_until(hands, "spare")
    hands.fail("spare", retry_in_ms=0)
    assert fallback.is_queued


def test_a_fallback_takes_args_and_kwargs_apart(q: Queue) -> None:
    job = q.enqueue(samples.anything, fallback=Fallback(samples.anything, args=(1,), kwargs={"retry": 2}))
    assert (fallback_of(job).args, fallback_of(job).kwargs) == ((1,), {"retry": 2})


@pytest.mark.parametrize("wrong", [5, ["samples.anything"], object()])
def test_what_is_no_function_is_refused(q: Queue, wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(TypeError, match=f"a fallback is a function, its dotted path, or a Fallback, not {kind}"):
        q.enqueue(samples.anything, fallback=wrong)


@pytest.mark.parametrize("name", ["depends_on", "run_after_failure", "allow_partial_dependencies"])
def test_a_fallback_waits_for_its_job_alone(name: str) -> None:
    with pytest.raises(TypeError, match=f"a fallback waits for its job, and for nothing else: {name} can't be given"):
        Fallback(samples.anything, **{name: "another"})


def test_a_fallback_can_not_take_the_output_of_its_job(q: Queue) -> None:
    with pytest.raises(
        ValueError, match="a fallback runs because its job has failed, so it can't take the job's output"
    ):
        q.enqueue(samples.anything, job_id="mine", fallback=Fallback(samples.anything, Output("mine")))


def test_so_many_fallbacks_may_stand_behind_each_other(q: Queue, hands: HandWorker) -> None:
    def behind(count: int) -> Fallback:
        return Fallback(samples.anything, fallback=behind(count - 1)) if count > 1 else Fallback(samples.anything)

    with pytest.raises(ValueError, match="at most 10 fallbacks can stand behind each other"):
        q.enqueue(samples.anything, fallback=behind(MOST_IN_A_ROW + 1))
    job = q.enqueue(samples.anything, fallback=behind(MOST_IN_A_ROW))
    after = q.enqueue(samples.anything, depends_on=job)
    for _ in range(MOST_IN_A_ROW):
        fail(hands, job)
        assert after.is_deferred
        job = fallback_of(job)
    finish(hands, job)
    assert after.is_queued


def test_a_fallback_whose_id_is_taken_refuses_both(q: Queue, connection: Redis) -> None:
    q.enqueue(samples.anything, job_id="taken")
    with pytest.raises(DuplicateJobError, match="'taken'"):
        q.enqueue(samples.anything, job_id="mine", fallback=Fallback(samples.anything, job_id="taken"))
    assert not Job.exists("mine", connection=connection)
    with pytest.raises(ValueError, match="'same'"):
        q.enqueue(samples.anything, job_id="same", fallback=Fallback(samples.anything, job_id="same"))


def test_a_fallback_goes_to_the_queue_of_its_job(q: Queue, connection: Redis) -> None:
    job = Job.create(samples.anything, connection=connection, queue="elsewhere", fallback=samples.anything)
    job.save()
    assert fallback_of(job).origin == "elsewhere"
    other = Job.create(samples.anything, connection=connection, queue="elsewhere", fallback=samples.anything)
    q.enqueue_job(other)
    assert (Job.fetch(other.id, connection=connection).origin, fallback_of(other).origin) == ("default", "default")
    third = Job.create(samples.anything, connection=connection, queue="elsewhere", fallback=samples.anything)
    q.enqueue_many([third])
    assert fallback_of(third).origin == "elsewhere"


def test_the_fallbacks_of_a_held_job_go_with_it_to_another_queue(q: Queue, connection: Redis) -> None:
    given = Fallback(samples.anything, fallback=samples.anything)
    job = q.options(hold=True, fallback=given).enqueue(samples.anything)
    other = Queue("other", connection=connection)
    other.enqueue_job(job)
    family = [job, fallback_of(job), fallback_of(fallback_of(job))]
    assert [each.origin for each in family] == ["other"] * 3
    assert status_of(*family) == ["queued", "deferred", "deferred"]
    assert (sum(q.counts.values()), sum(other.counts.values())) == (0, 3)
    hands = HandWorker(q.store, ["other"])
    fail(hands, family[0], family[1])
    assert hands.claim() == [family[2].id]


def test_a_fallback_of_many_jobs_is_a_job_for_each(q: Queue, hands: HandWorker) -> None:
    datas = [Queue.prepare_data(samples.anything, [n], fallback=samples.report) for n in range(3)]
    jobs = q.enqueue_many([*datas, Queue.prepare_data(samples.anything, depends_on=datas)])
    fallbacks = [fallback_of(job) for job in jobs[:3]]
    assert [fallback.args for fallback in fallbacks] == [(0,), (1,), (2,)]
    assert status_of(*jobs) == ["queued"] * 3 + ["deferred"]
    fail(hands, jobs[0])
    finish(hands, jobs[1])
    finish(hands, jobs[2])
    assert status_of(*fallbacks, jobs[3]) == ["queued", "skipped", "skipped", "deferred"]
    finish(hands, fallbacks[0])
    assert jobs[3].is_queued


# What ends bring


def test_a_job_that_finishes_needs_no_fallback(family: Family, hands: HandWorker) -> None:
    finish(hands, family.job, b"j1")
    assert family.three == ["finished", "skipped", "skipped"]
    assert family.dependents == SUCCESS
    assert output_for(family.after, family.job) == ("finished", b"j1")


def test_a_fallback_that_finishes_has_its_job_succeed(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    assert family.three == ["failed", "queued", "deferred"]
    assert family.dependents == WAITING
    finish(hands, family.fallback, b"j2")
    assert family.three == ["failed", "finished", "skipped"]
    assert family.dependents == SUCCESS
    assert output_for(family.after, family.job) == ("finished", b"j2")


def test_a_fallback_of_a_fallback_stands_in_for_both(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job, family.fallback)
    assert family.three == ["failed", "failed", "queued"]
    assert family.dependents == WAITING
    finish(hands, family.last, b'j"' + b"x" * 100 + b'"')
    assert family.dependents == SUCCESS
    assert output_for(family.after, family.job) == ("finished", b'j"' + b"x" * 100 + b'"')


def test_when_all_fail_the_job_has_failed(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job, family.fallback, family.last)
    assert family.three == ["failed", "failed", "failed"]
    assert family.dependents == FAILURE


def test_a_dependent_that_comes_later_fares_the_same(q: Queue, family: Family, hands: HandWorker) -> None:
    def late() -> str:
        return q.enqueue(samples.anything, depends_on=family.job).get_status().value

    fail(hands, family.job)
    assert late() == "deferred"
    fail(hands, family.fallback)
    assert late() == "deferred"
    finish(hands, family.last)
    assert late() == "queued"


def test_retries_come_before_the_fallback(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(samples.anything, retry=1, fallback=samples.anything)
    claim_until(hands, job.id)
    hands.fail(job.id, retry_in_ms=0)
    assert status_of(job, fallback_of(job)) == ["queued", "deferred"]
    fail(hands, job)
    assert status_of(job, fallback_of(job)) == ["failed", "queued"]


def test_no_fallback_for_a_job_that_never_ran(q: Queue, hands: HandWorker) -> None:
    root = q.enqueue(samples.anything)
    unlucky = q.enqueue(samples.anything, depends_on=root, fallback=samples.anything)
    not_taken = q.enqueue(
        samples.anything, depends_on=Dependency(unlucky, rule="all_success"), fallback=samples.anything
    )
    fail(hands, root)
    assert status_of(unlucky, fallback_of(unlucky), not_taken, fallback_of(not_taken)) == [
        "upstream_failed", "skipped", "upstream_failed", "skipped",
    ]  # fmt: skip
    root.requeue()
    assert status_of(unlucky, fallback_of(unlucky), not_taken, fallback_of(not_taken)) == ["deferred"] * 4
    finish(hands, root)
    fail(hands, unlucky)
    assert status_of(fallback_of(unlucky), not_taken) == ["queued", "deferred"]


def test_no_fallback_for_a_job_that_was_stopped(family: Family, hands: HandWorker) -> None:
    claim_until(hands, family.job.id)
    family.job.cancel()
    hands._report(Outcome(hands.held.pop(family.job.id), "stopped", value=b"{}"))
    assert family.three == ["stopped", "skipped", "skipped"]
    assert family.dependents == FAILURE


def test_a_poison_pill_has_its_fallback(q: Queue, family: Family, hands: HandWorker, connection: Redis) -> None:
    maintain(q.store)
    for _ in range(3):
        hands.claim(1)
        connection.zadd("{rqdeps}:started:default", {family.job.id: 1})
        maintain(q.store)
    assert family.three == ["failed", "queued", "deferred"]


def test_a_fallback_may_wait_for_outputs_that_the_job_does_not_take(q: Queue, hands: HandWorker) -> None:
    slow = q.enqueue(samples.anything)
    job = q.enqueue(samples.anything, fallback=Fallback(samples.anything, slow.output_or("none")))
    fallback = fallback_of(job)
    fail(hands, job)
    assert fallback.is_deferred
    finish(hands, slow, b"j5")
    assert fallback.is_queued
    assert output_for(fallback, slow) == ("finished", b"j5")


def test_workers_run_a_fallback_and_pass_on_its_output(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    one = queue.enqueue(steps.boom, "no", fallback=steps.echo)
    two = queue.enqueue(steps.echo, "good", fallback=steps.boom)
    three = queue.enqueue(steps.boom, fallback=Fallback(steps.boom, fallback=Fallback(steps.echo, "third")))
    total = queue.enqueue(steps.echo, [one.output, two.output, three.output])
    SimpleWorker("work", connection=connection).work(burst=True)
    assert total.result == ["no", "good", "third"]
    assert fallback_of(two).is_skipped


def test_an_output_that_is_not_there_is_said_to_be_missing_and_why(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    failed = queue.enqueue(steps.boom)
    deleted = queue.enqueue(steps.nothing)
    forced = queue.enqueue(steps.echo, failed.output)
    released = queue.enqueue(steps.echo, deleted.output)
    deleted.delete(dependents="release")
    SimpleWorker("work", connection=connection).work(burst=True)
    forced.requeue(force=True)
    SimpleWorker("work", connection=connection).work(burst=True)
    assert [job.attempts[-1].message for job in (forced, released)] == [
        f"the output of job {failed.id!r} is wanted, but that job is failed: output_or(default) says what to pass then",
        f"the output of job {deleted.id!r} is wanted, but that job has been deleted",
    ]


def test_a_fallback_can_count_on_outputs_only_of_jobs_that_have_finished_when_its_job_runs(q: Queue) -> None:
    sure, unsure = q.enqueue(samples.anything), q.enqueue(samples.anything)
    with pytest.raises(
        ValueError, match=rf"the fallback may run without job '{unsure.id}' having finished, .* output_or"
    ):
        q.enqueue(samples.anything, depends_on=sure, fallback=Fallback(samples.anything, [sure.output, unsure.output]))
    behind = Fallback(samples.anything, sure.output)
    q.enqueue(
        samples.anything,
        depends_on=sure,
        fallback=Fallback(samples.anything, unsure.output_or(None), fallback=behind),
    )


# Cancel, skip


def test_a_job_that_is_canceled_takes_its_fallbacks_along(family: Family) -> None:
    family.job.cancel()
    assert family.three == ["canceled", "skipped", "skipped"]
    assert family.dependents == FAILURE
    family.job.requeue()
    assert family.three == ["queued", "deferred", "deferred"]


def test_a_fallback_that_is_canceled_before_is_a_failure_once_it_is_needed(family: Family, hands: HandWorker) -> None:
    family.fallback.cancel()
    assert family.three == ["queued", "canceled", "skipped"]
    assert family.dependents == WAITING
    fail(hands, family.job)
    assert family.three == ["failed", "canceled", "skipped"]
    assert family.dependents == FAILURE


def test_a_fallback_that_was_canceled_is_no_matter_to_a_job_that_finishes(family: Family, hands: HandWorker) -> None:
    family.fallback.cancel()
    finish(hands, family.job)
    assert family.dependents == SUCCESS


def test_a_fallback_that_is_canceled_while_it_is_needed_is_a_failure(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    family.fallback.cancel()
    assert family.three == ["failed", "canceled", "skipped"]
    assert family.dependents == FAILURE
    family.fallback.requeue()
    assert family.three == ["failed", "queued", "deferred"]
    assert family.dependents == ["deferred", "queued", "queued"]


def test_a_job_that_is_skipped_needs_no_fallback(family: Family) -> None:
    family.job.skip(1)
    assert family.three == ["finished", "skipped", "skipped"]
    assert family.dependents == SUCCESS


def test_a_failed_job_that_is_skipped_has_finished_and_what_was_released_runs_on(
    family: Family, hands: HandWorker
) -> None:
    fail(hands, family.job)
    claim_until(hands, family.fallback.id)
    family.job.skip("by hand")
    assert family.three == ["finished", "started", "deferred"]
    assert family.dependents == SUCCESS
    finish(hands, family.fallback, b'j"too late"')
    assert output_for(family.after, family.job) == ("finished", b'j"by hand"')


def test_a_fallback_that_is_skipped_gives_its_value(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    family.fallback.skip("by hand")
    assert family.three == ["failed", "finished", "skipped"]
    assert family.dependents == SUCCESS
    assert output_for(family.after, family.job) == ("finished", b'j"by hand"')


# Requeue


def test_a_job_is_requeued_while_its_fallback_was_not_released(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(samples.anything, fallback=samples.anything)
    fallback = fallback_of(job)
    claim_until(hands, job.id)
    job.cancel()
    q.store.run(claims.give_back([hands.held.pop(job.id)]))
    assert status_of(job, fallback) == ["stopped", "skipped"]
    job.requeue()
    assert status_of(job, fallback) == ["queued", "deferred"]


def test_a_job_whose_fallback_has_begun_is_requeued_by_force_only(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    for status in ("queued", "started", "finished"):
        assert family.fallback.get_status() == status
        with pytest.raises(FallbackReleasedError) as caught:
            family.job.requeue()
        assert str(caught.value) == (
            f"job {family.job.id!r} has failed and its fallback {family.fallback.id!r} is {status}: "
            f"requeue(force=True) runs the job again all the same"
        )
        assert (caught.value.job_id, caught.value.fallback_id) == (family.job.id, family.fallback.id)
        assert family.job.is_failed
        if status == "queued":
            claim_until(hands, family.fallback.id)
        elif status == "started":
            hands.finish(family.fallback.id, b"j1")


def test_a_fallback_that_has_ended_waits_again_when_its_job_is_requeued_by_force(
    family: Family, hands: HandWorker
) -> None:
    fail(hands, family.job, family.fallback, family.last)
    assert family.dependents == FAILURE
    family.job.requeue(force=True)
    assert family.three == ["queued", "deferred", "deferred"]
    assert family.dependents == ["deferred", "queued", "queued"]
    fail(hands, family.job)
    assert family.three == ["failed", "queued", "deferred"]
    finish(hands, family.fallback, b"j3")
    assert status_of(family.after, family.last) == ["queued", "skipped"]
    assert output_for(family.after, family.job) == ("finished", b"j3")


def test_a_fallback_that_runs_goes_on_when_its_job_is_requeued_by_force(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    claim_until(hands, family.fallback.id)
    family.job.requeue(force=True)
    assert family.three == ["queued", "started", "deferred"]
    hands.finish(family.fallback.id, b"j1")
    assert family.dependents == WAITING
    finish(hands, family.job, b"j2")
    assert family.dependents == SUCCESS
    assert output_for(family.after, family.job) == ("finished", b"j2")


def test_a_failed_fallback_is_requeued_and_those_that_wait_are_revived(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job, family.fallback, family.last)
    with pytest.raises(FallbackReleasedError):
        family.fallback.requeue()
    family.last.requeue()
    assert family.three == ["failed", "failed", "queued"]
    assert family.dependents == ["deferred", "queued", "queued"]
    finish(hands, family.last, b"j4")
    assert family.after.is_queued
    assert output_for(family.after, family.job) == ("finished", b"j4")


def test_a_fallback_that_was_not_needed_is_requeued_by_force_only(family: Family, hands: HandWorker) -> None:
    finish(hands, family.job, b"j1")
    with pytest.raises(UpstreamFailedError, match=f"job '{family.fallback.id}' is skipped"):
        family.fallback.requeue()
    family.fallback.requeue(force=True)
    assert family.three == ["finished", "queued", "deferred"]
    assert family.dependents == SUCCESS
    finish(hands, family.fallback, b"j2")
    assert output_for(family.after, family.job) == ("finished", b"j1")


def test_a_finished_fallback_is_requeued_by_force_and_its_end_counts_anew(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    finish(hands, family.fallback)
    with pytest.raises(InvalidJobOperationError, match="has finished"):
        family.fallback.requeue()
    family.fallback.requeue(force=True)
    assert family.dependents == ["queued", "deferred", "queued"]
    fail(hands, family.fallback)
    assert family.instead.is_deferred
    fail(hands, family.last)
    assert family.instead.is_queued


# Delete


@pytest.mark.parametrize("policy", ["cancel", "release", "delete"])
def test_without_its_fallback_a_job_stands_for_itself(family: Family, hands: HandWorker, policy: Policy) -> None:
    family.fallback.delete(dependents=policy)
    family.job.refresh()
    assert family.job.fallback_id is None
    assert family.three == ["queued", None, None if policy == "delete" else "skipped"]
    assert family.dependents == WAITING
    fail(hands, family.job)
    assert family.dependents == FAILURE


def test_what_a_deleted_fallback_came_to_stays(q: Queue, family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    finish(hands, family.fallback)
    family.fallback.delete()
    assert family.three == ["failed", None, "skipped"]
    assert family.dependents == SUCCESS
    assert q.enqueue(samples.anything, depends_on=family.job).is_queued
    family.job.requeue()
    fail(hands, family.job)
    assert q.enqueue(samples.anything, depends_on=family.job).is_upstream_failed


@pytest.mark.parametrize("begins", [False, True])
def test_a_fallback_deleted_before_its_end_leaves_a_failed_job(family: Family, hands: HandWorker, begins: bool) -> None:
    fail(hands, family.job)
    if begins:
        claim_until(hands, family.fallback.id)
    family.fallback.delete()
    assert family.three == ["failed", None, "skipped"]
    assert family.dependents == FAILURE


@pytest.mark.parametrize("policy", ["cancel", "release", "delete"])
def test_the_fallback_of_a_deleted_job_is_not_needed(family: Family, policy: Policy) -> None:
    family.job.delete(dependents=policy)
    gone = policy == "delete"
    assert family.three == [None, *([None, None] if gone else ["skipped", "skipped"])]
    assert family.dependents == [{"cancel": "canceled", "release": "queued", "delete": None}[policy]] * 3


@pytest.mark.parametrize("policy", ["cancel", "release", "delete"])
def test_a_fallback_that_runs_goes_on_without_its_job(family: Family, hands: HandWorker, policy: Policy) -> None:
    fail(hands, family.job)
    claim_until(hands, family.fallback.id)
    family.job.delete(dependents=policy)
    assert family.three == [None, "started", "deferred"]
    assert family.dependents == [{"cancel": "canceled", "release": "queued", "delete": None}[policy]] * 3
    finish(hands, family.fallback)
    assert family.three == [None, "finished", "skipped"]


def test_a_deleted_job_tells_first_what_its_fallback_came_to(family: Family, hands: HandWorker) -> None:
    fail(hands, family.job)
    claim_until(hands, family.fallback.id)
    with budget(1):
        claim = hands.held.pop(family.fallback.id)
        family.job._store.run(hands._settle([Outcome(claim, "finished", value=b"j1")], want=0))
        family.job.delete()
        maintain(family.job._store)
    assert family.dependents == SUCCESS


# Retention


def keep_no_longer(connection: Redis, *jobs: Job[Any]) -> None:
    """The time for which ended jobs are kept runs out, and again when somebody has found them needed."""
    for _ in jobs:
        for job in jobs:
            status = connection.hget(f"{{rqdeps}}:job:{job.id}", "status")
            if status is not None:
                connection.zadd(f"{{rqdeps}}:{cast(bytes, status).decode()}:default", {job.id: 1})
                connection.hset(f"{{rqdeps}}:job:{job.id}", "ended_at", 1)
        maintain(Queue(connection=connection).store)


def test_a_fallback_is_kept_while_a_dependent_of_its_job_may_read_it(
    family: Family, hands: HandWorker, connection: Redis
) -> None:
    fail(hands, family.job, family.fallback)
    finish(hands, family.last, b"j7")
    keep_no_longer(connection, family.job, family.fallback, family.last)
    assert family.three == ["failed", "failed", "finished"]
    assert output_for(family.after, family.job) == ("finished", b"j7")
    for job in (family.after, family.whatever):
        finish(hands, job)
    family.instead.delete()
    keep_no_longer(connection, family.job, family.fallback, family.last)
    assert family.three == [None, None, None]


def test_a_fallback_that_was_not_needed_goes_when_it_is_due(
    family: Family, hands: HandWorker, connection: Redis
) -> None:
    finish(hands, family.job)
    for job in (family.after, family.whatever):
        finish(hands, job)
    family.instead.delete()
    keep_no_longer(connection, family.job, family.fallback, family.last)
    assert family.three == [None, None, None]


def test_a_job_is_kept_while_its_fallback_may_still_run(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = q.enqueue(samples.anything, fallback=samples.anything)
    fail(hands, job)
    keep_no_longer(connection, job)
    assert job.is_failed


# Held, staged, twice, in pieces


def test_a_held_job_and_its_fallback_are_let_go_together(q: Queue, hands: HandWorker) -> None:
    job = q.options(hold=True, fallback=samples.anything).enqueue(samples.anything)
    fallback = fallback_of(job)
    assert status_of(job, fallback) == ["created", "deferred"]
    assert hands.claim() == []
    job.release()
    fail(hands, job)
    assert fallback.is_queued


@pytest.mark.parametrize("change", ["cancel", "delete", "skip"])
def test_a_held_job_that_ends_needs_no_fallback(q: Queue, change: str) -> None:
    job = q.options(hold=True, fallback=samples.anything).enqueue(samples.anything)
    fallback = fallback_of(job)
    getattr(job, change)()
    assert fallback.is_skipped


def test_a_fallback_can_be_depended_on_by_itself(family: Family, q: Queue, hands: HandWorker) -> None:
    after_fallback = q.enqueue(samples.anything, depends_on=family.fallback)
    finish(hands, family.job)
    assert after_fallback.is_skipped
    other = Family(q)
    after_fallback = q.enqueue(samples.anything, depends_on=other.fallback)
    fail(hands, other.job)
    finish(hands, other.fallback)
    assert after_fallback.is_queued


@pytest.mark.parametrize("size", [1, 2, 500])
@pytest.mark.parametrize("is_lost", [False, True], ids=["heard", "lost"])
def test_fallbacks_under_small_budgets_and_lost_replies(valkey: Redis, size: int, is_lost: bool) -> None:
    queue = Queue(connection=valkey)
    queue.store.open()
    hands = HandWorker(queue.store)
    with budget(size):
        if is_lost:
            with every_reply_lost():
                family = Family(queue)
        else:
            family = Family(queue)
        maintain(queue.store)
        fail(hands, family.job)
        maintain(queue.store)
        assert family.three == ["failed", "queued", "deferred"]
        assert family.dependents == WAITING
        if is_lost:
            with every_reply_lost():
                family.job.requeue(force=True)
        else:
            family.job.requeue(force=True)
        maintain(queue.store)
        fail(hands, family.job)
        finish(hands, family.fallback, b"j1")
        maintain(queue.store)
    assert family.dependents == SUCCESS


MOVES: dict[str, Callable[[str], Call[Any]]] = {
    "cancel": lambda job_id: changes.cancel([job_id]),
    "requeue": lambda job_id: changes.requeue(job_id, force=True, at_front=False),
    "skip": lambda job_id: changes.skip(job_id, b"j1", "skipped"),
    "delete": lambda job_id: changes.delete([job_id], "cancel"),
    "release": lambda job_id: changes.delete([job_id], "release"),
}


@pytest.mark.parametrize("size", [1, 2, 4, 500])
def test_whatever_happens_to_a_family_its_dependents_learn_what_it_came_to(valkey: Redis, size: int) -> None:
    """The check of what is stored knows what each register has to hold in the end."""
    for seed in range(25):
        valkey.flushall()
        queue = Queue(connection=valkey)
        queue.store.open()
        hands = HandWorker(queue.store)
        chance = random.Random(seed)
        family = Family(queue)
        three = [family.job.id, family.fallback.id, family.last.id]
        with budget(size):
            for _ in range(12):
                job_id = chance.choice(three)
                hands.claim()
                if job_id in hands.held and chance.random() < 0.7:
                    outcome = Outcome(hands.held.pop(job_id), chance.choice(["finished", "failed"]), value=b"{}")
                    queue.store.run(hands._settle([outcome], want=0))
                    continue
                try:
                    queue.store.run(chance.choice([*MOVES.values()][: 5 if chance.random() < 0.3 else 3])(job_id))
                except (InvalidJobOperationError, NoSuchJobError):
                    continue
                except RqdepsError as error:
                    raise AssertionError(seed) from error
            maintain(queue.store)
        assert not valkey.exists("{rqdeps}:cascades"), seed
        check_invariants(valkey)


def test_who_waits_for_a_job_that_failed_is_told_what_stands_in_for_it(connection: Redis) -> None:
    queue = Queue(connection=connection)
    job = queue.enqueue(steps.boom, fallback=steps.nothing)
    SimpleWorker([queue]).work(burst=True)
    told = rf"failed: ValueError: boom; {fallback_of(job).id} \(nothing\), which finished, stands in for it"
    with pytest.raises(JobFailedError, match=told):
        job.wait(timeout=1)
