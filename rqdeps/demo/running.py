"""A worker in a process of its own, and one line that says how its jobs are doing."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rqdeps import Queue
from rqdeps.demo.show import command, progress

#: How often the counts are shown while jobs run, in seconds: on a terminal, where they stay in one line, and elsewhere.
TICK_ON_TERMINAL, TICK = 0.1, 1.0

#: How many jobs a worker runs at once.
PROCESSES = 2

#: How often to look what has happened meanwhile, in seconds.
_LOOK = 0.05

Process = subprocess.Popen[bytes]


class WorkerCommand:
    """The command that starts a worker on a queue, to end when all is done.

    Args:
        queue: the queue.
        url: its server.
        options: more of the worker's options.
    """

    def __init__(self, queue: Queue, url: str, *options: str) -> None:
        self._words = ["worker", queue.name, "--processes", str(PROCESSES), "--burst", *options]
        self._url = url
        self._address = queue.store.address

    def __str__(self) -> str:
        return f"  {command(*self._words)} \\\n    --url {shlex.quote(self._address)}"

    @contextmanager
    def running(self, log: Path) -> Iterator[Process]:
        """The worker beside this block, in a session of its own: Ctrl-C reaches it by way of the block only.

        Args:
            log: the file to which what it says is added.
        """
        whole = [sys.executable, "-m", "rqdeps", *self._words, "--url", self._url]
        with log.open("ab") as said:
            worker = subprocess.Popen(  # noqa: S603
                whole, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        try:
            yield worker
        except BaseException:
            worker.terminate()
            raise
        finally:
            worker.wait()


def ends_within(worker: Process, seconds: float) -> bool:
    """Waits for a worker's end, and says whether it came."""
    try:
        worker.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


class Progress:
    """Shows how many jobs of a queue have which status: on a terminal in one line that changes.

    Args:
        queue: the queue.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._in_place = sys.stdout.isatty()
        self._shown = ""
        self._next_at = 0.0

    def show(self, *, at_once: bool = False) -> None:
        """Shows it as it is now, if it was not shown just before.

        Args:
            at_once: show it in any case.
        """
        if time.monotonic() < self._next_at and not at_once:
            return
        self._next_at = time.monotonic() + (TICK_ON_TERMINAL if self._in_place else TICK)
        line = progress(self._queue.counts)
        if self._in_place:
            click.echo(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", nl=False)
        elif line != self._shown:
            click.echo(line)
        self._shown = line

    def say(self, line: str) -> None:
        """Says something else, above it."""
        click.echo(f"\r\033[K{line}" if self._in_place else line)
        self.show(at_once=True)

    def end(self) -> None:
        """Shows it for the last time."""
        self.show(at_once=True)
        if self._in_place:
            click.echo()

    def until_the_end_of(self, worker: Process, log: Path, look: Callable[[], None] = lambda: None) -> None:
        """Shows it until a worker has ended.

        Args:
            worker: the worker.
            log: the file to name if it ended too early.
            look: is called again and again meanwhile.

        Raises:
            click.ClickException: there are jobs that have not ended.
        """
        has_ended = False
        while not has_ended:
            self.show()
            has_ended = ends_within(worker, _LOOK)
            look()
        self.end()
        if any(count and not status.is_terminal for status, count in self._queue.counts.items()):
            raise click.ClickException(f"the worker ended before the jobs: see {log}")
