"""Workers in processes of their own, and what tests see of them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent


#: Runs ``rqdeps`` with another time for jobs to end after their timeout, in seconds.
WITH_GRACE = "from rqdeps.worker import stable; stable.GRACE_NS = int({} * 1e9); from rqdeps.cli import main; main()"


@contextmanager
def worker_process(url: str, *options: str, grace: float | None = None) -> Iterator[subprocess.Popen[str]]:
    program = ["-m", "rqdeps"] if grace is None else ["-c", WITH_GRACE.format(grace)]
    command = [sys.executable, *program, "worker", "work", "--url", url, *options]
    with subprocess.Popen(command, cwd=TESTS, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for something that another process brings about and does not tell."""
    never = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        never.wait(0.005)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
