"""A horse: a process forked by the supervisor, which runs user code, or forks for each job a process that does."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from rqdeps.errors import SetUpError
from rqdeps.store import Store
from rqdeps.worker.execution import execute, nothing, raised
from rqdeps.worker.following import what_follows, what_follows_death
from rqdeps.worker.messages import NO_TASK, Report, Task
from rqdeps.worker.options import HorseOptions
from rqdeps.worker.pipe import Pipe
from rqdeps.worker.rehearsal import rehearse
from rqdeps.worker.set_up import initialise, load
from rqdeps.worker.spare import Spare, WaitForTask
from rqdeps.worker.surroundings import Surroundings
from rqdeps.worker.wear import Wear

log = logging.getLogger("rqdeps.worker")

#: What a process exits with that can't report, because a job has closed the descriptors by which it would.
EXIT_WITHOUT_PIPE = 118

#: How many rehearsals have Python make of its code what it makes of code that runs often.
_REHEARSALS = 20

#: The longest pause before another attempt to fork a process for a job, in seconds.
_LONGEST_PAUSE = 1.0

_PR_SET_PDEATHSIG = 1

# Found before the fork, where it can't fail any more.
_prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def run_horse(
    pipe: Pipe, store: Store, supervisor_pid: int, let_go: Callable[[], None], options: HorseOptions
) -> NoReturn:
    """What a horse does, from the fork to its end.

    Args:
        pipe: the pipe to the supervisor.
        store: what jobs that ask for a connection get.
        supervisor_pid: the process id of the supervisor.
        let_go: closes what belongs to the supervisor alone.
        options: how to run jobs.
    """

    def live() -> None:
        _become_horse(pipe, store, supervisor_pid, let_go)
        kind = _RunsJobs if options.isolation == "process" else _ForksForJobs
        kind(pipe, store, options).run()

    _end_after(live)


def _end_after(work: Callable[[], None]) -> NoReturn:
    """Does what this process was forked for, and ends it.

    What happens there must not reach the code of the process that was forked, of which this one is a copy.
    """
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the supervisor is gone
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        finally:
            os._exit(code)


def _become_horse(pipe: Pipe, store: Store, supervisor_pid: int, let_go: Callable[[], None]) -> None:
    _die_with(supervisor_pid)
    # A group of its own: what a terminal sends to the worker's goes past jobs, and what a job starts ends with it.
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    # When a horse ends is the supervisor's business. Handlers that do nothing, unlike SIG_IGN, are not passed on to
    # programs that a job starts.
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _do_nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # This one would stop what another group than the terminal's own writes there.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pipe.become_horse()
    let_go()
    store.forget_connections()  # nothing that a job does may reach those of the supervisor
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = os.fdopen(0, closefd=False)


def _die_with(parent_pid: int) -> None:
    """Nothing that runs jobs outlives who gave them: whoever claims its job next must not run beside it."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)


def _do_nothing(signum: int, stack: FrameType | None) -> None:
    pass


class _Horse(ABC):
    """Takes one task after the other."""

    def __init__(self, pipe: Pipe, store: Store, options: HorseOptions) -> None:
        self._pipe = pipe
        self._store = store
        self._options = options

    def run(self) -> None:
        """Works until the supervisor is gone, or this process has done enough."""
        try:
            self._ready = load(self._options, self._store.codec)
            self._set_up()
        except SetUpError as error:
            log.debug("%s", error, exc_info=error)
            self._pipe.report(NO_TASK, raised(error, 0)._replace(kind="unready"))
            sys.exit(1)
        self._pipe.report(NO_TASK, Report("ready"))
        while (turn := self._pipe.next_task()) is not None:
            if self._take(*turn):
                return

    @abstractmethod
    def _set_up(self) -> None:
        """Makes ready what a horse of this kind needs before its first task."""

    @abstractmethod
    def _take(self, number: int, task: Task) -> bool:
        """Has a task run and reports it. Returns whether it was the last."""

    def _end_without_pipe(self) -> None:
        """Ends this process if a job has closed its descriptors: what has their numbers now is somebody else's."""
        if not self._pipe.is_whole():
            sys.exit(EXIT_WITHOUT_PIPE)

    def _work(self, number: int, task: Task, on_imported: Callable[[], None]) -> Report:
        """Runs a task in this process, and what follows its end."""
        board, handlers = self._pipe.board, self._ready.exception_handlers
        if task.ended:
            report, following = Report("followed"), what_follows_death(task, self._store, handlers)
        else:
            board.begin(number, task.timeout_ms)
            ran = execute(task, self._store, on_imported)
            report, following = ran.report, what_follows(task, ran, handlers)
        if not following.is_nothing:
            self._end_without_pipe()
            self._pipe.kept.put(number, report)  # so that whatever follows can't change the outcome any more
            board.begin(number, following.limit_ms)
            following.run()
        return report


