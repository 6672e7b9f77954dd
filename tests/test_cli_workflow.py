"""``rqdeps workflow``: list, show, cancel, retry, wait and delete, with their exit codes."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples
import steps
from by_hand import HandWorker
from click.testing import Result
from every_status import claim_until
from redis import Redis
from redis.exceptions import ResponseError
from terminals import ESCAPE, Terminal, process, run

from rqdeps import Dependency, Job, Queue, SimpleWorker, Workflow
from rqdeps.progress_line import ProgressLine, bar
from rqdeps.store.calls import claims

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store, ["work"])


Command = Callable[..., Result]


@pytest.fixture
def workflow(valkey_url: str) -> Command:
    """Runs ``rqdeps workflow``."""
    return lambda *args, answer=None: run("workflow", *args, "--url", valkey_url, answer=answer)


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A URL at which nothing answers."""
    return f"unix://{tmp_path}/nobody"


def one(q: Queue, name: str = "", function: Any = steps.nothing, **options: Any) -> Workflow:
    """A workflow of one job."""
    with Workflow(name, queue=q) as made:
        made.options(**options).enqueue(function)
    return made


def work(q: Queue) -> None:
    SimpleWorker(q.name, connection=q.store.client).work(burst=True)


def fields(output: str) -> dict[str, str]:
    """What ``show`` says, by its left column."""
    return dict(re.findall(r"^(\S+) {2,}(.*)$", output, re.MULTILINE))


# In general


