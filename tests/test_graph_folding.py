"""Depths, folding and trees, of graphs that are made by hand: no server."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from meter import IN_FULL

from rqdeps.graph import Graph, GraphEdge, GraphNode, Run
from rqdeps.graph.data import GraphData
from rqdeps.graph.depths import depths_of
from rqdeps.graph.folding import Folded, fold, unfolded
from rqdeps.graph.nodes import EdgeKind
from rqdeps.graph.tree import Row, branches, rows_of
from rqdeps.status import JobStatus
from rqdeps.telling import Progress

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)

#: How many steps away neighbours may be by which jobs are told apart, as the docs of folding have it.
STEPS = 6


def node(job_id: str, function: str = "app.work", status: str | None = "finished", **fields: Any) -> GraphNode:
    fields.setdefault("queue", "default" if function else "")
    return GraphNode(job_id, None if status is None else JobStatus(status), function, **fields)


def workflow(job_id: str, status: str = "joining", **fields: Any) -> GraphNode:
    return node(job_id, "", status, workflow_id=job_id, **fields)


def ran(*seconds: float) -> Sequence[Run]:
    return [Run(AT, AT + timedelta(seconds=each), "finished") for each in seconds]


def edge(source: str, target: str, kind: EdgeKind = "dependency", rule: str = "all_success") -> GraphEdge:
    return GraphEdge(source, target, kind, rule, 0, None)


def graph_of(nodes: Iterable[GraphNode | str], edges: Iterable[GraphEdge | tuple[str, str]] = ()) -> Graph:
    """A graph of jobs, of which a plain text is the id, and a letter at its beginning the function."""
    made = [node(each, f"app.{each[0]}") if isinstance(each, str) else each for each in nodes]
    by_id = {each.id: each for each in made}
    assert len(by_id) == len(made)
    links = [each if isinstance(each, GraphEdge) else edge(*each) for each in edges]
    assert {end for link in links for end in link[:2]} <= set(by_id)
    return Graph(made[0].id, by_id, links, AT)


def depths(graph: GraphData) -> dict[str, int]:
    return depths_of(graph.nodes, graph.edges)


def members(folded: Folded) -> list[set[str]]:
    return [{each.id for each in fold.nodes} for fold in folded.folds]


def rows(graph: GraphData, most: int | None = None) -> list[Row]:
    return rows_of(graph, fold(graph, most))


def row(graph: GraphData, label: str) -> Row:
    (found,) = [each for each in rows(graph) if each.label == label]
    return found


def outline(graph: GraphData, folded: Folded | None = None) -> list[str]:
    """The tree without its columns."""
    return [
        f"{each.branch}{each.label}{f' ×{each.count}' if each.count > 1 else ''}"
        for each in rows_of(graph, folded or fold(graph))
    ]


# Depths


def test_the_depth_is_the_longest_way() -> None:
    graph = graph_of("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")])
    assert depths(graph) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_diamond_and_a_job_by_itself() -> None:
    graph = graph_of("abcde", [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    assert depths(graph) == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 0}


def test_what_waits_for_a_spawner_stands_below_what_that_has_spawned() -> None:
    graph = graph_of(
        ["spawner", "one", "two", "deep", "after"],
        [
            edge("spawner", "one", "spawn"),
            edge("spawner", "two", "spawn"),
            edge("one", "two"),
            edge("two", "deep", "spawn"),
            edge("spawner", "after"),
        ],
    )
    assert depths(graph) == {"spawner": 0, "one": 1, "two": 2, "deep": 3, "after": 4}


def test_a_workflow_stands_where_it_ends_and_what_waits_for_it_below_that() -> None:
    nodes = [
        workflow("w"),
        node("a", workflow_id="w"),
        node("b", workflow_id="w"),
        node("c", spawned_by="b", workflow_id="w"),
        node("after"),
    ]
    graph = graph_of(nodes, [edge("a", "b"), edge("b", "c", "spawn"), edge("w", "after")])
    assert depths(graph) == {"w": 2, "a": 0, "b": 1, "c": 2, "after": 3}


def test_a_fallback_stands_below_its_job() -> None:
    graph = graph_of(["job", "spare", "after"], [edge("job", "spare", "fallback"), edge("job", "after")])
    assert depths(graph) == {"job": 0, "spare": 1, "after": 1}


@pytest.mark.parametrize(
    "edges",
    [
        [("a", "a")],
        [("a", "b"), ("b", "a"), ("b", "c")],
        [edge("a", "b", "spawn"), edge("b", "a", "spawn")],
        [edge("a", "b", "spawn"), edge("a", "b")],
    ],
    ids=["itself", "two", "spawned by each other", "spawned and waiting"],
)
def test_a_circle_does_no_harm(edges: list[Any]) -> None:
    """Jobs change while they are read, so that there may be one."""
    graph = graph_of("abc", edges)
    assert set(depths(graph)) == set("abc")
    for most in (None, 1, 2):
        assert sorted(id_ for each in members(fold(graph, most)) for id_ in each) == ["a", "b", "c"]
        assert sum(each.count for each in rows(graph, most)) == 3
    for text in (str(graph), graph.to_mermaid(), graph.to_dot(folded=True), graph.to_tree(folded=False)):
        assert "a" in text


# Random graphs

KINDS: tuple[EdgeKind, ...] = ("dependency", "output", "fallback", "spawn")


#: How many random graphs each test takes: they are dear to make.
FEW = settings(max_examples=2_000 if IN_FULL else 30)


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> Graph:
    """Jobs in any order, with edges of all kinds from some to others, and up to two workflows."""
    count = draw(st.integers(1, most))
    flows = [f"w{number}" for number in range(draw(st.integers(0, 2)))]
    nodes = [workflow(flow) for flow in flows]
    edges = []
    for number in range(count):
        own = f"j{number}"
        nodes.append(
            node(
                own,
                draw(st.sampled_from(["app.load", "app.work", "app.sum"])),
                draw(st.sampled_from([*JobStatus, None])),
                queue=draw(st.sampled_from(["default", "slow"])),
                attempt=draw(st.integers(0, 3)),
                workflow_id=draw(st.sampled_from([None, *flows])),
            )
        )
        others = [f"j{other}" for other in range(number)] + flows[: 1 if number % 2 else 0]
        for other in draw(st.lists(st.sampled_from(others), unique=True, max_size=4)) if others else []:
            kind = draw(st.sampled_from(KINDS)) if not other.startswith("w") else "dependency"
            edges.append(edge(other, own, kind, draw(st.sampled_from(["all_success", "all_done"]))))
    order = draw(st.permutations(nodes))
    return Graph("j0", {each.id: each for each in order}, edges, AT)


def fold_by_id(folded: Folded) -> dict[str, int]:
    return {each.id: at for at, fold in enumerate(folded.folds) for each in fold.nodes}


def signatures(graph: GraphData, steps: int) -> dict[str, Any]:
    """What tells jobs apart by what is so many steps around them, in another way than folding does it: one by one."""
    around: dict[str, set[tuple[str, Any]]] = {job_id: set() for job_id in graph.nodes}
    for each in graph.edges:
        around[each.target].add((each.source, ("from", each.kind, each.rule)))
        around[each.source].add((each.target, ("to", each.kind)))
    depth = depths(graph)
    known: dict[Any, int] = {}

    def number(key: Any) -> int:
        return known.setdefault(key, len(known))

    def own(job_id: str) -> int:
        each = graph.nodes[job_id]
        return number(
            (
                *(each.function, each.queue, each.workflow_id, each.is_map, each.fallback_of is not None),
                *(each.spawned_by is not None, each.id if each.is_workflow else "", depth[job_id]),
            )
        )

    found = {job_id: own(job_id) for job_id in graph.nodes}
    for _ in range(steps):
        found = {
            job_id: number((found[job_id], frozenset((how, found[other]) for other, how in around[job_id])))
            for job_id in graph.nodes
        }
    return found


def partition(keys: dict[str, Any]) -> set[frozenset[str]]:
    groups: dict[Any, set[str]] = {}
    for job_id, key in keys.items():
        groups.setdefault(key, set()).add(job_id)
    return {frozenset(group) for group in groups.values()}


@FEW
@given(graph=graphs(), most=st.none() | st.integers(1, 12))
def test_every_job_and_every_edge_is_in_exactly_one_place(graph: Graph, most: int | None) -> None:
    for folded in (fold(graph, most), unfolded(graph)):
        at = fold_by_id(folded)
        assert sum(len(each.nodes) for each in folded.folds) == len(at) == len(graph.nodes)
        assert all(each.nodes for each in folded.folds)
        assert all(each is graph.nodes[each.id] for fold in folded.folds for each in fold.nodes)
        between = Counter((at[each.source], at[each.target]) for each in graph.edges)
        assert Counter({(each.source, each.target): sum(each.fan_in.values()) for each in folded.edges}) == between
        assert len({(each.source, each.target) for each in folded.edges}) == len(folded.edges)
        for each in folded.edges:
            own = [e for e in graph.edges if (at[e.source], at[e.target]) == (each.source, each.target)]
            assert each.kinds == {e.kind for e in own}
            assert each.rules == {e.rule for e in own if e.kind != "spawn"}
            assert each.fan_in == Counter(e.target for e in own)


@FEW
@given(graph=graphs())
def test_without_a_limit_jobs_of_one_fold_are_alike_as_far_as_anybody_looks(graph: Graph) -> None:
    """Up to six steps away. Where that tells no more apart than five do, it holds however far anybody looks."""
    folded = fold(graph)
    assert folded.by == "neighbours"
    assert {frozenset(each) for each in members(folded)} == partition(signatures(graph, STEPS))
    if partition(signatures(graph, STEPS)) == partition(signatures(graph, STEPS - 1)):
        at = fold_by_id(folded)
        around: dict[str, set[Any]] = {job_id: set() for job_id in graph.nodes}
        for each in graph.edges:
            around[each.target].add(("from", at[each.source], each.kind, each.rule))
            around[each.source].add(("to", at[each.target], each.kind))
        for each in folded.folds:
            assert len({job.function for job in each.nodes}) == 1
            assert all(around[job.id] == around[each.first.id] for job in each.nodes)


@FEW
@given(graph=graphs(), most=st.integers(1, 16))
def test_there_are_no_more_than_wanted_or_one_of_each_function(graph: Graph, most: int) -> None:
    folded = fold(graph, most)
    assert len(folded.folds) <= most or folded.by == "function"
    for each in folded.folds:
        assert len({(job.function, job.queue, job.workflow_id) for job in each.nodes}) == 1
    if folded.by == "function":
        assert len({(job.function, job.queue, job.workflow_id) for job in graph.nodes.values()}) == len(folded.folds)
    if folded.by == "depth":
        depth = depths(graph)
        assert all(len({depth[job.id] for job in each.nodes}) == 1 for each in folded.folds)
        assert len(fold(graph).folds) > most
    if folded.by == "neighbours":
        assert members(folded) == members(fold(graph))


@FEW
@given(graph=graphs(), most=st.none() | st.integers(1, 12))
def test_folds_come_by_depth_and_always_in_the_same_order(graph: Graph, most: int | None) -> None:
    folded = fold(graph, most)
    assert [each.depth for each in folded.folds] == sorted(each.depth for each in folded.folds)
    depth = depths(graph)
    assert all(each.depth == min(depth[job.id] for job in each.nodes) for each in folded.folds)
    edges = list(graph.edges)
    random.Random(len(edges)).shuffle(edges)
    again = Graph(graph.root, dict(graph.nodes), edges, AT)
    assert [[job.id for job in each.nodes] for each in fold(again, most).folds] == [
        [job.id for job in each.nodes] for each in folded.folds
    ]
    assert rows_of(again, fold(again, most)) == rows_of(graph, folded)


def test_jobs_with_other_neighbours_far_away_are_told_apart_up_to_six_steps() -> None:
    """Two chains that differ at their end: their first jobs are folded once that is too far away."""
    for length in range(1, 10):
        nodes, edges = [], []
        for side in "ab":
            nodes += [node(f"{side}{number}", "app.work") for number in range(length)]
            nodes.append(node(f"{side}{length}", f"app.end_{side}"))
            edges += [edge(f"{side}{number}", f"{side}{number + 1}") for number in range(length)]
        are_one = {"a0", "b0"} in members(fold(graph_of(nodes, edges)))
        assert are_one is (length > STEPS)


@pytest.mark.parametrize(
    "differs",
    [
        *({"function": "app.other"}, {"queue": "other"}, {"is_map": True}, {"workflow_id": "w"}),
        *({"fallback_of": "x"}, {"spawned_by": "x"}),
    ],
    ids=lambda differs: next(iter(differs)),
)
def test_jobs_of_another_kind_are_never_folded(differs: dict[str, Any]) -> None:
    graph = graph_of([node("a"), node("b", **{"function": "app.work", **differs})])
    assert members(fold(graph)) == [{"a"}, {"b"}]
    assert members(fold(graph, 1)) == [{"a"}, {"b"}]


def test_jobs_are_folded_whatever_became_of_them() -> None:
    graph = graph_of([node(f"a{number}", status=status) for number, status in enumerate([*JobStatus, None])])
    (only,) = fold(graph).folds
    assert only.counts == dict.fromkeys([*JobStatus, None], 1)
    assert list(only.counts) == [*JobStatus, None]


def test_workflows_are_never_folded() -> None:
    graph = graph_of([workflow("v"), workflow("w")])
    assert members(fold(graph, 1)) == [{"v"}, {"w"}]


# Trees


def branches_one_by_one(depths: Sequence[int]) -> list[str]:
    """The same as ``branches``, looked up for each row and level on its own."""

    def has_sibling_below(at: int, level: int) -> bool:
        after = [depth for depth in depths[at + 1 :] if depth <= level]
        return bool(after) and after[0] == level

    lines = []
    for at, depth in enumerate(depths):
        stems = ["│  " if has_sibling_below(at, level) else "   " for level in range(1, depth)]
        own = ["├─ " if has_sibling_below(at, depth) else "└─ "] if depth else []
        lines.append("".join([*stems, *own]))
    return lines


def test_branches_of_a_small_tree() -> None:
    assert branches([0, 1, 2, 2, 1, 0, 1]) == ["", "├─ ", "│  ├─ ", "│  └─ ", "└─ ", "", "└─ "]
    assert branches([]) == []


@given(steps=st.lists(st.integers(-3, 1), max_size=20))
@example(steps=[1, 1, 1, -2, 0, -1, 1])
def test_branches_lead_to_every_row(steps: list[int]) -> None:
    depths, depth = [0], 0
    for step in steps:
        depth = max(depth + step, 0)
        depths.append(depth)
    assert branches(depths) == branches_one_by_one(depths)


@FEW
@given(graph=graphs(), most=st.none() | st.integers(1, 12), is_full=st.booleans())
def test_each_fold_stands_once_below_something_that_it_comes_after(
    graph: Graph, most: int | None, is_full: bool
) -> None:
    folded = unfolded(graph) if is_full else fold(graph, most)
    found = rows_of(graph, folded)
    assert len(found) == len(folded.folds)
    assert Counter((each.label, each.count) for each in found) == Counter(
        ("workflow" if each.first.is_workflow else each.first.function.rpartition(".")[2], len(each.nodes))
        for each in folded.folds
    )
    levels = [len(each.branch) // 3 for each in found]
    assert [each.branch for each in found] == branches_one_by_one(levels)
    if is_full:  # then rows have the id of their job
        above: list[str] = []
        after = {(each.source, each.target) for each in graph.edges}
        for each, level in zip(found, levels, strict=True):
            above[level:] = [each.ids[0]]
            own = graph.nodes[each.ids[0]]
            if level:
                assert (above[-2], own.id) in after or graph.nodes[above[-2]].id == own.workflow_id
            else:
                assert own.is_workflow or own.workflow_id not in graph.nodes


def test_a_tree_of_dependencies() -> None:
    graph = graph_of(["a", "b", "c", "d", "e1", "e2"], [("a", "b"), ("a", "c"), ("c", "d"), ("d", "e1"), ("d", "e2")])
    assert outline(graph) == ["a", "├─ b", "└─ c", "   └─ d", "      └─ e ×2"]


def test_a_job_stands_below_the_last_of_those_it_waits_for_and_says_what_the_others_are() -> None:
    graph = graph_of("abcd", [("a", "b"), ("b", "d"), ("a", "d"), ("c", "d")])
    assert outline(graph) == ["a", "└─ b", "   └─ d", "c"]
    assert row(graph, "d").notes == ["also after a, c"]
    assert row(graph, "b").notes == row(graph, "c").notes == []


def test_workflows_are_sections() -> None:
    nodes = [
        node("before", "app.before"),
        workflow("w", name="nightly", created_at=AT - timedelta(seconds=90)),
        node("a", "app.a", workflow_id="w"),
        node("b", "app.b", "deferred", workflow_id="w"),
        node("after", "app.after", "deferred"),
    ]
    graph = graph_of(nodes, [edge("before", "a"), edge("a", "b"), edge("w", "after")])
    assert outline(graph) == ["before", "nightly", "└─ a", "   └─ b", "after"]
    section = row(graph, "nightly")
    assert (section.notes, section.took, section.counts) == (["1 of 2 ended"], "1 m 30 s", {JobStatus.JOINING: 1})
    assert row(graph, "a").notes == ["after before"]
    assert row(graph, "after").notes == ["after nightly"]


def test_a_workflow_stands_where_its_first_member_does() -> None:
    nodes = [node("x"), node("y", "app.y"), workflow("w"), node("a", "app.a", workflow_id="w"), workflow("v")]
    nodes.append(node("b", "app.b", workflow_id="v"))
    graph = graph_of(nodes, [edge("x", "y"), edge("y", "b")])
    assert [each.ids[0] for each in rows(graph)] == ["x", "y", "w", "a", "v", "b"]


@pytest.mark.parametrize("status", ["upstream_failed", "skipped"])
def test_a_workflow_whose_own_job_could_not_finish_has_failed(status: str) -> None:
    graph = graph_of([workflow("w", status), node("a", "app.a", "failed", workflow_id="w")])
    assert row(graph, "workflow").counts == {JobStatus.FAILED: 1}


def test_of_a_workflow_next_to_another_nothing_is_said_that_was_not_read() -> None:
    graph = graph_of([workflow("w", name="other"), node("a")], [edge("w", "a")])
    assert row(graph, "other").notes == []


def test_a_workflow_that_was_not_read_is_no_section() -> None:
    graph = graph_of([node("a", "app.a", workflow_id="w"), node("b", "app.b", workflow_id="w")], [("a", "b")])
    assert outline(graph) == ["a", "└─ b"]


def test_notes_on_rules_name_those_that_do_not_go_without_saying() -> None:
    groups = [edge("a", "c", rule="all_done"), edge("b", "c", rule="one_success")]
    assert row(graph_of("abc", groups), "c").notes == ["also after a", "rule: all_done", "rule: one_success"]
    assert row(graph_of("ab", [("a", "b")]), "b").notes == []


def test_how_a_spawned_job_is_joined_is_not_its_rule() -> None:
    """Not where all jobs of a function are one either, so that spawned jobs also come after those of their spawner."""
    edges = [edge("a0", "b0", "spawn", "none_failed"), edge("a0", "a1", "spawn", "none_failed"), edge("a1", "b0")]
    nodes = [node("a0", "app.a", spawned_by="x"), node("a1", "app.a", spawned_by="a0")]
    graph = graph_of([*nodes, node("b0", "app.b", spawned_by="a0")], edges)
    folded = fold(graph, 1)
    assert folded.by == "function"
    assert [each.notes for each in rows_of(graph, folded)] == [["one after another"], ["spawned"]]
    assert "none_failed" not in graph.to_mermaid(folded=True) + graph.to_dot()


def test_notes_on_spawned_jobs_and_fallbacks() -> None:
    nodes = [node("a", "app.a"), node("b", "app.b", spawned_by="a"), node("c", "app.c", fallback_of="b")]
    graph = graph_of(nodes, [edge("a", "b", "spawn"), edge("b", "c", "fallback", "fallback")])
    assert outline(graph) == ["a", "└─ b", "   └─ c"]
    assert [each.notes for each in rows(graph)] == [[], ["spawned"], ["stands in if that fails"]]
    flow = [workflow("w"), node("s", "app.s"), node("t", "app.t", workflow_id="w", spawned_by="s")]
    flow.append(node("u", "app.u", workflow_id="w", fallback_of="s"))
    graph = graph_of(flow, [edge("s", "t", "spawn"), edge("s", "u", "fallback", "fallback")])
    assert row(graph, "t").notes == ["spawned by s"]
    assert row(graph, "u").notes == ["stands in for s if that fails"]


def test_notes_on_how_many_each_comes_after() -> None:
    parts = [f"p{number}" for number in range(6)]
    ends = ["e0", "e1"]
    graph = graph_of([*parts, *ends], [(part, ends[number % 2]) for number, part in enumerate(parts)])
    assert [(each.label, each.count, each.notes) for each in rows(graph)] == [
        ("p", 6, []),
        ("e", 2, ["each after 3 of them"]),
    ]
    graph = graph_of([*parts, *ends], [(part, end) for part in parts for end in ends])
    assert row(graph, "e").notes == []
    some = graph_of([*parts, *ends], [(parts[0], "e0"), (parts[1], "e0"), (parts[2], "e1")])
    assert [each.notes for each in rows(some, 2)] == [[], ["each after 1 to 2 of them"]]


def test_notes_on_others_say_of_how_many() -> None:
    parts = [f"p{number}" for number in range(4)]
    edges = [("a", "b"), *((part, "e0") for part in parts[:2]), *((part, "e1") for part in parts[2:])]
    graph = graph_of([*parts, "a", "b", "e0", "e1"], [*edges, ("b", "e0"), ("b", "e1")])
    assert row(graph, "e").notes == ["also after p (2 of them)"]


def test_notes_on_jobs_of_one_fold_that_wait_for_each_other() -> None:
    graph = graph_of([f"a{number}" for number in range(50)], [(f"a{n}", f"a{n + 1}") for n in range(49)])
    (only,) = rows(graph, 10)
    assert (only.count, only.notes) == (50, ["one after another"])


def test_notes_on_the_state_of_a_job() -> None:
    nodes = [
        node("a", "app.a", "started", progress=Progress(3, 10, "files"), attempt=2),
        node("b", "app.b", progress=Progress(10, 10), attempt=1),
        node("c", "app.c", "created", is_held=True),
        node("d", "app.d", "canceled", reason="its ttl of 60 s ran out before it started"),
        node("e", "app.e", queue="slow", name="the report of today"),
    ]
    graph = graph_of(nodes)
    assert [each.notes for each in rows(graph)] == [
        ["attempt 2", str(Progress(3, 10, "files"))],
        [],
        ["held"],
        ["its ttl of 60 s ran out before it started"],
        ["the report of today", "queue slow"],
    ]


def test_notes_on_the_state_of_many_jobs() -> None:
    graph = graph_of(
        [node(f"a{n}", "app.a", attempt=n, is_held=True, reason="r", name="n", queue="slow") for n in range(4)]
        + [node(f"b{n}", "app.b", attempt=1) for n in range(9)]
    )
    assert [each.notes for each in rows(graph)] == [["queue slow", "up to 3 attempts"], []]


def test_a_fold_of_50_is_summarised() -> None:
    statuses = ["finished"] * 48 + ["failed", "started"]
    parts = [
        node(f"p{n}", "app.summarise", status, runs=ran(n + 1) if status == "finished" else ())
        for n, status in enumerate(statuses)
    ]
    graph = graph_of([node("load", "app.load"), *parts], [("load", part.id) for part in parts])
    found = row(graph, "summarise")
    assert found.counts == {JobStatus.FINISHED: 48, JobStatus.FAILED: 1, JobStatus.STARTED: 1}
    assert (found.count, found.ids, found.took) == (50, ["p48"], "1 s – 48 s")
    line = str(graph).splitlines()[1]
    assert line.startswith("└─ summarise ×50")
    for part in ("✔48", "✖1", "▶1", "p48", "1 s – 48 s"):
        assert part in line.split() or part in line


def test_of_those_that_failed_three_are_named() -> None:
    parts = [node(f"p{n}", status="stopped" if n == 0 else "failed" if n < 5 else "upstream_failed") for n in range(9)]
    assert rows(graph_of(parts))[0].ids == ["p0", "p1", "p2", "…"]
    assert rows(graph_of(parts[2:]))[0].ids == ["p2", "p3", "p4"]
    assert rows(graph_of(parts[5:]))[0].ids == []


def test_how_long_it_took() -> None:
    running = [
        Run(AT - timedelta(seconds=70), AT - timedelta(seconds=60), "failed"),
        Run(AT - timedelta(seconds=5), None, None),
    ]
    graph = graph_of([node("a", "app.a", "started", runs=running), node("b", "app.b", "queued")])
    assert [each.took for each in rows(graph)] == ["5 s", ""]
    graph = graph_of([node(f"a{n}", runs=ran(2)) for n in range(3)])
    assert [each.took for each in rows(graph)] == ["2 s"]


# Size


def chain(count: int) -> Graph:
    return graph_of([f"a{n}" for n in range(count)], [(f"a{n}", f"a{n + 1}") for n in range(count - 1)])


def fan_out(count: int) -> Graph:
    return graph_of(["r", *(f"a{n}" for n in range(count - 1))], [("r", f"a{n}") for n in range(count - 1)])


def layered(count: int) -> Graph:
    """Layers of 100 jobs of five functions, each of which waits for three of the layer above."""
    chance = random.Random(1)
    nodes = [f"{chance.choice('abcde')}{n}" for n in range(count)]
    edges = []
    for at in range(100, count):
        above = nodes[at // 100 * 100 - 100 : at // 100 * 100]
        edges += [(other, nodes[at]) for other in chance.sample(above, 3)]
    return graph_of(nodes, edges)


def workflows(count: int) -> Graph:
    """Workflows of nine jobs, one after the other."""
    nodes: list[GraphNode] = []
    edges = []
    for number in range(count // 10):
        own = f"w{number}"
        nodes += [workflow(own), *(node(f"j{number}.{n}", workflow_id=own) for n in range(9))]
        edges += [(f"w{number - 1}", f"j{number}.0")] if number else []
    return graph_of(nodes, edges)


SHAPES: list[Callable[[int], Graph]] = [chain, fan_out, layered]


@pytest.mark.parametrize("shape", SHAPES)
def test_10000_jobs_fit_a_screen(shape: Callable[[int], Graph]) -> None:
    began = time.process_time()
    graph = shape(10_000)
    for lines in (5, 40):
        shown = graph.to_tree(lines=lines).splitlines()
        functions = {each.function for each in graph.nodes.values()}
        assert len(shown) <= max(lines, len(functions) + 3)
        assert f"{len(graph.nodes)} jobs: ✔ 10000 finished" in shown
    assert sum(each.count for each in rows(graph, 37)) == 10_000
    assert time.process_time() - began < 20  # it takes one or two; what looks at each pair of jobs, minutes


@pytest.mark.parametrize("shape", [*SHAPES, workflows])
def test_folding_looks_at_each_edge_a_few_times_only(shape: Callable[[int], Graph]) -> None:
    """However large the graph is: counted are the looks at edges and at jobs."""
    looks = Counter[str]()

    class Edges(list[GraphEdge]):
        def __iter__(self) -> Any:
            for each in super().__iter__():
                looks["edges"] += 1
                yield each

    class Nodes(dict[str, GraphNode]):
        def __iter__(self) -> Any:
            for each in super().__iter__():
                looks["nodes"] += 1
                yield each

        def __getitem__(self, key: str) -> GraphNode:
            looks["nodes"] += 1
            return super().__getitem__(key)

        def items(self) -> Any:
            looks["nodes"] += len(self)
            return super().items()

        def values(self) -> Any:
            looks["nodes"] += len(self)
            return super().values()

    for count in (500, 2_000):
        plain = shape(count)
        graph = Graph(plain.root, Nodes(plain.nodes), Edges(plain.edges), AT)
        looks.clear()
        graph.to_tree(lines=40)
        assert looks["edges"] <= 10 * len(plain.edges)
        assert looks["nodes"] <= 20 * len(plain.nodes)
        looks.clear()
        graph.to_mermaid()
        assert looks["edges"] <= 10 * len(plain.edges)
        assert looks["nodes"] <= 20 * len(plain.nodes)


def test_a_tree_is_indented_so_far_and_no_further():
    graph = chain(2_000)
    rows = rows_of(graph, unfolded(graph))
    assert len(rows) == 2_000
    assert max(len(row.branch) for row in rows) == 30 * 3
