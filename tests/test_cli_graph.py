"""``rqdeps graph``: each form, on a terminal and elsewhere, once and as it changes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import samples
import steps
from by_hand import HandWorker
from click.testing import Result
from every_status import claim_until
from redis import Redis
from terminals import ESCAPE, TESTS, Terminal, process, run

from rqdeps import Job, Queue, SimpleWorker, Workflow

#: Takes over the screen, colours, and moves the cursor; the last is one character that does as much in some terminals.
EVIL = "a\x1b[2J\x9b31m\rb"
EVIL_SHOWN = r"a\x1b[2J\x9b31m\rb"


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["work"])


@pytest.fixture
def graph(valkey_url: str) -> Callable[..., Result]:
    """Runs ``rqdeps graph``."""
    return lambda *args: run("graph", *args, "--url", valkey_url)


Graph = Callable[..., Result]


def chain(q: Queue) -> list[Job[Any]]:
    first = q.enqueue(steps.nothing)
    second = q.enqueue(steps.boom, depends_on=first)
    return [first, second, q.enqueue(samples.anything, depends_on=second)]


def work(q: Queue) -> None:
    SimpleWorker(q.name, connection=q.store.client).work(burst=True)


def ids_in(output: str) -> list[str]:
    return re.findall(r"\b[A-Za-z0-9]{16}\b", output)


# The tree


def test_a_tree_shows_each_job_below_what_it_waited_for(graph: Graph, q: Queue):
    jobs = chain(q)
    work(q)
    result = graph(jobs[1].id)
    assert result.exit_code == 0
    rows = [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()[:3]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("nothing", "✔ finished", jobs[0].id),
        ("└─ boom", "✖ failed", jobs[1].id),
        ("└─ anything", "▽ upstream_failed", jobs[2].id),
    ]
    assert result.stdout.splitlines()[3:] == ["", "3 jobs: ✔ 1 finished  ✖ 1 failed  ▽ 1 upstream_failed"]
    assert result.stderr == ""


def test_a_workflow_is_shown_by_its_name(graph: Graph, q: Queue):
    with Workflow("nightly", queue=q) as workflow:
        job = workflow.enqueue(steps.nothing)
    shown = graph(workflow.id).stdout
    assert shown.startswith("nightly")
    assert ids_in(shown) == [workflow.id, job.id]


def test_jobs_that_are_alike_are_shown_as_one_unless_told_otherwise(graph: Graph, q: Queue):
    many = [q.enqueue(steps.nothing) for _ in range(4)]
    last = q.enqueue(samples.anything, depends_on=many)
    for options in ([], ["--fold"]):
        assert re.match(r"nothing ×4 +●4\n└─ anything +○ deferred", graph(last.id, *options).stdout)
    full = graph(last.id, "--full").stdout
    assert sorted(ids_in(full)) == sorted(job.id for job in (*many, last))
    assert len(full.splitlines()) == 5 + 2


def test_a_graph_larger_than_wanted_is_cut_and_that_is_said(graph: Graph, q: Queue):
    jobs = chain(q)
    result = graph(jobs[0].id, "--most", "2", "--full")
    assert ids_in(result.stdout) == [jobs[0].id, jobs[1].id]
    assert result.stderr == "These are the nearest 2 jobs: --most shows more.\n"
    assert graph(jobs[0].id, "--most", "3").stderr == ""


# Other forms


def test_mermaid_and_dot_are_full_unless_folded(graph: Graph, q: Queue):
    many = [q.enqueue(steps.nothing) for _ in range(3)]
    last = q.enqueue(samples.anything, depends_on=many)
    for form, arrow in (("mermaid", "-->"), ("dot", "->")):
        for options, count in (([], 3), (["--full"], 3), (["--fold"], 1)):
            result = graph(last.id, "--format", form, *options)
            assert result.exit_code == 0
            assert sum(arrow in line for line in result.stdout.splitlines()) == count, (form, options)
    assert graph(last.id, "--format", "mermaid").stdout.startswith("flowchart ")
    assert graph(last.id, "--format", "dot").stdout.startswith("digraph ")


def test_more_arrows_than_mermaid_draws_are_told(graph: Graph, q: Queue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rqdeps.cli.graph.MOST_EDGES", 1)
    jobs = chain(q)
    result = graph(jobs[0].id, "--format", "mermaid")
    assert result.stderr == "Mermaid draws at most 1 arrows, and here are 2: try --fold\n"
    assert result.exit_code == 0
    for options in (["mermaid", "--fold"], ["dot"]):
        assert graph(jobs[0].id, "--format", *options).stderr == ""


def test_json_is_what_the_program_gets(graph: Graph, q: Queue):
    jobs = chain(q)
    work(q)
    shown = json.loads(graph(jobs[0].id, "--format", "json").stdout)
    known = jobs[0].graph().to_dict()
    assert shown | {"at": known["at"]} == known


# The critical path


def test_the_critical_path_as_a_table(graph: Graph, q: Queue, hands: HandWorker):
    jobs = chain(q)
    for job in jobs:
        claim_until(hands, job.id)
        hands.finish(job.id, b"j1")
    result = graph(jobs[0].id, "--critical-path")
    assert result.exit_code == 0
    summary, _, head, *rows = result.stdout.splitlines()
    assert re.match(r"\S+ m?s, by 3 jobs one after the other: \S+ m?s running", summary)
    assert head.split() == ["at", "waited", "ran", "job", "status", "id"]
    assert [row.split()[-4:] for row in rows] == [
        [job.func_name.rpartition(".")[2], "✔", "finished", job.id] for job in jobs
    ]
    plain = json.loads(graph(jobs[0].id, "--critical-path", "--format", "json").stdout)
    assert [step["id"] for step in plain["steps"]] == [job.id for job in jobs]
    assert plain["duration"] == pytest.approx(plain["ran"] + sum(plain["waited"].values()), abs=0.01)


def test_the_path_of_a_graph_that_runs_says_so(graph: Graph, q: Queue):
    job = q.enqueue(steps.nothing)
    assert re.match(r"\S+ m?s so far, by 1 job one after the other: ", graph(job.id, "--critical-path").stdout)


def test_where_nothing_can_run_there_is_no_path_yet(graph: Graph, q: Queue):
    job = q.options(hold=True).enqueue(steps.nothing)
    result = graph(job.id, "--critical-path")
    assert (result.exit_code, result.stdout) == (
        0,
        "Nothing of this graph has run, and nothing waits for a worker: there is no critical path yet.\n",
    )


def test_a_long_path_has_the_steps_of_a_function_in_one_line(graph: Graph, q: Queue, hands: HandWorker):
    before: list[Job[Any]] = []
    for _ in range(40):
        before = [q.enqueue(steps.nothing, depends_on=before)]
    for _ in range(40):
        (job_id,) = hands.claim()
        hands.finish(job_id, b"j1")
    rows = graph(before[0].id, "--critical-path").stdout.splitlines()[3:]
    assert len(rows) == 1
    assert "nothing ×40" in rows[0]


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--watch", "--format", "mermaid"], "--watch shows text or json, not mermaid"),
        (["--watch", "--format", "dot"], "--watch shows text or json, not dot"),
        (["--critical-path", "--format", "dot"], "--critical-path is shown as text or json, not as dot"),
        (["--critical-path", "--format", "mermaid"], "--critical-path is shown as text or json, not as mermaid"),
        (["--format", "json", "--fold"], "--fold and --full are for trees, mermaid and dot"),
        (["--format", "json", "--full"], "--fold and --full are for trees, mermaid and dot"),
        (["--critical-path", "--full"], "--fold and --full are for trees, mermaid and dot"),
        (["--format", "svg"], "'svg' is not one of"),
        (["--most", "0"], "0 is not in the range"),
        (["--most", "many"], "'many' is not a valid integer"),
        (["and-another"], "unexpected extra argument"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(graph: Graph, options: list[str], message: str):
    result = graph("x", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: rqdeps graph")
    assert message in result.stderr
    assert result.stdout == ""


def test_an_id_is_needed(graph: Graph):
    assert graph().exit_code == 2


@pytest.mark.parametrize("options", [[], ["--watch"], ["--format", "json"], ["--critical-path"]])
@pytest.mark.parametrize("job_id", ["nobody", "a b", "ü", "*"])
def test_an_unknown_job_is_told_in_a_line(graph: Graph, job_id: str, options: list[str]):
    result = graph(job_id, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: there is no job '{job_id}': it expired or never existed\n"


# Whatever is shown


@pytest.mark.parametrize(
    "options",
    [
        *([], ["--full"], ["--critical-path"], ["--critical-path", "--format", "json"]),
        *(["--format", form] for form in ("json", "mermaid", "dot")),
    ],
)
def test_text_of_others_does_not_reach_a_terminal_as_it_is(
    graph: Graph, q: Queue, hands: HandWorker, valkey: Redis, options: list[str]
):
    job = q.options(description=EVIL).enqueue(steps.nothing)
    after = q.enqueue(samples.anything, depends_on=job)
    claim_until(hands, job.id)
    job.progress(1, 2, EVIL)
    valkey.hset(f"{{rqdeps}}:job:{after.id}", mapping={"reason": EVIL, "function": f"there.{EVIL}"})
    result = graph(job.id, *options)
    assert result.exit_code == 0
    assert all(char.isprintable() or char == "\n" for char in result.output)
    if not options:
        assert result.output.count(EVIL_SHOWN) == 3
        assert "(50 %): " + EVIL_SHOWN.replace(r"\r", " ") in result.output
    if options == ["--format", "json"]:
        assert [node["name"] for node in json.loads(result.stdout)["nodes"]] == [EVIL, ""]
    valkey.flushall()


def test_into_a_pipe_go_neither_colours_nor_spaces_at_the_ends_of_lines(
    graph: Graph, q: Queue, monkeypatch: pytest.MonkeyPatch
):
    jobs = chain(q)
    work(q)
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "40"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
        for options in ([], ["--full"], ["--critical-path"], ["--watch"]):
            result = graph(jobs[0].id, *options)
            assert not ESCAPE.search(result.output)
            assert not re.search(r" $", result.output, re.MULTILINE)
            assert "…" not in result.output, "where there is no terminal, nothing is cut"


def test_workers_and_changes_know_nothing_of_graphs_and_screens(q: Queue, valkey_url: str):
    job = q.enqueue(steps.nothing)
    program = f"""
