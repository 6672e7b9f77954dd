"""Repetitions as plain values: how often a job runs again after it has succeeded, and after which intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rqdeps.durations import Interval, intervals_of

#: The most repetitions. The server counts exactly up to 2**53 only, and a larger number is a slip.
MOST_TIMES: Final = 1_000_000_000

#: The most intervals: the server walks through them.
MOST_INTERVALS: Final = 1_000


class Repeat:
    """How often, and when, a job runs again once it has succeeded.

    Each time it gets another life, as by ``requeue``: with all its retries, and a result of its own. Until then it is
    ``finished``, and its result can be read. What depends on it alone is released by its first success; what waits for
    other jobs too sees, once these have ended, the life that it is in by then. A failure ends the repetitions, and so
    do ``cancel`` and ``delete``.

    Args:
        times: how often it runs again: with 3, it runs 4 times.
        interval: how long after each success: seconds, a text such as ``"5m"``, or a timedelta; or several of them, for
            the first repetition, the second and so on, of which the last holds on.

    Attributes:
        times: how often it runs again.
        intervals_ms: the intervals, in milliseconds.

    Raises:
        TypeError: for values of other types.
        ValueError: ``times`` is below 1 or above a billion, an interval is bad, or there are more than 1,000.
    """

    __slots__ = ("intervals_ms", "times")

    def __init__(self, times: int, interval: Interval | Iterable[Interval] = 0) -> None:
        if isinstance(times, bool) or not isinstance(times, int):
            raise TypeError(f"times must be a number of repetitions, not {times!r}")
        if not 1 <= times <= MOST_TIMES:
            raise ValueError(f"times must be from 1 to {MOST_TIMES:,}, not {times}")
        self.times = times
        self.intervals_ms = intervals_of(interval, "run again at once")
        if len(self.intervals_ms) > MOST_INTERVALS:
            raise ValueError(f"there are {len(self.intervals_ms):,} intervals, and at most {MOST_INTERVALS:,} can be")

    @classmethod
    def of(cls, value: object) -> Repeat | None:
        """Reads the option ``repeat``.

        Raises:
            TypeError: it is something else.
        """
        if value is None or isinstance(value, Repeat):
            return value
        raise TypeError(f"repeat must be a Repeat, such as Repeat(times=3, interval=60), not {value!r}")

    @property
    def intervals(self) -> list[float]:
        """The intervals, in seconds."""
        return [ms / 1000 for ms in self.intervals_ms]

    def encode(self) -> str:
        """The intervals as compact text, in milliseconds; empty if there are none."""
        return ",".join(map(str, self.intervals_ms)) if any(self.intervals_ms) else ""

    def __eq__(self, other: object) -> bool:
        return (
            (self.times, self.intervals_ms) == (other.times, other.intervals_ms)
            if isinstance(other, Repeat)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((self.times, self.intervals_ms))

    def __repr__(self) -> str:
        several = self.intervals if len(self.intervals) > 1 else self.intervals[0]
        return f"Repeat(times={self.times}, interval={several})"
