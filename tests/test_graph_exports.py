"""Graphs as JSON, for Mermaid, for Graphviz and as plain text: right, whatever jobs are called."""

from __future__ import annotations

import json
import re
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import IN_FULL

from rqdeps.graph import Graph, GraphEdge, GraphNode, Run
from rqdeps.graph.looks import LOOKS
from rqdeps.graph.nodes import EdgeKind
from rqdeps.status import JobStatus
from rqdeps.telling import Progress

with warnings.catch_warnings():  # pydot calls what it is made with by names of old
    warnings.simplefilter("ignore", DeprecationWarning)
    import pydot.dot_parser

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)

HOSTILE = [
    *('"', "\\", '\\"', "a\nb", "<script>alert(1)</script>", "<b>bold</b>", "]", "}", '"]:::x', "end", "%%{init}%%"),
    *("`code`", "# one; two", "&lt;", "ünïcødé 漢字", "🦊", "\x00\x1b[31m\x7f", "a\u202eb", "x|y", "--> n1", "\\N"),
    *("*bold*", "#quot;", "subgraph w0", "fa:fa-ban", "$$x$$", "a;b", "'", "[red]", "\r", "\t"),
]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def edge(
    source: str, target: str, kind: EdgeKind = "dependency", rule: str = "all_success", outcome: JobStatus | None = None
) -> GraphEdge:
    return GraphEdge(source, target, kind, rule, 0, outcome)


def node(job_id: str, function: str = "app.work", status: str = "finished", **fields: Any) -> GraphNode:
    return GraphNode(job_id, JobStatus(status), function, **fields)


def graph_of(*nodes: GraphNode, edges: Any = (), is_whole: bool = True) -> Graph:
    return Graph(nodes[0].id, {each.id: each for each in nodes}, list(edges), AT, is_whole)


def sample() -> Graph:
    """One of each: a job outside, a workflow with jobs that are alike, a fallback, a spawned job, a deleted one."""
    ran = [Run(AT - seconds(3), AT - seconds(1), "finished")]
    retried = [Run(AT - seconds(9), AT - seconds(8), "lost"), Run(AT - seconds(1.5), None, None)]
    loads = [node(f"load-{n}", "app.io.load", workflow_id="flow", runs=ran, queue="default") for n in range(4)]
    return graph_of(
        GraphNode("gone", None),
        node("begin", "app.begin", runs=ran, created_at=AT - seconds(60), queued_at=AT - seconds(50), ended_at=AT),
        node("flow", "", "joining", workflow_id="flow", name="nightly", created_at=AT - seconds(60)),
        *loads,
        node("sum", "app.total", "failed", workflow_id="flow", queue="slow", attempt=2, reason="worker lost"),
        node("spare", "app.estimate", "started", workflow_id="flow", fallback_of="sum", runs=retried, attempt=2),
        node("part", "app.part", "scheduled", workflow_id="flow", spawned_by="spare", scheduled_for=AT + seconds(60)),
        node("mapped", "app.each", "created", is_map=True, is_held=True, progress=Progress(1, 4)),
        edges=[
            edge("gone", "begin", outcome=JobStatus.FINISHED),
            *(edge("begin", load.id, "output") for load in loads),
            *(edge(load.id, "sum", rule="all_done") for load in loads),
            edge("sum", "spare", "fallback", "fallback"),
            edge("spare", "part", "spawn", "none_failed"),
            edge("flow", "mapped"),
        ],
    )


def hostile() -> Graph:
    """Jobs and a workflow with names that mean something to somebody."""
    nodes = [node(f"job-{n}", f"app.{name}") for n, name in enumerate(HOSTILE)]
    flows = [node(f"flow-{n}", "", workflow_id=f"flow-{n}", name=name) for n, name in enumerate(HOSTILE)]
    inside = [node(f"in-{n}", "app.inside", workflow_id=f"flow-{n}", name=name) for n, name in enumerate(HOSTILE)]
    links = [edge(f"job-{n}", f"in-{n}", rule=name) for n, name in enumerate(HOSTILE)]
    return graph_of(*nodes, *flows, *inside, edges=links)


