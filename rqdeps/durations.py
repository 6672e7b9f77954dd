"""Durations: what people write (``90``, ``"1h30m"``, a timedelta) as milliseconds, and these as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from math import inf
from typing import Final

#: How long to wait: seconds, a ``timedelta``, or a text such as ``"1h30m"``.
Interval = int | float | str | timedelta

#: What ``to_ms`` gives for "no limit".
FOREVER: Final = -1

#: The longest duration in milliseconds: 100 years. What is beyond is a slip, such as milliseconds given as seconds.
LONGEST_MS: Final = 100 * 365 * 86_400_000

_UNITS_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[wdhms])\s*", re.ASCII)
_PARTS: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def to_ms(value: int | float | str | timedelta | None, name: str, *, forever: bool = False) -> int | None:
    """Read a duration.

    Args:
        value: seconds as a number; a string of numbers with the units w, d, h, m, s and ms, such as ``"90s"`` or
            ``"1h30m"``, or of a number of seconds alone; a timedelta; or ``None``, which stays ``None``.
        name: what errors call it, such as ``"job_timeout"``.
        forever: whether -1 is allowed, as "no limit".

    Returns:
        Whole milliseconds. A positive duration is never rounded down to 0. ``FOREVER`` (-1) for no limit.

    Raises:
        TypeError: for something else than these types.
        ValueError: for something negative, longer than 100 years, not a number, or with other units.
    """
    if value is None:
        return None
    ms = _read(value)
    if ms is None:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{name} must be {_forms(forever=forever)}, not {value!r}")
    if forever and ms == FOREVER * 1_000 and not isinstance(value, timedelta):
        return FOREVER
    if not ms >= 0:  # not a number is neither
        raise ValueError(f"{name} can't be {value!r}: it must be {_forms(forever=forever)}, and not negative")
    if ms > LONGEST_MS:
        raise ValueError(f"{name} can't be {value!r}: the longest duration is 100 years, and numbers are in seconds")
    return max(round(ms), 1) if ms else 0


def interval_ms(value: Interval, name: str) -> int:
    """Read a duration that has to be there, as ``to_ms`` does."""
    ms = to_ms(value, name)
    if ms is None:
        raise TypeError(f"{name} must be a duration, not None")
    return ms


def intervals_of(interval: Interval | Iterable[Interval], at_once: str) -> tuple[int, ...]:
    """Read one interval or several, as milliseconds; only one if all are 0.

    Args:
        interval: the interval, or several.
        at_once: what an interval of 0 is for, such as ``"retry at once"``.

    Raises:
        TypeError: for something else than durations.
        ValueError: there is none, or a duration is bad.
    """
    several = [interval] if isinstance(interval, str) or not isinstance(interval, Iterable) else list(interval)
    if not several:
        raise ValueError(f"interval can't be empty: give at least one, or 0 to {at_once}")
    intervals_ms = tuple(interval_ms(each, "interval") for each in several)
    return intervals_ms if any(intervals_ms) else (0,)


def _read(value: object) -> float | None:
    """A duration in milliseconds, in range or not; ``None`` for something that is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value * 1_000
    if isinstance(value, timedelta):
        return value / timedelta(milliseconds=1)
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text) * 1_000
    if not _PARTS.fullmatch(text):
        return None
    return sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))


def _forms(*, forever: bool) -> str:
    forms = "seconds as a number, a string such as '90s', '5m', '1h30m' or '7d', or a timedelta"
    return f"{forms}; or -1 for no limit" if forever else forms


#: Up to which limit in milliseconds ``format_ms`` uses one unit, and with how many decimals; beyond, it uses two units.
#: Each limit is where rounding would reach the next unit: 59,950 ms would be "60.0 s".
_ONE_UNIT: Final = ((9.95, "ms", 1), (999.5, "ms", 0), (59_950, "s", 1))
_TWO_UNITS: Final = ((3_599_500, "m", "s"), (86_370_000, "h", "m"), (inf, "d", "h"))


def format_ms(ms: float) -> str:
    """Say a duration for people: ``35 ms``, ``1.2 s``, ``3 m 05 s``, ``2 h 10 m``, ``4 d 01 h``.

    Args:
        ms: the duration in milliseconds.
    """
    if ms < 0:
        return f"-{format_ms(-ms)}"
    for limit_ms, unit, decimals in _ONE_UNIT:
        if ms < limit_ms:
            number = f"{ms / _UNITS_MS[unit]:.{decimals}f}".removesuffix(".0")
            return f"{number} {unit}"
    large, small = next((large, small) for limit_ms, large, small in _TWO_UNITS if ms < limit_ms)
    whole, rest = divmod(round(ms / _UNITS_MS[small]), _UNITS_MS[large] // _UNITS_MS[small])
    return f"{whole} {large} {rest:02d} {small}"


def format_time(time: timedelta) -> str:
    """Say a timedelta for people, as ``format_ms`` does."""
    return format_ms(time / timedelta(milliseconds=1))
