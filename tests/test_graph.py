"""Graphs are read whole, with every edge, run and time as it is stored, in few calls; and reading changes nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import every_place
import fakeredis
import growing
import pytest
import samples
import steps
from by_hand import LEASE_MS, HandWorker
from every_status import AN_HOUR, STATUSES, budget, claim_until, job_in, maintain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meter import IN_FULL, Meter
from redis import Redis

import rqdeps.store.store
from rqdeps import AsyncJob, AsyncQueue, AsyncWorkflow, Dependency, Fallback, Job, Queue, SimpleWorker, Workflow
from rqdeps.dependency import RULES
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError, NoSuchWorkflowError
from rqdeps.graph import Graph, GraphEdge, GraphNode
from rqdeps.graph.reading import workflow_graph
from rqdeps.status import JobStatus
from rqdeps.store.calls import claims, staging
from rqdeps.store.calls.claims import Outcome
from rqdeps.store.calls.enqueue import NewGroup, NewJob

FINISHED, FAILED = JobStatus.FINISHED, JobStatus.FAILED


def named(queue: Queue, job_id: str, *args: Any, **options: Any) -> Job[Any]:
    return queue.options(job_id=job_id, **options).enqueue(samples.anything, *args)


def data(job_id: str, *args: Any, **options: Any) -> EnqueueData:
    return Queue.prepare_data(samples.anything, list(args), job_id=job_id, **options)


def finish(hands: HandWorker, *job_ids: str) -> None:
    for job_id in job_ids:
        claim_until(hands, job_id)
        hands.finish(job_id, b"jnull")


def fail(hands: HandWorker, *job_ids: str, **how: Any) -> None:
    for job_id in job_ids:
        claim_until(hands, job_id)
        hands.fail(job_id, **how)


def spawn(hands: HandWorker, spawner: str, *spawned: str, rule: str = "none_failed", kind: Any = "spawn") -> None:
    """A job runs and spawns others."""
    claim_until(hands, spawner)
    wanted: Any = {"function": "samples.anything", "payload": b"jnull", "spawned_by": spawner}
    jobs = [NewJob(job_id, "default", dict(wanted)) for job_id in spawned]
    hands.spawn(spawner, jobs, [NewGroup(rule, [(kind, job_id) for job_id in spawned])])


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    found = [(edge.source, edge.target, edge.kind) for edge in graph.edges]
    assert len(set(found)) == len(found)
    return set(found)


def edge(graph: Graph, source: str, target: str) -> GraphEdge:
    (found,) = [each for each in graph.edges if (each.source, each.target) == (source, target)]
    return found


def outcomes(node: GraphNode) -> list[str | None]:
    """How each of its runs ended, of which each must have taken place before the next."""
    for run, later in zip(node.runs, node.runs[1:], strict=False):
        assert run.ended_at is not None
        assert run.started_at <= run.ended_at <= later.started_at
    return [run.outcome for run in node.runs]


def dump(connection: Redis) -> dict[Any, Any]:
    """All that is stored."""
    return {key: connection.dump(key) for key in connection.scan_iter(count=1_000)}


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Counts the requests that are sent."""
    evaluate, count = rqdeps.store.store.evaluate, [0]

    def counting(*args: Any) -> Any:
        count[0] += 1
        return evaluate(*args)

    with mock.patch.object(rqdeps.store.store, "evaluate", counting):
        yield count


# Edges


def test_a_job_by_itself(q: Queue) -> None:
    graph = named(q, "a").graph()
    assert isinstance(graph, Graph)
    assert (graph.root, list(graph.nodes), list(graph.edges)) == ("a", ["a"], [])
    assert (graph.is_whole, graph.has_ended, graph.counts) == (True, False, {JobStatus.QUEUED: 1})


def test_dependencies_and_outputs_have_groups_rules_and_outcomes(q: Queue, hands: HandWorker) -> None:
    for job_id in ("good", "bad", "open"):
        named(q, job_id)
    finish(hands, "good")
    fail(hands, "bad")
    groups = [Dependency(["good", "bad"], rule="all_done"), Dependency(["open"], rule="one_done")]
    job = named(q, "last", Job[Any]("good", q.store).output_or(1), depends_on=groups)
    graph = job.graph()
    assert set(graph.edges) == {
        GraphEdge("good", "last", "output", "all_done", 0, FINISHED),
        GraphEdge("bad", "last", "dependency", "all_done", 0, FAILED),
        GraphEdge("open", "last", "dependency", "one_done", 1, None),
    }


def test_every_rule_is_told(q: Queue) -> None:
    groups = [Dependency(named(q, f"after-{rule}"), rule=rule) for rule in RULES]
    graph = named(q, "a", depends_on=groups).graph()
    assert {each.source: (each.rule, each.group) for each in graph.edges} == {
        f"after-{rule}": (rule, number) for number, rule in enumerate(RULES)
    }