import sys
from contextlib import suppress
import rqdeps
from rqdeps.cli import main
for command in (["worker", "work", "--burst"], ["requeue", "--force", {job.id!r}], ["enqueue", "steps.nothing"]):
    with suppress(SystemExit):
        main([*command, "--url", {valkey_url!r}])
print([name for name in sys.modules if name.startswith(("rich", "rqdeps.graph.", "rqdeps.aio", "rqdeps.demo"))])
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=TESTS, capture_output=True, text=True, check=False)
    assert "finished" in ran.stderr
    assert re.fullmatch(rf"{job.id}: queued\n\w{{16}}\n\[\]\n", ran.stdout), ran


# On a terminal


@pytest.mark.parametrize(("columns", "environment"), [(60, {}), (120, {"NO_COLOR": "1"})])
def test_watch_shows_the_tree_in_place_until_all_has_ended(
    q: Queue, hands: HandWorker, valkey_url: str, columns: int, environment: dict[str, str]
):
    first, second = q.enqueue(steps.nothing), q.options(hold=True).enqueue(samples.anything)
    second.add_dependency(first)
    second.release()
    with Terminal("graph", first.id, "--watch", "--url", valkey_url, columns=columns, **environment) as terminal:
        terminal.until(lambda terminal: "2 jobs: ○ 1 deferred  ● 1 queued" in terminal.lines)
        for job in (first, second):
            claim_until(hands, job.id)
            terminal.until(lambda terminal: any("▶ 1 started" in line for line in terminal.lines))
            hands.finish(job.id, b"j1")
        assert terminal.end() == 0
    assert re.match(r"nothing +✔ finished +\d", terminal.lines[0])
    assert re.match(r"└─ anything +✔ finished +\d", terminal.lines[1])
    assert terminal.lines[2:] == ["", "2 jobs: ✔ 2 finished", ""]
    assert terminal.written.endswith("\x1b[?25h"), "the cursor is shown again"
    has_colours = bool(re.search(r"\x1b\[(\d+;)*3\dm", terminal.written))
    assert has_colours is (not environment)
    assert all(len(line) <= columns for line in terminal.lines)


