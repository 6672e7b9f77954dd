"""Text of unknown origin, made fit for a terminal or a log."""

from __future__ import annotations


def error_line(error_type: str, message: str) -> str:
    """An exception in short: its class, without where that is from, and what it said.

    Args:
        error_type: the class, as a dotted path; may be empty.
        message: what it said; may be empty.
    """
    return ": ".join(part for part in (error_type.rpartition(".")[2], message) if part)


def printable(line: str) -> str:
    """The line with whatever can't be printed spelled out, so that it can't move a cursor or pretend to be a line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def times(count: int, what: str) -> str:
    """So many of something: ``1 job``, ``2 jobs``, ``2 retries``.

    Args:
        count: how many.
        what: one of them.
    """
    if count == 1:
        return f"{count} {what}"
    is_changed = what.endswith("y") and what[-2:-1] not in "aeiou"
    return f"{count} {what[:-1]}ies" if is_changed else f"{count} {what}s"


def many(count: int, what: str) -> str:
    """So many of something, with the thousands of a large number apart."""
    return times(count, what).replace(str(count), f"{count:,}", 1)
