"""Retries as plain values: how often a failed job runs again, after which delays, and for which errors.

Also the exceptions by which a job itself asks to run later, or never again.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Literal

from rqdeps.durations import Interval, format_ms, interval_ms, intervals_of

#: Classes of exceptions, or the paths of such classes.
Errors = type[BaseException] | str | Iterable[type[BaseException] | str]

#: The longest delay of ``backoff="exponential"`` in milliseconds, unless ``max_interval`` or a longer ``interval`` is
#: given.
MAX_INTERVAL_MS: Final = 3_600_000

#: The first delay of ``backoff="exponential"`` in milliseconds, unless an interval is given.
BASE_INTERVAL_MS: Final = 1_000

#: The most retries. The server counts exactly up to 2**53 only, and a larger number is a slip.
MOST_RETRIES: Final = 1_000_000_000

#: In encoded text, that the job goes to the front of its queue for another attempt.
FRONT: Final = "^"

#: Doublings after which any interval is longer than any cap; keeps the numbers small.
_MOST_DOUBLINGS: Final = 50


class Snooze(Exception):  # noqa: N818 - raised to ask for something, not to tell of an error
    """Raised by a job to run again later. The attempt does not count as a failure and uses no retry.

    Args:
        delay: seconds, a string such as ``"5m"``, or a timedelta.

    Attributes:
        delay_ms: the delay in milliseconds.

    Raises:
        TypeError: for something that is no duration.
        ValueError: for a duration that is negative or too long.
    """

    def __init__(self, delay: Interval) -> None:
        super().__init__(delay)
        self.delay_ms = interval_ms(delay, "the delay of Snooze")

    def __str__(self) -> str:
        return f"run again in {format_ms(self.delay_ms)}"


class DoNotRetry(Exception):  # noqa: N818 - raised to ask for something, not to tell of an error
    """Raised by a job to fail now, whatever retries are left. ``raise DoNotRetry(...) from error`` keeps the cause."""


class Retry:
    """How often, when, and after which errors a failed job runs again.

    The delays are ``interval``, or the items of it in turn, of which the last repeats. With ``backoff="exponential"``
    the delay begins with ``interval`` (1 second by default), doubles with each failure up to ``max_interval``, and is
    then multiplied by a random factor between 0.5 and 1, so that jobs that failed together do not return together.

    An error given as a str is the path of its class where it is defined, as tracebacks show it, such as
    ``"requests.exceptions.Timeout"``; builtin ones go without module. Subclasses are meant too.

    Args:
        max: how many retries there are; a job with 3 retries has at most 4 attempts.
        interval: seconds, a string such as ``"5m"``, or a timedelta; or several of them.
        enqueue_at_front: whether the job goes to the front of its queue for another attempt.
        backoff: ``"exponential"``, or ``None`` for the intervals as they are.
        max_interval: the longest delay with ``backoff``; 1 hour by default, or ``interval`` if that is longer.
        on: retry after these errors only; by default after all.
        never_on: never retry after these errors, even where they are among ``on``.

    Raises:
        TypeError: for values of other types.
        ValueError: for ``max`` below 1 or above a billion, a bad duration, ``backoff`` with several intervals,
            ``max_interval`` without ``backoff``, or an error class that a worker could not know by its name.
    """

    __slots__ = ("backoff", "enqueue_at_front", "intervals_ms", "max", "max_interval_ms", "never_on", "on")

    def __init__(
        self,
        max: int,  # noqa: A002 - RQ's name
        interval: Interval | Iterable[Interval] = 0,
        enqueue_at_front: bool = False,
        *,
        backoff: Literal["exponential"] | None = None,
        max_interval: Interval | None = None,
        on: Errors = (),
        never_on: Errors = (),
    ) -> None:
        if isinstance(max, bool) or not isinstance(max, int):
            raise TypeError(f"max must be a number of retries, not {max!r}")
        if max < 1:
            raise ValueError(f"max must be 1 or more, not {max}: leave retry out for no retries")
        if max > MOST_RETRIES:
            raise ValueError(f"max must be {MOST_RETRIES:,} or less, not {max}")
        if backoff not in (None, "exponential"):
            raise ValueError(f"backoff must be 'exponential' or None, not {backoff!r}")
        if not isinstance(enqueue_at_front, bool):
            raise TypeError(f"enqueue_at_front must be True or False, not {enqueue_at_front!r}")
        self.max = max
        self.enqueue_at_front = enqueue_at_front
        self.backoff = backoff
        self.intervals_ms = intervals_of(interval, "retry at once")
        self.max_interval_ms: int | None = None
        if backoff:
            self._set_backoff(max_interval)
        elif max_interval is not None:
            raise ValueError("max_interval is the longest delay of backoff='exponential'; give both, or neither")
        self.on = _names_of(on, "on")
        self.never_on = _names_of(never_on, "never_on")

    def _set_backoff(self, max_interval: Interval | None) -> None:
        if len(self.intervals_ms) > 1:
            raise ValueError("backoff makes the intervals from the first one; give a single interval, or no backoff")
        base_ms = self.intervals_ms[0] or BASE_INTERVAL_MS
        longest_ms = _longest_by_default(base_ms) if max_interval is None else interval_ms(max_interval, "max_interval")
        if longest_ms < base_ms:
            raise ValueError(f"max_interval ({format_ms(longest_ms)}) is shorter than interval ({format_ms(base_ms)})")
        self.intervals_ms = (base_ms,)
        self.max_interval_ms = longest_ms

    @property
    def intervals(self) -> list[float]:
        """The delays, in seconds; with ``backoff`` the first alone."""
        return [ms / 1_000 for ms in self.intervals_ms]

    @classmethod
    def of(cls, value: int | Retry | None) -> Retry | None:
        """Read the option ``retry``.

        Args:
            value: a ``Retry``, a number of retries at once, or 0 or ``None`` for none.

        Raises:
            TypeError: for something else.
            ValueError: for a negative number.
        """
        if value is None or isinstance(value, Retry):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"retry must be a number of retries or a Retry, not {value!r}")
        return cls(value) if value else None

    def delay_ms(self, failures: int, jitter: float) -> int:
        """The delay before the next attempt, in milliseconds.

        Args:
            failures: how often the job has failed so far, this time included: 1 or more.
            jitter: a random number of at least 0 and less than 1; matters with ``backoff`` only.
        """
        if self.max_interval_ms is None:
            return self.intervals_ms[min(failures, len(self.intervals_ms)) - 1]
        doubled_ms = self.intervals_ms[0] << min(failures - 1, _MOST_DOUBLINGS)
        return round(min(doubled_ms, self.max_interval_ms) * (0.5 + jitter / 2))

    def retries(self, names: Iterable[str]) -> bool:
        """Whether an error is one to retry after. How many retries are left is not asked here.

        Args:
            names: the ``mro_names`` of the error's class.
        """
        raised = frozenset(names)
        if not raised.isdisjoint((_DO_NOT_RETRY, *self.never_on)):
            return False
        return not self.on or not raised.isdisjoint(self.on)

    def encode(self) -> str:
        """All but ``max`` as compact text; empty if there is nothing to say.

        ``5000`` or ``1000,5000``: the intervals in milliseconds. ``x1000``: doubling from there; ``x1000/60000``: up to
        a longest delay other than the default. Then ``+`` and the names of ``on``, ``-`` and the names of ``never_on``.
        Before all, ``^`` if it goes to the front of its queue, which scripts read.
        """
        text = ",".join(map(str, self.intervals_ms)) if any(self.intervals_ms) else ""
        if self.max_interval_ms is not None:
            is_default = self.max_interval_ms == _longest_by_default(self.intervals_ms[0])
            text = f"x{text}" if is_default else f"x{text}/{self.max_interval_ms}"
        for sign, names in (("+", self.on), ("-", self.never_on)):
            if names:
                text += sign + ",".join(name.removeprefix("builtins.") for name in names)
        return FRONT + text if self.enqueue_at_front else text

    @classmethod
    def decode(cls, max: int, text: str) -> Retry:  # noqa: A002 - RQ's name
        """Read what ``encode`` wrote.

        Args:
            max: the number of retries.
            text: the rest.

        Raises:
            ValueError: for text that ``encode`` did not write.
        """
        rest, _, never_on = text.removeprefix(FRONT).partition("-")
        rest, _, on = rest.partition("+")
        intervals, _, longest = rest.removeprefix("x").partition("/")
        return cls(
            max,
            [timedelta(milliseconds=int(ms)) for ms in intervals.split(",")] if intervals else 0,
            text.startswith(FRONT),
            backoff="exponential" if rest.startswith("x") else None,
            max_interval=timedelta(milliseconds=int(longest)) if longest else None,
            on=_decode_names(on),
            never_on=_decode_names(never_on),
        )

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Retry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, str]:
        return self.max, self.encode()

    def __repr__(self) -> str:
        seconds = self.intervals
        options = [f"interval={seconds[0] if len(seconds) == 1 else seconds}"] if any(seconds) else []
        if self.max_interval_ms is not None:
            options += [f"backoff={self.backoff!r}", f"max_interval={self.max_interval_ms / 1_000}"]
        options += ["enqueue_at_front=True"] if self.enqueue_at_front else []
        options += [f"on={list(self.on)}"] if self.on else []
        options += [f"never_on={list(self.never_on)}"] if self.never_on else []
        return f"Retry({', '.join([str(self.max), *options])})"


def mro_names(error: type[BaseException]) -> tuple[str, ...]:
    """The dotted names of an error's class and of all its base classes, by which ``Retry.retries`` knows it.

    Args:
        error: the class.
    """
    return tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in error.__mro__)


_DO_NOT_RETRY: Final = mro_names(DoNotRetry)[0]


def _longest_by_default(base_ms: int) -> int:
    return max(MAX_INTERVAL_MS, base_ms)


def _names_of(errors: Errors, option: str) -> tuple[str, ...]:
    several = [errors] if isinstance(errors, (str, type)) or not isinstance(errors, Iterable) else list(errors)
    return tuple(dict.fromkeys(_name_of(error, option) for error in several))


def _decode_names(text: str) -> list[str]:
    """The names in encoded text. Those of builtins are not looked up: another Python may have written them."""
    return [name if "." in name else f"builtins.{name}" for name in text.split(",")] if text else []


def _name_of(error: type[BaseException] | str, option: str) -> str:
    kind = getattr(builtins, error, error) if isinstance(error, str) else error
    if isinstance(kind, type) and issubclass(kind, BaseException):
        name = mro_names(kind)[0]
    elif isinstance(error, str):
        name = error
    else:
        raise TypeError(f"{option} takes classes of exceptions and their dotted paths, not {error!r}")
    parts = name.split(".")
    if len(parts) == 1 or not all(map(str.isidentifier, parts)):
        raise ValueError(
            f"{option} takes the path of a class at the top of a module, such as 'app.errors.Busy'; {name!r} is none"
        )
    if parts[0] == "__main__":
        raise ValueError(f"{option} can't take {name}: a worker knows it under another name; move it to a module")
    return name
