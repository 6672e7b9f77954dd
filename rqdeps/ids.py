"""Ids of jobs: 16 letters and digits that sort by the time they were made."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = [first + second for first in _DIGITS for second in _DIGITS]
_BASE_OF_PAIRS: Final = len(_PAIRS)
_VALID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

#: An id is a time of 7 digits to the base 62 in milliseconds, 5 random digits, and a count of 4 digits.
_COUNTS: Final = 62**4

#: A random byte as a digit.
_DIGIT_OF_BYTE: Final = bytes(ord(_DIGITS[byte % len(_DIGITS)]) for byte in range(256))


class _Ids:
    """Makes ids. Those of one millisecond count up from a random number, so that they keep their order."""

    def __init__(self) -> None:
        self.millisecond = 0
        self.head = ""
        self.count = 0

    def forget(self) -> None:
        """Starts anew, so that a forked process does not make the ids of its parent."""
        self.millisecond = 0

    def next(self) -> str:
        millisecond = time.time_ns() // 1_000_000
        self.count += 1
        if millisecond > self.millisecond:
            self._begin(millisecond)
        elif self.count >= _COUNTS:  # the clock has been behind for long
            self._begin(self.millisecond + 1)
        return self.head + _PAIRS[self.count // _BASE_OF_PAIRS] + _PAIRS[self.count % _BASE_OF_PAIRS]

    def _begin(self, millisecond: int) -> None:
        noise = os.urandom(8)
        moment = _written(millisecond // _BASE_OF_PAIRS) + _PAIRS[millisecond % _BASE_OF_PAIRS]
        head = moment + noise[:5].translate(_DIGIT_OF_BYTE).decode()
        count = int.from_bytes(noise, "big") % (_COUNTS // 2)  # so that there is room to count up
        self.millisecond, self.head, self.count = millisecond, head, count  # with no call in between, for threads


@lru_cache(maxsize=1)
def _written(value: int) -> str:
    text = ""
    while len(text) < 5:  # noqa: PLR2004
        value, digit = divmod(value, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


_ids = _Ids()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.forget)


def new_id() -> str:
    """A new id, greater than all that this process made before."""
    return _ids.next()


def check_id(job_id: object, what: str = "a job's id") -> str:
    """The id, if it can be one.

    Args:
        job_id: the id.
        what: what it is of, for errors.

    Raises:
        TypeError: for something that is no text.
        ValueError: for anything but 1 to 64 letters, digits, underscores, dots and hyphens.
    """
    if not isinstance(job_id, str):
        raise TypeError(f"{what} is a str, not {type(job_id).__name__}")
    if not _VALID.fullmatch(job_id):
        raise ValueError(f"{job_id!r} can't be {what}: it is 1 to 64 letters, digits, underscores, dots and hyphens")
    return job_id


def check_queue_name(name: object) -> str:
    """The name, if a queue can have it.

    Raises:
        TypeError: for something that is no text.
        ValueError: for anything but 1 to 64 bytes of printable characters without white space.
    """
    if not isinstance(name, str):
        raise TypeError(f"a queue's name is a str, not {type(name).__name__}")
    if not name.isprintable() or not 1 <= len(name.encode()) <= 64 or " " in name:  # noqa: PLR2004
        raise ValueError(f"{name!r} can't be a queue's name: names are 1 to 64 bytes of text without white space")
    return name


def repeated(ids: Sequence[str]) -> str | None:
    """The first id that stands twice among several; ``None`` if none does."""
    if len(set(ids)) == len(ids):
        return None
    return next(each for each, times in Counter(ids).items() if times > 1)