def on_a_screen(name: str) -> str:
    """A name as pictures have it: what can't be printed is a blank."""
    return "".join(each if each.isprintable() else " " for each in name)


def short(function: str) -> str:
    return function.rpartition(".")[2]


# JSON

NODE_KEYS = {
    *("id", "status", "function", "is_map", "is_workflow", "name", "queue", "attempt", "duration", "runs"),
    *("created_at", "queued_at", "scheduled_for", "ended_at", "progress", "reason", "workflow", "spawned_by"),
    *("fallback_of", "is_held"),
}


def test_json_holds_every_job_and_edge() -> None:
    graph = sample()
    plain = graph.to_dict()
    assert json.loads(graph.to_json()) == plain
    assert json.loads(graph.to_json(indent=2)) == plain
    assert ("\n" in graph.to_json(), "\n  " in graph.to_json(indent=2)) == (False, True)
    assert [each["id"] for each in plain["nodes"]] == list(graph.nodes)
    assert [(each["source"], each["target"], each["kind"], each["rule"]) for each in plain["edges"]] == [
        each[:4] for each in graph.edges
    ]


def test_json_always_has_the_same_keys() -> None:
    for graph in (sample(), graph_of(GraphNode("a", None)), hostile()):
        plain = graph.to_dict()
        assert set(plain) == {"root", "at", "is_whole", "counts", "nodes", "edges"}
        assert all(set(each) == NODE_KEYS for each in plain["nodes"])
        assert all(set(each) == {"source", "target", "kind", "rule", "group", "outcome"} for each in plain["edges"])
        runs = [run for each in plain["nodes"] for run in each["runs"]]
        assert all(set(run) == {"started_at", "ended_at", "outcome"} for run in runs)


def test_json_tells_all_of_a_job() -> None:
    plain = sample().to_dict()
    found = {each["id"]: each for each in plain["nodes"]}
    assert found["begin"] == {
        "id": "begin",
        "status": "finished",
        "function": "app.begin",
        "is_map": False,
        "is_workflow": False,
        "name": "",
        "queue": "",
        "attempt": 0,
        "duration": 2.0,
        "runs": [
            {
                "started_at": "2026-01-02T03:04:02.678+00:00",
                "ended_at": "2026-01-02T03:04:04.678+00:00",
                "outcome": "finished",
            }
        ],
        "created_at": "2026-01-02T03:03:05.678+00:00",
        "queued_at": "2026-01-02T03:03:15.678+00:00",
        "scheduled_for": None,
        "ended_at": "2026-01-02T03:04:05.678+00:00",
        "progress": None,
        "reason": "",
        "workflow": None,
        "spawned_by": None,
        "fallback_of": None,
        "is_held": False,
    }
    assert found["gone"]["status"] == "deleted"
    assert (found["flow"]["is_workflow"], found["flow"]["workflow"], found["flow"]["name"]) == (True, "flow", "nightly")
    assert (found["spare"]["fallback_of"], found["spare"]["duration"]) == ("sum", 1.5)
    assert found["spare"]["runs"][1] == {
        "started_at": "2026-01-02T03:04:04.178+00:00",
        "ended_at": None,
        "outcome": None,
    }
    assert (found["part"]["spawned_by"], found["part"]["scheduled_for"]) == ("spare", "2026-01-02T03:05:05.678+00:00")
    assert (found["mapped"]["is_map"], found["mapped"]["is_held"]) == (True, True)
    assert found["mapped"]["progress"] == str(Progress(1, 4))
    assert (found["sum"]["reason"], found["sum"]["attempt"], found["sum"]["queue"]) == ("worker lost", 2, "slow")
    assert plain["edges"][0] == {
        "source": "gone",
        "target": "begin",
        "kind": "dependency",
        "rule": "all_success",
        "group": 0,
        "outcome": "finished",
    }
    assert (plain["root"], plain["at"], plain["is_whole"]) == ("gone", "2026-01-02T03:04:05.678+00:00", True)
    assert plain["counts"] == {"created": 1, "scheduled": 1, "started": 1, "finished": 5, "failed": 1}


