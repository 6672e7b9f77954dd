"""RQ for tests, in environments of their own: real releases, which make jobs and run them. rqdeps never imports it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent

#: What pip is asked for, by what tests call it.
RELEASES = {"rq2": "rq>=2,<3", "rq3": "rq==3.0.0"}

#: How long an environment may take to be made, in seconds.
MADE_WITHIN = 240


def python_with(release: str) -> Path:
    """The Python of an environment that has a release of RQ, made when it is first asked for, and kept for later runs.

    Skips the test where no registry of packages can be reached, but not on a machine that builds releases.
    """
    requirement = RELEASES[release]
    named = f"{requirement} {sys.version}"
    cache = Path(tempfile.gettempdir()) / f"rqdeps-tests-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    folder = cache / f"{release}-{hashlib.sha256(named.encode()).hexdigest()[:8]}"
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes run tests
        if not (folder / "complete").exists():
            try:
                _make(folder, requirement)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                reason = f"no environment with {requirement}: {error}\n{(error.stderr or b'').decode()[-2_000:]}"
                if os.environ.get("CI"):
                    pytest.fail(reason)
                pytest.skip(reason)
    return folder / "bin" / "python"


def _make(folder: Path, requirement: str) -> None:
    python = folder / "bin" / "python"
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
    )
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, timeout=MADE_WITHIN, env=_environment())
    (folder / "complete").touch()


def _environment() -> dict[str, str]:
    """Without what would let the environment see packages of this one."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "COVERAGE"))}


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
        with subprocess.Popen(command, cwd=TESTS, env=_environment(), **_SILENT) as process:
            try:
                yield
            finally:
                process.terminate()  # and not killed: its scheduler would go on


_SILENT: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@contextmanager
def running(release: str) -> Iterator[Rq]:
    """A program that uses a release of RQ, until the end of the ``with`` block."""
    python = python_with(release)
    command = [str(python), str(TESTS / "rq_program.py")]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=TESTS, text=True, env=_environment(), **streams) as process:
        yield Rq(process, python)
        process.kill()
