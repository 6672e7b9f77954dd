"""The commands that a README or a page of the docs shows, run as its readers would, with what they print compared."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

#: What stands for anything in what a README says that a command prints: for times, ids and the like.
ANYTHING = "…"

#: What stands for the last id that was printed, in a command, by those that were not about one themselves.
ID = re.compile(r"\bID\b")

_A_PRINTED_ID = re.compile(r"\b[0-9A-Za-z]{16}\b")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE_OR_BLOCK = re.compile(r"^```(console|python|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# ([\w/]+\.\w+)\n")
_STAYS = re.compile(r"^(rqdeps worker(?!.*--burst)|uvicorn )")
_WEB_PORT = 8000
_PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Command:
    """A command of a README.

    Attributes:
        line: what is typed.
        printed: what the README says it prints, in lines.
        exit_code: what the README says it exits with: a line ``[exits with 1]`` at the end; else 0.
    """

    line: str
    printed: list[str]
    exit_code: int = 0

    @property
    def stays(self) -> bool:
        """Whether it runs in a terminal of its own, until it is interrupted."""
        return bool(_STAYS.match(self.line))


def commands_of(readme: Path) -> list[Command]:
    """The commands of all blocks marked ``console``: lines after ``$ ``, and below each what it prints."""
    return [command for block in _BLOCK.findall(readme.read_text("utf-8")) for command in _commands_in(block)]


def _commands_in(block: str) -> Iterator[Command]:
    first, *rest = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not first.strip(), f"a block has no $ before its first command: {first!r}"
    for text in rest:
        line, *printed = text.rstrip("\n").split("\n")
        exits = re.fullmatch(r"\[exits with (\d+)\]", printed[-1]) if printed else None
        yield Command(line, printed[:-1] if exits else printed, int(exits[1]) if exits else 0)


@dataclass(frozen=True)
class File:
    """A file of a page: a block of Python or TOML whose first line is a comment with its name.

    Attributes:
        name: the file.
        text: what is in it.
    """

    name: str
    text: str


def steps_of(page: Path) -> list[File | Command]:
    """What a reader of a page does, in order: writes a file, or changes it, and types commands."""
    steps: list[File | Command] = []
    for kind, block in _FILE_OR_BLOCK.findall(page.read_text("utf-8")):
        if kind == "console":
            steps += _commands_in(block)
        elif named := _NAME.match(block):
            steps.append(File(named[1], block))
    return steps


def run_readme(folder: Path) -> None:
    """Runs all commands of the README of an example in its folder, in order, and compares what they print.

    Raises:
        AssertionError: a command prints something else, or does not exit as it should.
    """
    run_steps(commands_of(folder / "README.md"), folder)


def run_page(page: Path, folder: Path) -> None:
    """Writes all files that a page shows into a folder, and runs its commands there, in order; see ``run_readme``."""
    run_steps(steps_of(page), folder)


def run_steps(steps: Iterable[File | Command], folder: Path) -> None:
    """Does what a reader does. Raises what ``run_readme`` does."""
    last_id = ""
    with ExitStack() as terminals:
        for command in steps:
            if isinstance(command, File):
                (folder / command.name).parent.mkdir(exist_ok=True, parents=True)
                (folder / command.name).write_text(command.text, "utf-8")
                continue
            line = ID.sub(last_id or "ID", command.line)
            if command.stays:
                terminals.enter_context(_running(line, folder))
                continue
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=folder,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
            told = f"$ {line}\n{done.stdout}\n{done.stderr}"
            assert done.returncode == command.exit_code, told
            if command.printed:
                assert re.fullmatch(_pattern(command.printed), done.stdout.rstrip() + "\n"), told
            found = _A_PRINTED_ID.findall(done.stdout)
            last_id = found[-1] if found and line == command.line else last_id


def _pattern(printed: list[str]) -> str:
    """A line that is ``…`` alone stands for any number of lines, elsewhere for any part of a line."""
    lines = []
    for line in printed:
        if line.strip() == ANYTHING:
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            parts = [re.escape(part) for part in line.rstrip().split(ANYTHING)]
            lines.append(r"[^\n]*?".join(parts) + r" *\n")
    return "".join(lines)


def _environment() -> dict[str, str]:
    """The environment of a reader who has the same packages installed, with a terminal 120 columns wide."""
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120", "LINES": "40"}
    return {name: value for name, value in os.environ.items() if name != "RQDEPS_URL"} | own


@contextmanager
def _running(line: str, folder: Path) -> Iterator[None]:
    """Runs a command in a terminal of its own."""
    assert shutil.which(line.split(maxsplit=1)[0], path=_environment()["PATH"]), line
    with subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=folder, env=_environment()) as process:
        if line.startswith("uvicorn"):
            _wait_for_port(process)
        try:
            yield
            assert process.poll() is None, f"{line} ended by itself"
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode in (0, -signal.SIGTERM), f"{line} exited with {process.returncode}"


def _wait_for_port(process: subprocess.Popen[bytes]) -> None:
    """Waits until a web server answers."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None:
        try:
            socket.create_connection(("localhost", _WEB_PORT), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, "the web server did not start"
            time.sleep(0.05)
    raise AssertionError("the web server ended by itself")
