"""Options, variables and ``[tool.rqdeps]``: what is found, in which order it counts, what is said of what can't be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import steps
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from redis.exceptions import NoPermissionError

import rqdeps
from rqdeps import Queue, configuration
from rqdeps.cli import main
from rqdeps.cli import worker as worker_module
from rqdeps.cli.configured import GENERAL_VARIABLES, Setting, settings_in_effect
from rqdeps.cli.defaults import commands_of, defaults_for, key_of, variables_of
from rqdeps.cli.group import FriendlyGroup
from rqdeps.cli.options import url_option
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import connect, connect_async
from rqdeps.store import connection as connection_module
from rqdeps.store import store as store_module
from rqdeps.store.permissions import missing_permission
from rqdeps.testing import FakeQueue

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"

WriteProject = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RQDEPS_")]:
        monkeypatch.delenv(name)
    configuration.nearest.cache_clear()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteProject:
    """Writes the file of a project, and goes into a folder of it, or again writes it."""
    file = tmp_path / "pyproject.toml"
    (tmp_path / "src").mkdir()

    def write(text: str) -> Path:
        file.write_text(text, "utf-8")
        monkeypatch.chdir(tmp_path / "src")
        configuration.nearest.cache_clear()
        return file

    return write


# What is found


def test_the_nearest_file_with_the_table_counts(project: WriteProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project('[tool.rqdeps]\nurl = "redis://far"')
    near, nearer = tmp_path / "src" / "near", tmp_path / "src" / "near" / "nearer"
    nearer.mkdir(parents=True)
    (near / "pyproject.toml").write_text('[tool.rqdeps]\nurl = "redis://near"')
    (nearer / "pyproject.toml").write_text('[project]\ndependencies = ["rqdeps"]')
    assert connect().address == "redis://far"
    monkeypatch.chdir(nearer)
    assert connect().address == "redis://near"
    (near / "pyproject.toml").write_text("[tool.rqdeps]")
    configuration.nearest.cache_clear()
    assert connect().address == "redis://localhost:6379", "a table that says nothing of it ends the search too"


def test_a_file_that_does_not_mention_it_may_hold_whatever_it_likes(project: WriteProject):
    project("this is no TOML")
    assert connect().address == "redis://localhost:6379"


def test_a_file_that_can_not_be_read_is_passed_over(project: WriteProject, tmp_path: Path):
    project('[tool.rqdeps]\nurl = "redis://far"')
    (tmp_path / "src" / "pyproject.toml").mkdir()
    assert connect().address == "redis://far"


@pytest.mark.parametrize(("mode", "host"), [(0o1777, "localhost:6379"), (0o777, "file"), (0o755, "file")])
def test_what_somebody_else_puts_where_all_may_put_files_is_passed_over(
    project: WriteProject, monkeypatch: pytest.MonkeyPatch, mode: int, host: str
):
    file = project('[tool.rqdeps]\nurl = "redis://file"')
    file.parent.chmod(mode)
    assert connect().address == "redis://file", "it is one's own"
    if os.geteuid() == 0:
        os.chown(file, 12_345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    configuration.nearest.cache_clear()
    assert connect().address == f"redis://{host}"


def test_a_folder_that_is_gone_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert connect().address == "redis://localhost:6379"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.rqdeps]\nurl "x"', r"can't be read: Expected '=' after a key .*\(at line 2, column 5\)"),
        ("[tool]\nrqdeps = 'x'", r": \[tool.rqdeps\] is a table, not 'x'"),
        ("[tool.rqdeps]\nurl = 1", r": \[tool.rqdeps\] url is a text, not 1"),
        ("[tool.rqdeps]\nulr = 'redis://x'", r": \[tool.rqdeps\] has no key 'ulr': it takes url, and a table for each"),
        ("[tool.rqdeps]\nsigning_key = 'x'", r": \[tool.rqdeps\] signing_key is a secret, .* set \$RQDEPS_SIGNING_KEY"),
        ("[tool.rqdeps]\nurl = 'http://x'", r"'http://x' is no URL of a server"),
        ("[tool.rqdeps]\nurl = 'embedded://x'", r"names a host"),
    ],
)
def test_a_file_that_says_what_can_not_be_is_an_error_in_one_line(project: WriteProject, text: str, said: str):
    file = project(text)
    for face in (connect, connect_async):
        with pytest.raises(ValueError, match=said) as caught:
            face()
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_an_error(project: WriteProject):
    file = project("")
    file.write_bytes(b'[tool.rqdeps]\nurl = "\xff"')
    configuration.nearest.cache_clear()
    with pytest.raises(ValueError, match=r"can't be read: .*utf-8"):
        connect()


# The URL of programs


def test_the_url_that_is_given_counts_then_the_variable_then_the_file(
    project: WriteProject, monkeypatch: pytest.MonkeyPatch
):
    project('[tool.rqdeps]\nurl = "redis://file"')
    assert connect().address == Queue().store.address == connect_async().address == "redis://file"
    monkeypatch.setenv("RQDEPS_URL", "redis://variable")
    assert connect().address == "redis://variable"
    assert connect("redis://given").address == "redis://given"
    monkeypatch.setenv("RQDEPS_URL", "")
    assert connect().address == "redis://file"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("embedded:./data", "embedded:{}/data"),
        ("embedded:data", "embedded:{}/data"),
        ("embedded:/var/data", "embedded:/var/data"),
        ("unix://./redis.sock?db=1", "unix://{}/./redis.sock?db=1"),
        ("unix://../redis.sock", "unix://{}/../redis.sock"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_what_is_relative_is_meant_from_the_folder_of_the_file(project: WriteProject, url: str, address: str):
    folder = project(f'[tool.rqdeps]\nurl = "{url}"').parent
    assert connect().address == address.format(folder).replace("/./", "/")
    assert not (folder / "data").exists()


def test_what_is_relative_to_the_home_folder_stays_so(project: WriteProject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    project('[tool.rqdeps]\nurl = "embedded:~/data"')
    assert connect().address == "embedded:/home/somebody/data"


def test_a_socket_is_found_whatever_its_folder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "50% of ü"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pyproject.toml").write_text('[tool.rqdeps]\nurl = "unix://./redis.sock"')
    assert connect().client.connection_pool.connection_kwargs["path"] == f"{folder}/redis.sock"


def test_where_nothing_answers_the_error_tells_which_file_named_the_server(
    project: WriteProject, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store_module, "LONGEST_PAUSE", 0)
    file = project('[tool.rqdeps]\nurl = "unix://./nobody"')
    with pytest.raises(ConnectionUnavailableError) as caught:
        Queue().enqueue(steps.nothing)
    assert str(caught.value).splitlines()[1] == f"It is named by [tool.rqdeps] in {file}."


def test_what_is_not_permitted_names_the_user_of_the_file(project: WriteProject):
    project('[tool.rqdeps]\nurl = "redis://producer:word@far"')
    said = missing_permission(NoPermissionError("this user has no permissions to run the 'get' command"), None)
    assert said is not None
    assert "its user 'producer' may not run the command 'get'" in said


def test_a_program_that_names_its_server_looks_for_no_file(monkeypatch: pytest.MonkeyPatch):
    def looked_for() -> None:
        raise AssertionError("nobody needs it")

    monkeypatch.setattr(connection_module, "configuration", looked_for)
    assert Queue(url="redis://given").store.address == "redis://given"
    monkeypatch.setenv("RQDEPS_URL", "redis://variable")
    assert Queue().store.address == "redis://variable"


def test_what_no_file_says_costs_no_import(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'")
    program = "import rqdeps, sys; rqdeps.Queue(); print({'tomllib', 'tomli', 'click'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(Path(rqdeps.__file__).parent.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"


def test_in_tests_of_users_the_server_of_the_file_is_left_alone(project: WriteProject):
    folder = project('[tool.rqdeps]\nurl = "embedded:./data"').parent
    with FakeQueue() as q:
        job = Queue("mails").enqueue(steps.echo, 1)
        assert q.drain() == [job]
        assert job.result == 1
    assert not (folder / "data").exists()
    assert Queue("mails").store.address == f"embedded:{folder}/data"


# Options of commands


@click.command()
@click.argument("queues", nargs=-1, envvar="RQDEPS_PROBE_QUEUES")
@url_option
@click.option("--processes", type=int, default=1, show_default=True)
@click.option("--max-memory")
@click.option("--allow", multiple=True)
@click.option("--serializer")
@click.option("--burst", is_flag=True)
@click.option("--format", "form", type=click.Choice(["tree", "json"]), default="tree")
@click.option("--fold/--full", "folded", default=None)
@click.option("--old", is_flag=True, hidden=True, expose_value=False)
def probe(**options: Any) -> None:
    """Tells what it was given."""
    click.echo(json.dumps(options))


@click.group()
def several() -> None:
    """Holds another."""


@several.command("list")
@click.argument("others", nargs=-1)
@click.option("--most", type=int, default=20)
def list_them(others: tuple[str, ...], most: int) -> None:
    """Tells how many."""
    click.echo(most)


@click.command()
@url_option
@click.pass_context
def doctor(context: click.Context, url: str | None) -> None:
    """Tells what is configured."""
    context.obj += settings_in_effect(context)


COMMANDS = {name: f"test_configuration:{name}" for name in ("probe", "several", "doctor")}
commands = FriendlyGroup("rqdeps", commands_at=COMMANDS, lenient=["doctor"])


def run(*args: str, **environment: str) -> Result:
    result = CliRunner().invoke(commands, args, prog_name="rqdeps", env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), "users get no traceback"
    return result


def given(*args: str, **environment: str) -> dict[str, Any]:
    result = run("probe", *args, **environment)
    assert result.exit_code == 0, result.output
    options: dict[str, Any] = json.loads(result.output)
    return options


TABLE = """
[tool.rqdeps.probe]
queues = ["high", "default"]
processes = 2
max_memory = "500M"
allow = ["myapp", "other"]
serializer = "pickle"
burst = true
format = "json"
fold = false
url = "embedded:./data"
"""


def test_a_command_takes_its_options_from_the_file(project: WriteProject):
    file = project(TABLE)
    assert given() == {
        "queues": ["high", "default"],
        "url": f"embedded:{file.parent}/data",
        "processes": 2,
        "max_memory": "500M",
        "allow": ["myapp", "other"],
        "serializer": "pickle",
        "burst": True,
        "form": "json",
        "folded": False,
    }


@pytest.mark.parametrize(
    ("name", "variable", "by_variable", "args", "by_option"),
    [
        ("queues", ("QUEUES", "a b"), ["a", "b"], ["c"], ["c"]),
        ("processes", ("PROCESSES", "3"), 3, ["--processes", "4"], 4),
        ("max_memory", ("MAX_MEMORY", "1G"), "1G", ["--max-memory", "2G"], "2G"),
        ("allow", ("ALLOW", "a b"), ["a", "b"], ["--allow", "c"], ["c"]),
        ("serializer", ("SERIALIZER", "json"), "json", ["--serializer", "mine"], "mine"),
        ("burst", ("BURST", "0"), False, ["--burst"], True),
        ("form", ("FORMAT", "tree"), "tree", ["--format", "json"], "json"),
        ("folded", ("FOLD", "yes"), True, ["--full"], False),
        ("url", ("URL", "redis://a"), "redis://a", ["--url", "redis://b"], "redis://b"),
    ],
)
def test_options_count_before_variables_and_these_before_the_file(
    project: WriteProject, name: str, variable: tuple[str, str], by_variable: Any, args: list[str], by_option: Any
):
    project(TABLE)
    environment = {f"RQDEPS_PROBE_{variable[0]}": variable[1]}
    of_file = given()[name]
    assert given(**environment)[name] == by_variable
    assert given(*args, **environment)[name] == by_option
    assert given(**dict.fromkeys(environment, ""))[name] == of_file, "what is empty is not set"


@pytest.mark.parametrize(
    ("name", "variable"), [("url", "RQDEPS_URL"), ("allow", "RQDEPS_ALLOW"), ("serializer", "RQDEPS_SERIALIZER")]
)
def test_a_variable_for_all_programs_counts_before_the_table_of_a_command_too(
    project: WriteProject, name: str, variable: str
):
    project(TABLE)
    assert given(**{variable: "redis://x"})[name] in (None, []), "the one who reads the variable is asked"
    assert given(**{variable: "redis://x", f"RQDEPS_PROBE_{name.upper()}": "y"})[name] in ("y", ["y"])


def test_a_command_with_a_server_of_its_own_asks_no_variable_for_all(project: WriteProject):
    file = project('[tool.rqdeps.demo]\nurl = "embedded:./data"\n[tool.rqdeps.info]\nurl = "embedded:./data"')
    for name, url in (("demo", f"embedded:{file.parent}/data"), ("info", None)):
        command = main.get_command(click.Context(main), name)
        assert command is not None
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("RQDEPS_URL", "redis://variable")
            assert defaults_for(command, name, main.list_commands(click.Context(main))) == (
                {} if url is None else {name: {"url": url}}
            )


def test_commands_below_commands_have_tables_below_tables(project: WriteProject):
    project("[tool.rqdeps.several.list]\nmost = 3")
    assert run("several", "list").output == "3\n"
    assert run("several", "list", RQDEPS_SEVERAL_LIST_MOST="4").output == "4\n"
    assert run("several", "list", "--most", "5", RQDEPS_SEVERAL_LIST_MOST="4").output == "5\n"


def test_a_worker_is_made_as_the_file_says(project: WriteProject, monkeypatch: pytest.MonkeyPatch):
    made: dict[str, Any] = {}

    def make(queues: tuple[str, ...], **options: Any) -> None:
        made.update(options, queues=queues)
        raise click.exceptions.Exit(0)

    monkeypatch.setattr(worker_module, "Worker", make)
    project(
        '[tool.rqdeps.worker]\nqueues = ["high", "default"]\nprocesses = 3\nmax-jobs-per-process = "none"\n'
        'lease = 5\npreload = ["myapp"]\nexception-handler = ["myapp:tell"]\n'
    )
    assert CliRunner().invoke(main, ["worker"], env={"RQDEPS_WORKER_LEASE": "6"}).exit_code == 0
    assert made["queues"] == ("high", "default")
    assert (made["processes"], made["max_jobs_per_process"], made["lease"]) == (3, None, 6.0)
    assert (made["preload"], made["exception_handlers"]) == (("myapp",), ("myapp:tell",))
    assert (made["allow"], made["url"]) == (None, None)


def test_every_option_has_a_variable_of_its_own():
    named = [
        variables_of(parameter)[0]
        for command, _ in commands_of(main, [])
        for parameter in command.params
        if key_of(parameter) is not None
    ]
    assert {"RQDEPS_WORKER_MAX_MEMORY", "RQDEPS_WORKER_QUEUES", "RQDEPS_WORKFLOW_LIST_JSON"} < set(named)
    assert len(set(named)) == len(named)
    assert not set(named) & set(GENERAL_VARIABLES)


# What can't be


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.rqdeps]\nsome", " can't be read: Expected '=' after a key in a key/value pair (at "),
        ("[tool.rqdeps]\nprocesses = 2", ": [tool.rqdeps] has no key 'processes': it takes url, and a table for each "),
        ("[tool.rqdeps.prob]\n", ": [tool.rqdeps.prob] is for no command: did you mean probe?"),
        ('[tool.rqdeps."\\n\\u001b[2J"]\n', r": [tool.rqdeps.\n\x1b[2J] is for no command"),
        ("[tool.rqdeps.xyz]\n", ": [tool.rqdeps.xyz] is for no command; there are probe, several, doctor"),
        ("[tool.rqdeps.probe]\nproceses = 2", ": [tool.rqdeps.probe] has no key 'proceses': did you mean processes?"),
        ("[tool.rqdeps.probe]\nform = 'json'", ": [tool.rqdeps.probe] has no key 'form': did you mean format?"),
        ("[tool.rqdeps.probe]\nold = true", ": [tool.rqdeps.probe] has no key 'old'"),
        ("[tool.rqdeps.probe]\nhelp = true", ": [tool.rqdeps.probe] has no key 'help'"),
        (
            "[tool.rqdeps.probe]\nmax-memory = '1M'\nmax_memory = '2M'",
            ": [tool.rqdeps.probe] says max-memory twice, with a dash and with an underscore",
        ),
        ("[tool.rqdeps.probe]\nburst = 'yes'", ': [tool.rqdeps.probe] burst takes true or false, not "yes"'),
        ("[tool.rqdeps.probe]\nprocesses = true", ": [tool.rqdeps.probe] processes takes a text or a number, not true"),
        (
            "[tool.rqdeps.probe]\nprocesses = {}",
            ": [tool.rqdeps.probe] processes takes a text or a number, not a table",
        ),
        (
            "[tool.rqdeps.probe]\nmax-memory = 2026-01-01",
            ': [tool.rqdeps.probe] max-memory takes a text or a number, not "2026-01-01"',
        ),
        (
            "[tool.rqdeps.probe]\nallow = 'myapp'",
            ': [tool.rqdeps.probe] allow takes a list, such as ["one", "two"], not "myapp"',
        ),
        (
            "[tool.rqdeps.probe]\nqueues = [true]",
            ': [tool.rqdeps.probe] queues takes a list, such as ["one", "two"], not [true]',
        ),
        ("[tool.rqdeps.probe]\nsigning_key = 'x'", ": [tool.rqdeps.probe] signing_key is a secret, "),
        ("[tool.rqdeps.probe]\nprocesses = 'x'", ": [tool.rqdeps.probe]: Invalid value for '--processes': 'x' is not "),
        ("[tool.rqdeps.probe]\nformat = 'x'", ": [tool.rqdeps.probe]: Invalid value for '--format': 'x' is not "),
    ],
)
def test_a_command_says_in_one_line_what_can_not_be(project: WriteProject, text: str, said: str):
    file = project(text)
    result = run("probe")
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {file}")
    assert result.output.count("\n") == 1
    assert said in result.output


def test_of_groups_too_it_says_what_can_not_be(project: WriteProject):
    project("[tool.rqdeps.several]\nlist = 3")
    assert "[tool.rqdeps.several] list is a command: it takes a table, not 3" in run("several", "list").output
    project("[tool.rqdeps.several]\nmost = 3")
    assert "[tool.rqdeps.several] has no key 'most'" in run("several", "list").output
    project("[tool.rqdeps.several.list]\nothers = ['x']")
    assert "[tool.rqdeps.several.list] has no key 'others'" in run("several", "list").output
    project("[tool.rqdeps.several.list]\nmost = 'x'")
    assert "[tool.rqdeps.several.list]: Invalid value for '--most'" in run("several", "list").output


def test_a_command_minds_no_table_but_its_own(project: WriteProject):
    project("[tool.rqdeps.several]\nnone = 3")
    assert given()["processes"] == 1


def test_of_a_variable_it_says_which(project: WriteProject):
    result = run("probe", RQDEPS_PROBE_PROCESSES="many")
    assert result.exit_code == 2
    assert result.output.startswith("Error: $RQDEPS_PROBE_PROCESSES: Invalid value for '--processes': 'many'")


def test_what_is_typed_wrong_is_answered_with_the_usage(project: WriteProject):
    project(TABLE)
    assert run("probe", "--processes", "many").output.startswith("Usage: rqdeps probe")


@pytest.mark.parametrize("args", [["--help"], ["probe", "--help"], ["several"], ["several", "list", "--help"]])
def test_help_is_there_whatever_the_file_says(project: WriteProject, args: list[str]):
    project("[tool.rqdeps]\nsome nonsense")
    result = run(*args)
    assert "Usage: rqdeps" in result.output
    assert "nonsense" not in result.output


def test_what_stands_after_two_dashes_is_no_call_for_help(project: WriteProject):
    project("[tool.rqdeps]\nsome nonsense")
    assert run("probe", "--", "--help").exit_code == 2


def test_the_version_and_completion_are_there_whatever_the_file_says(project: WriteProject):
    project("[tool.rqdeps]\nsome nonsense")
    assert CliRunner().invoke(main, ["--version"]).exit_code == 0
    found = ShellComplete(commands, {}, "rqdeps", "_RQDEPS_COMPLETE").get_completions(["probe"], "--proc")
    assert [each.value for each in found] == ["--processes"]


def test_the_help_shows_what_counts_here(project: WriteProject):
    project(TABLE)
    assert "[default: 2]" in run("probe", "--help").output


# What is shown


def settings(*args: str, **environment: str) -> dict[str, Setting]:
    found: list[Setting] = []
    result = CliRunner().invoke(commands, ["doctor", *args], env=environment, obj=found)
    assert result.exit_code == 0, result.output
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}


def test_without_anything_the_default_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert list(settings().values()) == [Setting("url", "redis://localhost:6379", "default")]


def test_of_several_urls_it_is_told_which_counts(project: WriteProject):
    file = project('[tool.rqdeps]\nurl = "redis://file"')
    in_file, of_table = f"[tool.rqdeps] in {file}", "[tool.rqdeps] url"
    found = settings()
    assert found["url"] == Setting("url", "redis://file", in_file)
    assert found[of_table] == Setting(of_table, "redis://file", str(file))
    found = settings(RQDEPS_URL="redis://variable")
    assert found["url"] == Setting("url", "redis://variable", "$RQDEPS_URL")
    assert found[of_table].overridden_by == "$RQDEPS_URL"
    found = settings("--url", "redis://option", RQDEPS_URL="redis://variable")
    assert found["url"] == Setting("url", "redis://option", "--url")
    assert found["RQDEPS_URL"] == Setting("RQDEPS_URL", "redis://variable", "environment", "--url")
    assert found[of_table].overridden_by == "--url"
    assert settings(RQDEPS_DOCTOR_URL="redis://own")["url"].source == "$RQDEPS_DOCTOR_URL"
    project('[tool.rqdeps.doctor]\nurl = "redis://own"')
    assert settings()["url"] == Setting("url", "redis://own", f"[tool.rqdeps.doctor] in {file}")


def test_no_secret_is_shown(project: WriteProject):
    project('[tool.rqdeps]\nurl = "redis://u:SECRET@file"\nsigning_key = "SECRET"\n[tool.rqdeps.probe]\nSECRETS = 1')
    found = settings(
        RQDEPS_URL="redis://u:SECRET@variable",
        RQDEPS_PROBE_URL="redis://u:SECRET@variable",
        RQDEPS_SIGNING_KEY="SECRET" * 10,
        RQDEPS_SIGNINGKEY="SECRET",
        RQDEPS_XYZ="SECRET",
    )
    assert [each for each in found.values() if "SECRET" in f"{each.value}{each.source}"] == []
    assert found["RQDEPS_URL"].value == "redis://u:***@variable"
    assert (found["RQDEPS_SIGNING_KEY"].value, found["RQDEPS_SIGNING_KEY"].problem) == ("set", "")
    assert found["RQDEPS_SIGNINGKEY"].problem == "no variable of rqdeps: did you mean RQDEPS_SIGNING_KEY?"
    assert found["RQDEPS_XYZ"].value == "set"
    assert "it holds a password" in found["[tool.rqdeps] url"].problem
    assert (found["[tool.rqdeps] signing_key"].value, found["[tool.rqdeps] signing_key"].source) == (
        "set",
        str(Path.cwd().parent / "pyproject.toml"),
    )
    assert "is a secret" in found["[tool.rqdeps] signing_key"].problem


def test_the_options_of_all_commands_are_shown_with_what_comes_before_them(project: WriteProject):
    file = project(TABLE + "\n[tool.rqdeps.several.list]\nmost = 3")
    found = settings(RQDEPS_PROBE_PROCESSES="3", RQDEPS_ALLOW="myapp")
    assert found["RQDEPS_PROBE_PROCESSES"] == Setting("RQDEPS_PROBE_PROCESSES", "3", "environment")
    name = "[tool.rqdeps.probe] processes"
    assert found[name] == Setting(name, "2", str(file), "$RQDEPS_PROBE_PROCESSES")
    assert found["[tool.rqdeps.probe] allow"].overridden_by == "$RQDEPS_ALLOW"
    assert found["[tool.rqdeps.probe] queues"].value == "high default"
    assert found["[tool.rqdeps.several.list] most"].value == "3"
    assert [each for each in found.values() if each.problem] == []


def test_what_can_not_be_is_told_and_not_raised(project: WriteProject):
    file = project(
        '[tool.rqdeps]\nurl = 5\nulr = "\\u001b[2J"\n[tool.rqdeps.prob]\n[tool.rqdeps.probe]\nproceses = 2\n'
        'processes = "many"\nburst = 1\nurl = "redis://u:p@x"\n[tool.rqdeps.several.list]\nmost = "x"'
    )
    found = settings(RQDEPS_PROBE_PROCESSES="few", RQDEPS_MAX_PAYLOAD="lots", RQDEPS_SIGNING_KEY="short")
    told = {name: each.problem for name, each in found.items() if each.problem}
    assert set(told) == {
        "url",
        "RQDEPS_PROBE_PROCESSES",
        "RQDEPS_MAX_PAYLOAD",
        "RQDEPS_SIGNING_KEY",
        "[tool.rqdeps] url",
        "[tool.rqdeps] ulr",
        "[tool.rqdeps] prob",
        "[tool.rqdeps.probe] proceses",
        "[tool.rqdeps.probe] processes",
        "[tool.rqdeps.probe] burst",
        "[tool.rqdeps.probe] url",
        "[tool.rqdeps.several.list] most",
    }
    assert str(file) in told["url"]
    assert "'many' is not a valid integer" in told["[tool.rqdeps.probe] processes"]
    assert "did you mean processes?" in told["[tool.rqdeps.probe] proceses"]
    assert all(each.value.isprintable() and each.problem.isprintable() for each in found.values())


def test_a_file_that_is_no_toml_is_told_and_not_raised(project: WriteProject):
    file = project("[tool.rqdeps]\nsome nonsense")
    found = settings("--url", "redis://x")
    assert found["url"].problem == ""
    assert found["[tool.rqdeps]"].problem.startswith(f"{file} can't be read: Expected '='")
    assert "can't be read" in settings()["url"].problem


# The docs


def test_the_page_of_the_docs_names_every_variable():
    named = set(re.findall(r"RQDEPS_[A-Z_]+[A-Z]", PAGE.read_text("utf-8")))
    source = Path(rqdeps.__file__).parent
    in_source = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r'"(RQDEPS_[A-Z_]+[A-Z])"', file.read_text("utf-8"))
    }
    assert in_source <= named
    assert in_source - {"RQDEPS_WORKER_QUEUES"} == set(GENERAL_VARIABLES)