@pytest.mark.parametrize("command", ["list", "show", "cancel", "retry", "wait", "delete"])
def test_every_command_has_help(workflow: Command, command: str):
    result = workflow(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: rqdeps workflow {command} ")
    assert re.search(rf"^  {command} ", run("workflow", "--help").stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "args",
    [
        *(["nothing"], ["list", "extra"], ["list", "--status", "queued"], ["list", "--most", "0"]),
        *(["show"], ["show", "x", "y"], ["cancel"], ["retry"], ["delete"], ["delete", "x", "--dependents", "keep"]),
        *(["wait"], ["wait", "x", "y"], ["wait", "x", "--timeout", "soon"], ["wait", "x", "--timeout", "-1"]),
        *(["wait", "x", "--timeout", "200y"], ["wait", "x", "--timeout", ""]),
    ],
)
def test_wrong_usage_is_told_with_the_usage(workflow: Command, args: list[str]):
    result = workflow(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: rqdeps workflow")
    assert "Error: " in result.stderr


@pytest.mark.parametrize("command", ["show", "cancel", "retry", "wait", "delete"])
def test_an_unknown_workflow_is_told_in_a_line(workflow: Command, q: Queue, command: str):
    job = q.enqueue(steps.nothing)
    for unknown in ("nobody", job.id):
        result = workflow(command, unknown)
        assert result.exit_code == (2 if command == "wait" else 1)
        assert result.stdout == ""
        assert result.stderr == f"Error: there is no workflow {unknown!r}: it expired or never existed\n"


@pytest.mark.parametrize("args", [["list"], *([name, "x"] for name in ("show", "cancel", "retry", "wait", "delete"))])
def test_a_server_that_does_not_answer_is_told_in_a_line(nobody: str, args: list[str]):
    result = run("workflow", *args, "--url", nobody)
    assert result.exit_code == (2 if args[0] == "wait" else 1)
    assert result.stderr.startswith(f"Error: no answer from the server at {nobody}: ")
    assert result.stderr.count("\n") == 1


# list


def test_list_without_workflows_says_how_to_make_one(workflow: Command, valkey: Redis):
    result = workflow("list")
    assert (result.exit_code, result.stdout) == (0, 'No workflows: with Workflow("name", queue=q): makes one.\n')
    assert workflow("list", "--status", "failed").stdout == "No workflow is failed.\n"
    assert json.loads(workflow("list", "--json").stdout) == []
    assert valkey.dbsize() == 0, "who looks changes nothing"


def test_list_shows_the_latest_first(workflow: Command, q: Queue):
    nightly, broken = one(q, "nightly"), one(q, "", steps.boom)
    work(q)
    running = one(q, "ü 漢 €", steps.nothing)
    result = workflow("list")
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["id", "name", "status", "ended", "jobs", "failed", "created", "took"]
    found = [re.split(r" {2,}", row) for row in rows]
    assert [row[0] for row in found] == [running.id, broken.id, nightly.id]
    assert found[0][1:6] == ["ü 漢 €", "joining", "0", "1", "0"]
    assert re.fullmatch(MOMENT, found[0][6])
    assert found[1][1:5] == ["failed", "1", "1", "1"]
    assert found[2][1:6] == ["nightly", "finished", "1", "1", "0"]
    assert re.fullmatch(r"\S+ m?s", found[2][7])


def test_list_shows_those_of_a_status_and_as_many_as_wanted(workflow: Command, q: Queue):
    finished = [one(q).id for _ in range(3)]
    work(q)
    running, canceled = one(q), one(q)
    canceled.cancel()
    last = one(q)
    assert ids_in(workflow("list", "--status", "finished")) == finished[::-1]
    assert ids_in(workflow("list", "--status", "canceled")) == [canceled.id]
    assert ids_in(workflow("list", "--status", "finished", "--most", "2")) == finished[:0:-1]
    assert ids_in(workflow("list", "--most", "2")) == [last.id, canceled.id]
    assert ids_in(workflow("list", "--status", "joining")) == [last.id, running.id]
    assert workflow("list", "--status", "failed").stdout == "No workflow is failed.\n"


def ids_in(result: Result) -> list[str]:
    return re.findall(r"^[A-Za-z0-9]{16}\b", result.stdout, re.MULTILINE)


def test_list_as_json(workflow: Command, q: Queue):
    first = one(q, "nightly")
    work(q)
    second = one(q)
    (later, earlier) = json.loads(workflow("list", "--json").stdout)
    facts = first.facts()
    assert facts.created_at is not None
    assert facts.ended_at is not None
    assert earlier == {
        "id": first.id,
        "name": "nightly",
        "status": "finished",
        "counts": {"finished": 1},
        "ended": 1,
        "jobs": 1,
        "queues": ["work"],
        "created_at": facts.created_at.isoformat(timespec="milliseconds"),
        "ended_at": facts.ended_at.isoformat(timespec="milliseconds"),
    }
    assert (later["id"], later["status"], later["ended_at"]) == (second.id, "joining", None)
    assert [each["id"] for each in json.loads(workflow("list", "--json", "--most", "1").stdout)] == [second.id]


# show


def test_show_says_all_about_a_workflow_that_runs(workflow: Command, q: Queue, hands: HandWorker, valkey_url: str):
    with Workflow("nightly", queue=q) as made:
        jobs = [made.enqueue(samples.anything) for _ in range(3)]
        made.options(queue="other", depends_on=jobs).enqueue(steps.nothing)
    claim_until(hands, jobs[0].id)
    hands.finish(jobs[0].id, b"j1")
    result = workflow("show", made.id)
    assert result.exit_code == 0
    shown = fields(result.stdout)
    assert re.fullmatch(MOMENT, shown.pop("created"))
    assert shown == {
        "workflow": made.id,
        "name": "nightly",
        "status": "joining",
        "progress": f"{bar(0.25)} 1 of 4 jobs",
        "jobs": "○ 1 deferred  ● 2 queued  ✔ 1 finished",
        "queues": "other, work",
        "graph": f"rqdeps graph {made.id} --url {valkey_url}",
        "wait": f"rqdeps workflow wait {made.id} --url {valkey_url}",
    }


def test_show_names_the_jobs_that_failed_and_what_can_be_done(workflow: Command, q: Queue, valkey_url: str):
    with Workflow(queue=q) as made:
        failed = made.enqueue(steps.boom, "no \x1b[31m file\nsecond line")
        rescued = made.options(fallback=steps.echo).enqueue(steps.boom, "other")
        made.enqueue(steps.nothing, depends_on=failed)
    work(q)
    output = workflow("show", made.id).stdout
    shown = fields(output)
    assert "name" not in shown
    assert shown["status"] == "failed"
    assert shown["resume"] == f"rqdeps workflow retry {made.id} --url {valkey_url}"
    assert "wait" not in shown
    assert re.fullmatch(MOMENT, shown["ended"])
    assert re.fullmatch(r"\S+ m?s", shown["took"])
    assert rf"failed    {failed.id} boom  ValueError: no \x1b[31m file\nsecond line" in output
    assert f"failed    {rescued.id} boom (its fallback: {rescued.fallback_id})  ValueError: other" in output


def test_show_names_no_more_than_ten_of_those_that_failed(workflow: Command, q: Queue):
    with Workflow(queue=q) as made:
        jobs = [made.enqueue(steps.boom) for _ in range(12)]
    work(q)
    output = workflow("show", made.id).stdout
    assert re.findall(r"^failed +(\S+) ", output, re.MULTILINE) == [job.id for job in jobs[:10]]
    assert re.search(r"^ +… 12 in all$", output, re.MULTILINE)


def test_show_says_why_a_job_was_stopped(workflow: Command, q: Queue, hands: HandWorker):
    made = one(q)
    (job_id,) = hands.claim()
    made.cancel()
    q.store.run(claims.give_back([hands.held.pop(job_id)]))
    shown = fields(workflow("show", made.id).stdout)
    assert shown["status"] == "canceled"
    assert shown["stopped"].startswith(f"{job_id} nothing")
    assert "retry" in shown["resume"]


def test_show_a_workflow_that_has_finished(workflow: Command, q: Queue):
    made = one(q)
    work(q)
    shown = fields(workflow("show", made.id).stdout)
    assert {"workflow", "status", "progress", "jobs", "queues", "created", "ended", "took", "graph"} == set(shown)
    assert shown["progress"] == f"{bar(1)} 1 of 1 jobs"


def test_show_says_how_long_it_will_take(workflow: Command, q: Queue, valkey_url: str):
    with Workflow(queue=q) as made:
        for _ in range(6):
            made.enqueue(steps.nothing)
    SimpleWorker("work", connection=q.store.client).work(burst=True, max_jobs=5)
    beside = q.options(at_front=True).enqueue(look, made.id, valkey_url)
    work(q)
    shown, plain = beside.result
    assert re.fullmatch(r"about \S+ m?s", fields(shown)["left"])
    assert json.loads(plain)["eta"] >= 0
    assert json.loads(workflow("show", made.id, "--json").stdout)["eta"] == 0


def look(workflow_id: str, url: str) -> list[str]:
    """A job that looks at a workflow."""
    return [run("workflow", "show", workflow_id, *options, "--url", url).stdout for options in ([], ["--json"])]


def test_show_as_json(workflow: Command, q: Queue):
    made = one(q, "ü")
    plain = json.loads(workflow("show", made.id, "--json").stdout)
    (listed,) = json.loads(workflow("list", "--json").stdout)
    assert plain == listed | {"eta": None}
    assert (plain["name"], plain["counts"]) == ("ü", {"queued": 1})


# cancel and retry


def test_cancel_says_what_has_become_of_each(workflow: Command, q: Queue, hands: HandWorker):
    finished, waiting = one(q), one(q)
    hands.finish_all(hands.claim(1))
    runs = one(q)
    claim_until(hands, runs.job_ids()[0])
    result = workflow("cancel", finished.id, "nobody", waiting.id, runs.id, finished.id)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{finished.id}: finished, as it was before",
        f"{waiting.id}: is being canceled; what runs is asked to stop",
        f"{runs.id}: is being canceled; what runs is asked to stop",
    ]
    assert result.stderr == "Error: there is no workflow 'nobody': it expired or never existed\n"


def test_cancel_of_what_does_not_run_ends_it(workflow: Command, q: Queue):
    made = one(q)
    for _ in range(2):
        result = workflow("cancel", made.id)
        assert (result.exit_code, result.stdout) == (0, f"{made.id}: canceled\n")


@pytest.mark.parametrize(("options", "status"), [([], "queued"), (["--no-clean-up"], "canceled")])
def test_cancel_lets_clean_ups_run_unless_told_otherwise(workflow: Command, q: Queue, options: list[str], status: str):
    with Workflow(queue=q) as made:
        job = made.enqueue(steps.nothing)
        clean_up = made.enqueue(steps.nothing, depends_on=Dependency(job, rule="all_done"))
    assert workflow("cancel", made.id, *options).exit_code == 0
    assert (job.get_status(), clean_up.get_status()) == ("canceled", status)


def test_retry_says_how_many_jobs_live_again(workflow: Command, q: Queue):
    first, second, good = one(q, "", steps.boom), one(q), one(q)
    with Workflow(queue=q) as third:
        for _ in range(3):
            third.enqueue(steps.boom)
    second.cancel()
    work(q)
    result = workflow("retry", first.id, "nobody", second.id, third.id, good.id)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{first.id}: 1 job lives again",
        f"{second.id}: 1 job lives again",
        f"{third.id}: 3 jobs live again",
        f"{good.id}: nothing of it has to run again",
    ]
    assert "no workflow 'nobody'" in result.stderr
    assert [each.status for each in (first, second, third, good)] == ["joining"] * 3 + ["finished"]


