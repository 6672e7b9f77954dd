"""What a job finds around it in its process, and the next one shall find unchanged."""

from __future__ import annotations

import locale
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

#: The signals that can be handled; those of real time are nobody's default.
_SIGNALS = sorted(
    int(number)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    if number < getattr(signal, "SIGRTMIN", 32)
)

# What signal.getsignal calls. It makes no enum of what it returns, and takes a twentieth of the time.
_handler_of: Any = import_module("_signal").getsignal

#: The descriptors that every program counts on.
_STANDARD = (0, 1, 2)


class Surroundings:
    """Notes what surrounds jobs in this process, and restores what one of them has changed.

    That is the current directory, the environment, the umask, the locale, how signals are handled, and the standard
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
        self._handlers = [_handler_of(number) for number in _SIGNALS]
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._files = _standard_files()

    def note_imports(self) -> None:
        """Notes how things are now, if modules have been imported since they were noted or restored."""
        if len(sys.modules) != self._modules:
            self.note()

    def restore(self) -> bool:
        """Restores what was changed. Returns whether all is as it was; if not, this process can run no further job."""
        try:
            self._restore()
        except (OSError, ValueError, TypeError, locale.Error):
            return False
        self._modules = len(sys.modules)
        return _standard_files() == self._files

    def _restore(self) -> None:
        os.umask(self._umask)
        if self._directory is not None and _directory() != self._directory:
            os.chdir(self._directory)
        if _environment() != self._environment:
            self._restore_environment()
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if _handler_of(number) is not handler and handler is not None:  # None: not made by Python
                signal.signal(number, handler)
        if signal.pthread_sigmask(signal.SIG_BLOCK, ()) != self._mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        sys.stdin, sys.stdout, sys.stderr = self._streams

    def _restore_environment(self) -> None:
        now = _environment()
        for name in now.keys() - self._environment.keys():
            del os.environb[name]
        for name, value in self._environment.items():
            if now.get(name) != value:
                os.environb[name] = value


def _environment() -> dict[bytes, bytes]:
    """The environment as Python holds it, which is compared in no time; by its mapping it takes 100 times as long."""
    return os.environ._data  # type: ignore[attr-defined, no-any-return]


def _directory() -> str | None:
    with suppress(OSError):  # it was deleted, or may not be read
        return os.getcwd()
    return None


def _standard_files() -> list[tuple[int, int] | None]:
    """What the standard descriptors stand for."""
    found: list[tuple[int, int] | None] = []
    for number in _STANDARD:
        try:
            facts = os.fstat(number)
            found.append((facts.st_dev, facts.st_ino))
        except OSError:  # closed, perhaps from the start
            found.append(None)
    return found
