"""The critical path: which jobs made a graph take as long as it took, and what they waited for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import samples
from by_hand import HandWorker
from every_status import claim_until
from hypothesis import given
from hypothesis import strategies as st

from rqdeps import Dependency, Queue
from rqdeps.graph.critical_path import CriticalPath, PathStep, Wait, critical_path
from rqdeps.graph.data import GraphData
from rqdeps.graph.nodes import EdgeKind, GraphEdge, GraphNode, Run
from rqdeps.graph.plain import plain_path
from rqdeps.status import JobStatus

S = JobStatus

START = datetime(2030, 1, 1, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def seconds(moment: datetime) -> float:
    return (moment - START).total_seconds()


def ran(*times: tuple[float, float]) -> Sequence[Run]:
    """Attempts that failed, and one that finished."""
    failed = [Run(at(began), at(ended), "failed") for began, ended in times[:-1]]
    began, ended = times[-1]
    return [*failed, Run(at(began), at(ended), "finished")]


def finished(name: str, *times: tuple[float, float], created: float = 0, queued: float | None = None) -> GraphNode:
    """A job that has run in these times, and finished in the last. It came into its queue right before, or so."""
    return GraphNode(
        name,
        S.FINISHED,
        "samples.anything",
        attempt=len(times),
        runs=ran(*times),
        created_at=at(created),
        queued_at=None if queued is None else at(queued),
        ended_at=at(times[-1][1]),
    )


def failed(name: str, *times: tuple[float, float], **others: Any) -> GraphNode:
    """The same, but the last attempt failed too."""
    runs = [Run(at(began), at(ended), "failed") for began, ended in times]
    return replace(finished(name, *times, **others), status=S.FAILED, runs=runs)


def without_a_run(name: str, status: JobStatus, ended: float, *, queued: float | None = None) -> GraphNode:
    """A job that ended and never ran."""
    return GraphNode(
        name,
        status,
        "samples.anything",
        created_at=at(0),
        queued_at=None if queued is None else at(queued),
        ended_at=at(ended),
    )


def open_job(name: str, status: JobStatus, **fields: Any) -> GraphNode:
    """A job that has not ended."""
    return replace(GraphNode(name, status, "samples.anything", created_at=at(0)), **fields)


def edge(
    source: str,
    target: str,
    rule: str = "all_success",
    group: int = 0,
    outcome: JobStatus | None = S.FINISHED,
    kind: EdgeKind = "dependency",
) -> GraphEdge:
    return GraphEdge(source, target, kind, rule, group, outcome)


def fallback(source: str, target: str) -> GraphEdge:
    return edge(source, target, "fallback", outcome=S.FAILED, kind="fallback")


def spawned(source: str, *targets: str) -> list[GraphEdge]:
    return [edge(source, target, kind="spawn") for target in targets]


def path_of(
    nodes: Sequence[GraphNode], edges: Sequence[GraphEdge] = (), *, now: float = 1000, root: str | None = None
) -> CriticalPath:
    """The path of a graph, after checks of what is true of every path."""
    path = critical_path(GraphData(root or nodes[0].id, {node.id: node for node in nodes}, edges, at(now)))
    check(path)
    return path


def check(path: CriticalPath) -> None:
    """What is true of every path: no time is counted twice or left out."""
    for step in path.steps:
        end = step.ready_at
        for part in step.parts:
            assert begin_of(part) == end
            end = part.ended_at or step.ended_at
            assert end > begin_of(part) or isinstance(part, Run)
        assert end == step.ended_at
        assert step.ran + sum(step.waited.values(), timedelta(0)) == step.ended_at - step.ready_at
    for before, after in pairwise(path.steps):
        assert after.ready_at == before.ended_at
    assert path.ran + sum(path.waited.values(), timedelta(0)) == path.duration


def begin_of(part: Run | Wait) -> datetime:
    return part.began_at if isinstance(part, Wait) else part.started_at


def shown(path: CriticalPath) -> list[tuple[str, float, float]]:
    """The steps: job, when it was ready, when it ended."""
    return [(step.node.id, seconds(step.ready_at), seconds(step.ended_at)) for step in path.steps]


def names(path: CriticalPath) -> str:
    return " ".join(step.node.id for step in path.steps)


def parts(step: PathStep) -> list[tuple[str, float, float]]:
    """What a job did with its time: for what it waited, or how a run came out; from when to when."""
    return [
        (
            part.reason if isinstance(part, Wait) else part.outcome or "runs",
            seconds(begin_of(part)),
            seconds(part.ended_at or step.ended_at),
        )
        for part in step.parts
    ]


# What waits for what


def test_a_chain_is_its_own_path():
    nodes = [finished("a", (1, 10)), finished("b", (12, 20)), finished("c", (20, 21))]
    path = path_of(nodes, [edge("a", "b"), edge("b", "c")])
    assert path.has_ended
    assert shown(path) == [("a", 0, 10), ("b", 10, 20), ("c", 20, 21)]
    assert [parts(step) for step in path.steps] == [
        [("a worker", 0, 1), ("finished", 1, 10)],
        [("a worker", 10, 12), ("finished", 12, 20)],
        [("finished", 20, 21)],
    ]
    assert path.duration == timedelta(seconds=21)
    assert path.ran == timedelta(seconds=18)
    assert path.waited == {"a worker": timedelta(seconds=3)}


def test_of_several_dependencies_the_last_to_end_counts():
    nodes = [finished("a", (0, 5)), finished("b", (0, 9)), finished("c", (0, 7)), finished("d", (9, 10))]
    assert names(path_of(nodes, [edge("a", "d"), edge("b", "d"), edge("c", "d")])) == "b d"


def test_where_it_ends_is_the_job_that_ended_last():
    nodes = [finished("a", (0, 5)), finished("b", (5, 30)), finished("c", (5, 20))]
    assert names(path_of(nodes, [edge("a", "b"), edge("a", "c")])) == "a b"
    assert names(path_of([*nodes, finished("apart", (1, 40), created=1)], [])) == "apart"


def test_of_jobs_that_ended_in_one_millisecond_the_last_of_the_chain_counts():
    nodes = [finished(name, (5, 5)) for name in "dbac"]
    edges = [edge("a", "b"), edge("b", "c"), *(edge(name, "d", "all_done") for name in "abc")]
    assert names(path_of(nodes, edges)) == "a b c d"
    assert names(path_of(nodes[1:], edges[:2])) == "a b c"


def test_a_job_that_waits_for_none_is_ready_when_it_is_enqueued():
    assert shown(path_of([finished("a", (15, 20), created=10)])) == [("a", 10, 20)]


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("one_success", "c"),
        ("one_failed", "b"),
        ("one_done", "b"),
        ("all_done", "d"),
        ("all_done_min_one_success", "d"),
    ],
)
def test_the_first_end_that_fits_or_the_last_counts_by_the_rule(rule: str, first: str):
    nodes = [
        without_a_run("a", S.SKIPPED, 1),
        failed("b", (0, 5)),
        finished("c", (0, 7)),
        finished("d", (0, 9)),
        finished("e", (20, 21)),
    ]
    outcomes = {"a": S.SKIPPED, "b": S.FAILED, "c": S.FINISHED, "d": S.FINISHED}
    edges = [edge(source, "e", rule, outcome=outcome) for source, outcome in outcomes.items()]
    assert names(path_of(nodes, edges)).split()[-2:] == [first, "e"]


@pytest.mark.parametrize("outcome", [S.FAILED, S.STOPPED, S.CANCELED, S.UPSTREAM_FAILED])
def test_whatever_counts_as_failed_meets_one_failed(outcome: JobStatus):
    nodes = [finished("a", (0, 1)), replace(failed("b", (0, 5)), status=outcome), finished("c", (7, 8))]
    edges = [edge("a", "c", "one_failed"), edge("b", "c", "one_failed", outcome=outcome)]
    assert shown(path_of(nodes, edges)) == [("b", 0, 5), ("c", 5, 8)]


def test_of_several_groups_the_one_that_is_met_last_counts():
    nodes = [finished("a", (0, 3)), finished("b", (0, 9)), finished("c", (0, 6)), finished("d", (9, 10))]
    edges = [edge("a", "d", "one_done"), edge("b", "d", "one_done"), edge("c", "d", group=1)]
    assert shown(path_of(nodes, edges)) == [("c", 0, 6), ("d", 6, 10)]


# Fallbacks


def test_a_path_goes_through_a_job_and_its_fallback():
    nodes = [failed("a", (0, 5)), finished("f", (6, 20)), finished("b", (20, 21)), finished("c", (0, 15))]
    edges = [fallback("a", "f"), edge("a", "b"), edge("c", "b")]
    assert shown(path_of(nodes, edges)) == [("a", 0, 5), ("f", 5, 20), ("b", 20, 21)]


def test_a_fallback_may_have_one_of_its_own():
    nodes = [failed("a", (0, 5)), failed("f", (5, 9)), finished("g", (9, 12)), finished("b", (12, 13))]
    edges = [fallback("a", "f"), fallback("f", "g"), edge("a", "b")]
    assert names(path_of(nodes, edges)) == "a f g b"


def test_a_fallback_that_was_deleted_does_not_hide_its_job():
    nodes = [failed("a", (0, 5)), GraphNode("f", None), finished("b", (9, 10))]
    assert names(path_of(nodes, [fallback("a", "f"), edge("a", "b", "all_done", outcome=S.FAILED)])) == "a b"


def test_while_a_fallback_runs_it_is_what_the_graph_waits_for():
    nodes = [
        failed("a", (0, 5)),
        open_job("f", S.STARTED, runs=[Run(at(6), None, None)], queued_at=at(5)),
        open_job("b", S.DEFERRED),
    ]
    path = path_of(nodes, [fallback("a", "f"), edge("a", "b", outcome=None)], now=50)
    assert shown(path) == [("a", 0, 5), ("f", 5, 50)]
    assert not path.has_ended


# What is spawned


def spawner(name: str, returned: float, ended: float) -> GraphNode:
    node = finished(name, (0, returned))
    return replace(node, ended_at=at(ended), has_joined=True)


def child(name: str, *times: tuple[float, float], of: str) -> GraphNode:
    return replace(finished(name, *times), spawned_by=of)


def test_what_comes_after_a_spawner_waited_for_its_own_run_and_the_last_it_spawned():
    nodes = [
        spawner("s", 3, 12),
        child("x", (4, 12), of="s"),
        child("y", (4, 9), of="s"),
        finished("after", (13, 14)),
    ]
    path = path_of(nodes, [*spawned("s", "x", "y"), edge("s", "after")])
    assert shown(path) == [("s", 0, 3), ("x", 3, 12), ("after", 12, 14)]


def test_a_spawner_that_ran_again_since_did_not_let_what_it_had_spawned_run():
    nodes = [spawner("s", 100, 110), child("x", (4, 120), of="s")]
    assert shown(path_of(nodes, spawned("s", "x"))) == [("x", 0, 120)]


def test_what_is_spawned_may_wait_for_each_other():
    nodes = [spawner("s", 3, 12), child("x", (3, 5), of="s"), child("y", (6, 12), of="s")]
    assert names(path_of(nodes, [*spawned("s", "x", "y"), edge("x", "y")])) == "s x y"


def test_what_is_spawned_may_spawn():
    inner = replace(spawner("t", 0, 20), runs=ran((4, 6)), spawned_by="s")
    nodes = [spawner("s", 3, 20), inner, child("x", (7, 20), of="t"), finished("after", (20, 21))]
    assert names(path_of(nodes, [*spawned("s", "t"), *spawned("t", "x"), edge("s", "after")])) == "s t x after"


def test_the_fallback_of_something_spawned_may_be_the_last():
    nodes = [
        spawner("s", 3, 30),
        replace(failed("x", (3, 10)), spawned_by="s"),
        finished("f", (10, 30)),
        child("y", (3, 20), of="s"),
        finished("after", (30, 31)),
    ]
    edges = [*spawned("s", "x", "y"), fallback("x", "f"), edge("s", "after")]
    assert shown(path_of(nodes, edges)) == [("s", 0, 3), ("x", 3, 10), ("f", 10, 30), ("after", 30, 31)]


def test_what_ends_only_after_its_spawner_did_not_keep_that():
    nodes = [
        spawner("s", 3, 9),
        child("x", (4, 9), of="s"),
        child("y", (4, 19), of="s"),
        finished("after", (10, 30)),
    ]
    edges = [*[edge("s", name, "one_done", kind="spawn") for name in ("x", "y")], edge("s", "after")]
    assert names(path_of(nodes, edges)) == "s x after"


def test_a_map_over_nothing_is_a_job_like_any_other():
    assert names(path_of([finished("map", (0, 2)), finished("after", (2, 3))], [edge("map", "after")])) == "map after"


def test_while_a_spawner_joins_the_graph_waits_for_what_it_spawned():
    nodes = [
        open_job("s", S.JOINING, runs=ran((1, 3)), has_joined=True),
        child("x", (4, 9), of="s"),
        open_job("y", S.QUEUED, spawned_by="s", queued_at=at(3)),
        open_job("after", S.DEFERRED),
    ]
    path = path_of(nodes, [*spawned("s", "x", "y"), edge("s", "after", outcome=None)], now=20)
    assert shown(path) == [("s", 0, 3), ("y", 3, 20)]
    assert parts(path.steps[1]) == [("a worker", 3, 20)]


# Workflows


def workflow(name: str, status: JobStatus, ended: float | None) -> GraphNode:
    end = None if ended is None else at(ended)
    return GraphNode(name, status, workflow_id=name, name="nightly", created_at=at(0), ended_at=end)


def member(node: GraphNode, of: str) -> GraphNode:
    return replace(node, workflow_id=of)


def test_what_depends_on_a_workflow_waited_for_the_last_of_its_members():
    nodes = [
        workflow("w", S.FINISHED, 8),
        member(finished("a", (0, 5)), "w"),
        member(finished("b", (5, 8)), "w"),
        finished("after", (9, 10)),
    ]
    edges = [edge("a", "b"), edge("w", "after")]
    assert shown(path_of(nodes, edges, root="after")) == [("a", 0, 5), ("b", 5, 8), ("after", 8, 10)]
    assert names(path_of(nodes, edges, root="w")) == "a b", "the path of a workflow ends with one of its members"


def test_of_a_workflow_that_never_ran_the_last_member_counts_all_the_same():
    nodes = [
        workflow("w", S.CANCELED, 8),
        member(without_a_run("a", S.CANCELED, 8, queued=0), "w"),
        finished("after", (9, 10)),
    ]
    path = path_of(nodes, [edge("w", "after", "all_done", outcome=S.CANCELED)], root="after")
    assert shown(path) == [("a", 0, 8), ("after", 8, 10)]


def test_a_workflow_without_members_is_a_dependency_that_ended_at_once():
    nodes = [replace(workflow("w", S.FINISHED, 2), created_at=at(2)), finished("after", (3, 4))]
    assert shown(path_of(nodes, [edge("w", "after")], root="after")) == [("w", 2, 2), ("after", 2, 4)]
    assert path_of(nodes, [edge("w", "after")], root="w").steps == []


def test_the_path_of_a_workflow_goes_on_to_what_its_members_waited_for():
    nodes = [
        workflow("w", S.FINISHED, 20),
        member(finished("a", (9, 20)), "w"),
        finished("outside", (0, 9)),
        finished("later", (20, 90)),
    ]
    path = path_of(nodes, [edge("outside", "a"), edge("a", "later")], root="w")
    assert shown(path) == [("outside", 0, 9), ("a", 9, 20)]


# Waits


def test_time_between_attempts_is_waited_for_the_next():
    (step,) = path_of([finished("a", (1, 5), (15, 18), (18, 30), queued=18)]).steps
    assert parts(step) == [
        ("a worker", 0, 1),
        ("failed", 1, 5),
        ("the next attempt", 5, 15),
        ("failed", 15, 18),
        ("finished", 18, 30),
    ]
    assert (step.ran, dict(step.waited)) == (
        timedelta(seconds=19),
        {"a worker": timedelta(seconds=1), "the next attempt": timedelta(seconds=10)},
    )


def test_a_job_that_somebody_requeued_had_waited_for_that():
    nodes = [finished("a", (0, 5)), finished("b", (6, 10), (1000, 1010), queued=999), finished("c", (1010, 1011))]
    path = path_of(nodes, [edge("a", "b"), edge("b", "c")], now=2000)
    assert shown(path) == [("a", 0, 5), ("b", 5, 1010), ("c", 1010, 1011)]
    assert path.waited == {"a worker": timedelta(seconds=1), "the next attempt": timedelta(seconds=990)}


def test_before_runs_that_are_no_longer_known_it_waited_for_the_next():
    (step,) = path_of([replace(finished("a", (100, 110), queued=100), attempt=12)]).steps
    assert parts(step) == [("the next attempt", 0, 100), ("finished", 100, 110)]


def test_a_job_waits_for_its_time_and_then_for_a_worker():
    nodes = [finished("a", (0, 5)), replace(finished("b", (70, 75), queued=61), scheduled_for=at(60))]
    path = path_of(nodes, [edge("a", "b")])
    assert parts(path.steps[1]) == [("its time", 5, 60), ("a worker", 60, 70), ("finished", 70, 75)]


def test_a_time_that_had_come_before_its_dependencies_ended_kept_nobody():
    nodes = [finished("a", (0, 5)), replace(finished("b", (7, 8), queued=5), scheduled_for=at(3))]
    assert parts(path_of(nodes, [edge("a", "b")]).steps[1]) == [("a worker", 5, 7), ("finished", 7, 8)]
    nodes[1] = replace(nodes[1], queued_at=at(6))
    assert parts(path_of(nodes, [edge("a", "b")]).steps[1])[0] == ("its release", 5, 6)


def test_a_job_that_was_held_waited_for_its_release():
    (step,) = path_of([finished("a", (52, 60), queued=50)]).steps
    assert parts(step) == [("its release", 0, 50), ("a worker", 50, 52), ("finished", 52, 60)]


def test_a_job_that_was_enqueued_late_waited_for_that():
    nodes = [finished("a", (0, 5)), finished("b", (92, 95), created=90, queued=90)]
    path = path_of(nodes, [edge("a", "b")])
    assert shown(path) == [("a", 0, 5), ("b", 5, 95)]
    assert parts(path.steps[1]) == [("its enqueueing", 5, 90), ("a worker", 90, 92), ("finished", 92, 95)]


def test_dependencies_that_ended_after_a_job_had_begun_do_not_count():
    nodes = [finished("a", (0, 5)), finished("again", (0, 6), (100, 110)), finished("b", (7, 9), (200, 210))]
    assert names(path_of(nodes, [edge("a", "b"), edge("again", "b")])) == "a b"
    assert shown(path_of(nodes, [edge("again", "b")])) == [("b", 0, 210)]


# Graphs that run


def test_a_graph_that_runs_leads_to_what_it_waits_for_now():
    nodes = [
        finished("a", (0, 5)),
        open_job("b", S.STARTED, runs=[Run(at(7), None, None)], queued_at=at(5)),
        open_job("c", S.DEFERRED),
    ]
    path = path_of(nodes, [edge("a", "b"), edge("b", "c", outcome=None)], now=30)
    assert shown(path) == [("a", 0, 5), ("b", 5, 30)]
    assert parts(path.steps[1]) == [("a worker", 5, 7), ("runs", 7, 30)]
    assert not path.has_ended
    assert (path.ran, path.duration) == (timedelta(seconds=28), timedelta(seconds=30))


def test_of_several_that_could_run_it_leads_to_the_one_that_could_first():
    nodes = [
        finished("a", (0, 5)),
        finished("b", (0, 9)),
        open_job("c", S.STARTED, runs=[Run(at(9), None, None)], queued_at=at(9)),
        open_job("d", S.QUEUED, queued_at=at(5)),
    ]
    assert names(path_of(nodes, [edge("b", "c"), edge("a", "d")], now=30)) == "a d"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (open_job("a", S.QUEUED, queued_at=at(0)), [("a worker", 0, 30)]),
        (open_job("a", S.SCHEDULED, scheduled_for=at(60)), [("its time", 0, 30)]),
        (open_job("a", S.SCHEDULED, scheduled_for=at(20)), [("its time", 0, 20), ("a worker", 20, 30)]),
        (
            open_job("a", S.SCHEDULED, attempt=1, runs=[Run(at(1), at(9), "failed")], queued_at=at(0)),
            [("a worker", 0, 1), ("failed", 1, 9), ("the next attempt", 9, 30)],
        ),
        (
            open_job("a", S.QUEUED, attempt=1, runs=[Run(at(1), at(9), "lost")], queued_at=at(9)),
            [("a worker", 0, 1), ("lost", 1, 9), ("the next attempt", 9, 30)],
        ),
        (open_job("a", S.SCHEDULED, attempt=3, queued_at=at(8)), [("the next attempt", 0, 30)]),
    ],
)
def test_a_job_that_waits_has_waited_until_now(node: GraphNode, expected: list[tuple[str, float, float]]):
    (step,) = path_of([node], now=30).steps
    assert parts(step) == expected


@pytest.mark.parametrize(
    "nodes",
    [
        [open_job("a", S.DEFERRED), open_job("b", S.DEFERRED)],
        [open_job("a", S.CREATED, is_held=True)],
        [without_a_run("a", S.CANCELED, 5), without_a_run("b", S.UPSTREAM_FAILED, 5)],
        [without_a_run("a", S.SKIPPED, 5)],
        [GraphNode("a", None)],
    ],
)
def test_where_nothing_has_begun_there_is_no_path(nodes: list[GraphNode]):
    path = path_of(nodes)
    assert path.steps == []
    assert (path.duration, path.ran, path.waited) == (timedelta(0), timedelta(0), {})


# Jobs that ended without a run


def test_a_job_that_ended_on_the_way_stands_in_the_path_without_time():
    nodes = [failed("a", (0, 5)), without_a_run("b", S.UPSTREAM_FAILED, 5), finished("c", (5, 9))]
    path = path_of(nodes, [edge("a", "b", outcome=S.FAILED), edge("b", "c", "all_done", outcome=S.UPSTREAM_FAILED)])
    assert shown(path) == [("a", 0, 5), ("b", 5, 5), ("c", 5, 9)]


def test_a_job_that_ended_with_another_does_not_stand_in_the_path_beside_it():
    nodes = [failed("a", (0, 5)), without_a_run("b", S.UPSTREAM_FAILED, 5), finished("c", (5, 9))]
    edges = [edge("a", "b", outcome=S.FAILED), edge("b", "c", "all_done"), edge("a", "c", "all_done")]
    assert names(path_of(nodes, edges)) == "a c"


def test_a_job_that_could_not_run_any_more_waited_for_the_end_that_settled_it_and_no_later_one():
    nodes = [
        failed("a", (0, 5)),
        finished("slow", (0, 100)),
        without_a_run("b", S.UPSTREAM_FAILED, 5),
        finished("c", (101, 109)),
    ]
    edges = [edge("a", "b", outcome=S.FAILED), edge("slow", "b"), edge("b", "c", "all_done", outcome=S.UPSTREAM_FAILED)]
    assert shown(path_of(nodes, edges)) == [("a", 0, 5), ("b", 5, 5), ("c", 5, 109)]


def test_a_group_that_could_not_be_met_any_more_was_so_by_the_last_end():
    nodes = [
        failed("a", (0, 5)),
        failed("b", (0, 8)),
        without_a_run("c", S.UPSTREAM_FAILED, 8),
        finished("d", (8, 9)),
    ]
    edges = [edge(source, "c", "one_success", outcome=S.FAILED) for source in ("a", "b")]
    edges.append(edge("c", "d", "all_done", outcome=S.UPSTREAM_FAILED))
    assert names(path_of(nodes, edges)) == "b c d"


@pytest.mark.parametrize(
    ("canceled", "expected"),
    [
        (without_a_run("a", S.CANCELED, 40, queued=0), [("a worker", 0, 40)]),
        (without_a_run("a", S.CANCELED, 40), [("its release", 0, 40)]),
        (without_a_run("a", S.SKIPPED, 40), [("its release", 0, 40)]),
        (replace(without_a_run("a", S.CANCELED, 40), scheduled_for=at(99)), [("its time", 0, 40)]),
        (
            replace(failed("a", (0, 10), queued=0), status=S.CANCELED, ended_at=at(40)),
            [("failed", 0, 10), ("the next attempt", 10, 40)],
        ),
    ],
)
def test_what_waited_until_somebody_canceled_it_took_that_long(
    canceled: GraphNode, expected: list[tuple[str, float, float]]
):
    nodes = [canceled, finished("b", (40, 41))]
    path = path_of(nodes, [edge("a", "b", "all_done", outcome=canceled.status)])
    assert shown(path) == [("a", 0, 40), ("b", 40, 41)]
    assert parts(path.steps[0]) == expected


def test_a_dependency_that_was_deleted_tells_nothing():
    nodes = [GraphNode("gone", None), finished("a", (0, 5)), finished("b", (9, 10), queued=8)]
    path = path_of(nodes, [edge("gone", "b", outcome=None), edge("a", "b")])
    assert shown(path) == [("a", 0, 5), ("b", 5, 10)]
    assert parts(path.steps[1])[0] == ("its release", 5, 8), "it was released by an end that nobody knows any more"


# Odd data


def test_a_circle_comes_to_an_end():
    nodes = [finished("a", (5, 5)), finished("b", (5, 5)), finished("c", (5, 5))]
    assert len(path_of(nodes, [edge("a", "b"), edge("b", "c"), edge("c", "a")]).steps) == 3


def test_jobs_that_spawn_each_other_or_stand_in_for_each_other_come_to_an_end():
    nodes = [failed("a", (0, 5)), failed("b", (0, 5)), finished("c", (6, 7))]
    for edges in ([*spawned("a", "b"), *spawned("b", "a")], [fallback("a", "b"), fallback("b", "a")]):
        assert path_of(nodes, [*edges, edge("a", "c")]).steps[-1].node.id == "c"


def test_clocks_that_went_backwards_make_no_negative_times():
    assert shown(path_of([finished("a", (50, 20), created=90)])) == [("a", 20, 20)]
    nodes = [finished("a", (3, 5)), finished("b", (60, 55), (30, 35), created=70), finished("c", (40, 45))]
    path = path_of(nodes, [edge("a", "b"), edge("b", "c")], now=10)
    assert shown(path) == [("a", 0, 5), ("b", 5, 35), ("c", 35, 45)]


TIMES = st.integers(0, 9).map(at)
NODES = st.builds(
    GraphNode,
    id=st.sampled_from("abcde"),
    status=st.sampled_from([*JobStatus, None]),
    attempt=st.integers(0, 3),
    runs=st.lists(st.builds(Run, TIMES, st.none() | TIMES, st.just("failed")), max_size=3),
    created_at=st.none() | TIMES,
    queued_at=st.none() | TIMES,
    scheduled_for=st.none() | TIMES,
    ended_at=st.none() | TIMES,
    workflow_id=st.none() | st.sampled_from("abcde"),
    spawned_by=st.none() | st.sampled_from("abcde"),
    has_joined=st.booleans(),
)


@given(data=st.data(), nodes=st.lists(NODES, min_size=1, max_size=5, unique_by=lambda node: node.id))
def test_no_data_however_odd_makes_it_fail(data: st.DataObject, nodes: list[GraphNode]):
    ids = st.sampled_from([node.id for node in nodes])
    edges = st.builds(
        GraphEdge,
        ids,
        ids,
        st.sampled_from(["dependency", "output", "fallback", "spawn"]),
        st.sampled_from(["all_success", "one_done", "fallback"]),
        st.integers(0, 1),
        st.sampled_from([*JobStatus, None]),
    )
    path_of(nodes, data.draw(st.lists(edges, max_size=8)), now=10)


def test_long_chains_overflow_no_stack():
    count = 3000
    last = 2 * count
    deep = [replace(finished(f"s{n}", (n, n + 1)), ended_at=at(last), has_joined=True) for n in range(count)]
    stand_ins = [failed(f"f{n}", (n, n + 1)) for n in range(count)]
    edges = [edge for n in range(count - 1) for edge in spawned(f"s{n}", f"s{n + 1}")]
    edges += [fallback(f"f{n}", f"f{n + 1}") for n in range(count - 1)]
    nodes = [*deep, *stand_ins, finished("after", (last, last + 1))]
    path = path_of(nodes, [*edges, edge("s0", "after"), edge("f0", "after", "all_done")], now=last + 1)
    assert path.steps[-2].node.id in (f"s{count - 1}", f"f{count - 1}")
    assert path_of(nodes[:count], edges[: count - 1], root="s0").steps[-1].node.id == f"s{count - 1}"


# Any graph


@st.composite
def ran_graphs(draw: st.DrawFn, *, with_waits: bool) -> tuple[list[GraphNode], list[GraphEdge]]:
    """Graphs whose jobs began when their groups were met, or ended when they could not be any more."""
    rules = ["all_success", "all_done", "one_success", "one_done"] if with_waits else ["all_success"]
    nodes: dict[str, GraphNode] = {}
    edges: list[GraphEdge] = []
    for number in range(draw(st.integers(1, 7))):
        name = f"j{number}"
        wait = draw(st.integers(0, 3)) if with_waits else 0
        created = draw(st.integers(0, 3)) if with_waits else 0
        groups: list[tuple[str, list[str]]] = []
        left = draw(st.permutations(sorted(nodes)))[: draw(st.integers(0, 4))]
        while left:
            size = draw(st.integers(1, len(left)))
            groups.append((draw(st.sampled_from(rules)), left[:size]))
            left = left[size:]
        edges += [
            edge(source, name, rule, group, nodes[source].status)
            for group, (rule, sources) in enumerate(groups)
            for source in sources
        ]
        met = [when_met(rule, [nodes[source] for source in sources]) for rule, sources in groups]
        over = [moment for is_met, moment in met if not is_met]
        if over:
            nodes[name] = without_a_run(name, S.UPSTREAM_FAILED, max(min(over), created))
            continue
        ready = max([created, *(moment for _, moment in met)])
        times = [(ready + wait, ready + wait + draw(st.integers(0, 9)))]
        for _ in range(draw(st.integers(0, 2)) if with_waits else 0):
            began = times[-1][1] + draw(st.integers(0, 3))
            times.append((began, began + draw(st.integers(0, 9))))
        make = draw(st.sampled_from([finished, finished, failed])) if with_waits else finished
        nodes[name] = make(name, *times, created=created, queued=ready if len(times) == 1 else times[-1][0])
    return list(nodes.values()), edges


def when_met(rule: str, sources: list[GraphNode]) -> tuple[bool, float]:
    """Whether a group was met, and when that, or the contrary, was sure."""
    ends = [(node.status is S.FINISHED, seconds(node.ended_at or START)) for node in sources]
    good, bad = [end for is_good, end in ends if is_good], [end for is_good, end in ends if not is_good]
    if rule == "one_done":
        return True, min(good + bad)
    if rule == "one_success":
        return bool(good), min(good) if good else max(bad)
    if rule == "all_success" and bad:
        return False, min(bad)
    return True, max(good + bad)


@given(ran_graphs(with_waits=True))
def test_a_path_of_any_graph_accounts_for_all_of_its_time(graph: tuple[list[GraphNode], list[GraphEdge]]):
    nodes, edges = graph
    path = path_of(nodes, edges)
    ends = [node.ended_at for node in nodes if node.runs and node.ended_at is not None]
    if not ends:
        assert path.steps == []
        return
    assert path.steps[-1].ended_at == max(ends)
    assert path.steps[0].ready_at == path.steps[0].node.created_at, "it begins where nothing was waited for"
    pairs = {(before.node.id, after.node.id) for before, after in pairwise(path.steps)}
    assert pairs <= {(edge.source, edge.target) for edge in edges}
    for step in path.steps:
        times = [(run.ended_at or START) - run.started_at for run in step.node.runs]
        assert step.ran == sum(times, timedelta(0))
    assert set(path.waited) <= {"a worker", "the next attempt", "its enqueueing", "its release"}


@given(ran_graphs(with_waits=False))
def test_without_waits_it_takes_as_long_as_the_longest_chain(graph: tuple[list[GraphNode], list[GraphEdge]]):
    nodes, edges = graph
    path = path_of(nodes, edges)
    assert path.duration == path.ran == longest_chain({node.id: node for node in nodes}, edges)


def longest_chain(nodes: Mapping[str, GraphNode], edges: Sequence[GraphEdge]) -> timedelta:
    """How long the jobs of the longest chain ran together, of all chains that there are."""

    @cache
    def before_and(name: str) -> timedelta:
        (run,) = nodes[name].runs
        above = [before_and(edge.source) for edge in edges if edge.target == name]
        return (run.ended_at or run.started_at) - run.started_at + max(above, default=timedelta(0))

    return max(before_and(name) for name in nodes)


# As JSON


def test_a_path_as_plain_values():
    nodes = [finished("a", (1, 10.5)), replace(finished("b", (10.5, 11), (12, 20), queued=12), name="b's")]
    plain = plain_path(path_of(nodes, [edge("a", "b")]))
    assert json.loads(json.dumps(plain)) == plain
    assert plain == {
        "has_ended": True,
        "duration": 20.0,
        "ran": 18.0,
        "waited": {"a worker": 1.0, "the next attempt": 1.0},
        "steps": [
            {
                "id": "a",
                "function": "samples.anything",
                "status": "finished",
                "ready_at": "2030-01-01T00:00:00.000+00:00",
                "ended_at": "2030-01-01T00:00:10.500+00:00",
                "ran": 9.5,
                "waited": {"a worker": 1.0},
                "parts": [
                    {
                        "started_at": "2030-01-01T00:00:00.000+00:00",
                        "ended_at": "2030-01-01T00:00:01.000+00:00",
                        "waited_for": "a worker",
                    },
                    {
                        "started_at": "2030-01-01T00:00:01.000+00:00",
                        "ended_at": "2030-01-01T00:00:10.500+00:00",
                        "outcome": "finished",
                    },
                ],
            },
            {
                "id": "b",
                "function": "samples.anything",
                "status": "finished",
                "ready_at": "2030-01-01T00:00:10.500+00:00",
                "ended_at": "2030-01-01T00:00:20.000+00:00",
                "ran": 8.5,
                "waited": {"the next attempt": 1.0},
                "parts": [
                    {
                        "started_at": "2030-01-01T00:00:10.500+00:00",
                        "ended_at": "2030-01-01T00:00:11.000+00:00",
                        "outcome": "failed",
                    },
                    {
                        "started_at": "2030-01-01T00:00:11.000+00:00",
                        "ended_at": "2030-01-01T00:00:12.000+00:00",
                        "waited_for": "the next attempt",
                    },
                    {
                        "started_at": "2030-01-01T00:00:12.000+00:00",
                        "ended_at": "2030-01-01T00:00:20.000+00:00",
                        "outcome": "finished",
                    },
                ],
            },
        ],
    }


def test_what_runs_and_what_is_not_there_as_plain_values():
    running = open_job("a", S.STARTED, runs=[Run(at(2), None, None)], queued_at=at(0))
    plain = plain_path(path_of([running], now=9))
    assert plain["has_ended"] is False
    assert plain["steps"][0]["parts"][-1] == {
        "started_at": "2030-01-01T00:00:02.000+00:00",
        "ended_at": None,
        "outcome": None,
    }
    assert plain_path(path_of([open_job("a", S.DEFERRED)])) == {
        "has_ended": False,
        "duration": 0.0,
        "ran": 0.0,
        "waited": {},
        "steps": [],
    }


# Jobs as they are


def test_the_path_of_jobs_that_a_server_keeps(q: Queue, hands: HandWorker):
    first, other = q.options(retry=1).enqueue(samples.anything), q.enqueue(samples.anything)
    shaky = q.options(fallback="samples.anything").enqueue(samples.anything, first.output)
    held = q.options(hold=True, depends_on=[shaky, other]).enqueue(samples.anything)
    last = q.enqueue(samples.anything, depends_on=Dependency([held, other], rule="all_done"))
    assert first.graph().critical_path().steps[-1].node.id in (first.id, other.id)
    for job in (first, other):
        claim_until(hands, job.id)
    hands.finish(other.id, b"j1")
    hands.fail(first.id, retry_in_ms=0)
    claim_until(hands, first.id)
    hands.finish(first.id, b"j1")
    claim_until(hands, shaky.id)
    path = first.graph().critical_path()
    check(path)
    assert [step.node.id for step in path.steps] == [first.id, shaky.id]
    assert not path.has_ended
    hands.fail(shaky.id)
    held.release()
    for job_id in (shaky.fallback_id, held.id, last.id):
        assert job_id is not None
        claim_until(hands, job_id)
        hands.finish(job_id, b"j1")
    path = last.graph().critical_path()
    check(path)
    assert [step.node.id for step in path.steps] == [first.id, shaky.id, shaky.fallback_id, held.id, last.id]
    assert path.has_ended
    assert [run.outcome for run in path.steps[0].node.runs] == ["failed", "finished"]
    assert path.steps[0].ready_at == first.created_at
    assert path.steps[-1].ended_at == last.ended_at
