"""Commands as tests call them: in this process, in one of their own, and on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from rqdeps.cli import main

TESTS = Path(__file__).parent

#: Whatever moves a cursor or changes a colour.
ESCAPE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")


def run(*args: str, answer: str | None = None) -> Result:
    """Runs a command in this process, with standard output and error into pipes.

    Args:
        *args: its arguments.
        answer: what stands in standard input.
    """
    result = CliRunner().invoke(main, args, prog_name="rqdeps", input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), "users get no traceback"
    assert "Traceback" not in result.output
    return result


@contextmanager
def process(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, with standard output and error in pipes."""
    command = [sys.executable, "-m", "rqdeps", *args]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


class Terminal:
    """A terminal on which a command runs: what was written to it, and what it shows.

    Args:
        *args: the command's arguments.
        columns: how wide it is.
        **environment: what else the command finds in its environment.
    """

    def __init__(self, *args: str, columns: int, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rqdeps", *args],
            cwd=TESTS,
            env=inherited | {"TERM": "xterm"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.written = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def until(self, condition: Callable[[Terminal], bool]) -> None:
        """Reads until something is true of it."""
        while not condition(self):
            assert self._read(), f"the command has ended: {self.written!r}"

    def end(self) -> int:
        """Reads all that is still written. Returns the exit code."""
        while self._read():
            pass
        return self._process.wait(timeout=30)

    def signal(self, number: int) -> None:
        """Sends the command a signal."""
        self._process.send_signal(number)

    @property
    def lines(self) -> list[str]:
        """What it shows: each line without the spaces at its end, as far as the terminal is not too narrow for it."""
        shown, row, column = [""], 0, 0
        for part in re.findall(rf"{ESCAPE.pattern}|(.)", self.written, re.DOTALL):
            argument, letter, char = part
            if char == "\r":
                column = 0
            elif char == "\n":
                row += 1
                shown += [""] * (row == len(shown))
            elif char:
                line = shown[row].ljust(column)
                shown[row], column = line[:column] + char + line[column + 1 :], column + 1
            elif letter == "A":
                row -= int(argument)
            elif letter == "K":
                shown[row] = ""
            else:
                assert letter in "mhl", f"{part} is unknown here"
        return [line.rstrip() for line in shown]

    def _read(self) -> bool:
        try:
            chunk = os.read(self._ours, 65_536)
        except OSError:  # how Linux says that the other end is closed
            chunk = b""
        self.written += chunk.decode(errors="replace")
        return bool(chunk)
