"""A horse as the supervisor sees it, while it lives and once it has died."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

from rqdeps.worker.board import Doing
from rqdeps.worker.held import Held
from rqdeps.worker.messages import Report
from rqdeps.worker.pipe import Pipe


@dataclass(eq=False)
class Horse:
    """A forked process, seen from the supervisor.

    Attributes:
        pid: its process id, which is also that of its group.
        pipe: the pipe to it.
        tasks: what it was given and has not reported, by the tasks' numbers, in order.
        is_ready: whether it has said that it can take jobs.
        is_leaving: whether it has said that it takes no more, and ends.
        unready: why it can't be set up, if it said so.
        is_garbled: whether something else than reports has come from it.
        killed_for: why the supervisor killed it, if it did.
        is_listened_to: whether the supervisor hears what it reports.
        is_dead: whether it has been waited for.
        has_reported: whether it has run a job to its end.
        heard_at_ns: when it last reported, or got its first job, by the monotonic clock in nanoseconds.
    """

    pid: int
    pipe: Pipe
    tasks: dict[int, Held] = field(default_factory=dict)
    is_ready: bool = False
    is_leaving: bool = False
    unready: str = ""
    is_garbled: bool = False
    killed_for: Exception | None = None
    is_listened_to: bool = False
    is_dead: bool = False
    has_reported: bool = False
    heard_at_ns: int = 0

    @property
    def is_able(self) -> bool:
        """Whether it can be given jobs."""
        return self.is_ready and not self.is_leaving and self.killed_for is None

    def running(self) -> tuple[Held | None, Doing]:
        """The job that it runs now, or whose end something follows now; and what the board says of that."""
        doing = self.pipe.board.read()
        return self.tasks.get(doing.number), doing

    def take_back(self) -> list[Held]:
        """Takes back the jobs that it has not begun."""
        return [self.tasks.pop(number) for number in self.pipe.take_back() if number in self.tasks]

    def take_kept(self) -> tuple[Held, Report] | None:
        """Of one that is dead: the job it had, if that had ended, with the report that was not sent any more."""
        for number in self.tasks:
            if (kept := self.pipe.kept.get(number)) is not None:
                return self.tasks.pop(number), kept
        return None

    def kill(self) -> None:
        """Kills it, and what its jobs have started. It goes first: it would report the death of its job's process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.kill_group()

    def kill_group(self) -> None:
        """Kills what its jobs have started, as far as it is still there."""
        for leader in (self.pipe.board.read().pid, self.pid):
            with suppress(ProcessLookupError, PermissionError):
                if leader:
                    os.killpg(leader, signal.SIGKILL)

    def wait_for_end(self) -> None:
        """Waits for the end of one that was killed."""
        os.waitpid(self.pid, 0)
        self.is_dead = True

    def has_ended_by(self, until: float) -> bool:
        """Waits for its end up to a time, by the monotonic clock, in seconds. Returns whether it has come."""
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        self.is_dead = True
        return True


@dataclass(frozen=True)
class Death:
    """A horse that died. Whoever reads it closes its pipe.

    Attributes:
        horse: the horse.
        ran: the job that it ran, which is to blame or the victim; with how that is to be reported.
        waiting: jobs that it had not begun.
        cut_short: jobs that it may have begun, and that are not to blame: they run again, under another claim.
    """

    horse: Horse
    ran: tuple[Held, Report] | None
    waiting: list[Held]
    cut_short: list[Held]
