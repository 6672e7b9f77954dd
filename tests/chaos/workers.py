"""The workers of the chaos suite: processes that are killed and stopped, and replaced by others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos.graphs import QUEUES
from chaos.jobs import LOG_VARIABLE

#: The lease of all workers, in seconds: short, so that it runs out.
LEASE = 2.0

#: Options of the workers, by turns.
KINDS: tuple[tuple[str, ...], ...] = (
    ("--isolation", "process", "--processes", "2", "--max-jobs-per-process", "20"),
    ("--isolation", "job", "--processes", "2"),
    ("--isolation", "process", "--shutdown-timeout", "1"),
)

_TESTS = Path(__file__).parent.parent


@dataclass
class Ended:
    """A worker that has ended.

    Attributes:
        pid: its process id.
        code: its exit code.
        signals: what it was sent.
        log: the file with what it said.
    """

    pid: int
    code: int
    signals: list[signal.Signals]
    log: Path


@dataclass
class _Slot:
    kind: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    log: Path = Path(os.devnull)
    signals: list[signal.Signals] = field(default_factory=list)


class Workers:
    """Some workers, each in a process group of its own.

    Args:
        count: how many.
        url: where the server is.
        folder: where they write their logs.
        jobs_log: where their jobs write.

    Attributes:
        ended: those that have ended.
    """

    def __init__(self, count: int, url: str, folder: Path, jobs_log: Path) -> None:
        self.ended: list[Ended] = []
        self._slots = [_Slot(KINDS[number % len(KINDS)]) for number in range(count)]
        self._url = url
        self._folder = folder
        self._started = 0
        # Measuring what processes execute that are killed anyway would slow down what is to be hurried.
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        self._environment[LOG_VARIABLE] = str(jobs_log)

    def start_missing(self) -> None:
        """Replaces those that have ended."""
        self.bury()
        for slot in self._slots:
            if slot.process is None:
                self._start(slot)

    def _start(self, slot: _Slot) -> None:
        self._started += 1
        slot.log, slot.signals = self._folder / f"worker-{self._started}.log", []
        command = [sys.executable, "-m", "rqdeps", "worker", *QUEUES, "--url", self._url, "--lease", f"{LEASE:g}"]
        with slot.log.open("wb") as log:
            slot.process = subprocess.Popen(
                [*command, *slot.kind],
                cwd=_TESTS,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def bury(self) -> None:
        """Notes which have ended."""
        for slot in self._slots:
            if slot.process is not None and (code := slot.process.poll()) is not None:
                self.ended.append(Ended(slot.process.pid, code, slot.signals, slot.log))
                slot.process = None

    def send(self, number: int, what: signal.Signals) -> int | None:
        """Sends a signal to one of the workers, not to its horses. Returns its process id, or ``None`` without it."""
        slot = self._slots[number % len(self._slots)]
        if slot.process is None or slot.process.poll() is not None:
            return None
        slot.signals.append(what)
        slot.process.send_signal(what)
        return slot.process.pid

    def horses(self, number: int) -> list[int]:
        """The processes that one of the workers has forked, and those that these have."""
        slot = self._slots[number % len(self._slots)]
        if slot.process is None:
            return []
        return _descendants(slot.process.pid)

    def kill_horse(self, number: int, which: int) -> int | None:
        """Kills a horse of one of the workers. Returns its process id."""
        horses = self.horses(number)
        if not horses:
            return None
        horse = horses[which % len(horses)]
        with contextlib.suppress(ProcessLookupError):
            os.kill(horse, signal.SIGKILL)
        return horse

    def end(self, seconds: float) -> bool:
        """Has all end in peace. Returns whether they did; those that don't in this time are killed."""
        for number in range(len(self._slots)):
            self.send(number, signal.SIGCONT)
            self.send(number, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while any(slot.process is not None for slot in self._slots) and time.monotonic() < deadline:
            time.sleep(0.02)
            self.bury()
        in_peace = all(slot.process is None for slot in self._slots)
        self.kill()
        return in_peace

    def kill(self) -> None:
        """Kills all that are left."""
        for number in range(len(self._slots)):
            self.send(number, signal.SIGKILL)
        for slot in self._slots:
            if slot.process is not None:
                slot.process.wait()
        self.bury()


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [found for child in map(int, children) for found in (child, *_descendants(child))]