def test_times_in_json_are_iso_8601() -> None:
    plain = sample().to_dict()
    assert datetime.fromisoformat(plain["at"]) == AT
    for each in plain["nodes"]:
        for name in ("created_at", "queued_at", "scheduled_for", "ended_at"):
            if each[name] is not None:
                assert datetime.fromisoformat(each[name]).tzinfo == timezone.utc


def test_json_keeps_every_name() -> None:
    graph = hostile()
    found = json.loads(graph.to_json())["nodes"]
    assert [(each["function"], each["name"]) for each in found] == [
        (each.function, each.name) for each in graph.nodes.values()
    ]


# Graphviz


def read_dot(text: str) -> pydot.Dot:
    (parsed,) = pydot.graph_from_dot_data(text)
    assert (parsed.get_type(), parsed.get_name()) == ("digraph", "jobs")
    return parsed


def said(element: Any) -> list[str]:
    """The lines of a label, as Graphviz shows them."""
    quoted = element.get("label")
    assert quoted[0] == quoted[-1] == '"'
    inside = quoted[1:-1]
    assert re.fullmatch(r'(?:[^"\\\n]|\\["\\n])*', inside), inside
    marked = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], inside)
    return marked.split("\n")


def boxes(part: Any) -> dict[str, Any]:
    """The nodes of a graph, or of a cluster, without the two that stand for defaults."""
    return {each.get_name(): each for each in part.get_nodes() if each.get_name() not in ("node", "edge")}


def test_dot_has_every_job_workflow_and_edge() -> None:
    parsed = read_dot(sample().to_dot())
    (cluster,) = parsed.get_subgraphs()
    assert said(cluster) == ["nightly (joining)"]
    outside, inside = boxes(parsed), boxes(cluster)
    assert sorted(said(each) for each in outside.values()) == [
        ["(deleted)", "deleted"],
        ["begin", "finished · 2 s"],
        ["map each", "created"],
    ]
    labels = {said(each)[0]: name for name, each in {**outside, **inside}.items()}
    assert sorted(said(each)[0] for each in inside.values()) == [
        *("end", "estimate", "load", "load", "load", "load", "part", "total"),
    ]
    found = {(each.get_source(), each.get_destination()): each for each in parsed.get_edges()}
    assert len(found) == len(sample().edges)
    assert found[labels["(deleted)"], labels["begin"]].get("style") is None
    assert said(found[labels["total"], labels["estimate"]]) == ["if it fails"]
    assert found[labels["total"], labels["estimate"]].get("style") == "dashed"
    assert said(found[labels["estimate"], labels["part"]]) == ["spawns"]
    assert (labels["end"], labels["map each"]) in found
    loads = [name for name, each in inside.items() if said(each)[0] == "load"]
    assert all(said(found[load, labels["total"]]) == ["all_done"] for load in loads)
    assert {end for pair in found for end in pair} <= {*outside, *inside}


def test_dot_folded() -> None:
    parsed = read_dot(sample().to_dot(folded=True))
    (cluster,) = parsed.get_subgraphs()
    (load,) = [each for each in boxes(cluster).values() if said(each)[0].startswith("load")]
    assert said(load) == ["load ×4", "✔4"]
    assert len(parsed.get_edges()) == len(sample().edges) - 6


def test_dot_colours_say_the_status() -> None:
    graph = graph_of(*(node(str(number), f"app.f{number}", status) for number, status in enumerate(JobStatus)))
    found = {said(each)[1]: each.get("fillcolor") for each in boxes(read_dot(graph.to_dot())).values()}
    assert found == {status.value: f'"{LOOKS[status].fill}"' for status in JobStatus}


def test_dot_takes_every_name() -> None:
    graph = hostile()
    for folded in (False, True):
        parsed = read_dot(graph.to_dot(folded=folded))
        assert sorted(said(each)[0] for each in boxes(parsed).values()) == sorted(
            on_a_screen(short(f"app.{name}")) for name in HOSTILE
        )
        clusters = parsed.get_subgraphs()
        assert sorted(said(each) for each in clusters) == sorted(
            [f"{on_a_screen(name)} (finished)"] for name in HOSTILE
        )
        assert [len(boxes(each)) for each in clusters] == [1] * len(HOSTILE)
        assert sorted(said(each)[0] for each in parsed.get_edges()) == sorted(on_a_screen(name) for name in HOSTILE)


