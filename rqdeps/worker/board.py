"""Memory that a supervisor and a horse share: what the horse does, since when, and for how long it may."""

from __future__ import annotations

import mmap
import time
from typing import NamedTuple

from rqdeps.durations import FOREVER

#: "No limit" as the board holds it, which knows no negative numbers.
_FOREVER_WORD = 2**64 - 1


class Doing(NamedTuple):
    """What a horse does.

    Attributes:
        number: the number of its task; 0 if it has none.
        begun_at_ns: when it began that, by the monotonic clock, in nanoseconds.
        limit_ms: how long that may take, in milliseconds; ``FOREVER`` (-1) for as long as it likes.
        pid: the process that was forked for it, and leads a process group; 0 if none was.
    """

    number: int
    begun_at_ns: int
    limit_ms: int
    pid: int = 0

    @property
    def duration_ns(self) -> int:
        """How long it has been doing that, in nanoseconds; 0 where it does nothing."""
        return time.monotonic_ns() - self.begun_at_ns if self.number else 0

    def is_over_since(self, now_ns: int) -> int:
        """How long its time has been over, in nanoseconds; negative before that, or where there is no limit."""
        return -1 if self.limit_ms == FOREVER else now_ns - self.begun_at_ns - self.limit_ms * 1_000_000


class Board:
    """Where a horse says what it does. The supervisor reads it at any time, at no cost for the horse.

    It is five words: the task's number, the time, the limit, the process, and all of them combined. A reader that finds
    them at odds came in the middle of a change and looks again.

    Attributes:
        pid: the process that is named, of one that was forked for a task.
    """

    _LOOKS = 100

    def __init__(self) -> None:
        self.pid = 0
        self._memory = mmap.mmap(-1, 40)
        self._words = memoryview(self._memory).cast("Q")

    def begin(self, number: int, limit_ms: int) -> None:
        """The horse begins a task, or what follows the end of its job."""
        now, limit = time.monotonic_ns(), _FOREVER_WORD if limit_ms == FOREVER else limit_ms
        words = self._words
        words[0], words[1], words[2], words[3] = number, now, limit, self.pid
        words[4] = number ^ now ^ limit ^ self.pid

    def end(self) -> None:
        """The horse has reported the task."""
        words = self._words
        words[0] = words[1] = words[2] = words[3] = words[4] = 0

    def read(self) -> Doing:
        """What the horse does."""
        for _ in range(self._LOOKS):
            number, begun_at, limit, pid, together = self._words
            if number ^ begun_at ^ limit ^ pid == together:
                return Doing(number, begun_at, FOREVER if limit == _FOREVER_WORD else limit, pid)
        return Doing(0, 0, FOREVER)  # the horse stopped in the middle of a change: it was between two tasks

    def close(self) -> None:
        """Gives the memory back."""
        self._words.release()
        self._memory.close()