# delete


@pytest.mark.parametrize(
    ("answer", "is_deleted", "said"),
    [("y\n", True, "deleted with its 1 job"), ("n\n", False, "left as it is"), ("\n", False, "left as it is")],
)
def test_delete_asks_first(workflow: Command, q: Queue, answer: str, is_deleted: bool, said: str):
    made = one(q, "nightly")
    result = workflow("delete", made.id, answer=answer)
    assert (result.exit_code, result.stdout) == (0, f"{made.id}: {said}\n")
    assert result.stderr.startswith(f"Delete workflow nightly {made.id} with its 1 job? [y/N]: ")
    assert (workflow("show", made.id).exit_code == 1) is is_deleted


def test_delete_without_an_answer_leaves_it_as_it_is(workflow: Command, q: Queue):
    made = one(q)
    result = workflow("delete", made.id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Delete workflow {made.id} with its 1 job?")
    assert result.stderr.endswith("Error: nothing was changed, as nobody answered; --yes does it without a question\n")
    assert made.status == "joining"


@pytest.mark.parametrize("option", ["--yes", "-y"])
def test_delete_can_be_told_not_to_ask(workflow: Command, q: Queue, valkey: Redis, option: str):
    first, second = one(q), one(q)
    result = workflow("delete", option, first.id, "nobody", second.id)
    assert result.exit_code == 1
    assert result.stdout == f"{first.id}: deleted with its 1 job\n{second.id}: deleted with its 1 job\n"
    assert result.stderr == "Error: there is no workflow 'nobody': it expired or never existed\n"
    assert workflow("list").stdout.startswith("No workflows")


@pytest.mark.parametrize(("policy", "status"), [("cancel", "canceled"), ("release", "queued"), ("delete", None)])
def test_delete_does_with_dependents_outside_as_told(workflow: Command, q: Queue, policy: str, status: str | None):
    made = one(q)
    after = q.enqueue(steps.nothing, depends_on=made)
    assert workflow("delete", "--yes", made.id, "--dependents", policy).exit_code == 0
    assert Job.exists(after.id, q.store.client) is (status is not None)
    if status is not None:
        assert after.get_status() == status


# wait


def test_wait_exits_by_how_it_ended(workflow: Command, q: Queue):
    finished, failed, canceled = one(q), one(q, "", steps.boom), one(q)
    canceled.cancel()
    work(q)
    for made, status, exit_code in ((finished, "finished", 0), (failed, "failed", 1), (canceled, "canceled", 3)):
        result = workflow("wait", made.id)
        assert (result.exit_code, result.stdout) == (exit_code, f"{made.id}: {status}\n")


@pytest.mark.parametrize("timeout", ["0.01", "10ms", "0"])
def test_wait_ends_when_the_time_is_over(workflow: Command, q: Queue, timeout: str):
    made = one(q)
    result = workflow("wait", made.id, "--timeout", timeout, "--quiet")
    assert (result.exit_code, result.stdout) == (124, "")
    assert re.fullmatch(rf"Error: .*'{made.id}' has not ended after 0(\.01)? s\n", result.stderr)


def test_wait_shows_progress_on_standard_error_unless_quiet(workflow: Command, q: Queue):
    made = one(q, "nightly")
    work(q)
    assert workflow("wait", made.id).stderr == f"{bar(1)} nightly: 1 of 1 ended\n"
    for option in ("--quiet", "-q"):
        result = workflow("wait", made.id, option)
        assert (result.stdout, result.stderr) == (f"{made.id}: finished\n", "")


def test_wait_for_what_is_deleted_meanwhile_could_not_wait(
    workflow: Command, q: Queue, monkeypatch: pytest.MonkeyPatch
):
    made = one(q, "nightly")

    class Line(ProgressLine):
        """Shows a line, and then the workflow is deleted."""

        def show(self, line: str, *, is_last: bool = False) -> None:
            super().show(line, is_last=is_last)
            made.delete()

    monkeypatch.setattr("rqdeps.workflow.ProgressLine", Line)
    result = workflow("wait", made.id)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r".* nightly: 0 of 1 ended, 1 queued\nError: there is no \S+ '\S+': .*\n", result.stderr)


