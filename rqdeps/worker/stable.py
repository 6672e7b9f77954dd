"""The horses of a worker: forked, fed, listened to, killed and replaced. Knows nothing of Redis."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from json import loads

from rqdeps.errors import HorseDiedError, JobTimeoutError
from rqdeps.store import Store
from rqdeps.worker.board import Doing
from rqdeps.worker.deaths import Coroner, report_of_death
from rqdeps.worker.forked import Death, Horse
from rqdeps.worker.held import Held
from rqdeps.worker.horse import run_horse
from rqdeps.worker.messages import NO_TASK, GarbledError, Report
from rqdeps.worker.options import HorseOptions
from rqdeps.worker.pace import Pace
from rqdeps.worker.pipe import Pipe

log = logging.getLogger("rqdeps.worker")

#: A job that has run for longer than this keeps those behind it waiting; they are taken back.
STUCK_NS = 10_000_000

#: How long after its timeout a job that goes on is killed.
GRACE_NS = 5_000_000_000

#: A horse that has been given jobs and begins none for this long has come to grief.
_IDLE_NS = 30_000_000_000

#: After a process that could not be started, or died before it ran any job, how long until the next, in seconds; the
#: pause doubles each time.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0

#: How long horses without a job have to end by themselves, in seconds.
_TO_END = 1.0

#: How often the process of a job may die before it begins that, until the job counts as the reason.
_INTERRUPTIONS = 1


class Stable:
    """The horses of a worker.

    Args:
        size: how many horses to keep.
        store: what jobs that ask for a connection get.
        let_go: called in a horse; closes what belongs to the supervisor alone.
        options: how horses run jobs.

    Attributes:
        fork_at: when the next horse may be forked, by the monotonic clock, in seconds.
        has_been_ready: whether a horse ever could be set up.
        unready: why horses can't be set up, if the last one said so.
        pace: what jobs take.
    """

    def __init__(
        self, size: int, store: Store, let_go: Callable[[], None], options: HorseOptions | None = None
    ) -> None:
        self.size = size
        self.horses: list[Horse] = []
        self.fork_at = 0.0
        self.has_been_ready = False
        self.unready = ""
        self._failures = 0  # horses that could not be started, or died before they ran any job, one after the other
        self._store = store
        self._let_go = let_go
        self._options = options or HorseOptions()
        self._coroner = Coroner()
        self._number = NO_TASK
        self.pace = Pace()

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
        return sum(not horse.is_leaving for horse in self.horses) < self.size

    @property
    def is_failing(self) -> bool:
        """Whether processes could not be started lately, or died before they ran anything."""
        return self._failures > 0

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
            run_horse(pipe, self._store, supervisor_pid, self._close_copies, self._options)
        with suppress(OSError):  # it does so too, and whoever is later fails
            os.setpgid(pid, pid)
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
    def able(self) -> list[Horse]:
        """The horses that can be given jobs."""
        return [horse for horse in self.horses if horse.is_able]

    def capacity(self) -> int:
        """How many more jobs the horses can take now."""
        now, depth = time.monotonic_ns(), self.pace.depth
        return sum(max(0, (1 if self._is_stuck(horse, now) else depth) - len(horse.tasks)) for horse in self.able)

    def work_ahead(self) -> float:
        """For how long each horse has jobs behind the one it runs, by what they took lately, in seconds."""
        return self.pace.seconds_for(min((len(horse.tasks) for horse in self.able), default=1) - 1)

    @property
    def idle(self) -> int:
        """How many horses have nothing to do."""
        return sum(not horse.tasks for horse in self.able)

    @property
    def runs_dry(self) -> bool:
        """Whether a horse has used up half of what it may be given ahead."""
        half = self.pace.depth // 2
        now = time.monotonic_ns()
        return any(len(horse.tasks) <= half and not self._is_stuck(horse, now) for horse in self.able)

    @property
    def held(self) -> Iterator[Held]:
        """All jobs that horses have."""
        for horse in self.horses:
            yield from horse.tasks.values()

    def _is_stuck(self, horse: Horse, now: int) -> bool:
        held, doing = horse.running()
        return held is not None and now - doing.begun_at_ns > STUCK_NS

    # Giving and taking

    def give(self, jobs: Iterable[Held]) -> list[Held]:
        """Gives jobs to the horses with the least to do. Returns those that none can take."""
        shares: dict[Horse, list[tuple[int, Held]]] = {}
        left: list[Held] = []
        now, depth = time.monotonic_ns(), self.pace.depth
        takers = [horse for horse in self.able if not horse.tasks or not self._is_stuck(horse, now)]
        for held in jobs:
            horse = min(takers, key=_load, default=None)
            if horse is None or len(horse.tasks) >= depth:
                left.append(held)
                continue
            if not horse.tasks:
                horse.heard_at_ns = now
            self._number += 1
            horse.tasks[self._number] = held
            shares.setdefault(horse, []).append((self._number, held))
        for horse, share in shares.items():
            horse.pipe.put([(number, held.task()) for number, held in share])
        return left

    def collect(self, horse: Horse) -> Iterator[tuple[Held, Report]]:
        """What a horse has reported."""
        try:
            for number, report in horse.pipe.reports():
                if number == NO_TASK:
                    self._note_state(horse, report)
                    continue
                self._note_work(horse, report)
                held = horse.tasks.pop(number, None)
                if held is not None:
                    yield held, self._explained(report) if report.kind == "died" else report
        except GarbledError:
            horse.is_garbled = True
            self.kill(horse, HorseDiedError("the job wrote to the file descriptor by which its process reports"))

    def _note_state(self, horse: Horse, report: Report) -> None:
        if report.kind == "ready":
            horse.is_ready = self.has_been_ready = True
            self.unready = ""
        else:
            horse.unready = self.unready = loads(report.value)["message"]

    def _note_work(self, horse: Horse, report: Report) -> None:
        horse.has_reported = True
        horse.is_leaving = horse.is_leaving or report.is_last
        horse.heard_at_ns = time.monotonic_ns()
        self._failures = 0
        self.pace.note(report.took_ns)

    def _explained(self, report: Report) -> Report:
        """The report of a horse that a process which it had forked for a job died."""
        error = HorseDiedError(f"the process that ran the job {self._coroner.cause(report.wait_status)}")
        log.warning("%s", error)
        return report_of_death(error, report.duration_ns)

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
            if not horse.is_dead:
                horse.kill()

    def kill_overdue(self) -> None:
        """Kills horses whose job has ignored its timeout, and those that do not begin what they were given."""
        now = time.monotonic_ns()
        for horse in self.horses:
            held, doing = horse.running()
            if held is None:
                if horse.tasks and horse.is_ready and now - max(horse.heard_at_ns, doing.begun_at_ns) > _IDLE_NS:
                    self.kill(horse, HorseDiedError("the process was given a job and did not begin it"))
            elif doing.is_over_since(now) > GRACE_NS:
                self.kill(horse, self._overdue(horse, doing))

    def _overdue(self, horse: Horse, doing: Doing) -> Exception:
        seconds = f"{doing.limit_ms / 1000:g} s"
        if horse.pipe.kept.get(doing.number) is not None:
            return HorseDiedError(f"what follows the job's end took longer than {seconds}")
        return JobTimeoutError(f"the job ignored its job_timeout of {seconds}")

    def reap(self) -> list[tuple[Death, list[tuple[Held, Report]]]]:
        """The horses that have died since the last call, each with what it had reported before."""
        deaths = []
        for horse in list(self.horses):
            pid, status = os.waitpid(horse.pid, os.WNOHANG)
            if pid == 0:
                continue
            horse.is_dead = True
            reported = list(self.collect(horse))
            deaths.append((self._bury(horse, status), reported))
        return deaths

    def _bury(self, horse: Horse, status: int) -> Death:
        self.horses.remove(horse)
        if status != 0:
            horse.kill_group()
        ran = horse.take_kept()
        cause = self._coroner.cause(status) if horse.killed_for is None else f"was killed: {horse.killed_for}"
        if ran is not None:
            log.warning("a process %s after it had run job %s (pid %d)", cause, ran[0].claim.id, horse.pid)
        back = horse.take_back()
        if ran is None and (to_blame := self._to_blame(horse)) is not None:
            error = horse.killed_for or HorseDiedError(f"the process that ran the job {cause}")
            log.warning("%s (pid %d)", error, horse.pid)
            ran = to_blame, report_of_death(error, horse.running()[1].duration_ns)
        elif ran is None and not horse.is_leaving:
            self._note_death_without_job(horse, cause)
        taken = [held for held in horse.tasks.values() if ran is None or held is not ran[0]]
        if horse.is_garbled:  # it went on behind the rubbish, and what it reported of that nobody can tell
            return Death(horse, ran, back, taken)
        return Death(horse, ran, [*taken, *back], [])

    def _to_blame(self, horse: Horse) -> Held | None:
        """Of what a horse had taken, the job that is to blame for its death, or the victim.

        That is the one it ran; where rubbish has come in place of a report, the first of which there is none. What it
        had taken and not begun is to blame only if that happens again.
        """
        held, _ = horse.running()
        if horse.is_garbled:
            return next(iter(horse.tasks.values()), None)
        if held is not None:
            return held
        for taken in horse.tasks.values():
            taken.interruptions += 1
        return next((taken for taken in horse.tasks.values() if taken.interruptions > _INTERRUPTIONS), None)

    def _note_death_without_job(self, horse: Horse, cause: str) -> None:
        if horse.unready:
            self._put_off(f"a process for jobs can't be set up: {horse.unready}")
        elif horse.has_reported:
            log.warning("a process for jobs %s while it had none (pid %d)", cause, horse.pid)
        else:
            self._put_off(f"a process for jobs {cause} before it ran any (pid {horse.pid})")

    def end(self) -> tuple[list[tuple[Held, Report]], list[Held]]:
        """Ends all horses; those that still run a job are killed. Returns what they had reported, and what is left."""
        idle = [horse for horse in self.horses if horse.is_ready and not horse.tasks]
        busy = [horse for horse in self.horses if horse not in idle]
        for horse in busy:
            horse.kill()
        for horse in idle:
            horse.pipe.close()  # which is what ends it
        reported: list[tuple[Held, Report]] = []
        left: list[Held] = []
        for horse in busy:
            horse.wait_for_end()
            reported += self.collect(horse)
            kept = horse.take_kept()
            reported += [kept] if kept is not None else []
            left += horse.tasks.values()
            horse.pipe.close()
        until = time.monotonic() + _TO_END
        for horse in idle:
            if not horse.has_ended_by(until):
                horse.kill()
                horse.wait_for_end()
        self.horses.clear()
        return reported, left


def _load(horse: Horse) -> int:
    """How much a horse has to do."""
    return len(horse.tasks)
