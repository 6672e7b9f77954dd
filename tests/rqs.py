"""RQ for tests, in environments of their own: real releases, which make jobs and run them. rqdeps never imports it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rq_environments import RQ, environment, surroundings

TESTS = Path(__file__).parent

#: What pip is asked for, by what tests call it.
RELEASES = {"rq2": "rq>=2,<3", "rq3": RQ}


class Rq:
    """A program that uses RQ, in a process of its own.

    Args:
        process: the process.
        python: its Python.
        url: the server of the test that has it now.
    """

    def __init__(self, process: subprocess.Popen[str], python: Path) -> None:
        self._process = process
        self._python = python
        self.url = ""

    def __call__(self, code: str) -> Any:
        """Runs code there; see ``rq_program.py`` for the names that it finds. Returns what it puts in ``reply``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"url": self.url, "code": code}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["reply"]

    def work(self, most: int | None = None) -> None:
        """Runs what is queued, and what that releases: so many jobs at most."""
        self(f"work({most})")

    @contextmanager
    def worker(self, *options: str) -> Iterator[None]:
        """A worker of RQ, in another process."""
        command = [str(self._python), "-m", "rq.cli", "worker", "--quiet", "--url", self.url, *options]
        with subprocess.Popen(command, cwd=TESTS, env=surroundings(), **_SILENT) as process:
            try:
                yield
            finally:
                process.terminate()  # and not killed: its scheduler would go on


_SILENT: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@contextmanager
def running(release: str) -> Iterator[Rq]:
    """A program that uses a release of RQ, until the end of the ``with`` block."""
    python = environment(RELEASES[release])
    command = [str(python), str(TESTS / "rq_program.py")]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=TESTS, text=True, env=surroundings(), **streams) as process:
        yield Rq(process, python)
        process.kill()
