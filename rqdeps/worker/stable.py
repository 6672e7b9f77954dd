"""The horses of a worker: forked, fed, listened to, killed and replaced. Knows nothing of Redis."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rqdeps.errors import JobTimeoutError
from rqdeps.retry import mro_names
from rqdeps.store import Store
from rqdeps.worker.execution import error_details
from rqdeps.worker.held import Held
from rqdeps.worker.horse import run_horse
from rqdeps.worker.pipe import Pipe, Report

#: How much work may wait in a horse's pipe, by the running average of what a job takes, and how many jobs at most.
_AHEAD_NS = 2_000_000
_AHEAD_JOBS = 32

#: A job that has run for longer than this keeps those behind it waiting; they are taken back.
STUCK_NS = 10_000_000

#: How long after its timeout a job that goes on is killed.
GRACE_NS = 5_000_000_000

#: Weight of the newest job in the running average.
_NEWEST = 0.2


class HorseDiedError(Exception):
    """The process that ran a job died, or was killed."""


@dataclass(eq=False)
class Horse:
    """A forked process, seen from the supervisor.

    Attributes:
        pid: its process id.
        pipe: the pipe to it.
        tasks: what it was given and has not reported, by the tasks' numbers, in order.
        killed_for: why the supervisor killed it, if it did.
    """

    pid: int
    pipe: Pipe
    tasks: dict[int, Held] = field(default_factory=dict)
    killed_for: Exception | None = None

    def running(self) -> tuple[Held | None, int]:
        """The job that it runs now, and since when, by the monotonic clock in nanoseconds."""
        number, begun_at = self.pipe.board.read()
        return self.tasks.get(number), begun_at

    def take_back(self) -> list[Held]:
        """Takes back the jobs that it has not begun."""
        return [self.tasks.pop(number) for number in self.pipe.take_back() if number in self.tasks]


@dataclass(frozen=True)
class Death:
    """A horse that died. Whoever reads it closes its pipe.

    Attributes:
        horse: the horse.
        how: how it died, in words.
        ran: the job that it ran, which is to blame or the victim; with how that is to be reported.
        waiting: jobs that it had not begun.
    """

    horse: Horse
    how: str
    ran: tuple[Held, Report] | None
    waiting: list[Held]


class Stable:
    """The horses of a worker.

    Args:
        size: how many horses to keep.
        store: what jobs that ask for a connection get.
    """

    def __init__(self, size: int, store: Store) -> None:
        self.size = size
        self.horses: list[Horse] = []
        self._store = store
        self._number = 0
        self._average_ns: float | None = None

    def start_missing(self) -> list[Horse]:
        """Forks horses until there are as many as there should be, and returns the new ones."""
        new = []
        while len(self.horses) < self.size:
            new.append(self._fork())
        return new

    def _fork(self) -> Horse:
        pipe = Pipe()
        supervisor_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            for other in self.horses:
                other.pipe.close()
            run_horse(pipe, self._store, supervisor_pid)
        pipe.let_go()
        horse = Horse(pid, pipe)
        self.horses.append(horse)
        return horse

    # How much they can take

    @property
    def depth(self) -> int:
        """How many jobs a horse may be given ahead, with the one it runs."""
        if self._average_ns is None:
            return 1
        return max(1, min(_AHEAD_JOBS, int(_AHEAD_NS / max(self._average_ns, 1))))

    def capacity(self) -> int:
        """How many more jobs the horses can take now."""
        now, depth = time.monotonic_ns(), self.depth
        return sum(max(0, (1 if self._is_stuck(horse, now) else depth) - len(horse.tasks)) for horse in self.horses)

    @property
    def idle(self) -> int:
        """How many horses have nothing to do."""
        return sum(not horse.tasks for horse in self.horses)

    @property
    def runs_dry(self) -> bool:
        """Whether a horse has used up half of what it may be given ahead."""
        half = self.depth // 2
        return any(len(horse.tasks) <= half for horse in self.horses)

    @property
    def held(self) -> Iterator[Held]:
        """All jobs that horses have."""
        for horse in self.horses:
            yield from horse.tasks.values()

    def _is_stuck(self, horse: Horse, now: int) -> bool:
        held, begun_at = horse.running()
        return held is not None and now - begun_at > STUCK_NS

    # Giving and taking

    def give(self, jobs: Iterable[Held]) -> list[Held]:
        """Gives jobs to the horses with the least to do. Returns those that none can take."""
        shares: dict[Horse, list[tuple[int, Held]]] = {}
        left: list[Held] = []
        now, depth = time.monotonic_ns(), self.depth
        for held in jobs:
            horse = min(self.horses, key=lambda horse: len(horse.tasks))
            if len(horse.tasks) >= depth or (horse.tasks and self._is_stuck(horse, now)):
                left.append(held)
                continue
            self._number += 1
            horse.tasks[self._number] = held
            shares.setdefault(horse, []).append((self._number, held))
        for horse, share in shares.items():
            horse.pipe.put([(number, held.task()) for number, held in share])
        return left

    def collect(self, horse: Horse) -> Iterator[tuple[Held, Report]]:
        """What a horse has reported."""
        for number, report in horse.pipe.reports():
            held = horse.tasks.pop(number, None)
            if held is None:
                continue
            if self._average_ns is None:
                self._average_ns = report.duration_ns
            else:
                self._average_ns += _NEWEST * (report.duration_ns - self._average_ns)
            yield held, report

    def take_back_stuck(self) -> list[Held]:
        """Takes back jobs that wait behind one that takes long."""
        now = time.monotonic_ns()
        taken: list[Held] = []
        for horse in self.horses:
            if len(horse.tasks) > 1 and self._is_stuck(horse, now):
                taken += horse.take_back()
        return taken

    def take_back_all(self) -> list[Held]:
        """Takes back every job that has not begun."""
        return [held for horse in self.horses for held in horse.take_back()]

    def drop(self, job_id: str, reason: Exception) -> list[Held]:
        """Sees to it that a job ends or never begins. Returns those that had to be taken back with it."""
        taken: list[Held] = []
        for horse in self.horses:
            if any(held.claim.id == job_id for held in horse.tasks.values()):
                taken += horse.take_back()
                running, _ = horse.running()
                if running is not None and running.claim.id == job_id:
                    self.kill(horse, reason)
        return [held for held in taken if held.claim.id != job_id]

    # Ends

    def kill(self, horse: Horse, reason: Exception) -> None:
        """Kills a horse at once. Its death is reported by ``reap``; the job that it ran then failed for this reason."""
        if horse.killed_for is None:
            horse.killed_for = reason
            os.kill(horse.pid, signal.SIGKILL)

    def kill_overdue(self) -> None:
        """Kills horses whose job has ignored its timeout."""
        now = time.monotonic_ns()
        for horse in self.horses:
            held, begun_at = horse.running()
            if held is not None and held.timeout_ms >= 0 and now - begun_at > held.timeout_ms * 1_000_000 + GRACE_NS:
                self.kill(horse, JobTimeoutError(f"the job ignored its job_timeout of {held.timeout_ms / 1000:g} s"))

    def reap(self) -> list[tuple[Death, list[tuple[Held, Report]]]]:
        """The horses that have died since the last call, each with what it had reported before."""
        deaths = []
        for horse in list(self.horses):
            pid, status = os.waitpid(horse.pid, os.WNOHANG)
            if pid == 0:
                continue
            reported = list(self.collect(horse))
            deaths.append((self._bury(horse, status), reported))
        return deaths

    def _bury(self, horse: Horse, status: int) -> Death:
        self.horses.remove(horse)
        held, begun_at = horse.running()
        waiting = [task for task in horse.tasks.values() if task is not held]
        error = horse.killed_for or HorseDiedError(_how_it_died(status))
        if held is None:
            return Death(horse, str(error), None, waiting)
        names = mro_names(type(error))
        details = error_details(names[0], str(error), f"{names[0]}: {error}\n")
        report = Report("raised", time.monotonic_ns() - begun_at, details, error_names=names)
        return Death(horse, str(error), (held, report), waiting)

    def close(self) -> None:
        """Ends all horses. Those that still run a job are killed."""
        for horse in self.horses:
            if horse.tasks:
                os.kill(horse.pid, signal.SIGKILL)
            horse.pipe.close()  # an idle horse ends when its pipe does
        for horse in self.horses:
            os.waitpid(horse.pid, 0)
        self.horses.clear()


def _how_it_died(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"the process that ran the job was killed by {name}"
    return f"the process that ran the job ended with exit code {code}"
