"""A log that jobs write themselves, outside of the server, and what it says about them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from rqdeps import get_current_job


def work(name: str, seconds: float, log: Path) -> str:
    """A job that takes its time, and notes in a log when it starts and ends."""
    job = get_current_job()
    job_id = job.id if job else name
    note(log, "start", job_id, name)
    time.sleep(seconds)
    note(log, "end", job_id, name)
    return name


def note(log: Path, *words: str) -> None:
    """Adds a line to a log, in one write: whoever dies meanwhile has added it or not, and lines never mix."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"{time.time():.3f} {' '.join(words)}\n".encode())
    finally:
        os.close(descriptor)


class Ledger:
    """What a log says.

    Args:
        lines: its lines, each after a time in seconds: ``start ID NAME``, ``end ID NAME``, and ``kill PID ID...`` with
            the jobs then in flight.

    Attributes:
        starts: how often each job has started.
        ended: the jobs that have run to their end.
        running: the jobs that have started and not ended since.
        killed: the workers that were killed.
        in_flight: the jobs that were in flight when a worker was killed.
        restarted: those of them that have started since, and how many seconds later.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.starts: Counter[str] = Counter()
        self.ended: set[str] = set()
        self.running: set[str] = set()
        self.killed: list[str] = []
        self.in_flight: list[str] = []
        self.restarted: dict[str, float] = {}
        self._killed_at = 0.0
        self._ended_before: list[tuple[str, frozenset[str]]] = []
        for line in lines:
            at, kind, subject, *others = line.split()
            {"start": self._start, "end": self._end, "kill": self._kill}[kind](float(at), subject, others)

    @classmethod
    def read(cls, log: Path) -> Ledger:
        """Reads a log, which need not exist yet."""
        return cls(log.read_text().splitlines() if log.exists() else [])

    def _start(self, at: float, job_id: str, others: list[str]) -> None:
        self.starts[job_id] += 1
        self.running.add(job_id)
        self._ended_before.append((job_id, frozenset(self.ended)))
        if job_id in self.in_flight:
            self.restarted.setdefault(job_id, at - self._killed_at)

    def _end(self, at: float, job_id: str, others: list[str]) -> None:
        self.ended.add(job_id)
        self.running.discard(job_id)

    def _kill(self, at: float, pid: str, others: list[str]) -> None:
        self._killed_at = at
        self.killed.append(pid)
        self.in_flight += others
        self.running.clear()

    def lost(self, job_ids: Iterable[str]) -> list[str]:
        """Those of these jobs that have not run to their end."""
        return [job_id for job_id in job_ids if job_id not in self.ended]

    def too_early(self, dependencies: Mapping[str, Collection[str]]) -> list[str]:
        """The jobs that have started before all that they depend on had ended, by their dependencies."""
        return [job_id for job_id, ended in self._ended_before if not ended.issuperset(dependencies[job_id])]

    def summary(self, job_ids: Collection[str]) -> str:
        """What became of these jobs, in a line."""
        again = {job_id for job_id, starts in self.starts.items() if starts > 1}
        known = again.intersection(self.in_flight)
        why = "" if known == again else f"{len(known)} of them "
        jobs, killed = _count(len(job_ids), "job"), _count(len(self.killed), "worker")
        repeats = f"{self._repeats()}{f' ({why}in flight when the worker died)' if again else ''}"
        return f"{jobs}, {killed} killed, {len(self.lost(job_ids))} lost, {repeats}"

    def _repeats(self) -> str:
        times = Counter(starts for starts in self.starts.values() if starts > 2)  # noqa: PLR2004
        twice = sum(starts == 2 for starts in self.starts.values())  # noqa: PLR2004
        return ", ".join([f"{twice} run twice", *(f"{count} run {starts} times" for starts, count in times.items())])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