def test_ctrl_c_ends_watching_and_leaves_the_tree(q: Queue, valkey_url: str):
    job = q.enqueue(steps.nothing)
    with Terminal("graph", job.id, "--watch", "--url", valkey_url, columns=100) as terminal:
        terminal.until(lambda terminal: "1 job: ● 1 queued" in terminal.lines)
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "1 job: ● 1 queued" in terminal.lines
    assert "Traceback" not in terminal.written
    assert terminal.written.endswith("\x1b[?25h")


def test_watch_prints_the_tree_again_where_it_can_not_be_overwritten(q: Queue, hands: HandWorker, valkey_url: str):
    job = q.enqueue(steps.nothing)
    with process("graph", job.id, "--watch", "--url", valkey_url) as watching:
        assert watching.stdout is not None
        assert read_tree(watching.stdout) == "1 job: ● 1 queued"
        claim_until(hands, job.id)
        assert read_tree(watching.stdout) == "1 job: ▶ 1 started"
        hands.finish(job.id, b"j1")
        rest, errors = watching.communicate(timeout=30)
    assert rest.endswith("\n\n1 job: ✔ 1 finished\n")
    assert len(rest.splitlines()) == 3
    assert (watching.returncode, errors) == (0, "")


def read_tree(lines: Any) -> str:
    """Reads a tree of one job. Returns its last line."""
    assert ESCAPE.search(row := lines.readline()) is None
    assert row.startswith("nothing ")
    assert lines.readline() == "\n"
    return str(lines.readline().rstrip("\n"))