def test_fallbacks_stand_behind_the_job_and_each_other(q: Queue, hands: HandWorker) -> None:
    spare = Fallback(samples.report, 1, job_id="spare", fallback=Fallback(samples.report, 2, job_id="last-resort"))
    job = named(q, "a", fallback=spare)
    after = named(q, "after", depends_on=job)
    for each in (job, Job[Any]("spare", q.store), Job[Any]("last-resort", q.store), after):
        graph = each.graph()
        assert edges(graph) == {
            ("a", "spare", "fallback"),
            ("spare", "last-resort", "fallback"),
            ("a", "after", "dependency"),
        }
    assert graph.nodes["spare"].fallback_of == "a"
    assert graph.nodes["last-resort"].fallback_of == "spare"
    assert graph.nodes["a"].fallback_of is None
    assert edge(graph, "a", "spare").outcome is None
    fail(hands, "a", "spare")
    graph = after.graph()
    assert edge(graph, "a", "spare").outcome is edge(graph, "spare", "last-resort").outcome is FAILED
    assert edge(graph, "a", "after").outcome is None  # the last of them decides
    finish(hands, "last-resort")
    assert edge(after.graph(), "a", "after").outcome is FINISHED


@pytest.mark.parametrize("kind", ["spawn", "output"])
def test_what_was_spawned_comes_after_its_spawner(q: Queue, hands: HandWorker, kind: str) -> None:
    rule = "none_failed" if kind == "spawn" else "all_success"
    spawner = named(q, "spawner")
    spawn(hands, "spawner", "one", "two", rule=rule, kind=kind)
    spawn(hands, "one", "deep")
    finish(hands, "two")
    for each in (spawner, Job[Any]("deep", q.store)):
        graph = each.graph()
        assert edges(graph) == {("spawner", "one", "spawn"), ("spawner", "two", "spawn"), ("one", "deep", "spawn")}
    assert edge(graph, "spawner", "two") == ("spawner", "two", "spawn", rule, 0, FINISHED)
    assert edge(graph, "spawner", "one").outcome is None
    assert {job_id: node.spawned_by for job_id, node in graph.nodes.items()} == {
        "spawner": None,
        "one": "spawner",
        "two": "spawner",
        "deep": "one",
    }
    assert {job_id for job_id, node in graph.nodes.items() if node.has_joined} == {"spawner", "one"}


def test_what_depends_on_a_spawner_and_on_what_it_spawned_is_found(q: Queue, hands: HandWorker) -> None:
    named(q, "spawner")
    named(q, "after", depends_on="spawner")
    spawn(hands, "spawner", "spawned")
    named(q, "beside", depends_on="spawned")
    assert edges(Job[Any]("beside", q.store).graph()) == {
        ("spawner", "after", "dependency"),
        ("spawner", "spawned", "spawn"),
        ("spawned", "beside", "dependency"),
    }


def test_a_map_has_the_function_that_it_maps(q: Queue) -> None:
    items = q.enqueue(steps.count_to, 3)
    mapped = q.map(growing.negated, items.output)
    graph = mapped.graph()
    assert (graph.nodes[mapped.id].is_map, graph.nodes[mapped.id].name) == (True, "")
    SimpleWorker([q]).work(burst=True)
    graph = mapped.graph()
    spawned = [each for each in graph.edges if each.kind == "spawn"]
    assert [(each.source, each.outcome) for each in spawned] == [(mapped.id, FINISHED)] * 3
    assert {graph.nodes[each.target].function for each in spawned} == {"growing.negated"}
    assert {node.is_map for node in graph.nodes.values() if node.id != mapped.id} == {False}
    assert graph.nodes[mapped.id].function == "growing.negated"
    assert outcomes(graph.nodes[mapped.id]) == ["finished"]


# What is told of a job


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_told(q: Queue, hands: HandWorker, status: str) -> None:
    job = job_in(status, q, hands)
    node = job.graph().nodes[job.id]
    assert node.status == status
    assert node.has_ended is JobStatus(status).is_terminal
    assert node.is_held is (status == "created")


