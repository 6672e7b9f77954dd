"""Workers in processes of their own, and what tests see of them."""

from __future__ import annotations

import multiprocessing
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from pathlib import Path

from rqdeps import Worker

TESTS = Path(__file__).parent


class Meeting:
    """A place where a job says that it runs, and waits until it may go on."""

    def __init__(self, folder: Path) -> None:
        self.here, self.release = folder / "here", folder / "release"
        for fifo in (self.here, self.release):
            os.mkfifo(fifo)

    @property
    def args(self) -> tuple[str, str]:
        return str(self.here), str(self.release)

    def wait(self) -> int:
        """Waits until the job runs, and returns the id of its process."""
        return int(self.here.read_text())

    def let_go(self, value: str = "") -> None:
        self.release.write_text(value)


class Witness:
    """Sees when the last process has ended that holds a fifo open."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "witness"
        os.mkfifo(self.path)
        self._fifo = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self) -> str:
        """Waits until something is written, and returns it."""
        return self._read().decode()

    def sees_the_end(self) -> bool:
        """Whether all end that hold it open, within a time that is ample."""
        return self._read() == b""

    def _read(self) -> bytes:
        ready, _, _ = select.select([self._fifo], [], [], 20)
        assert ready, "nothing came to be seen"
        return os.read(self._fifo, 1_000)

    def close(self) -> None:
        os.close(self._fifo)


#: Runs ``rqdeps`` with another time for jobs to end after their timeout, in seconds.
WITH_GRACE = "from rqdeps.worker import stable; stable.GRACE_NS = int({} * 1e9); from rqdeps.cli import main; main()"


@contextmanager
def worker_process(url: str, *options: str, grace: float | None = None) -> Iterator[subprocess.Popen[str]]:
    program = ["-m", "rqdeps"] if grace is None else ["-c", WITH_GRACE.format(grace)]
    command = [sys.executable, *program, "worker", "work", "--url", url, *options]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=TESTS, text=True, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def forked_worker(worker: Worker) -> Iterator[ForkProcess]:
    """A worker in a process forked from this one, which starts in no time. It exits with the worker's exit code."""

    def work() -> None:
        worker.work()
        sys.exit(worker.exit_code)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def exit_code_of(process: ForkProcess) -> int | None:
    """Waits for the end of a process."""
    process.join(30)
    return process.exitcode


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for something that another process brings about and does not tell."""
    never = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        never.wait(0.005)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