@pytest.mark.parametrize("refusal", ["NOPERM this user has no permissions", "NOAUTH Authentication required."])
def test_wait_for_what_the_server_does_not_show_could_not_wait(
    workflow: Command, q: Queue, monkeypatch: pytest.MonkeyPatch, refusal: str
):
    def refuse(*_: Any) -> None:
        raise ResponseError(refusal)

    made = one(q)
    monkeypatch.setattr("rqdeps.store.store.evaluate", refuse)
    result = workflow("wait", made.id)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {refusal}\n")
    assert workflow("show", made.id).exit_code == 1


def test_ctrl_c_ends_waiting(q: Queue, valkey_url: str):
    made = one(q, "nightly")
    with process("workflow", "wait", made.id, "--url", valkey_url) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == f"{bar(0)} nightly: 0 of 1 ended, 1 queued\n"
        waiting.send_signal(signal.SIGINT)
        output, errors = waiting.communicate(timeout=30)
    assert (waiting.returncode, output, errors) == (130, "", "")


def test_on_a_terminal_the_progress_is_overwritten(q: Queue, hands: HandWorker, valkey_url: str):
    with Workflow("nightly", queue=q) as made:
        jobs = [made.enqueue(steps.nothing) for _ in range(2)]
    with Terminal("workflow", "wait", made.id, "--url", valkey_url, columns=60) as terminal:
        terminal.until(lambda terminal: terminal.lines == [f"{bar(0)} nightly: 0 of 2 ended, 2 queued"])
        for job in jobs:
            claim_until(hands, job.id)
            hands.finish(job.id, b"j1")
        assert terminal.end() == 0
    assert terminal.lines == [f"{bar(1)} nightly: 2 of 2 ended", f"{made.id}: finished", ""]
    assert not ESCAPE.search(terminal.written)