# Mermaid

#: What may stand in a label as it is; a browser and Mermaid take it for what it is.
PLAIN = r"[\w .,:()·×" + re.escape("".join(look.mark for look in LOOKS.values())) + r"-]|#\d+;|<br/>"
LABEL = rf'"((?:{PLAIN})*)"'

LINES = {
    "box": re.compile(rf" {{4}}(?: {{4}})?(n\d+)\[{LABEL}\]:::(\w+)"),
    "frame": re.compile(rf" {{4}}subgraph (w\d+)\[{LABEL}\]"),
    "end": re.compile(r" {4}end"),
    "arrow": re.compile(rf" {{4}}([nw]\d+) (-->|-\.->)(?:\|{LABEL}\|)? ([nw]\d+)"),
    "class": re.compile(r" {4}classDef (\w+) fill:(#[0-9a-f]{6}),stroke:#555,color:#222"),
}


class Flowchart:
    """A flowchart that was read strictly: every line is one of the five there are, and every name is known."""

    def __init__(self, text: str) -> None:
        head, *lines = text.split("\n")
        assert head == "flowchart TD"
        assert lines.pop() == ""
        self.boxes: dict[str, list[str]] = {}
        self.frames: dict[str, list[str]] = {}
        self.inside: dict[str, str] = {}
        self.arrows: dict[tuple[str, str], tuple[str, str]] = {}
        classes: dict[str, str] = {}
        self.classes: dict[str, str] = {}
        frame = ""
        for line in lines:
            kind, parts = self._read(line)
            if kind == "box":
                assert parts[0] not in self.boxes
                self.boxes[parts[0]] = self.text(parts[1])
                self.inside[parts[0]] = frame
                self.classes[parts[0]] = parts[2]
            elif kind == "frame":
                assert frame == ""
                assert parts[0] not in self.frames
                frame = parts[0]
                self.frames[frame] = self.text(parts[1])
            elif kind == "end":
                assert frame != ""
                frame = ""
            elif kind == "arrow":
                assert (parts[0], parts[3]) not in self.arrows
                self.arrows[parts[0], parts[3]] = parts[1], "".join(self.text(parts[2] or ""))
            else:
                assert parts[0] not in classes
                classes[parts[0]] = parts[1]
        assert frame == ""
        known = {*self.boxes, *self.frames}
        assert all({*ends} <= known for ends in self.arrows)
        assert set(self.classes.values()) == set(classes)
        assert all(fill == LOOKS[None if name == "deleted" else JobStatus(name)].fill for name, fill in classes.items())

    @staticmethod
    def _read(line: str) -> tuple[str, Any]:
        found = [(kind, match.groups()) for kind, form in LINES.items() if (match := form.fullmatch(line))]
        assert len(found) == 1, line
        return found[0]

    @staticmethod
    def text(label: str) -> list[str]:
        """The lines of a label, as people read them."""
        return [re.sub(r"#(\d+);", lambda match: chr(int(match[1])), line) for line in label.split("<br/>")]


def test_mermaid_has_every_job_workflow_and_edge() -> None:
    chart = Flowchart(sample().to_mermaid())
    assert chart.frames == {"w0": ["nightly (joining)"]}
    names = {lines[0]: name for name, lines in chart.boxes.items()}
    assert chart.boxes[names["(deleted)"]] == ["(deleted)", "deleted"]
    assert chart.boxes[names["begin"]] == ["begin", "finished · 2 s"]
    assert chart.boxes[names["map each"]] == ["map each", "created"]
    assert sorted(lines[0] for name, lines in chart.boxes.items() if chart.inside[name] == "w0") == [
        *("estimate", "load", "load", "load", "load", "part", "total"),
    ]
    assert len(chart.arrows) == len(sample().edges)
    assert chart.arrows[names["(deleted)"], names["begin"]] == ("-->", "")
    assert chart.arrows[names["total"], names["estimate"]] == ("-.->", "if it fails")
    assert chart.arrows[names["estimate"], names["part"]] == ("-.->", "spawns")
    assert chart.arrows["w0", names["map each"]] == ("-->", "")
    loads = [name for name, lines in chart.boxes.items() if lines[0] == "load"]
    assert {chart.arrows[load, names["total"]] for load in loads} == {("-->", "all_done")}
    assert {lines[0]: chart.classes[name] for name, lines in chart.boxes.items()} == {
        "(deleted)": "deleted",
        "begin": "finished",
        "load": "finished",
        "total": "failed",
        "estimate": "started",
        "part": "scheduled",
        "map each": "created",
    }


