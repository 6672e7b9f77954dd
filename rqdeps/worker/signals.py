"""Signals, as events of the select loop."""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

log = logging.getLogger("rqdeps.worker")


class Signals:
    """While entered: SIGTERM and SIGINT ask to end, once to end well, twice at once; SIGCHLD tells of dead horses.

    Outside of the main thread, where Python can't handle signals, nothing is installed, and dead horses have to be
    looked for.

    Attributes:
        stop_asked_at: when the end was asked for, by the monotonic clock, in seconds.
        is_forced: whether it was asked for again.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._previous: dict[signal.Signals, Any] = {}
        self._child_died = False
        self.stop_asked_at: float | None = None
        self.is_forced = False

    def __enter__(self) -> Signals:
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain)
        if threading.current_thread() is threading.main_thread():
            self._previous_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
            for number, handler in self._handlers().items():
                self._previous[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._previous:
            signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._wake.close()
        self._woken.close()

    def may_have_lost_a_child(self) -> bool:
        """Whether a child has died since the last call, as far as that is known."""
        if self._previous and not self._child_died:
            return False
        self._child_died = False  # before it is looked: one that dies meanwhile is seen then, or next time
        return True

    def stop(self) -> None:
        """Asks to end, as a first SIGTERM does."""
        if self.stop_asked_at is None:
            self.stop_asked_at = time.monotonic()

    def force_at(self, deadline: float | None) -> None:
        """Has it end at once if a time has come, by the monotonic clock, in seconds."""
        if deadline is not None and not self.is_forced and time.monotonic() >= deadline:
            self.is_forced = True
            log.warning("the time to finish what runs is over: ending at once, and giving it back")

    def _handlers(self) -> dict[signal.Signals, Callable[[int, FrameType | None], None]]:
        return {signal.SIGTERM: self._on_stop, signal.SIGINT: self._on_stop, signal.SIGCHLD: self._on_child}

    def _on_stop(self, number: int, stack: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.stop_asked_at is None:
            self.stop()
            log.warning("%s: finishing what runs, then ending; once more ends at once", name)
        else:
            self.is_forced = True
            log.warning("%s again: ending at once, and giving back what runs", name)

    def _on_child(self, number: int, stack: FrameType | None) -> None:
        self._child_died = True

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