def test_what_a_node_tells_is_what_the_job_tells(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", "x" * 100, description="Ä description " * 20)
    finish(hands, "a")
    node = job.graph().nodes["a"]
    job.refresh()
    assert (node.id, node.function, node.name, node.queue) == ("a", "samples.anything", job.description, "default")
    assert (node.attempt, node.reason, node.progress, node.workflow_id) == (1, "", None, None)
    assert (node.created_at, node.queued_at, node.ended_at) == (job.created_at, job.enqueued_at, job.ended_at)
    assert [run.started_at for run in node.runs] == [job.started_at]


def test_a_name_that_looks_like_a_sign_of_a_long_one_is_kept(q: Queue) -> None:
    assert named(q, "a", description="@").graph().nodes["a"].name == "@"


def test_a_delayed_job_tells_its_time(q: Queue) -> None:
    job = q.enqueue_in(AN_HOUR, samples.anything, args=[])
    node = job.graph().nodes[job.id]
    assert node.scheduled_for is not None
    assert node.created_at is not None
    assert node.scheduled_for - node.created_at == timedelta(hours=1)
    assert (node.status, node.runs, node.queued_at) == ("scheduled", (), None)


def test_progress_and_reasons_are_told(q: Queue, hands: HandWorker) -> None:
    job, root = named(q, "a"), named(q, "root")
    after = named(q, "after", depends_on=root)
    claim_until(hands, "a")
    job.progress(1, 4, "halfway to halfway")
    root.delete()
    progress = job.graph().nodes["a"].progress
    assert progress is not None
    assert (progress.done, progress.total, progress.note) == (1, 4, "halfway to halfway")
    assert after.graph().nodes["after"].reason == "job root, which it waited for, was deleted"


# Runs


def test_a_job_that_has_not_run_has_no_runs(q: Queue, hands: HandWorker) -> None:
    graph = named(q, "a").graph()
    node = graph.nodes["a"]
    assert (node.runs, node.attempt, node.duration(graph.at)) == ((), 0, None)


def test_a_running_job_has_run_until_now(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a")
    claim_until(hands, "a")
    graph = job.graph()
    (run,) = graph.nodes["a"].runs
    assert (run.ended_at, run.outcome) == (None, None)
    assert graph.nodes["a"].duration(graph.at) == graph.at - run.started_at >= timedelta(0)
    assert graph.nodes["a"].duration(run.started_at + timedelta(seconds=3)) == timedelta(seconds=3)
    assert graph.nodes["a"].duration(run.started_at - timedelta(seconds=3)) == timedelta(0)  # clocks are set back


def test_each_attempt_is_a_run(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", retry=3)
    fail(hands, "a", retry_in_ms=0)
    fail(hands, "a", retry_in_ms=0)
    claim_until(hands, "a")
    assert outcomes(job.graph().nodes["a"]) == ["failed", "failed", None]
    hands.finish("a", b"jnull")
    node = job.graph().nodes["a"]
    assert (outcomes(node), node.attempt) == (["failed", "failed", "finished"], 3)


def test_a_job_that_failed_for_good_has_no_run_after_that(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", retry=1)
    fail(hands, "a", retry_in_ms=0)
    fail(hands, "a")
    assert outcomes(job.graph().nodes["a"]) == ["failed", "failed"]


def test_runs_in_the_same_millisecond_are_told_apart(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = named(q, "a", retry=1)
    fail(hands, "a", retry_in_ms=0)
    claim_until(hands, "a")
    began = connection.lindex("{rqdeps}:attempts:a", 0).split()[1]  # type: ignore[union-attr]
    connection.hset("{rqdeps}:job:a", "started_at", began)
    assert [run.outcome for run in job.graph().nodes["a"].runs] == ["failed", None]
    hands.finish("a", b"jnull")
    assert [run.outcome for run in job.graph().nodes["a"].runs] == ["failed", "finished"]


def test_of_many_attempts_the_last_ten_failures_are_told(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a", retry=12)
    for _ in range(12):
        fail(hands, "a", retry_in_ms=0)
    finish(hands, "a")
    node = job.graph().nodes["a"]
    assert (outcomes(node), node.attempt) == (["failed"] * 10 + ["finished"], 13)


def test_a_lost_worker_leaves_a_lost_run(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = named(q, "a")
    maintain(q.store)
    claim_until(hands, "a")
    connection.zadd("{rqdeps}:started:default", {"a": 1})
    maintain(q.store)
    del hands.held["a"]
    assert outcomes(job.graph().nodes["a"]) == ["lost"]
    claim_until(hands, "a")
    assert outcomes(job.graph().nodes["a"]) == ["lost", None]
    hands.finish("a", b"jnull")
    assert outcomes(job.graph().nodes["a"]) == ["lost", "finished"]


def test_a_stopped_job_has_a_stopped_run(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a")
    claim_until(hands, "a")
    job.cancel()
    hands.fail("a")
    node = job.graph().nodes["a"]
    assert node.status == "stopped"
    assert len(node.runs) == 1
    assert node.runs[0].ended_at == node.ended_at


def test_a_job_that_was_given_back_has_not_run(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a")
    claim_until(hands, "a")
    q.store.run(claims.give_back([hands.held.pop("a")]))
    node = job.graph().nodes["a"]
    assert (node.status, node.runs, node.attempt) == ("queued", (), 0)


def test_a_job_that_snoozed_runs_no_longer(q: Queue, hands: HandWorker) -> None:
    job = named(q, "a")
    claim_until(hands, "a")
    snooze = Outcome(hands.held.pop("a"), "snoozed", delay_ms=AN_HOUR * 1000)
    q.store.run(claims.settle([snooze], holder=hands.holder, lease_ms=LEASE_MS, queues=(), want=0, begin=0))
    node = job.graph().nodes["a"]
    assert (node.status, node.runs) == ("scheduled", ())


def test_a_job_that_joins_ran_until_it_returned(q: Queue, hands: HandWorker, connection: Redis) -> None:
    job = named(q, "spawner", retry=1)
    fail(hands, "spawner", retry_in_ms=0)
    spawn(hands, "spawner", "spawned")
    joining = job.graph().nodes["spawner"]
    assert (joining.status, outcomes(joining), joining.ended_at) == ("joining", ["failed", "finished"], None)
    connection.hincrby("{rqdeps}:job:spawner", "returned_at", -1)  # time passes
    finish(hands, "spawned")
    ended = job.graph().nodes["spawner"]
    assert (ended.status, outcomes(ended)) == ("finished", ["failed", "finished"])
    assert ended.runs[-1].ended_at == joining.runs[-1].ended_at - timedelta(milliseconds=1)  # type: ignore[operator]
    assert ended.ended_at is not None
    assert ended.ended_at > ended.runs[-1].ended_at  # type: ignore[operator]


def test_a_job_whose_spawned_job_failed_has_finished_its_own_run(q: Queue, hands: HandWorker) -> None:
    job = named(q, "spawner")
    spawn(hands, "spawner", "spawned")
    fail(hands, "spawned")
    graph = job.graph()
    assert (graph.nodes["spawner"].status, outcomes(graph.nodes["spawner"])) == ("upstream_failed", ["finished"])
    assert outcomes(graph.nodes["spawned"]) == ["failed"]


def test_a_job_that_joined_and_is_requeued_has_not_run_in_its_new_life(q: Queue, hands: HandWorker) -> None:
    job = named(q, "spawner")
    spawn(hands, "spawner", "spawned")
    finish(hands, "spawned")
    job.requeue(force=True)
    graph = job.graph()
    assert (graph.nodes["spawner"].status, graph.nodes["spawner"].runs) == ("queued", ())
    assert not graph.edges
    assert not graph.nodes["spawner"].has_joined


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_of_an_earlier_life_failures_are_known(q: Queue, hands: HandWorker, end: str) -> None:
    job = named(q, "a")
    (finish if end == "finish" else fail)(hands, "a")
    job.requeue(force=True)
    before = [] if end == "finish" else ["failed"]
    assert outcomes(job.graph().nodes["a"]) == before
    claim_until(hands, "a")
    assert outcomes(job.graph().nodes["a"]) == [*before, None]
    hands.finish("a", b"jnull")
    node = job.graph().nodes["a"]
    assert (outcomes(node), node.ended_at) == ([*before, "finished"], node.runs[-1].ended_at)


@pytest.mark.parametrize("before", ["never ran", "failed", "given back"])
def test_a_job_that_a_person_had_skipped_has_no_run_for_that(q: Queue, hands: HandWorker, before: str) -> None:
    job = named(q, "a")
    if before == "failed":
        fail(hands, "a")
    elif before == "given back":
        claim_until(hands, "a")
        q.store.run(claims.give_back([hands.held.pop("a")]))
    job.skip()
    node = job.graph().nodes["a"]
    assert (node.status, outcomes(node)) == ("finished", ["failed"] if before == "failed" else [])
    assert node.reason != ""


# Around a job


def test_the_graph_is_the_same_from_wherever_it_is_read(q: Queue) -> None:
    top = named(q, "top")
    left, right = named(q, "left", depends_on=top), named(q, "right", depends_on=top)
    bottom = named(q, "bottom", depends_on=[left, right])
    other = named(q, "other")
    far = named(q, "far", depends_on=[other, left])
    named(q, "stranger")
    graphs = [job.graph() for job in (top, left, right, bottom, other, far)]
    assert [graph.root for graph in graphs] == ["top", "left", "right", "bottom", "other", "far"]
    for graph in graphs:
        assert set(graph.nodes) == {"top", "left", "right", "bottom", "other", "far"}
        assert edges(graph) == edges(graphs[0])
        assert list(graph.nodes.values()) == list(graphs[0].nodes.values())
    assert len(edges(graphs[0])) == 6


def test_jobs_come_in_the_order_in_which_they_were_enqueued_or_else_of_their_ids(
    q: Queue, connection: Redis, hands: HandWorker
) -> None:
    root, gone = named(q, "root"), named(q, "gone")
    for number in range(9):
        named(q, f"after-{number}", depends_on=[root, gone])
    finish(hands, "gone")
    gone.delete()
    for job_id, created_at in {"root": 5, "after-3": 9, "after-0": 7}.items():
        connection.hset(f"{{rqdeps}}:job:{job_id}", "created_at", created_at)
    for number in (1, 2, 4, 5, 6, 7, 8):
        connection.hset(f"{{rqdeps}}:job:after-{number}", "created_at", 8)
    middle = [f"after-{number}" for number in (1, 2, 4, 5, 6, 7, 8)]
    assert list(root.graph().nodes) == ["root", "after-0", *middle, "after-3", "gone"]


def test_jobs_that_were_deleted_appear_as_deleted(q: Queue, hands: HandWorker) -> None:
    root = named(q, "root")
    after = named(q, "after", depends_on=root)
    finish(hands, "root")
    root.delete()
    graph = after.graph()
    assert graph.nodes["root"] == GraphNode("root", None)
    assert graph.nodes["root"].has_ended
    assert (edge(graph, "root", "after").outcome, graph.is_whole) == (FINISHED, True)
    assert graph.counts == {JobStatus.QUEUED: 1}


def test_a_job_that_has_the_id_of_a_deleted_one_is_not_taken_for_it(q: Queue, hands: HandWorker) -> None:
    root = named(q, "root")
    after = named(q, "after", depends_on=root)
    finish(hands, "root")
    root.delete()
    again = named(q, "root", "again")
    named(q, "after-again", depends_on=again)
    assert set(again.graph().nodes) == {"root", "after-again"}
    graph = after.graph()
    assert (set(graph.nodes), list(graph.edges)) == ({"after"}, [])


def test_deleted_dependents_are_gone(q: Queue) -> None:
    root = named(q, "root")
    named(q, "after", depends_on=root).delete()
    assert set(root.graph().nodes) == {"root"}


def test_jobs_that_are_staged_are_not_seen(q: Queue) -> None:
    root = named(q, "root")
    job = data("staged", depends_on="root")
    plan = staging.plan([job.new_job("default")], ["staged"])
    q.store.run(staging.stage(plan.gate, 1, plan.pieces[0], new_queues=()))
    graph = root.graph()
    assert (set(graph.nodes), graph.edges, graph.is_whole) == ({"root"}, [], True)
    with pytest.raises(NoSuchJobError):
        Job[Any]("staged", q.store).graph()
    q.store.run(staging.open_gate(plan, len(plan.pieces)))
    maintain(q.store)
    assert edges(root.graph()) == {("root", "staged", "dependency")}


def test_what_a_running_job_has_spawned_is_not_seen_before_it_has_returned(q: Queue, hands: HandWorker) -> None:
    job = named(q, "spawner")
    claim_until(hands, "spawner")
    hands.stage(
        "spawner",
        [NewJob("spawned", "default", {"function": "samples.anything", "payload": b"jnull", "spawned_by": "spawner"})],
        [NewGroup("none_failed", [("spawn", "spawned")])],
    )
    assert set(job.graph().nodes) == {"spawner"}


def test_held_jobs_are_seen_with_what_waits_for_them(q: Queue) -> None:
    held = named(q, "held", hold=True)
    named(q, "after", depends_on=held)
    graph = held.graph()
    assert {(node.id, node.is_held, node.status) for node in graph.nodes.values()} == {
        ("held", True, "created"),
        ("after", False, "deferred"),
    }


def test_what_can_not_be_read_is_refused(connection: Redis, q: Queue) -> None:
    with pytest.raises(InvalidJobOperationError, match="not saved"):
        Job.create(samples.anything, connection=connection).graph()
    with pytest.raises(NoSuchJobError):
        Job[Any]("gone", q.store).graph()
    with pytest.raises(InvalidJobOperationError, match="not committed"):
        Workflow(queue=q).graph()
    job = named(q, "a")
    for most in (0, -1):
        with pytest.raises(ValueError, match=rf"at least one job, so most can't be {most}$"):
            job.graph(most)


def test_jobs_in_all_the_places_that_there_are(connection: Redis) -> None:
    every_place.fill(connection)
    queue = Queue(connection=connection)
    before = dump(connection)
    keys = [key.decode() for key in connection.scan_iter("{rqdeps}:job:*")]
    jobs = [job for job in Job.fetch_many([key.rpartition(":")[2] for key in keys], queue.connection) if job]
    assert len(jobs) > 20
    for job in jobs:
        for node in job.graph().nodes.values():
            (seen,) = Job.fetch_many([node.id], queue.connection)
            if node.status is None:
                assert seen is None
            else:
                assert seen is not None
                assert node.status == seen.get_status()
                assert node.is_workflow or node.function == seen.func_name
    assert dump(connection) == before


# Workflows


def test_the_graph_of_a_workflow_holds_its_jobs_and_those_next_to_them(q: Queue) -> None:
    before = named(q, "before")
    named(q, "beside", depends_on=before)
    with Workflow("nightly", queue=q) as workflow:
        first = workflow.enqueue(samples.anything, before.output)
        last = workflow.enqueue(samples.anything, depends_on=first)
        alone = workflow.enqueue(samples.anything)
    after = named(q, "after", depends_on=last)
    named(q, "far", depends_on=after)
    named(q, "whole", depends_on=workflow.job)
    graph = workflow.graph()
    own = graph.nodes[workflow.id]
    assert graph.root == workflow.id
    assert (own.is_workflow, own.name, own.function, own.status, own.workflow_id) == (
        *(True, "nightly", "", "joining", workflow.id),
    )
    assert list(graph.nodes) == [workflow.id, first.id, last.id, alone.id, *[*graph.nodes][4:]]
    assert set([*graph.nodes][4:]) == {"before", "after", "whole"}
    assert {job_id for job_id, node in graph.nodes.items() if node.workflow_id == workflow.id} == {
        *(workflow.id, first.id, last.id, alone.id),
    }
    assert edges(graph) == {
        ("before", first.id, "output"),
        (first.id, last.id, "dependency"),
        (last.id, "after", "dependency"),
        (workflow.id, "whole", "dependency"),
    }
    assert graph.counts == {JobStatus.DEFERRED: 4, JobStatus.QUEUED: 2}  # its own job is none of them


def test_a_job_of_a_workflow_leads_to_all_of_it_and_on(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        first, second = workflow.enqueue(samples.anything), workflow.enqueue(samples.anything)
    whole = named(q, "whole", depends_on=workflow.job)
    far = named(q, "far", depends_on=whole)
    with Workflow(queue=q) as later:
        third = later.enqueue(samples.anything, depends_on=whole)
    for job in (first, far, third):
        assert set(job.graph().nodes) == {workflow.id, first.id, second.id, "whole", "far", later.id, third.id}
    assert set(workflow.graph().nodes) == {workflow.id, first.id, second.id, "whole"}
    assert set(workflow.job.graph().nodes) == {workflow.id, first.id, second.id, "whole"}


def test_a_workflow_that_waits_for_another_is_shown_with_the_end_of_that(q: Queue) -> None:
    with Workflow("first", queue=q) as first:
        first.enqueue(samples.anything)
    with Workflow("second", queue=q) as second:
        member = second.enqueue(samples.anything, depends_on=first.job)
    graph = second.graph()
    assert set(graph.nodes) == {second.id, member.id, first.id}
    assert edges(graph) == {(first.id, member.id, "dependency")}


def test_what_members_spawn_belongs_to_the_workflow(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        spawner = workflow.enqueue(growing.spawn_many, 2)
    SimpleWorker([q]).work(burst=True)
    graph = workflow.graph()
    assert len(graph.nodes) == 4
    assert {node.workflow_id for node in graph.nodes.values()} == {workflow.id}
    assert [(each.source, each.kind) for each in graph.edges] == [(spawner.id, "spawn")] * 2
    assert graph.has_ended


def test_a_workflow_that_is_gone(q: Queue) -> None:
    with Workflow(queue=q) as workflow:
        workflow.enqueue(samples.anything)
    workflow.delete()
    with pytest.raises(NoSuchWorkflowError):
        workflow.graph()
    with pytest.raises(NoSuchWorkflowError):
        q.store.perform(workflow_graph("never-was"))


def test_reading_with_await_gives_the_same(q: Queue, valkey_url: str) -> None:
    async def scenario() -> list[Graph]:
        async with AsyncQueue("work", url=valkey_url) as queue:
            async with AsyncWorkflow("nightly", queue=queue) as workflow:
                first = await workflow.enqueue(steps.echo, 1)
                last = await workflow.enqueue(steps.echo, first.output)
            draft = AsyncJob.create(steps.nothing, url=valkey_url)
            with pytest.raises(InvalidJobOperationError):
                await draft.graph()
            await draft.aclose()
            with pytest.raises(ValueError, match="at least one job"):
                await first.graph(0)
            graphs = [await first.graph(), await workflow.graph(), await last.graph(most=1)]
            await last.delete()
            with pytest.raises(NoSuchJobError):
                await last.graph()
            return graphs

    of_job, of_workflow, cut = asyncio.run(scenario())
    assert set(of_job.nodes) == set(of_workflow.nodes)
    assert len(of_job.nodes) == 3
    assert edges(of_job) == edges(of_workflow)
    assert {kind for _, _, kind in edges(of_job)} == {"output"}
    assert (len(cut.nodes), cut.is_whole, of_job.is_whole) == (1, False, True)


# As many as wanted


@pytest.mark.parametrize("shape", ["chain", "fan-out", "workflow"])
def test_no_more_jobs_are_read_than_wanted_and_the_graph_says_so(q: Queue, shape: str) -> None:
    source: Job[Any] | Workflow
    if shape == "workflow":
        with Workflow(queue=q) as source:
            for _ in range(6):
                source.enqueue(samples.anything)
    else:
        above = [0] * 6 if shape == "fan-out" else range(6)
        below = [data(f"j{number}", depends_on=f"j{other}") for number, other in enumerate(above, 1)]
        source = q.enqueue_many([data("j0"), *below])[0]
    for most in range(1, 10):
        graph = source.graph(most)
        assert len(graph.nodes) == min(most, 7)
        assert graph.is_whole is (most >= 7)
        assert graph.root in graph.nodes
        assert {job_id for each in graph.edges for job_id in each[:2]} <= set(graph.nodes)


def test_the_nearest_are_read_first(q: Queue) -> None:
    datas = [data("j0"), *(data(f"j{number}", depends_on=f"j{number - 1}") for number in range(1, 9))]
    jobs = q.enqueue_many(datas)
    assert set(jobs[4].graph(3).nodes) == {"j3", "j4", "j5"}
    assert set(jobs[4].graph(5).nodes) == {"j2", "j3", "j4", "j5", "j6"}


def test_a_graph_that_was_cut_has_not_the_edges_to_what_is_left_out(q: Queue) -> None:
    jobs = q.enqueue_many([data("a"), data("b", depends_on="a"), data("c", depends_on="b")])
    graph = jobs[2].graph(2)
    assert (set(graph.nodes), edges(graph)) == ({"c", "b"}, {("b", "c", "dependency")})


def test_counts_and_the_end_of_all(q: Queue, hands: HandWorker) -> None:
    with Workflow(queue=q) as workflow:
        good, bad = (workflow.enqueue(samples.anything, job_id=job_id) for job_id in ("good", "bad"))
        workflow.enqueue(samples.anything, job_id="after", depends_on=[good, bad])
    finish(hands, "good")
    graph = workflow.graph()
    assert list(graph.counts.items()) == [(JobStatus.DEFERRED, 1), (JobStatus.QUEUED, 1), (FINISHED, 1)]
    assert not graph.has_ended
    fail(hands, "bad")
    graph = workflow.graph()
    assert graph.counts == {FINISHED: 1, FAILED: 1, JobStatus.UPSTREAM_FAILED: 1}
    assert graph.has_ended


# Any size


@pytest.mark.parametrize("size", [500, 5, 1])
def test_a_job_with_more_neighbours_than_a_page_holds_is_read_whole(valkey: Redis, size: int) -> None:
    queue = Queue(connection=valkey)
    wide = 650 if size == 500 else 100
    above = [data(f"above-{number}") for number in range(wide)]
    groups = [Dependency(above[::2]), Dependency(above[1::2], rule="all_done")]
    below = [data(f"below-{number}", depends_on="hub") for number in range(wide)]
    jobs = queue.enqueue_many([*above, data("hub", depends_on=groups), *below])
    with budget(size):
        for job in (jobs[0], jobs[wide], jobs[-1]):
            graph = job.graph()
            assert edges(graph) == {
                *((f"above-{number}", "hub", "dependency") for number in range(wide)),
                *(("hub", f"below-{number}", "dependency") for number in range(wide)),
            }
            assert {(each.rule, each.group) for each in graph.edges if each.target == "hub"} == {
                ("all_success", 0),
                ("all_done", 1),
            }
            assert len(graph.nodes) == 2 * wide + 1
            assert graph.is_whole


def test_a_workflow_of_more_jobs_than_a_page_holds_is_read_whole(valkey: Redis) -> None:
    with Workflow(queue=Queue(connection=valkey)) as workflow:
        jobs = [workflow.enqueue(samples.anything) for _ in range(2_100)]
    graph = workflow.graph()
    assert list(graph.nodes) == [workflow.id, *(job.id for job in jobs)]


def test_what_was_spawned_in_numbers_is_read_whole(valkey: Redis) -> None:
    queue = Queue(connection=valkey)
    hands = HandWorker(queue.store)
    named(queue, "spawner")
    spawned = [f"spawned-{number}" for number in range(700)]
    spawn(hands, "spawner", *spawned)
    for job_id in ("spawner", "spawned-350"):
        assert edges(Job[Any](job_id, queue.store).graph()) == {("spawner", each, "spawn") for each in spawned}


@pytest.mark.parametrize("size", [1, 7])
def test_with_small_budgets_every_kind_of_graph_comes_whole(q: Queue, hands: HandWorker, size: int) -> None:
    named(q, "a", retry=2, fallback=Fallback(samples.report, 1, job_id="spare"))
    with Workflow(queue=q) as workflow:
        for number in range(5):
            workflow.enqueue(samples.anything, job_id=f"member-{number}", depends_on="a")
    named(q, "whole", depends_on=workflow.job)
    named(q, "spawner")
    fail(hands, "a", retry_in_ms=0)
    fail(hands, "a", retry_in_ms=0)
    spawn(hands, "spawner", *(f"spawned-{number}" for number in range(5)))
    named(q, "both", depends_on=["spawner", "whole", "spawned-3"])
    expected = workflow.graph(), q.fetch_job("both").graph()  # type: ignore[union-attr]
    with budget(size):
        found = workflow.graph(), q.fetch_job("both").graph()  # type: ignore[union-attr]
    for one, other in zip(found, expected, strict=True):
        assert dict(one.nodes) == dict(other.nodes)
        assert set(one.edges) == set(other.edges)
        assert one.is_whole
    assert len(found[1].nodes) == 16


#: A graph is read in calls of 500 units each. A job takes four of them, and a quarter for each of its edges, and is
#: read once: 1,000 jobs are nine calls. Pages that are not filled, and the first steps from the root, add some to that.
MOST_CALLS = 20


def assert_few_calls(meter: Meter, job: Job[Any]) -> Graph:
    meter.taken()
    with counted_calls() as calls:
        graph = job.graph()
    assert calls[0] <= MOST_CALLS
    assert meter.taken() <= 3_500  # of the server's commands: three for each job, and pages
    return graph


def test_a_fan_out_of_1000_takes_few_calls(valkey: Redis, meter: Meter) -> None:
    middle = [data(f"j{number}", depends_on="root") for number in range(1_000)]
    jobs = Queue(connection=valkey).enqueue_many([data("root"), *middle, data("end", depends_on=middle)])
    for start in (0, 500, 1_001):
        graph = assert_few_calls(meter, jobs[start])
        assert (len(graph.nodes), len(graph.edges), graph.is_whole) == (1_002, 2_000, True)


def test_a_chain_of_1000_takes_few_calls(valkey: Redis, meter: Meter) -> None:
    datas = [data("j0"), *(data(f"j{number}", depends_on=f"j{number - 1}") for number in range(1, 1_000))]
    jobs = Queue(connection=valkey).enqueue_many(datas)
    for start in (0, 500, 999):
        graph = assert_few_calls(meter, jobs[start])
        assert (len(graph.nodes), len(graph.edges), graph.is_whole) == (1_000, 999, True)


# Random graphs


@st.composite
def graphs(draw: st.DrawFn) -> list[EnqueueData]:
    """Jobs of which each may wait for earlier ones, in groups with rules, and want their outputs."""
    datas: list[EnqueueData] = []
    for number in range(draw(st.integers(1, 10))):
        above = draw(st.lists(st.sampled_from(datas), unique_by=lambda each: each.id, max_size=5)) if datas else []
        cut = draw(st.integers(0, len(above)))
        groups = [Dependency(part, rule=draw(st.sampled_from(RULES))) for part in (above[:cut], above[cut:]) if part]
        wanted = [each.output_or(0) for each in above if draw(st.booleans())]
        fallback = Fallback(samples.anything, job_id=f"spare-{number}") if draw(st.integers(0, 4)) == 0 else None
        datas.append(data(f"j{number}", *wanted, depends_on=groups or None, fallback=fallback))
    return datas


def component(start: str, around: dict[str, set[str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        new = around[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def check_random_graph(server: Redis, datas: list[EnqueueData], seed: int, size: int) -> None:
    server.flushall()  # what an example before this one left
    queue = Queue(connection=server)
    hands, chance = HandWorker(queue.store), random.Random(seed)
    jobs = queue.enqueue_many([replace(each) for each in datas])
    for _ in range(chance.randrange(len(datas) + 1)):
        for job_id in hands.claim(1):
            (hands.finish if chance.random() < 0.6 else hands.fail)(job_id)
    jobs += [Job(job.fallback_id, queue.store) for job in jobs if job.fallback_id]
    expected: dict[str, set[GraphEdge]] = {}
    around: dict[str, set[str]] = {job.id: set() for job in jobs}
    for job in jobs:
        found = job.dependencies()
        expected[job.id] = set()
        for each in found:
            is_fallback = job.id.startswith("spare") and job.id.removeprefix("spare-") == each.id.removeprefix("j")
            kind: Any = "fallback" if is_fallback else "output" if each.wants_output else "dependency"
            expected[job.id].add(GraphEdge(each.id, job.id, kind, each.rule, each.group, each.outcome))
            around[job.id].add(each.id)
            around[each.id].add(job.id)
    before = dump(server)
    with budget(size):
        read = {job.id: job.graph() for job in jobs}
    assert dump(server) == before
    for job in jobs:
        graph = read[job.id]
        assert set(graph.nodes) == component(job.id, around)
        assert len(graph.edges) == len(set(graph.edges))
        assert set(graph.edges) == set().union(*(expected[job_id] for job_id in graph.nodes))
        assert {each.target for each in graph.edges if each.source == job.id} == set(job.dependent_ids)
        assert {job_id: node.status for job_id, node in graph.nodes.items()} == {
            job_id: Job[Any](job_id, queue.store).get_status() for job_id in graph.nodes
        }


@settings(max_examples=300 if IN_FULL else 30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(datas=graphs(), seed=st.integers(0, 1_000), size=st.sampled_from([1, 9, 500]))
def test_random_graphs_are_read_as_they_are_stored(
    valkey: Redis, datas: list[EnqueueData], seed: int, size: int
) -> None:
    check_random_graph(valkey, datas, seed, size)


@settings(max_examples=100 if IN_FULL else 3)
@given(datas=graphs(), seed=st.integers(0, 1_000), size=st.sampled_from([1, 9, 500]))
def test_random_graphs_are_read_on_fakeredis_too(datas: list[EnqueueData], seed: int, size: int) -> None:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        check_random_graph(client, datas, seed, size)