class _RunsJobs(_Horse):
    """Runs its tasks itself."""

    def _set_up(self) -> None:
        initialise(self._ready)
        gc.freeze()  # what is there already is for all jobs, and need not be looked through again and again
        self._wear = Wear(self._options)
        self._surroundings = Surroundings()

    def _take(self, number: int, task: Task) -> bool:
        report = self._work(number, task, self._surroundings.note_imports)
        is_restored = self._surroundings.restore()
        is_last = self._wear.is_over_after_job() or not is_restored
        self._end_without_pipe()
        self._pipe.report(number, report._replace(is_last=True) if is_last else report)
        if self._pipe.kept.holds_one:
            self._pipe.kept.clear()
        self._pipe.board.end()
        return is_last


class _ForksForJobs(_Horse):
    """Has each of its tasks run by a process of its own. Should that die, it has died alone.

    The process for the next task, a *spare*, is forked ahead: while a job runs, or there is none.
    """

    _spare: Spare | None = None

    def run(self) -> None:
        self._pid = os.getpid()
        try:
            super().run()
        finally:
            if self._spare is not None:
                self._spare.wait()

    def _set_up(self) -> None:
        for _ in range(_REHEARSALS):
            rehearse(self._store)
        gc.collect()
        gc.freeze()  # what is there already is not looked at, and so not copied, in those that are forked
        self._fork_ahead()

    def _take(self, number: int, task: Task) -> bool:
        began_at = time.monotonic_ns()
        pid, status = self._have_run(number, task)
        report = self._pipe.kept.get(number)
        if report is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what it had started
            report = Report("died", time.monotonic_ns() - began_at, wait_status=status)
        self._pipe.kept.clear()
        self._pipe.report(number, report)
        self._pipe.board.end()
        return False

    def _have_run(self, number: int, task: Task) -> tuple[int, int]:
        """Has a task run. Returns the process that did so, and its end as ``os.waitpid`` tells it."""
        while True:
            runner = self._spare or self._fork()
            runner.give(number, task)
            self._fork_ahead()
            status = runner.wait()
            if self._pipe.board.read().number == number:
                return runner.pid, status
            log.warning("a process died before it began the job that it was forked for; another one runs that")

    def _fork_ahead(self) -> None:
        """Forks the next spare. If the system has no room for it, that is tried again when it is needed."""
        self._spare = None
        with contextlib.suppress(OSError):
            self._spare = Spare(self._live_as_spare)

    def _fork(self) -> Spare:
        """Forks a process for a task that is there, once the system has room for another."""
        pause = 0.01
        while True:
            try:
                return Spare(self._live_as_spare)
            except OSError as error:
                log.warning("can't start a process for a job: %s; trying again", error)
                time.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    def _live_as_spare(self, wait_for_task: WaitForTask) -> NoReturn:
        def live() -> None:
            _die_with(self._pid)
            rehearse(self._store)
            if (turn := wait_for_task()) is not None:
                self._run_alone(*turn)

        _end_after(live)

    def _run_alone(self, number: int, task: Task) -> None:
        os.setpgid(0, 0)
        self._pipe.board.pid = os.getpid()
        self._pipe.board.begin(number, task.timeout_ms)
        try:
            initialise(self._ready)
        except SetUpError as error:
            report = raised(error, 0)
        else:
            report = self._work(number, task, nothing)
        self._end_without_pipe()
        self._pipe.kept.put(number, report)