def test_mermaid_folded() -> None:
    chart = Flowchart(sample().to_mermaid(folded=True))
    (load,) = [name for name, lines in chart.boxes.items() if lines[0].startswith("load")]
    assert (chart.boxes[load], chart.inside[load]) == (["load ×4", "✔4"], "w0")
    assert len(chart.arrows) == len(sample().edges) - 6


@pytest.mark.parametrize(
    ("statuses", "counts_most"),
    [
        (["finished"] * 3 + ["failed"], "failed"),
        (["finished", "started", "queued"], "started"),
        (["finished", "deferred"], "deferred"),
        (["skipped", "finished"], "finished"),
        (["joining", "upstream_failed", "stopped"], "stopped"),
    ],
)
def test_of_jobs_that_are_one_the_status_counts_that_people_look_for(statuses: list[str], counts_most: str) -> None:
    graph = graph_of(*(node(str(number), status=status) for number, status in enumerate(statuses)))
    chart = Flowchart(graph.to_mermaid(folded=True))
    assert list(chart.classes.values()) == [counts_most]
    assert f'"{LOOKS[JobStatus(counts_most)].fill}"' in graph.to_dot(folded=True)


def test_mermaid_spells_out_whatever_means_something() -> None:
    graph = hostile()
    for folded in (False, True):
        text = graph.to_mermaid(folded=folded)
        chart = Flowchart(text)
        outside = [lines[0] for name, lines in chart.boxes.items() if not chart.inside[name]]
        assert sorted(outside) == sorted(on_a_screen(short(f"app.{name}")) for name in HOSTILE)
        assert sorted(chart.frames.values()) == sorted([f"{on_a_screen(name)} (finished)"] for name in HOSTILE)
        assert sorted(label for _, label in chart.arrows.values()) == sorted(on_a_screen(name) for name in HOSTILE)
        assert not re.search(r"[`'{}&$*\\\x00-\x09\x0b-\x1f\x7f]", text)
        for label in re.findall(r'"(.*?)"', text):
            assert not re.search(r"[<>\[\]|;]", re.sub(r"<br/>|#\d+;", "", label))


@settings(max_examples=2_000 if IN_FULL else 25)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_any_name_can_be_drawn(name: str) -> None:
    flow = node("w", "", workflow_id="w", name=name)
    graph = graph_of(node("a", f"app.{name}"), flow, node("b", workflow_id="w"), edges=[edge("a", "b", rule=name)])
    chart = Flowchart(graph.to_mermaid())
    parsed = read_dot(graph.to_dot())
    (cluster,) = parsed.get_subgraphs()
    expected = on_a_screen(short(f"app.{name}"))
    assert [lines[0] for box, lines in chart.boxes.items() if not chart.inside[box]] == [expected]
    assert [said(each)[0] for each in boxes(parsed).values()] == [expected]
    assert said(cluster) == chart.frames["w0"] == [f"{on_a_screen(name)} (finished)"]
    *_, footer = graph.to_tree().split("\n")
    assert footer == "2 jobs: ✔ 2 finished"
    assert json.loads(graph.to_json())["nodes"][1]["name"] == name


# Plain text

TREE = """\
(deleted)          † deleted              gone
└─ begin           ✔ finished   2 s       begin
nightly            ⑂ joining    1 m 00 s  flow    5 of 7 ended
└─ load ×4         ✔4           2 s               after begin
   └─ total        ✖ failed               sum     rule: all_done, queue slow, attempt 2, worker lost
      └─ estimate  ▶ started    1.5 s     spare   stands in if that fails, attempt 2
         └─ part   ◷ scheduled            part    spawned
map each           ◌ created              mapped  after nightly, held

10 jobs: ◌ 1 created  ◷ 1 scheduled  ▶ 1 started  ✔ 5 finished  ✖ 1 failed  † 1 deleted"""

