"""Workflows: enqueued whole, watched, waited for, canceled, resumed, deleted, and kept together."""

from __future__ import annotations

import random
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import fakeredis
import growing
import pytest
import samples
import steps
from by_hand import LEASE_MS, HandWorker, statuses
from every_status import budget, claim_until, fail, finish, maintain
from processes import eventually, lines, worker_process
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.store.store
from rqdeps import Dependency, Fallback, Job, Queue, SimpleWorker, Worker, Workflow, progress_line
from rqdeps.errors import (
    ConnectionUnavailableError,
    DependencyCycleError,
    DuplicateJobError,
    DuplicateWorkflowError,
    InvalidJobOperationError,
    NoSuchJobError,
    NoSuchWorkflowError,
    WaitTimeoutError,
)
from rqdeps.lineage import edges_of
from rqdeps.progress_line import ProgressLine, bar
from rqdeps.store.calls import changes, claims, upkeep
from rqdeps.store.invariants import check_invariants
from rqdeps.store.scripts import BUDGET

HOUR_MS = 3_600_000
PERMANENT = {"schema", "queues", "beat", "wake:default", "wake:other", "durations"}


@pytest.fixture
def connection(real_connection: Redis) -> Redis:
    """A client of each real server in turn: fakeredis would take longer than these together."""
    return real_connection


def drain(queue: Queue, *others: str) -> None:
    """Runs all that can run."""
    SimpleWorker([queue, *others], connection=queue.store.client).work(burst=True)


def status_of(*jobs: Job[Any]) -> list[str | None]:
    return statuses(jobs[0]._store, [job.id for job in jobs])


def counts_of(workflow: Workflow) -> dict[str, int]:
    return {status.value: count for status, count in workflow.counts.items() if count}


def stop(hands: HandWorker, job: Job[Any]) -> None:
    """The worker ends a job that it was asked to stop."""
    hands.store.run(claims.give_back([hands.held.pop(job.id)]))


def stored(connection: Redis) -> set[str]:
    """The names of all keys but the permanent ones."""
    return {key.decode().removeprefix("{rqdeps}:") for key in connection.scan_iter()} - PERMANENT


def spawned_by(job: Job[Any]) -> list[Job[Any]]:
    edges = job._store.perform(edges_of(job.id, joined=True))
    return [Job(job_id, job._store) for job_id in sorted(edge.dependency_id for edge in edges)]


class Diamond:
    """A workflow of four jobs: one, two that wait for it, and one that waits for both; with a clean-up for all."""

    def __init__(self, queue: Queue, **options: Any) -> None:
        with Workflow("diamond", queue=queue, **options) as self.workflow:
            enqueue = self.workflow.enqueue
            self.top = enqueue(samples.anything)
            self.left, self.right = (enqueue(samples.anything, self.top.output) for _ in range(2))
            self.bottom = enqueue(samples.anything, [self.left.output, self.right.output])
            self.four = [self.top, self.left, self.right, self.bottom]
            self.clean_up = enqueue(samples.anything, depends_on=Dependency(self.four, rule="all_done"))

    @property
    def statuses(self) -> list[str | None]:
        return status_of(*self.four, self.clean_up)


@pytest.fixture
def diamond(q: Queue) -> Diamond:
    return Diamond(q)


# Committing


def test_it_is_enqueued_whole_when_the_block_ends(q: Queue) -> None:
    with Workflow("nightly", queue=q) as workflow:
        first = workflow.enqueue(steps.echo, 1)
        second = workflow.enqueue(steps.add, first.output, 2)
        assert (workflow.status, workflow.jobs, workflow.job_ids()) == (
            "created",
            [first, second],
            [first.id, second.id],
        )
        assert sum(q.counts.values()) == 0
    assert status_of(first, second) == ["queued", "deferred"]
    assert [job.id for job in workflow.jobs] == workflow.job_ids() == [first.id, second.id]
    assert (workflow.status, workflow.name, workflow.progress) == ("joining", "nightly", 0.0)
    assert {job.workflow_id for job in workflow.jobs} == {workflow.id}
    drain(q)
    assert (second.result, workflow.status, workflow.progress) == (3, "finished", 1.0)
    assert workflow.ended_at >= workflow.created_at  # type: ignore[operator]


def test_nothing_is_enqueued_where_the_block_raises(q: Queue) -> None:
    workflow = Workflow(queue=q)
    jobs: list[Job[Any]] = []

    def change_my_mind() -> None:
        with workflow:
            jobs.append(workflow.enqueue(steps.nothing))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        change_my_mind()
    assert stored(q.store.client) == set()
    with pytest.raises(NoSuchWorkflowError):
        Workflow.fetch(workflow.id, q.store.client)
    with pytest.raises(InvalidJobOperationError, match="is not saved yet"):
        jobs[0].cancel()


def test_it_can_be_committed_without_a_block_once(q: Queue) -> None:
    workflow = Workflow(queue=q)
    job = workflow.enqueue(steps.nothing)
    workflow.commit()
    assert job.is_queued
    for again in (workflow.commit, workflow.__enter__, lambda: workflow.enqueue(steps.nothing)):
        with pytest.raises(InvalidJobOperationError, match="is committed already: its jobs can spawn more"):
            again()


