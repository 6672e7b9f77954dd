"""Processes of queues: started with the environment that they need, looked at, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.errors import BenchmarkError, LacksError
from benchmarks.queues.adapter import URL_VARIABLE

#: The repository, where processes find ``benchmarks.queues``.
ROOT = Path(__file__).parent.parent

#: How long a worker has to end by itself, in seconds.
GRACE = 8

PROC = Path("/proc")

#: Where this is set, every start would compile what was not compiled when it was installed.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Program:
    """How processes of a queue are started.

    Attributes:
        python: the interpreter of its environment.
        folder: where they run.
    """

    python: Path
    folder: Path

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        url: str,
        log: Path,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts one, in a process group of its own.

        Args:
            argv: its words; a first one ``python`` stands for the interpreter.
            env: what to add to its environment.
            url: the server.
            log: where to put what it prints.
            stdin: as for ``subprocess``.
            stdout: as for ``subprocess``; the log unless told otherwise.
        """
        words = [str(self.python), *argv[1:]] if argv[0] == "python" else list(argv)
        surroundings = {
            **{name: value for name, value in os.environ.items() if name != NO_BYTECODE},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)]),
            URL_VARIABLE: url,
            **env,
        }
        with log.open("ab") as file:
            return subprocess.Popen(
                words,
                env=surroundings,
                cwd=self.folder,
                stdin=stdin,
                stdout=file if stdout is None else stdout,
                stderr=file,
                start_new_session=True,
            )


class WorkerProcess:
    """A worker of a queue, with all the processes that it starts; at the end of a ``with`` block they are gone.

    Args:
        program: how processes of the queue are started.
        argv: the worker's words.
        env: what to add to its environment.
        url: the server.
        log: where it prints.

    Attributes:
        started_at: when it was started, by the clock on the wall.
    """

    def __init__(self, program: Program, argv: Sequence[str], env: Mapping[str, str], url: str, log: Path) -> None:
        self.log = log
        self.started_at = time.time()
        self.process = program.start(argv, env, url, log)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def check(self) -> None:
        """Raises a ``BenchmarkError`` if it has ended."""
        if self.process.poll() is not None:
            raise BenchmarkError(f"its worker ended with {self.process.returncode}: {last_words(self.log)}")

    def end(self) -> None:
        """Asks it to end, and sees to it that it has."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.kill()

    def kill(self) -> None:
        """Ends all its processes at once, as the loss of their machine would."""
        family = self.family()
        for pid in family:  # stopped first, so that nobody starts another meanwhile
            _send(pid, signal.SIGSTOP)
        for pid in {*family, *self.family()}:
            _send(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def family(self) -> list[int]:
        """The ids of its processes that run, the first one first."""
        return [] if self.process.returncode is not None else descendants(self.process.pid)

    def proportional_set_size(self) -> int:
        """The bytes of memory of all its processes, where what several share is divided between them.

        Raises:
            LacksError: the system does not tell.
        """
        return sum(map(_proportional_set_size, self.family()))


def descendants(pid: int) -> list[int]:
    """A process and all that it has started, and these have started. On systems without ``/proc``, itself alone."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of a program, in brackets, may hold anything.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:  # which grows meanwhile
        found += children.get(each, [])
    return found


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def await_lines(path: Path, count: int, seconds: float, worker: WorkerProcess | None = None) -> list[str]:
    """Waits until a file has so many lines, and returns what there is at the end, in time or not.

    Args:
        path: the file, which need not be there yet.
        count: how many lines to wait for.
        seconds: how long, at most.
        worker: a worker that has to live meanwhile.
    """
    until = time.monotonic() + seconds
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count or time.monotonic() > until:
            return lines
        if worker:
            worker.check()
        time.sleep(0.005)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _proportional_set_size(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError as error:
        raise LacksError("this system does not tell") from error
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
