"""How long user code may run: an exception is raised in it when its time is over."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from rqdeps.errors import JobTimeoutError
from rqdeps.worker.handlers import set_handler

#: How long coroutines have to end once cancelled, until an exception is raised in whatever they do, in seconds.
_TO_BE_CANCELLED = 1.0

#: The shortest time that a timer can be set to, in seconds: 0 would be none.
_SHORTEST = 1e-6


class TimeLimit:
    """While entered: raises ``JobTimeoutError`` in the code within once its time is over.

    Works in a process's main thread, where Python handles signals; in others there is no limit. A timer that was set
    before, such as a test's, goes on afterwards.

    Args:
        timeout_ms: how long that is, in milliseconds; negative for as long as it likes.
        words: what the error says, of a number of seconds: ``"it ran for longer than {} s"``.
    """

    def __init__(self, timeout_ms: int, words: str) -> None:
        self._timeout_ms = timeout_ms
        self._words = words
        self._ask_first: Callable[[], object] | None = None
        self.is_over = False

    def __enter__(self) -> TimeLimit:
        self._is_set = self._timeout_ms >= 0 and threading.get_ident() == threading.main_thread().ident
        if self._is_set:
            self._previous = set_handler(signal.SIGALRM, self._on_alarm)
            self._set_at = time.monotonic()
            self._timer = signal.setitimer(signal.ITIMER_REAL, max(self._timeout_ms / 1000, _SHORTEST))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_set:
            signal.setitimer(signal.ITIMER_REAL, 0)
            set_handler(signal.SIGALRM, self._previous)
            left, interval = self._timer
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(left - time.monotonic() + self._set_at, _SHORTEST), interval)

    def _on_alarm(self, signum: int, stack: FrameType | None) -> None:
        self.is_over = True
        if self._ask_first is None:
            raise self.error()
        ask, self._ask_first = self._ask_first, None
        signal.setitimer(signal.ITIMER_REAL, _TO_BE_CANCELLED)
        ask()

    def error(self) -> JobTimeoutError:
        """The error that tells of it."""
        return JobTimeoutError(self._words.format(f"{self._timeout_ms / 1000:g}"))

    def complete(self, awaitable: Awaitable[Any]) -> Any:
        """Runs what a function has returned that has to be awaited, in an event loop of its own.

        When the time is over, it is cancelled. An exception out of nowhere could be lost in the loop; it comes only
        where that did not help, as with a coroutine that blocks its loop.
        """

        async def awaited() -> Any:
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            assert task is not None
            self._ask_first = lambda: loop.call_soon_threadsafe(task.cancel)
            try:
                return await awaitable
            finally:
                self._ask_first = None

        try:
            return asyncio.run(awaited())
        except asyncio.CancelledError:
            if self.is_over:
                raise self.error() from None
            raise
