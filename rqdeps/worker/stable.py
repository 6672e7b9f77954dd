"""The horses of a worker: forked, fed, listened to, killed and replaced. Knows nothing of Redis."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rqdeps.errors import JobTimeoutError
from rqdeps.retry import mro_names
from rqdeps.store import Store
from rqdeps.worker.execution import error_details
from rqdeps.worker.held import Held
from rqdeps.worker.horse import run_horse
from rqdeps.worker.pipe import Pipe, Report

log = logging.getLogger("rqdeps.worker")

#: How much work may wait in a horse's pipe, by the running average of what a job takes, and how many jobs at most.
_AHEAD_NS = 2_000_000
_AHEAD_JOBS = 32

#: A job that has run for longer than this keeps those behind it waiting; they are taken back.
STUCK_NS = 10_000_000

#: How long after its timeout a job that goes on is killed.
GRACE_NS = 5_000_000_000

#: After a process that could not be started, or died before it ran any job, how long until the next, in seconds; the
#: pause doubles each time.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0

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
        has_reported: whether it has run a job to its end.
    """

    pid: int
    pipe: Pipe
    tasks: dict[int, Held] = field(default_factory=dict)
    killed_for: Exception | None = None
    has_reported: bool = False

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
        ran: the job that it ran, which is to blame or the victim; with how that is to be reported.
        waiting: jobs that it had not begun.
    """

    horse: Horse
    ran: tuple[Held, Report] | None
    waiting: list[Held]


class Stable:
    """The horses of a worker.

    Args:
        size: how many horses to keep.
        store: what jobs that ask for a connection get.
        let_go: called in a horse; closes what belongs to the supervisor alone.

    Attributes:
        fork_at: when the next horse may be forked, by the monotonic clock, in seconds.
    """

    def __init__(self, size: int, store: Store, let_go: Callable[[], None]) -> None:
        self.size = size
        self.horses: list[Horse] = []
        self.fork_at = 0.0
        self._failures = 0  # horses that could not be started, or died before they ran any job, one after the other
        self._store = store
        self._let_go = let_go
        self._number = 0
        self._average_ns: float | None = None

    def start_missing(self) -> list[Horse]:
        """Forks horses until there are as many as there should be, unless that failed just now; returns them."""
        new = []
        while self.is_short and time.monotonic() >= self.fork_at:
            try:
                new.append(self._fork())
            except OSError as error:
                self._put_off(f"can't start a process for jobs: {error}")
        return new

    @property
    def is_short(self) -> bool:
        """Whether there are fewer horses than there should be."""
        return len(self.horses) < self.size

    def _put_off(self, why: str) -> None:
        if not self._failures:
            log.error("%s; trying again, with growing pauses", why)
        self.fork_at = time.monotonic() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures += 1

    def _fork(self) -> Horse:
        pipe = Pipe()
        supervisor_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pipe.close()
            raise
        if pid == 0:
            run_horse(pipe, self._store, supervisor_pid, self._close_copies)
        pipe.let_go()
        horse = Horse(pid, pipe)
        self.horses.append(horse)
        return horse

    def _close_copies(self) -> None:
        """In a horse: what the fork copied, and only the supervisor may have."""
        for other in self.horses:
            other.pipe.close()
        self._let_go()

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
        able = [horse for horse in self.horses if horse.killed_for is None]
        if not able:
            return list(jobs)
        for held in jobs:
            horse = min(able, key=lambda horse: len(horse.tasks))
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
            horse.has_reported = True
            self._failures = 0
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

    def stop(self, held: Held, reason: Exception) -> list[Held]:
        """Sees to it that a job ends or never begins. Returns those that had to be taken back with it.

        A job that is just about to begin goes on, and is to be stopped again a moment later.
        """
        for horse in self.horses:
            if held in horse.tasks.values():
                taken = horse.take_back()
                if horse.running()[0] is held:
                    self.kill(horse, reason)
                return [other for other in taken if other is not held]
        return []

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
        waiting = horse.take_back()
        if held is None:  # what it has taken, and not said that it has begun, it was about to begin
            held, begun_at = next(iter(horse.tasks.values()), None), time.monotonic_ns()
        how = _how_it_died(status)
        if held is None:
            if horse.has_reported:
                log.warning("a process for jobs %s while it had none (pid %d)", how, horse.pid)
            else:
                self._put_off(f"a process for jobs {how} before it ran any (pid {horse.pid})")
            return Death(horse, None, waiting)
        error = horse.killed_for or HorseDiedError(f"the process that ran the job {how}")
        log.warning("%s (pid %d)", error, horse.pid)
        names = mro_names(type(error))
        details = error_details(names[0], str(error), f"{names[0]}: {error}\n")
        report = Report("raised", time.monotonic_ns() - begun_at, details, error_names=names)
        return Death(horse, (held, report), waiting)

    def end(self) -> tuple[list[tuple[Held, Report]], list[Held]]:
        """Ends all horses; those that still run a job are killed. Returns what they had reported, and what is left."""
        for horse in self.horses:
            if horse.tasks:
                os.kill(horse.pid, signal.SIGKILL)
        reported: list[tuple[Held, Report]] = []
        left: list[Held] = []
        for horse in self.horses:
            if horse.tasks:
                os.waitpid(horse.pid, 0)
                reported += self.collect(horse)
                left += horse.tasks.values()
                horse.pipe.close()
            else:
                horse.pipe.close()  # which is what ends it
                os.waitpid(horse.pid, 0)
        self.horses.clear()
        return reported, left


def _how_it_died(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was killed by {name}"
    return f"ended with exit code {code}"
