"""Jobs that spawn others while they run: what these are to each other, and that nothing is there twice or half."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import growing
import pytest
import steps
from by_hand import LEASE_MS, HandWorker, statuses
from click.testing import CliRunner
from every_status import budget, claim_until, fail, finish, maintain
from processes import TESTS, lines
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.store.store
from rqdeps import Dependency, Fallback, Job, Queue, SimpleWorker, Worker, Workflow
from rqdeps.cli import main
from rqdeps.enqueueing import carry_on_cascades
from rqdeps.errors import (
    ClaimLostError,
    DependencyCycleError,
    InvalidJobOperationError,
    JobNotEndedError,
    NoSuchJobError,
    ResultExpiredError,
    UpstreamFailedError,
)
from rqdeps.store.calls import claims
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.invariants import check_invariants
from rqdeps.store.scripts import BUDGET
from rqdeps.store.store import SENDINGS
from rqdeps.worker import execution
from rqdeps.worker.held import Held

HOUR_MS = 3_600_000


@pytest.fixture
def connection(real_connection: Redis) -> Redis:
    """A client of each real server in turn: fakeredis would take longer than these together."""
    return real_connection


def drain(queue: Queue, *others: str) -> None:
    """Runs all that can run."""
    SimpleWorker([queue, *others], connection=queue.store.client).work(burst=True)


def run(queue: Queue, jobs: int = 1) -> None:
    """Runs so many jobs."""
    SimpleWorker([queue]).work(burst=True, max_jobs=jobs)


def status_of(*jobs: Job[Any]) -> list[str | None]:
    return statuses(jobs[0]._store, [job.id for job in jobs])


def spawned_by(job: Job[Any]) -> list[Job[Any]]:
    """What a job has spawned, in the order in which it did."""
    return [Job(job_id, job._store) for job_id in job.spawned_ids]


def last_error(job: Job[Any]) -> str:
    return job.attempts[-1].message


def joining(queue: Queue, function: Callable[..., Any] = growing.spawn_many, *args: Any, **options: Any) -> Job[Any]:
    """A job that has run, and joins what it has spawned: three jobs, unless told otherwise."""
    job = queue.options(**options).enqueue(function, *args or (3,))
    run(queue)
    assert job.is_joining
    return job


# What comes back


def test_outputs_of_spawned_jobs_are_put_in_place_wherever_they_stand(q: Queue) -> None:
    job = q.enqueue(growing.spawn_nested)
    drain(q)
    assert job.result == {"both": 10, "parts": [3, ({"deep": [3]}, 7)], "plain": 5}
    assert job.return_value() == job.result


def test_a_dependent_gets_them_in_place_too(q: Queue) -> None:
    job = q.enqueue(growing.spawn_nested)
    taker = q.enqueue(steps.echo, {"all": job.output})
    drain(q)
    assert taker.result == {"all": job.result}


def test_a_default_stands_for_what_failed(q: Queue) -> None:
    job = q.enqueue(growing.spawn_with_defaults)
    taker = q.enqueue(steps.echo, job.output)
    drain(q)
    assert job.result == taker.result == ["good", "no good"]


def test_a_fallback_gives_the_output_in_place_of_the_job_that_failed(q: Queue) -> None:
    job = q.enqueue(growing.spawn_with_fallback)
    taker = q.enqueue(steps.echo, job.output)
    drain(q)
    assert job.result == taker.result == "rescued"


def test_a_job_that_returns_no_output_keeps_what_it_returned(q: Queue) -> None:
    job = q.enqueue(growing.spawn_some, [["steps.echo", [1]], ["steps.echo", [2]]])
    drain(q)
    assert job.result == [each.id for each in spawned_by(job)]


def test_spawned_jobs_spawn(q: Queue) -> None:
    job = q.enqueue(growing.spawn_tree, 3)
    drain(q)
    assert job.result == 8


def test_a_chain_of_300_jobs_that_spawn_the_next_runs_into_no_recursion(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    job = queue.enqueue(growing.spawn_chain, 300)
    taker = queue.enqueue(steps.echo, [job.output])
    drain(queue)
    assert (job.result, taker.result) == ("the end", ["the end"])


def test_a_chain_that_fails_at_its_end_fails_whole_and_can_be_requeued(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    job = queue.enqueue(growing.spawn_chain, 50, "steps.fail_before_attempt", [2])
    drain(queue)
    assert job.is_upstream_failed
    job.requeue()
    assert job.is_joining
    drain(queue)
    assert job.result == 2


def test_fakeredis_does_for_tests_of_jobs_that_spawn() -> None:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        queue = Queue(connection=client)
        nested, tree = queue.enqueue(growing.spawn_nested), queue.enqueue(growing.spawn_tree, 2)
        chain = queue.enqueue(growing.spawn_chain, 3, "steps.fail_before_attempt", [2])
        taker = queue.enqueue(steps.echo, [nested.output, tree.output])
        drain(queue)
        assert taker.result == [{"both": 10, "parts": [3, ({"deep": [3]}, 7)], "plain": 5}, 4]
        assert chain.is_upstream_failed
        chain.requeue()
        drain(queue)
        assert chain.result == 2
        check_invariants(client)


# While it joins


def test_it_is_joining_until_all_have_ended(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2, 3])
    after = q.enqueue(steps.nothing, depends_on=job)
    children = spawned_by(job)
    assert (job.get_status(), job.is_finished, job.is_failed, len(children)) == ("joining", False, False, 3)
    assert q.get_job_ids(status="joining") == [job.id]
    with pytest.raises(JobNotEndedError, match="is joining; wait for it"):
        job.result  # noqa: B018
    finish(hands, *children[:2])
    assert status_of(job, after) == ["joining", "deferred"]
    finish(hands, children[2])
    assert status_of(job, after) == ["finished", "queued"]


def test_a_spawned_job_knows_by_whom(q: Queue) -> None:
    job = joining(q)
    assert [child.spawned_by for child in spawned_by(job)] == [job.id] * 3
    assert job.spawned_by is None


def test_what_it_waits_for_is_explained(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_many, 2)
    first, second = spawned_by(job)
    finish(hands, first)
    assert job.explain() == (
        f"Job {job.id} has run, and waits for 1 of 2 jobs that it spawned: {second.id} (nothing), which is queued."
    )
    claim_until(hands, second.id)
    job.cancel()
    assert job.explain() == (
        f"Job {job.id} has run, and waits for 1 of 2 jobs that it spawned: {second.id} (nothing), which runs; "
        f"it was canceled."
    )


def test_an_open_fallback_is_waited_for(q: Queue) -> None:
    job = q.enqueue(growing.spawn_with_fallback)
    run(q, 2)
    (child,) = spawned_by(job)
    assert status_of(job, child) == ["joining", "failed"]
    assert job.explain() == (
        f"Job {job.id} has run, and waits for 1 of 1 job that it spawned: {child.id} failed, and its fallback has not "
        f"ended."
    )


def test_the_command_line_shows_it(valkey: Redis, valkey_url: str) -> None:
    queue = Queue("work", connection=valkey)
    with Workflow("nightly", queue=queue) as workflow:
        job = workflow.enqueue(growing.spawn_many, 2)
    SimpleWorker([queue]).work(burst=True, max_jobs=1)
    child, _ = spawned_by(job)

    def shown(*args: str) -> str:
        result = CliRunner().invoke(main, [*args, "--url", valkey_url])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    assert f"status joining explain {job.explain()}" in shown("job", job.id)
    assert f"workflow {workflow.id} waited for by {workflow.id}" in shown("job", job.id)
    assert f"workflow {workflow.id} spawned by {job.id} waited for by {job.id}" in shown("job", child.id)
    assert "queue queued started joining finished failed oldest work 2 0 2 0 0 " in shown("info")
    drain(queue)
    own = shown("job", workflow.id)
    assert f"status finished explain Job {workflow.id} has finished. call nightly queue work" in own
    assert "result" not in own


# Options


def test_spawned_jobs_depend_on_each_other(q: Queue, tmp_path: Path) -> None:
    job = q.enqueue(growing.spawn_two_in_turn, str(tmp_path / "log"))
    drain(q)
    assert job.is_finished
    assert lines(tmp_path / "log") == ["first", "second"]


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_spawned_job_depends_on_one_outside(q: Queue, hands: HandWorker, ends_first: bool) -> None:
    outside = q.enqueue(steps.nothing)
    claim_until(hands, outside.id)
    if ends_first:
        finish(hands, outside)
    job = joining(q, growing.spawn_one, "steps.nothing", [], {"depends_on": outside.id})
    (child,) = spawned_by(job)
    assert child.get_status() == ("queued" if ends_first else "deferred")
    if not ends_first:
        finish(hands, outside)
    drain(q)
    assert job.is_finished


def test_a_spawned_job_takes_an_output_from_outside(q: Queue) -> None:
    outside = q.enqueue(steps.echo, 5)
    job = q.enqueue(growing.take_output_of, outside.id)
    drain(q)
    assert job.result == 5


def test_a_spawned_job_whose_dependency_outside_fails_fails_its_spawner(q: Queue, hands: HandWorker) -> None:
    outside = q.enqueue(steps.nothing)
    claim_until(hands, outside.id)
    job = joining(q, growing.spawn_one, "steps.nothing", [], {"depends_on": outside.id})
    hands.fail(outside.id)
    assert status_of(*spawned_by(job), job) == ["upstream_failed", "upstream_failed"]
    assert job.explain().endswith(f"it began where {outside.id} (nothing) failed: no; requeue() runs that again.")
    with pytest.raises(UpstreamFailedError, match=f"requeue '{outside.id}' \\(failed\\) instead"):
        job.requeue()
    outside.requeue()
    assert status_of(*spawned_by(job), job) == ["deferred", "joining"]
    drain(q)
    assert job.is_finished


def test_a_job_to_depend_on_that_does_not_exist_fails_the_attempt(q: Queue) -> None:
    job = q.enqueue(growing.spawn_one, "steps.nothing", [], {"depends_on": "nobody"})
    drain(q)
    assert job.is_failed
    assert last_error(job) == str(NoSuchJobError("nobody"))


def test_options_are_for_what_is_spawned(q: Queue) -> None:
    options = {"job_id": "child", "retry": 2, "queue": "other", "meta": {"a": 1}, "description": "a child"}
    job = q.enqueue(growing.spawn_one, "steps.fail_before_attempt", [3], options)
    drain(q)
    child: Job[Any] = Job("child", q.store)
    assert (child.origin, child.retries_left, child.meta, child.description) == ("other", 2, {"a": 1}, "a child")
    assert status_of(job, child) == ["joining", "queued"]
    drain(q, "other")
    assert (job.result, child.result) == ("child", 3)


def test_what_is_spawned_goes_to_the_queue_of_its_spawner(q: Queue) -> None:
    other = Queue("other", connection=q.store.client)
    job = other.enqueue(growing.spawn_with_fallback)
    drain(other)
    (child,) = spawned_by(job)
    assert [child.origin, Job(str(child.fallback_id), q.store).origin] == ["other", "other"]


def test_the_fallback_of_a_spawned_job_goes_to_the_queue_of_that(q: Queue) -> None:
    job = q.enqueue(growing.spawn_one, "steps.nothing", [], {"queue": "other", "fallback": "steps.nothing"})
    run(q)
    (child,) = spawned_by(job)
    assert [child.origin, Job(str(child.fallback_id), q.store).origin] == ["other", "other"]


def test_by_the_rule_all_done_a_failure_does_no_harm(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_one, "steps.nothing", [], {"rule": "all_done"})
    fail(hands, *spawned_by(job))
    assert job.is_finished


def test_each_spawned_job_has_a_rule_of_its_own(q: Queue, hands: HandWorker) -> None:
    wishes = [["steps.nothing", [], {"rule": "all_done"}], ["steps.nothing"]]
    for fails, ends in ((0, "finished"), (1, "upstream_failed")):
        job = joining(q, growing.spawn_some, wishes)
        children = spawned_by(job)
        fail(hands, children[fails])
        assert job.is_joining
        finish(hands, children[1 - fails])
        assert job.get_status() == ends


def test_a_rule_is_no_option_of_what_is_enqueued(q: Queue) -> None:
    with pytest.raises(ValueError, match=r"rule= says how a job joins what it spawns: .* depends_on=Dependency"):
        q.options(rule="all_done")


def test_a_held_one_is_waited_for(q: Queue) -> None:
    job = joining(q, growing.spawn_one, "steps.nothing", [], {"hold": True})
    (child,) = spawned_by(job)
    drain(q)
    assert status_of(job, child) == ["joining", "created"]
    with pytest.raises(DependencyCycleError):
        child.add_dependency(job)
    child.release()
    drain(q)
    assert job.is_finished


# When one fails


def test_it_fails_only_once_all_have_ended(q: Queue, hands: HandWorker) -> None:
    job = joining(q)
    after = q.enqueue(steps.nothing, depends_on=job)
    first, *others = spawned_by(job)
    fail(hands, first)
    assert status_of(job, after) == ["joining", "deferred"]
    finish(hands, *others)
    assert status_of(job, after) == ["upstream_failed", "upstream_failed"]
    assert job.explain() == (
        f"Job {job.id} has run, but what it spawned failed: none_failed can't be met, since {first.id} (nothing) "
        f"failed: no; requeue() runs that again."
    )


def test_requeueing_that_one_joins_it_without_running_the_spawner_again(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2, 3])
    after = q.enqueue(steps.echo, job.output)
    first, *others = spawned_by(job)
    fail(hands, first)
    finish(hands, *others)
    first.requeue()
    assert status_of(job, after, first) == ["joining", "deferred", "queued"]
    drain(q)
    assert (after.result, job.attempt) == ([1, 1, 1], 1)
    assert [child.id for child in spawned_by(job)] == [first.id, *(each.id for each in others)]


def test_requeueing_the_spawner_runs_those_again_that_failed(q: Queue, hands: HandWorker) -> None:
    job = joining(q)
    first, second, third = spawned_by(job)
    fail(hands, first)
    second.cancel()
    finish(hands, third)
    assert job.is_upstream_failed
    job.requeue()
    assert status_of(job, first, second, third) == ["joining", "queued", "queued", "finished"]
    drain(q)
    assert (job.get_status(), job.attempt) == ("finished", 1)


def test_requeueing_the_spawner_goes_down_to_where_it_began(q: Queue) -> None:
    job = q.enqueue(growing.spawn_one, "growing.spawn_one", ["steps.fail_before_attempt", [2]])
    drain(q)
    (child,) = spawned_by(job)
    (grandchild,) = spawned_by(child)
    assert status_of(job, child, grandchild) == ["upstream_failed", "upstream_failed", "failed"]
    job.requeue()
    assert status_of(job, child, grandchild) == ["joining", "joining", "queued"]
    drain(q)
    assert status_of(job, child, grandchild) == ["finished"] * 3
    assert (job.attempt, child.attempt, grandchild.attempt) == (1, 1, 2)


def test_a_rescued_one_is_not_run_again(q: Queue) -> None:
    job = q.enqueue(growing.spawn_some, [["steps.boom", [], {"fallback": "steps.nothing"}], ["steps.boom"]])
    drain(q)
    rescued, failed = spawned_by(job)
    assert status_of(job, rescued, failed) == ["upstream_failed", "failed", "failed"]
    job.requeue()
    assert status_of(job, rescued, failed) == ["joining", "failed", "queued"]


def test_its_own_fallback_is_for_its_own_failure_only(q: Queue) -> None:
    job = q.options(fallback=Fallback(steps.nothing)).enqueue(growing.spawn_one, "steps.fail_before_attempt", [2])
    drain(q)
    fallback = Job[Any](str(job.fallback_id), q.store)
    assert status_of(job, fallback) == ["upstream_failed", "skipped"]
    job.requeue()
    assert status_of(job, fallback) == ["joining", "deferred"]
    drain(q)
    assert status_of(job, fallback) == ["finished", "skipped"]


def test_where_a_failed_one_has_been_deleted_only_force_helps(q: Queue, hands: HandWorker) -> None:
    job = joining(q)
    first, *others = spawned_by(job)
    fail(hands, first)
    finish(hands, *others)
    first.delete()
    assert job.explain().endswith(
        f"since {first.id} failed, and has been deleted since; requeue(force=True) runs this job anew."
    )
    with pytest.raises(UpstreamFailedError, match=r"has been deleted; requeue\(force=True\) runs it all the same"):
        job.requeue()
    job.requeue(force=True)
    drain(q)
    assert (job.get_status(), job.attempt) == ("finished", 2)


def test_by_force_it_runs_anew_and_the_old_ones_matter_no_more(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2])
    old = spawned_by(job)
    fail(hands, old[0])
    finish(hands, old[1])
    job.requeue(force=True)
    assert (job.get_status(), spawned_by(job)) == ("queued", [])
    old[0].requeue()
    drain(q)
    new = spawned_by(job)
    assert job.result == [1, 2]
    assert {child.id for child in new}.isdisjoint(child.id for child in old)
    old[0].requeue(force=True)
    assert job.is_finished
    fail(hands, old[0])
    old[1].delete()
    assert job.is_finished
    job.delete()
    assert status_of(old[0], *new) == ["failed", "finished", "finished"]


def test_by_force_a_job_that_joins_is_not_run_meanwhile(q: Queue) -> None:
    job = joining(q)
    with pytest.raises(InvalidJobOperationError, match="is joining, and has not ended"):
        job.requeue(force=True)


# An attempt that comes to nothing


def left_behind(connection: Redis) -> set[str]:
    """What is stored of graphs that were not let through."""
    found = {key.decode() for key in connection.scan_iter()}
    return {key for key in found if ":gate" in key or ":joins:" in key}


def time_out_gates(queue: Queue) -> None:
    """Nothing has come for longer than a graph may take."""
    for gate in queue.store.client.zrange("{rqdeps}:gates", 0, -1):
        queue.store.client.zadd("{rqdeps}:gates", {gate: 1})
    maintain(queue.store)


def test_an_attempt_that_fails_leaves_nothing_and_a_retry_spawns_once(q: Queue, tmp_path: Path) -> None:
    job = q.options(retry=2).enqueue(growing.spawn_and_fail_before, 3, str(tmp_path / "log"))
    drain(q)
    assert (job.result, job.attempt, len(spawned_by(job))) == (3, 3, 1)
    assert lines(tmp_path / "log") == ["attempt 3"]
    assert left_behind(q.store.client) == {f"{{rqdeps}}:joins:{job.id}"}


def test_an_attempt_that_snoozes_leaves_nothing(valkey: Redis, tmp_path: Path) -> None:
    queue = Queue(connection=valkey)
    job = queue.enqueue(growing.spawn_and_snooze_until, str(tmp_path / "marker"), str(tmp_path / "log"))
    drain(queue)
    assert (job.get_status(), job.attempt, len(spawned_by(job))) == ("finished", 2, 1)
    assert lines(tmp_path / "log") == ["attempt 2"]


def attempt(hands: HandWorker, job: Job[Any]) -> Outcome:
    """Runs a job as a worker does, up to its report."""
    claim_until(hands, job.id)
    held = Held.of(hands.held[job.id], now=0.0, begins=True)
    return held.outcome(execution.execute(held.task(), hands.store).report)


def report(hands: HandWorker, outcome: Outcome) -> str:
    """Reports an attempt, and says what became of the job."""
    hands.held.pop(outcome.claim.id, None)
    call = claims.settle([outcome], holder=hands.holder, lease_ms=LEASE_MS, queues=[], want=0, begin=0)
    settled = hands.store.run(call)
    hands.store.perform(carry_on_cascades(settled.cascades_left))
    return settled.statuses[0]


def staged_ids(connection: Redis) -> list[str]:
    """The jobs that are there for nobody yet."""
    gates = connection.scan_iter("{rqdeps}:gate:*")
    return [job_id.decode() for gate in gates for job_id in connection.zrange(gate, 0, -1) if job_id != b"#"]


def lose_worker(queue: Queue, hands: HandWorker) -> None:
    """All leases run out, and jobs go back to their queue."""
    hands.held.clear()
    maintain(queue.store)
    for job_id in queue.get_job_ids(status="started"):
        queue.store.client.zadd(f"{{rqdeps}}:started:{queue.name}", {job_id: 1})
    maintain(queue.store)


def test_what_is_spawned_is_there_for_nobody_before_the_attempt_is_accepted(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    outcome = attempt(hands, job)
    ids = staged_ids(q.store.client)
    assert statuses(q.store, ids) == [None] * 3
    assert (q.job_ids, hands.claim()) == ([], [])
    with pytest.raises(NoSuchJobError):
        q.enqueue(steps.nothing, depends_on=ids[0])
    assert job.is_started
    assert report(hands, outcome) == "joining"
    assert q.job_ids == ids


def test_it_waits_for_the_report_as_long_as_the_claim_is_held(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    outcome = attempt(hands, job)
    time_out_gates(q)
    time_out_gates(q)
    assert report(hands, outcome) == "joining"
    assert len(spawned_by(job)) == 3


@pytest.mark.parametrize("job_id", [None, "child"])
def test_a_worker_lost_before_its_report_leaves_no_second_set(q: Queue, hands: HandWorker, job_id: str | None) -> None:
    job = q.enqueue(growing.spawn_one, "steps.nothing", [], {"job_id": job_id})
    lost = attempt(hands, job)
    lose_worker(q, hands)
    outcome = attempt(hands, job)
    assert report(hands, lost) == "stale"
    assert report(hands, outcome) == "joining"
    time_out_gates(q)
    (child,) = spawned_by(job)
    assert q.job_ids == [child.id]
    assert left_behind(q.store.client) == {f"{{rqdeps}}:joins:{job.id}"}
    drain(q)
    assert job.is_finished


def test_a_worker_lost_for_good_leaves_nothing(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    attempt(hands, job)
    lose_worker(q, hands)
    job.cancel()
    time_out_gates(q)
    assert left_behind(q.store.client) == set()


def test_who_has_lost_the_claim_can_not_spawn(q: Queue, hands: HandWorker) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    claim_until(hands, job.id)
    lost = dict(hands.held)
    lose_worker(q, hands)
    hands.held.update(lost)
    outcome = attempt(hands, job)
    assert (outcome.kind, ClaimLostError.__name__ in outcome.value.decode()) == ("failed", True)
    assert report(hands, outcome) == "stale"
    assert left_behind(q.store.client) == set()


@pytest.mark.parametrize("end", ["cancel", "skip", "delete"])
def test_a_job_ended_by_a_person_after_it_has_spawned_spawns_nothing(q: Queue, hands: HandWorker, end: str) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    outcome = attempt(hands, job)
    getattr(job, end)()
    assert report(hands, outcome) == ("stopped" if end == "cancel" else "stale")
    assert status_of(job) == [{"cancel": "stopped", "skip": "finished", "delete": None}[end]]
    time_out_gates(q)
    assert left_behind(q.store.client) == set()
    assert q.count == 0


def test_spawning_waits_until_the_server_answers_again(
    q: Queue, hands: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = q.enqueue(growing.spawn_many, 3)
    claim_until(hands, job.id)
    evaluate = rqdeps.store.store.evaluate
    sendings = 0

    def break_down(*args: Any) -> Any:
        nonlocal sendings
        sendings += 1
        replies = evaluate(*args)
        if sendings <= 3 * SENDINGS:
            raise RedisConnectionError("the server is away")
        return replies

    monkeypatch.setattr(rqdeps.store.store, "evaluate", break_down)
    monkeypatch.setattr(rqdeps.store.store, "LONGEST_PAUSE", 0)
    monkeypatch.setattr(execution, "PAUSE", 0)
    assert report(hands, attempt(hands, job)) == "joining"
    assert len(spawned_by(job)) == 3


def test_2000_are_staged_in_pieces_and_let_go_at_once(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    job = queue.enqueue(growing.spawn_many, 2_000)
    outcome = attempt(hands, job)
    assert outcome.pieces > 2_000 // BUDGET
    assert (len(staged_ids(valkey)), queue.count, hands.claim()) == (2_000, 0, [])
    assert report(hands, outcome) == "joining"
    assert (len(spawned_by(job)), queue.count) == (2_000, 2_000)
    done = 0
    while claimed := hands.claim():
        hands.finish_all(claimed)
        done += len(claimed)
    assert (done, job.get_status()) == (2_000, "finished")


# Circles


@pytest.mark.parametrize("kind", ["depends_on", "output", "group", "fallback", "later"])
def test_a_spawned_job_can_not_wait_for_its_spawner(q: Queue, kind: str) -> None:
    job = q.enqueue(growing.spawn_for_spawner, kind)
    drain(q)
    assert job.is_failed
    assert f"would wait for '{job.id}', which spawns it and so waits for it" in last_error(job)
    assert left_behind(q.store.client) == set()


def test_one_that_was_refused_is_not_spawned(q: Queue) -> None:
    job = q.enqueue(growing.spawn_in_spite_of_refusal)
    drain(q)
    assert (job.get_status(), len(spawned_by(job))) == ("finished", 1)


def wish_to_wait_for(job_id: str) -> tuple[str, list[Any], dict[str, Any]]:
    return "steps.nothing", [], {"depends_on": job_id}


@pytest.mark.parametrize("size", [3, BUDGET])
def test_a_spawned_job_can_not_wait_for_what_waits_for_its_spawner(q: Queue, size: int) -> None:
    job = q.options(job_id="top").enqueue(growing.spawn_one, *wish_to_wait_for("below"))
    q.enqueue(steps.nothing, job_id="below", depends_on=q.enqueue(steps.nothing, job_id="between", depends_on=job))
    with budget(size):
        drain(q)
    assert job.is_failed
    assert "these jobs would wait for each other for ever: 'top' → " in last_error(job)
    assert last_error(job).endswith("→ 'between' → 'top'")
    time_out_gates(q)
    assert left_behind(q.store.client) == set()


def test_a_spawned_job_can_not_wait_for_the_spawner_of_its_spawner(q: Queue) -> None:
    job = q.options(job_id="top").enqueue(growing.spawn_one, "growing.spawn_one", wish_to_wait_for("top"))
    drain(q)
    (child,) = spawned_by(job)
    assert status_of(job, child) == ["upstream_failed", "failed"]
    assert "would wait for each other" in last_error(child)


def test_two_that_spawn_at_the_same_time_can_not_wait_for_each_other(q: Queue, hands: HandWorker) -> None:
    left = q.options(job_id="left").enqueue(growing.spawn_one, *wish_to_wait_for("right"))
    right = q.options(job_id="right").enqueue(growing.spawn_one, *wish_to_wait_for("left"))
    first, second = attempt(hands, left), attempt(hands, right)
    assert (first.kind, second.kind) == ("spawned", "failed")
    assert b"would wait for each other" in second.value
    assert [report(hands, first), report(hands, second)] == ["joining", "failed"]
    assert left.is_upstream_failed


@pytest.mark.parametrize("is_accepted", [False, True])
@pytest.mark.parametrize("size", [3, BUDGET])
def test_a_dependency_added_later_closes_no_circle(q: Queue, hands: HandWorker, is_accepted: bool, size: int) -> None:
    outside = q.options(job_id="outside", hold=True).enqueue(steps.nothing)
    job = q.options(job_id="top").enqueue(growing.spawn_one, *wish_to_wait_for("outside"))
    outcome = attempt(hands, job)
    if is_accepted:
        assert report(hands, outcome) == "joining"
    below = q.options(hold=True, depends_on=job).enqueue(steps.nothing)
    with budget(size), pytest.raises(DependencyCycleError, match="'outside' → 'top' → "):
        outside.add_dependency(job)
    with budget(size), pytest.raises(DependencyCycleError):
        outside.add_dependency(Dependency(below, rule="all_done"))
    assert report(hands, outcome) == ("stale" if is_accepted else "joining")
    outside.release()
    below.release()
    drain(q)
    assert status_of(outside, job, below) == ["finished"] * 3


# What is refused


def test_only_the_job_that_runs_can_spawn(q: Queue) -> None:
    other = q.options(hold=True).enqueue(steps.nothing)
    for spawn in (other.spawn, other.options(retry=1).spawn):
        with pytest.raises(InvalidJobOperationError, match=f"job '{other.id}' does not run here"):
            spawn(steps.nothing)
    job = q.enqueue(growing.spawn_elsewhere, other.id)
    drain(q)
    assert job.is_failed
    assert last_error(job).startswith(f"job '{other.id}' does not run here")


def test_a_job_can_not_spawn_once_it_has_returned(q: Queue) -> None:
    growing.kept.clear()
    q.enqueue(growing.keep_current_job)
    drain(q)
    with pytest.raises(InvalidJobOperationError, match="does not run here"):
        growing.kept[0].spawn(steps.nothing)


def test_an_id_can_be_given_to_one_spawned_job_only(q: Queue) -> None:
    job = q.enqueue(growing.spawn_twice_under, "child")
    drain(q)
    assert (job.get_status(), last_error(job)) == ("failed", "two spawned jobs have the id 'child'")


def test_an_id_that_another_job_has_fails_the_attempt(q: Queue) -> None:
    q.options(hold=True, job_id="taken").enqueue(steps.nothing)
    wishes = [["steps.nothing"], ["steps.nothing", [], {"job_id": "taken"}]]
    job = q.enqueue(growing.spawn_some, wishes)
    drain(q)
    assert job.is_failed
    assert last_error(job).startswith("a job with the id 'taken' exists already")
    assert left_behind(q.store.client) == set()


def test_an_output_of_a_job_that_it_did_not_spawn_can_not_be_returned(q: Queue) -> None:
    other = q.options(hold=True).enqueue(steps.nothing)
    job = q.options(retry=3).enqueue(growing.give_output_of, other.id)
    drain(q)
    assert (job.get_status(), job.attempt) == ("failed", 1)
    assert last_error(job).startswith(
        f"the result holds the output of job '{other.id}', which this job did not spawn: return its id"
    )


def test_an_output_that_may_be_missing_can_not_be_returned_without_a_default(q: Queue) -> None:
    job = q.options(retry=3).enqueue(growing.give_one, "steps.nothing", [], {"rule": "all_done"})
    drain(q)
    assert (job.get_status(), job.attempt) == ("failed", 1)
    assert "say what to return then with output_or(default)" in last_error(job)


def test_arguments_that_do_not_fit_are_an_error_where_it_spawns(q: Queue) -> None:
    job = q.enqueue(growing.spawn_with_wrong_arguments)
    drain(q)
    assert job.result == "TypeError"


# Cancel


def test_a_joining_job_that_is_canceled_is_stopped_with_all_it_has_spawned(q: Queue, hands: HandWorker) -> None:
    job = joining(q)
    after = q.enqueue(steps.nothing, depends_on=job)
    first, second, third = spawned_by(job)
    finish(hands, first)
    claim_until(hands, second.id)
    assert job.cancel()
    assert status_of(job, first, second, third, after) == ["joining", "finished", "started", "canceled", "deferred"]
    assert job.cancel()
    q.store.run(claims.give_back([hands.held.pop(second.id)]))
    assert status_of(job, first, second, third) == ["stopped", "finished", "stopped", "canceled"]
    assert after.is_upstream_failed
    assert job.explain() == f"Job {job.id} was stopped."
    assert job.cancel() is False


def test_cancel_goes_down_to_what_the_spawned_have_spawned(q: Queue) -> None:
    job = q.enqueue(growing.spawn_chain, 3)
    run(q, 3)
    job.cancel()
    below = [job]
    while children := spawned_by(below[-1]):
        below += children
    assert status_of(*below) == ["stopped", "stopped", "stopped", "canceled"]


def test_cancel_takes_what_stands_in_for_a_spawned_job(q: Queue) -> None:
    job = q.enqueue(growing.spawn_with_fallback)
    run(q, 2)
    (child,) = spawned_by(job)
    job.cancel()
    assert status_of(job, child, Job(str(child.fallback_id), q.store)) == ["stopped", "failed", "canceled"]


def test_all_that_was_canceled_can_be_requeued(q: Queue) -> None:
    job = q.enqueue(growing.spawn_echoes, [1, 2])
    after = q.enqueue(steps.echo, job.output)
    run(q)
    job.cancel()
    assert status_of(job, after) == ["stopped", "upstream_failed"]
    job.requeue()
    assert status_of(job, after) == ["joining", "deferred"]
    drain(q)
    assert (after.result, job.attempt) == ([1, 2], 1)


def test_one_that_ends_well_in_spite_of_cancel_finishes_its_spawner(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1])
    (child,) = spawned_by(job)
    claim_until(hands, child.id)
    job.cancel()
    finish(hands, child)
    assert status_of(job, child) == ["finished", "finished"]


# Skip


def test_a_joining_job_can_be_skipped_with_a_value(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2])
    after = q.enqueue(steps.echo, job.output)
    first, second = spawned_by(job)
    job.skip(["mine"])
    assert (job.result, status_of(job, after)) == (["mine"], ["finished", "queued"])
    fail(hands, first)
    finish(hands, second)
    assert status_of(job) == ["finished"]
    drain(q)
    assert after.result == ["mine"]
    first.requeue()
    assert job.is_finished


def test_a_spawned_job_can_be_skipped(q: Queue, hands: HandWorker) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2])
    first, second = spawned_by(job)
    fail(hands, first)
    finish(hands, second)
    assert job.is_upstream_failed
    first.skip("instead")
    assert (job.get_status(), job.result) == ("finished", ["instead", 1])


# Delete


@pytest.mark.parametrize(
    ("policy", "ends"),
    [("cancel", "canceled"), ("release", "queued"), ("delete", None)],
    ids=["cancel", "release", "delete"],
)
def test_deleting_a_joining_job_does_with_its_dependents_as_told(q: Queue, policy: Any, ends: str | None) -> None:
    job = joining(q)
    children = spawned_by(job)
    after = q.enqueue(steps.nothing, depends_on=job)
    job.delete(policy)
    assert status_of(job, after, *children) == [None, ends, "queued", "queued", "queued"]
    drain(q)
    assert status_of(*children) == ["finished"] * 3


@pytest.mark.parametrize(
    ("policy", "ends"),
    [("cancel", "upstream_failed"), ("release", "finished"), ("delete", "upstream_failed")],
    ids=["cancel", "release", "delete"],
)
def test_deleting_a_spawned_job_counts_as_told(q: Queue, hands: HandWorker, policy: Any, ends: str) -> None:
    job = joining(q)
    first, *others = spawned_by(job)
    first.delete(policy)
    assert job.is_joining
    finish(hands, *others)
    assert job.get_status() == ends


def test_an_output_of_a_spawned_job_that_was_deleted_is_missed(q: Queue) -> None:
    job = joining(q, growing.spawn_echoes, [1, 2])
    first, _ = spawned_by(job)
    first.delete("release")
    drain(q)
    assert job.is_finished
    with pytest.raises(ResultExpiredError, match=f"the output of job '{first.id}' is wanted, but that job has been"):
        job.result  # noqa: B018
    assert job.return_value() is None


def test_nothing_is_left_once_all_are_deleted(q: Queue) -> None:
    jobs = [q.enqueue(growing.spawn_nested), q.enqueue(growing.spawn_chain, 3), q.enqueue(growing.spawn_with_fallback)]
    jobs.append(q.enqueue(steps.echo, jobs[0].output))
    drain(q)
    everything = [job_id for status in ("finished", "failed") for job_id in q.get_job_ids(status=status)]
    for job_id in everything:
        Job(job_id, q.store).delete()
    permanent = {"{rqdeps}:schema", "{rqdeps}:queues", "{rqdeps}:beat", "{rqdeps}:wake:default"}
    assert {key.decode() for key in q.store.client.scan_iter()} <= permanent


# Keeping


def grow_old(queue: Queue, milliseconds: int = HOUR_MS) -> None:
    """Time passes for all that has ended, and what is due goes."""
    for status in ("finished", "failed", "upstream_failed"):
        registry = f"{{rqdeps}}:{status}:{queue.name}"
        for job_id, due in queue.store.client.zrange(registry, 0, -1, withscores=True):
            queue.store.client.zadd(registry, {job_id: due - milliseconds})
            queue.store.client.hincrby(f"{{rqdeps}}:job:{job_id.decode()}", "ended_at", -milliseconds)
    maintain(queue.store)


def test_spawned_jobs_are_kept_as_long_as_the_result_that_holds_their_outputs(q: Queue) -> None:
    job = q.options(result_ttl="3h").enqueue(growing.spawn_echoes, [1, 2])
    drain(q)
    children = spawned_by(job)
    grow_old(q)
    grow_old(q)
    assert job.result == [1, 2]
    grow_old(q)
    grow_old(q)
    assert status_of(job, *children) == [None] * 3


@pytest.mark.parametrize(
    ("function", "value"), [(growing.spawn_chain, "the end"), (growing.spawn_with_fallback, "rescued")]
)
def test_so_is_whatever_such_an_output_is_of(q: Queue, function: Any, value: str) -> None:
    job = q.options(result_ttl="3h").enqueue(function, *[2] * (function is growing.spawn_chain))
    drain(q)
    grow_old(q)
    grow_old(q)
    assert job.result == value


def test_those_whose_outputs_are_not_returned_go_by_their_own_times(q: Queue) -> None:
    job = q.options(result_ttl="3h").enqueue(growing.spawn_many, 2)
    drain(q)
    children = spawned_by(job)
    grow_old(q)
    assert status_of(job, *children) == ["finished", None, None]


def test_a_result_that_nobody_keeps_is_kept_for_a_dependent(q: Queue) -> None:
    job = q.options(result_ttl=0).enqueue(growing.give_one, "steps.echo", [5], {"result_ttl": 0})
    taker = q.options(hold=True).enqueue(steps.echo, job.output)
    drain(q)
    grow_old(q)
    taker.release()
    drain(q)
    assert taker.result == 5
    grow_old(q)
    grow_old(q)
    assert status_of(job) == [None]


# Workers with processes of their own


def work(queue: Queue, **options: Any) -> None:
    Worker([queue], connection=queue.store.client, processes=2, **options).work(burst=True)


def test_workers_run_what_was_spawned(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    job, chain, many = (
        queue.enqueue(growing.spawn_nested),
        queue.enqueue(growing.spawn_chain, 300),
        queue.enqueue(growing.spawn_many, 600),
    )
    failing = queue.enqueue(growing.spawn_one, "growing.spawn_one", ["steps.fail_before_attempt", [2]])
    taker = queue.enqueue(steps.echo, [job.output, chain.output])
    work(queue)
    assert taker.result == [{"both": 10, "parts": [3, ({"deep": [3]}, 7)], "plain": 5}, "the end"]
    assert (many.get_status(), len(spawned_by(many))) == ("finished", 600)
    assert failing.is_upstream_failed
    failing.requeue()
    work(queue)
    assert failing.is_finished


#: A worker that is killed once a job that it runs has staged what it spawned.
DYING_WORKER = """
import os, signal, sys
from rqdeps import Worker
from rqdeps.worker import execution

stage = execution._stage

def stage_and_die(*args):
    pieces = stage(*args)
    os.kill(os.getppid(), signal.SIGKILL)  # the supervisor, whose horse this is
    return pieces

execution._stage = stage_and_die
Worker("default", url=sys.argv[1], lease=1.0).work(burst=True)
"""


def test_a_worker_killed_between_spawning_and_its_report_spawns_nothing(
    valkey: Redis, valkey_url: str, tmp_path: Path
) -> None:
    queue = Queue(connection=valkey)
    job = queue.enqueue(growing.spawn_many, 5, str(tmp_path / "log"))
    command = [sys.executable, "-c", DYING_WORKER, valkey_url]
    assert subprocess.run(command, cwd=TESTS, check=False).returncode == -signal.SIGKILL
    assert (job.get_status(), len(staged_ids(valkey)), queue.count) == ("started", 5, 0)
    work(queue, lease=1.0)
    assert (job.get_status(), job.attempt) == ("finished", 2)
    assert sorted(lines(tmp_path / "log")) == ["0", "1", "2", "3", "4"]
    time_out_gates(queue)
    assert left_behind(valkey) == {f"{{rqdeps}}:joins:{job.id}"}