def test_its_jobs_go_to_several_queues(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        first = workflow.enqueue(steps.echo, 1)
        second = workflow.options(queue="other").enqueue(steps.echo, first.output)
    assert [first.origin, second.origin, workflow.job.origin] == ["default", "other", "default"]
    assert workflow.facts().queues == ["default", "other"]
    drain(q)
    assert workflow.status == "joining"
    drain(q, "other")
    assert (second.result, workflow.status) == (1, "finished")


def test_everything_that_takes_calls_fills_it(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue_call(steps.add, (1,), {"right": 2})
        later = workflow.enqueue_in(0.001, steps.nothing)
        held = workflow.options(hold=True).enqueue(steps.nothing)
        workflow.enqueue("steps.nothing", fallback="steps.nothing")
    assert counts_of(workflow) == {"queued": 2, "scheduled": 1, "created": 1, "deferred": 1}
    assert status_of(later, held) == ["scheduled", "created"]
    held.release()
    drain(q)
    assert (counts_of(workflow), workflow.status) == ({"finished": 4, "skipped": 1}, "finished")


def test_an_empty_one_finishes_at_once(q: Queue) -> None:
    with Workflow("nothing to do", queue=q) as workflow:
        after = workflow.on_finished(steps.nothing)
    assert (workflow.status, workflow.progress, workflow.eta) == ("finished", 1.0, timedelta(0))
    assert after.is_queued
    assert workflow.wait(timeout=1) == "finished"


def test_a_large_one_is_staged_and_there_at_once(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    chance = random.Random(1)
    with Workflow(queue=queue) as workflow:
        layer: list[Job[Any]] = []
        for _ in range(4):
            above = layer
            layer = [
                workflow.enqueue(steps.nothing, depends_on=chance.sample(above, 3) if above else None)
                for _ in range(BUDGET // 4)
            ]
    assert counts_of(workflow) == {"queued": BUDGET // 4, "deferred": 3 * (BUDGET // 4)}
    Worker([queue], connection=valkey, processes=2).work(burst=True)
    assert (counts_of(workflow), workflow.status) == ({"finished": BUDGET}, "finished")
    workflow.delete()
    assert stored(valkey) == set()


def test_a_large_one_with_a_mistake_leaves_nothing(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    workflow = Workflow(queue=queue)
    for _ in range(BUDGET):
        workflow.enqueue(steps.nothing)
    workflow.enqueue(steps.nothing, depends_on="nobody")
    with pytest.raises(NoSuchJobError, match="'nobody'"):
        workflow.commit()
    assert stored(valkey) == set()


def test_a_commit_whose_reply_is_lost_can_be_made_again(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    q.enqueue(steps.nothing)
    workflow = Workflow(queue=q, id="mine")
    workflow.enqueue(steps.nothing)
    evaluate = rqdeps.store.store.evaluate

    def lose(*args: Any) -> Any:
        evaluate(*args)
        raise RedisConnectionError("the reply is lost")

    with mock.patch.object(rqdeps.store.store, "evaluate", lose), pytest.raises(ConnectionUnavailableError):
        workflow.commit()
    workflow.commit()
    drain(q)
    assert (counts_of(workflow), workflow.status) == ({"finished": 1}, "finished")


def test_fakeredis_does_for_tests_of_workflows() -> None:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        queue = Queue(connection=client)
        with Workflow("nightly", queue=queue) as workflow:
            parts = workflow.enqueue(steps.echo, [1, 2])
            mapped = workflow.map(growing.negated, parts.output)
            failing = workflow.enqueue(steps.fail_before_attempt, 2)
            after = workflow.on_finished(steps.nothing)
        drain(queue)
        assert (workflow.status, mapped.result, failing.get_status()) == ("failed", [-1, -2], "failed")
        assert workflow.retry_failed() == 1
        drain(queue)
        assert (workflow.status, after.get_status()) == ("finished", "finished")
        check_invariants(client)
        workflow.delete()
        check_invariants(client)


# Ids and names


def test_an_id_is_taken_once(q: Queue) -> None:
    with Workflow(queue=q, id="mine"):
        pass
    workflow = Workflow("another", queue=q, id="mine")
    job = workflow.enqueue(steps.nothing)
    with pytest.raises(DuplicateWorkflowError, match=r"'mine' exists already: .* exist_ok=True to leave it as it is"):
        workflow.commit()
    assert not Job.exists(job.id, q.store.client)


@pytest.mark.parametrize("job_id", [None, "member"])
def test_with_exist_ok_a_second_one_is_left_out(q: Queue, job_id: str | None) -> None:
    def commit() -> Workflow:
        with Workflow("nightly", queue=q, id="night-1", exist_ok=True) as workflow:
            workflow.options(job_id=job_id).enqueue(steps.nothing)
        return workflow

    first = commit()
    (member,) = first.jobs
    second = commit()
    assert ([job.id for job in second.jobs], q.count) == ([member.id], 1)
    drain(q)
    assert (commit().status, q.count) == ("finished", 0)


def test_ids_of_jobs_and_workflows_are_the_same(q: Queue) -> None:
    q.options(hold=True, job_id="taken").enqueue(steps.nothing)
    for exist_ok in (False, True):
        with pytest.raises(DuplicateJobError), Workflow(queue=q, id="fresh", exist_ok=exist_ok) as workflow:
            workflow.options(job_id="taken").enqueue(steps.nothing)
        assert not Job.exists("fresh", q.store.client)
    with pytest.raises(DuplicateWorkflowError), Workflow(queue=q, id="taken"):
        pass
    with Workflow(queue=q, id="mine"):
        pass
    with pytest.raises(DuplicateJobError):
        q.options(job_id="mine").enqueue(steps.nothing)


def test_two_jobs_of_one_can_not_have_the_same_id(q: Queue) -> None:
    for job_id in ("same", "mine"):
        workflow = Workflow(queue=q, id="mine")
        workflow.options(job_id="same").enqueue(steps.nothing)
        workflow.options(job_id=job_id).enqueue(steps.nothing)
        with pytest.raises(ValueError, match=f"two jobs of one call have the id '{job_id}'"):
            workflow.commit()
    assert stored(q.store.client) == set()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": 5}, TypeError),
        ({"name": "two\nlines"}, ValueError),
        ({"name": "x" * 201}, ValueError),
        ({"id": "with space"}, ValueError),
        ({"result_ttl": "soon"}, ValueError),
        ({"meta": [1]}, TypeError),
        ({"url": "redis://nowhere"}, TypeError),
    ],
)
def test_what_can_not_be_is_refused(q: Queue, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Workflow(queue=q, **options)


@pytest.mark.parametrize(
    "queue", ["default", fakeredis.FakeRedis(server=fakeredis.FakeServer())], ids=["name", "client"]
)
def test_a_queue_is_a_queue(queue: Any) -> None:
    with pytest.raises(TypeError, match=rf"queue= is a Queue, not {type(queue).__name__}: Queue\(name, connection="):
        Workflow("nightly", queue)


# Looking at it


def test_it_is_fetched_by_its_id(q: Queue, connection: Redis) -> None:
    with Workflow("nightly " + "x" * 100, queue=q, meta={"k": 1}) as workflow:
        job = workflow.enqueue(steps.nothing)
    found = Workflow.fetch(workflow.id, connection)
    assert (found.name, found.job.meta, [each.id for each in found.jobs]) == (workflow.name, {"k": 1}, [job.id])
    assert repr(found) == f"Workflow({workflow.name!r}, id={workflow.id!r})"
    with pytest.raises(InvalidJobOperationError):
        found.enqueue(steps.nothing)
    for job_id in (job.id, "nobody"):
        with pytest.raises(NoSuchWorkflowError, match=f"there is no workflow '{job_id}'"):
            Workflow.fetch(job_id, connection)


def test_all_come_with_the_latest_first(q: Queue, connection: Redis) -> None:
    ids = []
    for number in range(5):
        with Workflow(str(number), queue=q) as workflow:
            pass
        connection.zadd("{rqdeps}:workflows", {workflow.id: number})  # not within the same millisecond
        ids.append(workflow.id)
    assert [each.id for each in Workflow.all(connection)] == ids[::-1]
    assert [each.name for each in Workflow.all(connection, most=2)] == ["4", "3"]


def test_counts_follow_the_jobs(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    workflow = diamond.workflow
    assert counts_of(workflow) == {"queued": 1, "deferred": 4}
    finish(hands, diamond.top)
    claim_until(hands, diamond.left.id)
    assert counts_of(workflow) == {"finished": 1, "started": 1, "queued": 1, "deferred": 2}
    hands.fail(diamond.left.id)
    assert counts_of(workflow) == {"finished": 1, "failed": 1, "queued": 1, "deferred": 1, "upstream_failed": 1}
    assert workflow.progress == 3 / 5
    finish(hands, diamond.right, diamond.clean_up)
    assert (workflow.progress, workflow.status) == (1.0, "failed")
    assert str(workflow.facts()) == "diamond: 5 of 5 ended, 1 failed, 1 upstream_failed"


def test_jobs_with_a_status_are_named(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    fail(hands, diamond.top)
    failed = ["failed", "upstream_failed"]
    assert diamond.workflow.job_ids(*failed) == [job.id for job in diamond.four]
    assert diamond.workflow.job_ids("queued") == [diamond.clean_up.id]
    with pytest.raises(ValueError, match="is not a valid JobStatus"):
        diamond.workflow.job_ids("done")


def test_spawned_jobs_and_fallbacks_belong_to_it(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        spawner = workflow.enqueue(growing.spawn_chain, 2)
        rescuing = workflow.enqueue(growing.spawn_with_fallback)
    SimpleWorker([q]).work(burst=True, max_jobs=2)
    assert counts_of(workflow) == {"joining": 2, "queued": 2, "deferred": 1}
    drain(q)
    assert (spawner.result, rescuing.result) == ("the end", "rescued")
    assert (counts_of(workflow), workflow.status) == ({"finished": 6, "failed": 1}, "finished")
    assert {job.workflow_id for job in workflow.jobs} == {workflow.id}


def test_it_is_explained_by_its_own_job(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    own = diamond.workflow.job
    assert re.fullmatch(
        rf"Job {own.id} is the end of workflow diamond, and waits for 5 of 5 jobs: .*; and others\.", own.explain()
    )
    fail(hands, diamond.top)
    finish(hands, diamond.clean_up)
    explained = own.explain()
    assert explained.startswith(f"Job {own.id} is the end of a workflow that failed: none_failed can't be met, since ")
    assert explained.endswith(f"; it began where {diamond.top.id} (anything) failed: no; retry_failed() resumes it.")
    diamond.workflow.cancel()
    diamond.workflow.retry_failed()
    diamond.workflow.cancel()
    assert own.explain() == f"Job {own.id} was canceled."


def test_who_waits_for_it_names_it(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    workflow, after = diamond.workflow, diamond.workflow.on_finished(steps.nothing)
    named = f"{workflow.id} (workflow diamond)"
    assert after.explain() == (
        f"Job {after.id} waits for 1 of 1 dependency (all_success): {named}, which has not ended."
    )
    diamond.bottom.cancel()
    finish(hands, diamond.top, diamond.left, diamond.right, diamond.clean_up)
    assert after.explain() == (
        f"Job {after.id} can't run: all_success can't be met, since {named} is upstream_failed; "
        f"it began where {diamond.bottom.id} (anything) was canceled; requeue that, or skip it."
    )


def test_its_own_job_gives_nothing(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue(steps.nothing)
    taker = q.enqueue(steps.echo, workflow.job.output)
    drain(q)
    assert (workflow.job.result, workflow.job.wait(timeout=1), taker.result) == (None, None, None)


def test_what_is_not_committed_can_not_be_looked_at(q: Queue) -> None:
    workflow = Workflow(queue=q)
    looks = [workflow.facts, workflow.cancel, workflow.retry_failed, workflow.delete, lambda: workflow.eta]
    for look in looks:
        with pytest.raises(InvalidJobOperationError, match="is not committed yet"):
            look()
    with pytest.raises(InvalidJobOperationError, match="is not committed yet"):
        workflow.wait(timeout=1)
    with pytest.raises(NoSuchJobError):
        q.enqueue(steps.nothing, depends_on=workflow)


# How long it will take


def know(connection: Redis, function: str, samples: int, total_ms: int) -> None:
    connection.hset("{rqdeps}:durations", function, f"{samples}:{total_ms}")


def beat(queue: Queue, *, queues: str = "default", processes: int = 2) -> None:
    queue.store.run(upkeep.beat("there", {"pid": 1, "queues": queues, "processes": processes}))


def test_what_is_left_is_estimated_from_what_such_calls_took(q: Queue, hands: HandWorker, connection: Redis) -> None:
    with Workflow(queue=q) as workflow:
        first = workflow.enqueue(steps.nothing, fallback=steps.nothing)
        workflow.enqueue(steps.nothing, depends_on=first)
        workflow.enqueue(steps.echo, 1)
    beat(q)
    know(connection, "steps.nothing", 5, 500)
    know(connection, "steps.echo", 4, 400)
    assert workflow.eta is None
    know(connection, "steps.echo", 10, 3_000)
    assert workflow.eta == timedelta(milliseconds=(2 * 100 + 300) / 2)
    finish(hands, first)
    know(connection, "steps.nothing", 6, 600)
    assert workflow.eta == timedelta(milliseconds=(100 + 300) / 2)
    hands.finish_all(hands.claim())
    assert workflow.eta == timedelta(0)


def test_without_a_worker_for_its_queues_nobody_can_tell(q: Queue, connection: Redis) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue(steps.nothing)
    know(connection, "steps.nothing", 5, 500)
    assert workflow.eta is None
    beat(q, queues="other")
    assert workflow.eta is None
    beat(q, queues="other default", processes=1)
    assert workflow.eta == timedelta(milliseconds=100)


def test_a_map_that_has_run_does_not_count(q: Queue, connection: Redis) -> None:
    with Workflow(queue=q) as workflow:
        workflow.map(steps.echo, [1, 2])
    know(connection, "steps.echo", 5, 500)
    beat(q)
    assert workflow.eta is None
    SimpleWorker([q]).work(burst=True, max_jobs=1)
    assert (counts_of(workflow), workflow.eta) == ({"joining": 1, "queued": 2}, timedelta(milliseconds=100))


def test_calls_in_workflows_are_timed(q: Queue, connection: Redis) -> None:
    for _ in range(6):
        q.enqueue(steps.nothing)
    with Workflow(queue=q) as workflow:
        for _ in range(5):
            workflow.enqueue(steps.sleep, 0.002)
        workflow.enqueue(steps.boom)
    drain(q)
    (known,) = connection.hgetall("{rqdeps}:durations").items()
    samples_and_ms = [int(part) for part in known[1].split(b":")]
    assert known[0] == b"steps.sleep"
    assert samples_and_ms[0] == 5
    assert samples_and_ms[1] >= 10


# Waiting


@contextmanager
def worker_beside(queue: Queue) -> Iterator[None]:
    """A worker that runs what is there, beside the test."""
    thread = threading.Thread(target=drain, args=[queue])
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(("function", "status"), [(steps.nothing, "finished"), (steps.boom, "failed")])
def test_wait_returns_how_it_ended(q: Queue, function: Any, status: str) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue(steps.sleep, 0.1)
        workflow.enqueue(function)
    with worker_beside(q):
        assert workflow.wait(timeout=10) == status
    assert workflow.wait() == status


def test_wait_ends_when_the_time_is_over(q: Queue, diamond: Diamond) -> None:
    with pytest.raises(WaitTimeoutError, match=r"has not ended after 0\.01 s"):
        diamond.workflow.wait(timeout=0.01)
    diamond.workflow.cancel(clean_up=False)
    assert diamond.workflow.wait(timeout=0.01) == "canceled"


def test_wait_shows_progress_to_the_end(
    valkey: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(connection=valkey)
    with Workflow("nightly", queue=queue) as workflow:
        job = workflow.options(hold=True).enqueue(steps.nothing)

    class Line(ProgressLine):
        """Shows lines, and has the job end once it has shown one."""

        def show(self, line: str, *, is_last: bool = False) -> None:
            super().show(line, is_last=is_last)
            if job.get_status() == "created":
                job.skip()

    monkeypatch.setattr("rqdeps.workflow.ProgressLine", Line)
    workflow.wait(timeout=10, progress=True)
    assert capsys.readouterr().err.splitlines() == [
        f"{bar(0)} nightly: 0 of 1 ended, 1 created",
        f"{bar(1)} nightly: 1 of 1 ended",
    ]
    workflow.wait()
    assert capsys.readouterr().err == ""


def test_lines_are_repeated_at_times_where_they_can_not_be_overwritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, shown in ((0, ["one", "two", "three"]), (60, ["one", "three"])):
        monkeypatch.setattr(progress_line, "_REPEAT_SECONDS", seconds)
        with ProgressLine() as line:
            for text in ("one", "one", "two"):
                line.show(text)
            line.show("three", is_last=True)
            line.show("three", is_last=True)
        assert capsys.readouterr().err.splitlines() == shown


def test_on_a_terminal_one_line_is_overwritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressLine() as line:
        for text in ("long line", "short", "short", "end"):
            line.show(text)
    assert capsys.readouterr().err == "\rlong line\rshort    \rend  \n"
    with ProgressLine():
        pass
    assert capsys.readouterr().err == ""


def test_a_job_can_not_wait_for_a_workflow(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.enqueue(growing.wait_for_workflow, workflow.id)
    drain(q)
    assert job.attempts[-1].error_type == "rqdeps.errors.DeadlockError"
    assert workflow.status == "failed"


# What comes after it


def test_what_comes_after_runs_by_how_it_ended(q: Queue) -> None:
    for function, ends in ((steps.nothing, ["finished", "skipped"]), (steps.boom, ["upstream_failed", "finished"])):
        with Workflow(queue=q) as workflow:
            inside = [workflow.on_finished(steps.echo, "good"), workflow.on_failed("steps.echo", "bad")]
            workflow.enqueue(function)
        outside = [workflow.on_finished(steps.echo, "good"), workflow.on_failed(steps.echo, "bad")]
        drain(q)
        late = [workflow.on_finished(steps.echo, "good"), workflow.on_failed(steps.echo, "bad")]
        drain(q)
        for jobs in (inside, outside, late):
            assert status_of(*jobs) == ends
        assert counts_of(workflow) == {"finished" if function is steps.nothing else "failed": 1}
        assert [job.workflow_id for job in inside] == [None, None]


def test_on_failed_runs_when_it_was_canceled(q: Queue, diamond: Diamond) -> None:
    job = diamond.workflow.on_failed(steps.nothing)
    diamond.workflow.cancel()
    assert job.is_deferred
    drain(q)
    assert (diamond.workflow.status, job.get_status()) == ("canceled", "finished")


def test_what_comes_after_takes_options_but_waits_for_nothing_else(q: Queue, diamond: Diamond) -> None:
    job = diamond.workflow.on_finished(steps.echo, 1, retry=2, job_id="after")
    assert (job.id, job.retries_left, job.dependency_ids) == ("after", 2, [diamond.workflow.id])
    with pytest.raises(TypeError, match="waits for the workflow, and for nothing else"):
        diamond.workflow.on_finished(steps.echo, 1, depends_on=job)


def test_to_depend_on_it_is_to_depend_on_its_end(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    workflow = diamond.workflow
    other = q.options(hold=True).enqueue(steps.nothing)
    after = q.enqueue(steps.nothing, depends_on=workflow)
    both = q.enqueue(steps.nothing, depends_on=Dependency([workflow, other], rule="all_done"))
    by_id = q.enqueue(steps.nothing, depends_on=workflow.id)
    added = q.options(hold=True).enqueue(steps.nothing)
    added.add_dependency(workflow)
    finish(hands, *diamond.four, diamond.clean_up)
    assert status_of(after, both, by_id) == ["queued", "deferred", "queued"]
    other.skip()
    added.release()
    assert status_of(both, added) == ["queued", "queued"]


def test_a_workflow_waits_for_another(q: Queue) -> None:
    with Workflow("first", queue=q) as first:
        first.enqueue(steps.echo, 1)
    with Workflow("second", queue=q) as second:
        job = second.enqueue(steps.echo, 2, depends_on=first)
    with Workflow("third", queue=q) as third:
        third.enqueue(steps.echo, 3, depends_on=[first, second])
    assert job.is_deferred
    drain(q)
    assert [each.status for each in (first, second, third)] == ["finished"] * 3
    assert counts_of(third) == {"finished": 1}


def test_a_job_may_enqueue_a_workflow_of_its_own(q: Queue) -> None:
    with Workflow("outer", queue=q) as outer:
        job = outer.enqueue(growing.commit_workflow, [1, 2])
    drain(q)
    inner = Workflow.fetch(job.result, q.store.client)
    assert (counts_of(inner), counts_of(outer)) == ({"finished": 2}, {"finished": 1})


def test_its_jobs_can_not_wait_for_it(q: Queue, diamond: Diamond) -> None:
    workflow = Workflow(queue=q, id="mine")
    workflow.enqueue(steps.nothing, job_id="job", depends_on=workflow)
    with pytest.raises(DependencyCycleError, match=r"'mine' → 'job' → 'mine'|'job' → 'mine' → 'job'"):
        workflow.commit()
    with pytest.raises(DependencyCycleError, match=f"'{diamond.bottom.id}' → '{diamond.workflow.id}' → "):
        diamond.bottom.add_dependency(diamond.workflow)
    after = diamond.workflow.on_finished(steps.nothing)
    with pytest.raises(DependencyCycleError):
        diamond.top.add_dependency(after)


def test_a_spawned_job_can_not_wait_for_its_workflow(q: Queue) -> None:
    with Workflow(queue=q, id="mine") as workflow:
        job = workflow.enqueue(growing.spawn_one, "steps.nothing", [], {"depends_on": "mine"})
    drain(q)
    assert (job.get_status(), workflow.status) == ("failed", "failed")
    assert "would wait for each other" in job.attempts[-1].message


# Cancel

NOT_RUN = {"canceled", "upstream_failed"}


def test_cancel_ends_what_has_not_run_and_lets_clean_ups_run(q: Queue, diamond: Diamond) -> None:
    assert diamond.workflow.cancel()
    *four, clean_up = diamond.statuses
    assert (set(four) <= NOT_RUN, clean_up, diamond.workflow.status) == (True, "queued", "joining")
    drain(q)
    assert (diamond.clean_up.get_status(), diamond.workflow.status) == ("finished", "canceled")


def test_cancel_without_clean_ups_ends_all(q: Queue, diamond: Diamond) -> None:
    assert diamond.workflow.cancel(clean_up=False)
    assert (diamond.clean_up.get_status(), diamond.workflow.status) == ("canceled", "canceled")
    assert q.count == 0


def test_clean_ups_can_be_canceled_later(diamond: Diamond) -> None:
    diamond.workflow.cancel()
    assert diamond.workflow.cancel(clean_up=False)
    assert (diamond.clean_up.get_status(), diamond.workflow.status) == ("canceled", "canceled")


def test_cancel_of_its_own_job_lets_clean_ups_run_too(q: Queue, diamond: Diamond) -> None:
    assert diamond.workflow.job.cancel()
    assert diamond.clean_up.is_queued
    drain(q)
    assert diamond.workflow.status == "canceled"


def test_members_that_wait_are_canceled(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        held = workflow.options(hold=True).enqueue(steps.nothing)
        jobs = [
            held,
            workflow.enqueue(steps.nothing),
            workflow.enqueue(steps.nothing, depends_on=held),
            workflow.enqueue_in(60, steps.nothing),
        ]
    assert status_of(*jobs) == ["created", "queued", "deferred", "scheduled"]
    workflow.cancel()
    assert set(status_of(*jobs)) <= NOT_RUN
    assert (workflow.status, q.count) == ("canceled", 0)


def test_members_that_run_are_stopped_and_retry_no_more(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q) as workflow:
        stopped, failing, waiting = (workflow.enqueue(steps.nothing, retry=3) for _ in range(3))
    claim_until(hands, waiting.id)
    hands.fail(waiting.id, retry_in_ms=60_000)
    workflow.cancel()
    assert status_of(stopped, failing, waiting) == ["started", "started", "canceled"]
    hands.fail(failing.id, retry_in_ms=0)
    stop(hands, stopped)
    assert status_of(stopped, failing) == ["stopped", "stopped"]
    assert workflow.status == "canceled"


def test_members_that_join_end_with_what_they_have_spawned(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.enqueue(growing.spawn_many, 2)
    SimpleWorker([q]).work(burst=True, max_jobs=1)
    running, waiting = spawned_by(job)
    claim_until(hands, running.id)
    workflow.cancel()
    assert status_of(job, running, waiting) == ["joining", "started", "canceled"]
    stop(hands, running)
    assert (job.get_status(), workflow.status) == ("stopped", "canceled")


def test_an_open_fallback_is_canceled(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.enqueue(steps.boom, fallback=steps.nothing)
    SimpleWorker([q]).work(burst=True, max_jobs=1)
    workflow.cancel()
    assert status_of(job, Job(str(job.fallback_id), q.store)) == ["failed", "canceled"]
    assert workflow.status == "canceled"


def test_a_clean_up_may_spawn_while_its_workflow_is_canceled(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.options(hold=True).enqueue(steps.nothing)
        clean_up = workflow.enqueue(growing.spawn_echoes, [1], depends_on=Dependency(job, rule="all_done"))
    workflow.cancel()
    drain(q)
    assert (clean_up.result, workflow.status) == ([1], "canceled")


def test_once_a_cancel_has_begun_nothing_starts_whoever_carries_on(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q) as workflow:
        running = workflow.enqueue(steps.nothing)
        waiting = [workflow.enqueue(steps.nothing, depends_on=running) for _ in range(20)]
        queued = [workflow.enqueue(steps.nothing) for _ in range(20)]
    hands.claim(1)
    with budget(7):
        q.store.run(changes.cancel([workflow.id]))  # and its caller dies
        assert counts_of(workflow)["queued"] == len(queued)
        outcome = claims.Outcome(hands.held.pop(running.id), "finished", value=b"j1")
        settled = q.store.run(hands._settle([outcome], want=100))
        assert (settled.claimed, settled.cascades_left > 0) == ([], True)
        assert hands.claim() == []
        assert workflow.job.explain().endswith("; it was canceled.")
        maintain(q.store)
    assert set(status_of(*waiting, *queued)) == {"canceled"}
    assert workflow.status == "canceled"


def test_a_worker_that_runs_a_job_is_made_to_stop_it(valkey: Redis, valkey_url: str, tmp_path: Path) -> None:
    queue = Queue("work", connection=valkey)
    with Workflow(queue=queue) as workflow:
        running = workflow.enqueue(steps.ignore_time, str(tmp_path / "here"))
        after = workflow.enqueue(steps.nothing, depends_on=running)
        clean_up = workflow.enqueue(steps.nothing, depends_on=Dependency([running, after], rule="all_done"))
    with worker_process(valkey_url):
        eventually((tmp_path / "here").exists)
        workflow.cancel()
        assert workflow.wait(timeout=20) == "canceled"
    assert status_of(running, after, clean_up) == ["stopped", "canceled", "finished"]


def test_cancel_again_changes_nothing(q: Queue, diamond: Diamond) -> None:
    assert diamond.workflow.cancel()
    before = diamond.statuses
    assert diamond.workflow.cancel()
    assert diamond.statuses == before
    drain(q)
    assert diamond.workflow.cancel()  # it is, as it was before


@pytest.mark.parametrize(("function", "status"), [(steps.nothing, "finished"), (steps.boom, "failed")])
def test_what_has_ended_can_not_be_canceled(q: Queue, function: Any, status: str) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue(function)
    drain(q)
    assert workflow.cancel() is False
    assert (workflow.status, counts_of(workflow)) == (status, {status: 1})


def test_what_finishes_in_spite_of_cancel_finishes_the_workflow(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.enqueue(steps.nothing)
    claim_until(hands, job.id)
    workflow.cancel()
    finish(hands, job)
    assert workflow.status == "finished"


# Resume


def test_retry_failed_runs_what_failed_and_what_waits_for_it(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    after = diamond.workflow.on_finished(steps.nothing)
    finish(hands, diamond.top, diamond.right)
    fail(hands, diamond.left)
    finish(hands, diamond.clean_up)
    assert (diamond.workflow.status, after.get_status()) == ("failed", "upstream_failed")
    assert diamond.workflow.retry_failed() == 1
    assert diamond.statuses == ["finished", "queued", "finished", "deferred", "finished"]
    assert (diamond.workflow.status, after.get_status()) == ("joining", "deferred")
    drain(q)
    assert (diamond.workflow.status, after.get_status()) == ("finished", "finished")
    assert [job.attempt for job in diamond.four] == [1, 2, 1, 1]
    assert diamond.workflow.retry_failed() == 0


def test_it_can_be_resumed_while_it_runs(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    finish(hands, diamond.top)
    fail(hands, diamond.left)
    assert diamond.workflow.retry_failed() == 1
    assert diamond.statuses == ["finished", "queued", "queued", "deferred", "deferred"]


def test_it_can_be_resumed_after_a_cancel(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    finish(hands, diamond.top)
    claim_until(hands, diamond.left.id)
    diamond.workflow.cancel()
    stop(hands, diamond.left)
    drain(q)
    assert diamond.workflow.status == "canceled"
    diamond.workflow.retry_failed()
    assert diamond.workflow.status == "joining"
    drain(q)
    assert (diamond.statuses, diamond.workflow.status) == (["finished"] * 5, "finished")


def test_a_half_done_cancel_comes_first(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        jobs = [workflow.enqueue(steps.nothing) for _ in range(20)]
    with budget(7):
        q.store.run(changes.cancel([workflow.id]))
        assert workflow.retry_failed() == len(jobs)
    drain(q)
    assert (counts_of(workflow), workflow.status) == ({"finished": 20}, "finished")


def test_what_a_fallback_rescued_is_left_and_what_it_could_not_is_run_again(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        rescued = workflow.enqueue(steps.boom, fallback=Fallback(steps.echo, 1))
        lost = workflow.enqueue(steps.fail_before_attempt, 2, fallback=Fallback(steps.boom))
    drain(q)
    assert workflow.status == "failed"
    assert workflow.retry_failed() == 1
    fallback = Job[Any](str(lost.fallback_id), q.store)
    assert status_of(rescued, lost, fallback) == ["failed", "queued", "deferred"]
    drain(q)
    assert (lost.result, fallback.get_status(), workflow.status) == (2, "skipped", "finished")
    assert rescued.attempt == 1


def test_maps_and_spawned_jobs_are_resumed_where_they_failed(q: Queue, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Workflow(queue=q) as workflow:
        mapped = workflow.map(growing.note_and_succeed_from, [0, 1, 2], args=(2, str(log)))
        nested = workflow.enqueue(growing.spawn_chain, 2, "steps.fail_before_attempt", [2])
        last = workflow.enqueue(steps.echo, [mapped.output, nested.output])
    drain(q)
    assert (workflow.status, last.get_status()) == ("failed", "upstream_failed")
    assert workflow.retry_failed() == 2
    assert status_of(mapped, nested, last) == ["joining", "joining", "deferred"]
    drain(q)
    assert (last.result, workflow.status) == ([[0, 1, 2], 2], "finished")
    assert (sorted(lines(log)), mapped.attempt, nested.attempt) == (["0", "1", "1", "2"], 1, 1)


def test_spawned_jobs_are_resumed_after_a_cancel(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        mapped = workflow.map(growing.negated, [1, 2])
    SimpleWorker([q]).work(burst=True, max_jobs=1)
    workflow.cancel()
    assert (mapped.get_status(), workflow.status) == ("stopped", "canceled")
    workflow.retry_failed()
    drain(q)
    assert (mapped.result, workflow.status, mapped.attempt) == ([-1, -2], "finished", 1)


def test_one_member_that_is_requeued_resumes_it_too(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    fail(hands, diamond.top)
    finish(hands, diamond.clean_up)
    diamond.top.requeue()
    assert diamond.workflow.status == "joining"
    drain(q)
    assert diamond.workflow.status == "finished"


def test_a_fallback_that_only_waits_again_is_not_counted(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        job = workflow.enqueue(steps.nothing, fallback=steps.nothing)
    workflow.cancel()
    assert counts_of(workflow) == {"canceled": 2}
    assert workflow.retry_failed() == 1
    assert status_of(job, Job(str(job.fallback_id), q.store)) == ["queued", "deferred"]


# Delete


def test_deleting_it_deletes_its_jobs(q: Queue, connection: Redis, diamond: Diamond) -> None:
    other = q.options(hold=True).enqueue(steps.nothing)
    after = diamond.workflow.on_finished(steps.nothing)
    diamond.workflow.delete()
    assert status_of(*diamond.four, diamond.clean_up, after, other) == [None] * 5 + ["canceled", "created"]
    for gone in (
        diamond.workflow.delete,
        diamond.workflow.facts,
        lambda: Workflow.fetch(diamond.workflow.id, connection),
    ):
        with pytest.raises(NoSuchWorkflowError):
            gone()
    assert Workflow.all(connection) == []
    after.delete()
    other.delete()
    assert stored(connection) == set()


def test_nothing_is_left_of_one_with_all_there_is(q: Queue, connection: Redis) -> None:
    with Workflow("x" * 100, queue=q, meta={"k": "v" * 100}) as workflow:
        workflow.options(queue="other").map(growing.only_even, [1, 2], rule="all_done")
        workflow.enqueue(growing.spawn_chain, 2)
        workflow.enqueue(growing.spawn_with_fallback, fallback=steps.nothing)
        failing = workflow.enqueue(steps.boom)
        workflow.enqueue(steps.nothing, depends_on=failing)
        workflow.options(hold=True).enqueue(steps.nothing)
    drain(q, "other")
    assert workflow.status == "joining"
    workflow.delete()
    assert stored(connection) == set()


@pytest.mark.parametrize("policy", ["cancel", "release", "delete"])
def test_the_policy_is_for_what_is_outside(q: Queue, hands: HandWorker, policy: Any) -> None:
    with Workflow(queue=q) as workflow:
        layer: list[Job[Any]] = [workflow.enqueue(steps.nothing)]
        for _ in range(5):
            layer = [workflow.enqueue(steps.nothing, depends_on=layer) for _ in range(5)]
        outside = [workflow.on_failed(steps.nothing), workflow.on_finished(steps.nothing)]
    outside.append(q.enqueue(steps.nothing, depends_on=layer[0]))
    with budget(7):
        left = q.store.run(changes.delete([workflow.id], policy, members=True)).cascades_left
        claimed: list[str] = []
        while left:
            claimed += hands.claim(1)
            left = q.store.run(upkeep.cascade())
    expected = {"cancel": ["canceled"] * 3, "release": ["queued"] * 3, "delete": [None] * 3}[policy]
    q.store.run(claims.give_back(list(hands.held.values())))
    assert status_of(*outside) == expected
    assert len({*claimed} - {job.id for job in outside}) <= 1  # the one that was queued


def test_what_runs_when_it_is_deleted_comes_to_nothing(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    claim_until(hands, diamond.top.id)
    diamond.workflow.delete()
    claim = hands.held.pop(diamond.top.id)
    outcome = claims.Outcome(claim, "finished", value=b"j1")
    call = claims.settle([outcome], holder=hands.holder, lease_ms=LEASE_MS, queues=[], want=0, begin=0)
    assert q.store.run(call).statuses == ["stale"]
    assert stored(q.store.client) == set()


def test_members_can_be_deleted_one_by_one(q: Queue, hands: HandWorker, diamond: Diamond) -> None:
    finish(hands, diamond.top)
    diamond.top.delete()
    assert counts_of(diamond.workflow) == {"queued": 2, "deferred": 2}
    diamond.left.delete("release")
    finish(hands, diamond.right, diamond.bottom, diamond.clean_up)
    assert (counts_of(diamond.workflow), diamond.workflow.status) == ({"finished": 3}, "finished")
    for job in diamond.workflow.jobs:
        job.delete()
    assert (diamond.workflow.jobs, diamond.workflow.progress, diamond.workflow.status) == ([], 1.0, "finished")
    diamond.workflow.delete()
    assert stored(q.store.client) == set()


def test_a_member_deleted_before_its_end_fails_it(q: Queue, diamond: Diamond) -> None:
    diamond.bottom.delete()
    drain(q)
    assert diamond.workflow.status == "failed"


def test_deleting_its_own_job_leaves_its_jobs(q: Queue, diamond: Diamond) -> None:
    diamond.workflow.job.delete()
    drain(q)
    assert diamond.statuses == ["finished"] * 5
    assert {job.workflow_id for job in (*diamond.four, diamond.clean_up)} == {None}
    with pytest.raises(NoSuchWorkflowError):
        diamond.workflow.facts()


# Keeping


def grow_old(queue: Queue, milliseconds: int = HOUR_MS) -> None:
    """Time passes for all that has ended, and what is due goes."""
    for status in ("finished", "failed", "canceled", "upstream_failed", "skipped"):
        registry = f"{{rqdeps}}:{status}:{queue.name}"
        for job_id, due in queue.store.client.zrange(registry, 0, -1, withscores=True):
            queue.store.client.zadd(registry, {job_id: due - milliseconds})
            queue.store.client.hincrby(f"{{rqdeps}}:job:{job_id.decode()}", "ended_at", -milliseconds)
    maintain(queue.store)


def test_its_jobs_stay_as_long_as_it_does_and_go_with_it(q: Queue, hands: HandWorker) -> None:
    diamond = Diamond(q, result_ttl="3h")
    finish(hands, diamond.top)
    grow_old(q)
    grow_old(q)
    assert diamond.top.result == 1  # others may still take it
    finish(hands, diamond.left, diamond.right, diamond.bottom, diamond.clean_up)
    assert diamond.workflow.status == "finished"
    grow_old(q)
    grow_old(q)
    assert (diamond.statuses, counts_of(diamond.workflow)) == (["finished"] * 5, {"finished": 5})
    assert diamond.top.return_value() is None  # that is kept no longer
    grow_old(q)
    grow_old(q)
    assert stored(q.store.client) == set()


def test_a_failed_one_stays_by_its_failure_ttl(q: Queue, hands: HandWorker) -> None:
    diamond = Diamond(q, failure_ttl="2h")
    fail(hands, diamond.top)
    finish(hands, diamond.clean_up)
    grow_old(q)
    assert diamond.workflow.status == "failed"
    for _ in range(3):
        grow_old(q)
    with pytest.raises(NoSuchWorkflowError):
        diamond.workflow.facts()
    grow_old(q)
    assert set(diamond.statuses) == {None}  # they are kept as long, as they say nothing else


def test_a_member_can_be_kept_longer_than_its_workflow(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q, failure_ttl="2h") as workflow:
        kept = workflow.enqueue(steps.nothing, failure_ttl="1000h")
    fail(hands, kept)
    for _ in range(4):
        grow_old(q)
    with pytest.raises(NoSuchWorkflowError):
        workflow.facts()
    assert kept.is_failed
    assert kept.workflow_id is None


@pytest.mark.parametrize("rule", ["one_success", "one_done", "all_done"])
def test_a_map_joins_all_of_its_elements_by_whatever_rule(q: Queue, hands: HandWorker, rule: Any) -> None:
    with Workflow(queue=q) as workflow:
        mapped = workflow.map(steps.echo, [1, 2], rule=rule)
    SimpleWorker([q]).work(burst=True, max_jobs=2)  # the map, and one element
    assert (mapped.get_status(), workflow.status) == ("joining", "joining")
    SimpleWorker([q]).work(burst=True)
    assert (mapped.result, workflow.status) == ([1, 2], "finished")


def test_a_failure_that_was_tolerated_is_not_retried(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        workflow.map(steps.boom, [1], rule="all_done")
    SimpleWorker([q]).work(burst=True)
    assert workflow.status == "finished"
    assert workflow.retry_failed() == 0
    assert workflow.counts["failed"] == 1


def test_one_that_is_kept_for_ever_keeps_its_jobs(q: Queue, hands: HandWorker) -> None:
    diamond = Diamond(q, result_ttl=-1)
    finish(hands, *diamond.four, diamond.clean_up)
    for _ in range(5):
        grow_old(q, 100 * HOUR_MS)
    assert (diamond.statuses, diamond.workflow.status) == (["finished"] * 5, "finished")


def test_a_large_one_goes_in_steps(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    with Workflow(queue=queue) as workflow:
        for _ in range(60):
            workflow.enqueue(steps.nothing)
    hands = HandWorker(queue.store)
    hands.finish_all(hands.claim())
    assert workflow.status == "finished"
    with budget(7):
        for _ in range(3):
            grow_old(queue)
    assert stored(valkey) == set()
