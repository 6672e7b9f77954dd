"""Programs written for RQ run on rqdeps with one word changed, and see the same; where not, what they see is better.

The programs are in ``at_home/``. Each is run by RQ 3 and by rqdeps, on one server, in databases of their own.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import StartServer
from rq_environments import RQ, environment

PROGRAMS = Path(__file__).parent / "at_home"

#: Those that hold programs.
MODULES = ("enqueueing", "graphs", "looking")

#: What rqdeps does otherwise, as ``docs/from-rq.md`` says: what a program observes under a name, by RQ and by rqdeps.
OTHERWISE: dict[str, dict[str, tuple[Any, Any]]] = {
    # A dependent of a failed job does not wait for ever.
    "after_a_failure": {"stuck": ("deferred", "upstream_failed")},
    "of_what_has_failed": {"stuck": ("deferred", "upstream_failed")},
    "canceled_above": {"second": ("deferred", "upstream_failed")},
    # What is unknown is not taken for something that has ended well.
    "of_what_never_was": {"status": ("queued", "NoSuchJobError")},
    # What could mean different moments here and on the worker is not taken for one of them.
    "moment_without_a_zone": {"refused": (False, True)},
    # A second job never takes the place of the first.
    "own_id_twice_without_unique": {"refused": (False, True), "ids": (["one", "one"], ["one"])},
    # A job is never left in no registry.
    "removed": {"status": ("queued", "canceled")},
    # To cancel a job twice does no harm.
    "canceled_twice": {"refused": (True, False)},
    # A job that a person has stopped has not failed.
    "stopped": {"failed": (1, 0)},
    # What became of a job can be told for a while, whatever becomes of its result.
    "result_kept_for_no_time": {"exists": (False, True)},
    # Dependents of a canceled job don't run as if it had succeeded, unless they say so themselves.
    "canceled_above_and_released": {
        "refused": (False, True),
        "first": ("canceled", "queued"),
        "second": ("finished", None),
    },
    # Queues keep their names: what people have set of one holds when jobs come again.
    "deleted_queue": {"all": ([], ["mail"])},
    # A job asks for another attempt by raising.
    "retried_by_its_return": {"tries": (3, 1), "status": ("finished", "failed"), "result": (3, None)},
}


def _names() -> list[str]:
    trees = [ast.parse((PROGRAMS / f"{module}.py").read_text("utf-8")) for module in MODULES]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if not name.startswith("_")]


@pytest.fixture(scope="module")
def observed(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What all programs observe, by RQ and by rqdeps: those of each module in a process of their own, side by side."""
    server = start_server(servers.VALKEY_9)
    server.clear()
    pythons = {"rq": environment(RQ), "rqdeps": Path(sys.executable)}
    running = {}
    for library, python in pythons.items():
        folder = tmp_path_factory.mktemp(library)
        _copy(folder / "at_home", library)
        for module in MODULES:
            command = [python, "-m", "at_home", str(server.socket), str(len(running)), module]
            process = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True)
            running[library, module] = process
    found: dict[str, Any] = {library: {} for library in pythons}
    with _killed_in_the_end(running.values()):
        for (library, _), process in running.items():
            found[library] |= json.loads(process.communicate(timeout=120)[0])
    server.clear()
    return found


def _copy(folder: Path, library: str) -> None:
    """The programs, with the name of the library in their imports."""
    shutil.copytree(PROGRAMS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.py"):
        text = file.read_text("utf-8")
        file.write_text(re.sub(r"^(from|import) rq\b", rf"\1 {library}", text, flags=re.MULTILINE), "utf-8")


def _environment() -> dict[str, str]:
    """Without what would name another server or serializer."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RQ")}


@contextmanager
def _killed_in_the_end(processes: Collection[subprocess.Popen[str]]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()  # closes its pipe


@pytest.mark.parametrize("program", _names())
def test_a_program_written_for_rq_sees_what_it_sees_on_rq(program: str, observed: dict[str, Any]) -> None:
    theirs, ours = observed["rq"][program], observed["rqdeps"][program]
    for each in (theirs, ours):
        assert "error" not in each, each["error"]
    otherwise = OTHERWISE.get(program, {})
    by_rq = {name: values[0] for name, values in otherwise.items()}
    by_rqdeps = {name: values[1] for name, values in otherwise.items()}
    assert {name: theirs.get(name) for name in otherwise} == by_rq
    assert {name: ours.get(name) for name in otherwise} == by_rqdeps
    assert {**ours, **by_rqdeps} == {**theirs, **by_rqdeps}


def test_what_is_expected_otherwise_is_of_a_program() -> None:
    assert set(OTHERWISE) <= set(_names())
