"""Text of unknown origin, made fit for a terminal or a log."""

from __future__ import annotations


def printable(line: str) -> str:
    """The line with whatever can't be printed spelled out, so that it can't move a cursor or pretend to be a line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