# Whatever is shown


def test_into_a_pipe_go_neither_colours_nor_spaces_at_the_ends_of_lines(
    workflow: Command, q: Queue, monkeypatch: pytest.MonkeyPatch
):
    made = one(q, "a name of some length " * 5, steps.boom)
    work(q)
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "40"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
        for args in (["list"], ["show", made.id]):
            output = workflow(*args).output
            assert made.name.strip() in output
            assert not ESCAPE.search(output)
            assert not re.search(r" $", output, re.MULTILINE)


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_cuts_what_is_long_but_no_ids(q: Queue, valkey_url: str, columns: int):
    one(q, "a name of some length " * 8, steps.boom)
    made = one(q, "漢" * 100)
    with Terminal("workflow", "list", "--url", valkey_url, columns=columns, PYTHONUTF8="1") as terminal:
        assert terminal.end() == 0
    head, first, second, *rest = terminal.lines
    assert head.startswith("id")
    assert first.startswith(f"{made.id}  ")
    assert "…" in first
    assert "…" in second
    assert rest == [""]
    assert ESCAPE.search(terminal.written)


def test_show_on_a_narrow_terminal_that_lacks_signs(q: Queue, valkey_url: str):
    made = one(q, "für alle", steps.boom)
    work(q)
    (job_id,) = made.job_ids()
    options = {"PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    with Terminal("workflow", "show", made.id, "--url", valkey_url, columns=40, **options) as terminal:
        assert terminal.end() == 0
    assert terminal.lines[:4] == [
        f"workflow  {made.id}",
        "name      f?r alle",
        "status    ? failed",
        f"progress  {'?' * 16} 1 of 1 jobs",
    ]
    assert f"failed    {job_id} boom" in terminal.lines
    assert all(len(line) <= 40 for line in terminal.lines)
    assert not re.search(r"\x1b\[(\d+;)*[34]\dm", terminal.written)


def test_an_id_that_can_be_none_keeps_no_other_from_being_changed(workflow: Command, q: Queue) -> None:
    made = one(q)
    result = workflow("cancel", "a b", made.id)
    assert result.exit_code == 1
    assert "there is no workflow 'a b'" in result.stderr
    assert made.status == "canceled"


def test_a_name_that_could_not_be_given_is_shown_all_the_same(workflow: Command, q: Queue) -> None:
    made = one(q, "name")
    q.store.client.hset(f"{{rqdeps}}:job:{made.id}", "description", "a\x1b[31mb")
    result = workflow("list")
    assert result.exit_code == 0
    assert made.id in result.output
    assert "\x1b" not in result.output
    assert workflow("delete", "--yes", made.id).exit_code == 0