def test_watching_a_job_that_is_deleted_ends_with_a_line(
    graph: Graph, q: Queue, monkeypatch: pytest.MonkeyPatch, valkey_url: str
):
    job = q.enqueue(steps.nothing)
    monkeypatch.setattr("rqdeps.cli.watching.time.sleep", lambda seconds: job.delete())
    result = graph(job.id, "--watch")
    assert result.exit_code == 1
    assert result.stderr == f"Error: there is no job '{job.id}': it expired or never existed\n"


def test_where_the_encoding_lacks_signs_there_are_question_marks(q: Queue, valkey_url: str):
    job = q.options(description="für alle").enqueue(steps.nothing)
    with Terminal("graph", job.id, "--url", valkey_url, columns=100, PYTHONIOENCODING="ascii") as terminal:
        assert terminal.end() == 0
    assert re.match(rf"nothing +\? queued +{job.id} +f\?r alle", terminal.lines[0])


def test_a_narrow_terminal_cuts_no_ids_of_the_critical_path(q: Queue, hands: HandWorker, valkey_url: str):
    jobs = chain(q)
    for job in jobs:
        claim_until(hands, job.id)
        hands.finish(job.id, b"j1")
    with Terminal("graph", jobs[0].id, "--critical-path", "--url", valkey_url, columns=40) as terminal:
        assert terminal.end() == 0
    assert ids_in("\n".join(terminal.lines)) == [job.id for job in jobs]
    assert all(len(line) <= 40 for line in terminal.lines)


def test_a_narrow_terminal_cuts_no_ids_of_the_tree(q: Queue, valkey_url: str):
    jobs = chain(q)
    with Terminal("graph", jobs[0].id, "--full", "--url", valkey_url, columns=40) as terminal:
        assert terminal.end() == 0
    assert ids_in("\n".join(terminal.lines)) == [job.id for job in jobs]
    assert all(len(line) <= 40 for line in terminal.lines)
