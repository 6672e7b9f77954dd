"""What a job finds around it in its process, and the next one shall find unchanged."""

from __future__ import annotations

import gc
import locale
import os
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rqdeps.worker.files import identities
from rqdeps.worker.handlers import handler_of, set_handler, set_mask

#: The signals that can be handled; those of real time are nobody's default.
_SIGNALS = sorted(
    int(number)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    if number < getattr(signal, "SIGRTMIN", 32)
)

#: The timers of a process, each of which sends a signal that ends it where that is not handled.
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

#: What they show where none is set, and what is noted of that.
_NO_TIMES, _NONE_SET = [(0.0, 0.0)] * len(_TIMERS), [(False, 0.0)] * len(_TIMERS)

#: The places of the alarm among both.
_ALARM, _ALARM_TIMER = _SIGNALS.index(signal.SIGALRM), _TIMERS.index(signal.ITIMER_REAL)

#: The descriptors that every program counts on.
_STANDARD = (0, 1, 2)


class Surroundings:
    """Notes what surrounds jobs in this process, and restores what one of them has changed.

    That is the current directory, the environment, the umask, the locale, how signals are handled, the timers that send
    them, how deep functions may call each other, how long sockets wait, whether garbage is collected, and the standard
    streams. What modules change when they are imported stays, as it would in any other program.
    """

    def __init__(self) -> None:
        self.note()

    def note(self) -> None:
        """Notes how things are now."""
        self._modules = len(sys.modules)
        self._umask = os.umask(0o77)
        os.umask(self._umask)
        self._directory = _directory()
        self._environment = _environment().copy()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._handlers = _handlers()
        self._mask = set_mask(signal.SIG_BLOCK, ())
        self._timers = _timers()
        self._depth = sys.getrecursionlimit()
        self._patience = socket.getdefaulttimeout()
        self._collects = gc.isenabled()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._files = _standard_files()
        self._closed = _closed(self._streams)

    def note_imports(self) -> None:
        """Notes how things are now, if modules have been imported since they were noted or restored.

        But for the alarm, which is that of the job's time limit now.
        """
        if len(sys.modules) != self._modules:
            alarm, timer = self._handlers[_ALARM], self._timers[_ALARM_TIMER]
            self.note()
            self._handlers[_ALARM], self._timers[_ALARM_TIMER] = alarm, timer

    def restore(self) -> bool:
        """Restores what was changed. Returns whether all is as it was; if not, this process can run no further job."""
        try:
            self._restore()
            is_whole = _standard_files() == self._files and _closed(self._streams) == self._closed
        except (OSError, ValueError, TypeError, locale.Error):
            return False
        self._modules = len(sys.modules)
        return is_whole

    def _restore(self) -> None:
        if sys.getrecursionlimit() != self._depth:
            sys.setrecursionlimit(self._depth)
        if socket.getdefaulttimeout() != self._patience:
            socket.setdefaulttimeout(self._patience)
        if gc.isenabled() != self._collects:
            (gc.enable if self._collects else gc.disable)()
        if _timers() != self._timers:
            self._restore_timers()
        os.umask(self._umask)
        if self._directory is not None and _directory() != self._directory:
            os.chdir(self._directory)
        if _environment() != self._environment:
            self._restore_environment()
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        if _handlers() != self._handlers:
            self._restore_handlers()
        if set_mask(signal.SIG_BLOCK, ()) != self._mask:
            set_mask(signal.SIG_SETMASK, self._mask)
        sys.stdin, sys.stdout, sys.stderr = self._streams

    def _restore_handlers(self) -> None:
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if handler_of(number) is not handler and handler is not None:  # None: not made by Python
                set_handler(number, handler)

    def _restore_timers(self) -> None:
        for timer, (_, interval) in zip(_TIMERS, self._timers, strict=True):
            signal.setitimer(timer, interval, interval)

    def _restore_environment(self) -> None:
        now = _environment()
        for name in now.keys() - self._environment.keys():
            del os.environb[name]
        for name, value in self._environment.items():
            if now.get(name) != value:
                os.environb[name] = value


def _handlers() -> list[Any]:
    """How each signal is handled."""
    return list(map(handler_of, _SIGNALS))


def _timers() -> list[tuple[bool, float]]:
    """Of each timer: whether it is set, and in which intervals it sends its signal, in seconds; 0 for once."""
    times = list(map(signal.getitimer, _TIMERS))
    return list(_NONE_SET) if times == _NO_TIMES else [(left > 0, interval) for left, interval in times]


def _environment() -> dict[bytes, bytes]:
    """The environment as Python holds it, which is compared in no time; by its mapping it takes 100 times as long."""
    return os.environ._data  # type: ignore[attr-defined, no-any-return]


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted, or may not be read
        return None


def _closed(streams: Iterable[Any]) -> list[bool]:
    """Which streams are closed, which leaves their descriptors open. Raises ``ValueError`` if one was detached."""
    return [getattr(stream, "closed", False) for stream in streams]


def _standard_files() -> Sequence[tuple[int, int] | None]:
    """What the standard descriptors stand for."""
    try:
        return identities(_STANDARD)
    except OSError:  # one is closed, perhaps from the start
        return [_identity(number) for number in _STANDARD]


def _identity(number: int) -> tuple[int, int] | None:
    try:
        return identities((number,))[0]
    except OSError:
        return None