FULL_TREE = """\
(deleted)          † deleted              gone
└─ begin           ✔ finished   2 s       begin
nightly            ⑂ joining    1 m 00 s  flow    5 of 7 ended
├─ load            ✔ finished   2 s       load-0  after begin
├─ load            ✔ finished   2 s       load-1  after begin
├─ load            ✔ finished   2 s       load-2  after begin
└─ load            ✔ finished   2 s       load-3  after begin
   └─ total        ✖ failed               sum     also after load ×3, rule: all_done, queue slow, attempt 2, worker lost
      └─ estimate  ▶ started    1.5 s     spare   stands in if that fails, attempt 2
         └─ part   ◷ scheduled            part    spawned
map each           ◌ created              mapped  after nightly, held

10 jobs: ◌ 1 created  ◷ 1 scheduled  ▶ 1 started  ✔ 5 finished  ✖ 1 failed  † 1 deleted"""


def test_a_tree_is_what_is_printed() -> None:
    graph = sample()
    assert str(graph) == graph.to_tree()
    assert graph.to_tree() == TREE


def test_a_tree_of_each_job_by_itself() -> None:
    assert sample().to_tree(folded=False) == FULL_TREE
    assert sample().to_tree(folded=False, lines=1) == FULL_TREE


def test_one_job() -> None:
    assert str(graph_of(node("a", status="queued"))) == "work  ● queued    a\n\n1 job: ● 1 queued"


def test_a_tree_says_how_far_it_was_folded() -> None:
    chain = [node(f"a{number}", f"app.{'xyz'[number % 3]}") for number in range(12)]
    graph = graph_of(*chain, edges=[edge(f"a{number}", f"a{number + 1}") for number in range(11)])
    assert graph.to_tree(lines=20).split("\n")[12:] == ["", "12 jobs: ✔ 12 finished"]
    assert graph.to_tree(lines=7).split("\n")[3:] == [
        *("", "12 jobs: ✔ 12 finished", "All jobs of a function are shown as one."),
    ]
    works = [node(f"b{number}") for number in range(6)]
    after = [node(f"c{number}", f"app.after_{number}") for number in range(6)]
    graph = graph_of(*works, *after, edges=[edge(f"b{number}", f"c{number}") for number in range(6)])
    assert graph.to_tree(lines=15).split("\n")[12:] == ["", "12 jobs: ✔ 12 finished"]
    assert graph.to_tree(lines=10).split("\n")[7:] == [
        *("", "12 jobs: ✔ 12 finished", "Jobs of a function at the same depth are shown as one."),
    ]


def test_a_tree_says_that_there_is_more() -> None:
    graph = graph_of(node("a"), is_whole=False)
    assert str(graph).split("\n")[-1] == "There are more jobs than these."


def test_hostile_names_stay_on_their_line() -> None:
    """Neither a line of its own, nor a sequence that a terminal obeys."""
    graph = hostile()
    for folded in (True, False):
        lines = graph.to_tree(folded=folded, lines=None).split("\n")
        assert len(lines) == len(graph.nodes) + 2
        assert all(line.isprintable() for line in lines)
        for job_id in graph.nodes:
            assert sum(job_id in line.split() for line in lines) == 1


def test_long_names_are_not_cut() -> None:
    name = "long_" * 60
    assert name in str(graph_of(node("a", f"app.{name}"), node("b", "", workflow_id="b", name="x " * 200)))


def test_a_long_tree_has_the_same_columns_as_a_short_one():
    nodes = [node(f"j{number:03}") for number in range(400)]
    long = graph_of(*nodes).to_tree(folded=False, lines=None).splitlines()
    short = graph_of(*nodes[:200]).to_tree(folded=False, lines=None).splitlines()
    assert long[:200] == short[:200]
    assert len(long) == 400 + 2
