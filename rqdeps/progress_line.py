"""A line on standard error that says how far something has come: overwritten on a terminal, else repeated at times."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from unicodedata import east_asian_width

from rqdeps.text import printable

#: How often to look at what is shown, in seconds.
LOOK_SECONDS = 0.5

#: How often a line is written where it can't be overwritten, in seconds.
_REPEAT_SECONDS = 10.0


_BAR_LENGTH = 16


def bar(share: float) -> str:
    """A bar that is filled up to a share, from 0 to 1."""
    return f"{'█' * int(_BAR_LENGTH * share):░<{_BAR_LENGTH}}"


class ProgressLine:
    """Shows a line, and the next in place of it."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._width = 0
        self._shown = ""
        self._repeat_at = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._width:
            sys.stderr.write("\n")
            sys.stderr.flush()

    def show(self, line: str, *, is_last: bool = False) -> None:
        """Shows a line.

        Args:
            line: the line.
            is_last: whether no other comes after it, so that it is shown in any case.
        """
        encoding = sys.stderr.encoding or "utf-8"
        line = line.encode(encoding, "replace").decode(encoding)
        if line == self._shown:
            return
        if self._is_terminal:
            self._shown = line
            fitting, width = _cut(printable(line), shutil.get_terminal_size().columns - 1)
            sys.stderr.write(f"\r{fitting}{' ' * (self._width - width)}")
            self._width = width
            sys.stderr.flush()
        elif is_last or time.monotonic() >= self._repeat_at:
            self._shown = line
            self._repeat_at = time.monotonic() + _REPEAT_SECONDS
            sys.stderr.write(f"{printable(line)}\n")
            sys.stderr.flush()


def _cut(line: str, most: int) -> tuple[str, int]:
    """As much of a line as fits into so many columns of a terminal, and how many it takes: two for 漢."""
    width = 0
    for at, char in enumerate(line):
        columns = 2 if east_asian_width(char) in "WF" else 1
        if width + columns > most:
            return line[:at], width
        width += columns
    return line, width
