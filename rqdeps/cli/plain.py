"""What is printed for other programs, and read from them."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from math import isfinite
from typing import Any

import click


def parsed(text: str) -> Any:
    """What JSON that somebody has typed stands for.

    Raises:
        ValueError: it is none, or too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is too deep") from None


def is_json(what: Any) -> bool:
    """Whether JSON has such a value: it has no NaN, no infinity, and nothing but plain values."""
    try:
        json.dumps(what, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def show_json(what: Any) -> None:
    """Prints plain values as JSON. What can't be printed, or not everywhere, is spelled out, which means the same."""
    text = _dumped(what, indent=2, ensure_ascii=not _is_unicode(sys.stdout.encoding))
    click.echo("\n".join(line if line.isprintable() else _spelled_out(line) for line in text.split("\n")))


def show_json_line(what: Any) -> None:
    """Prints plain values as JSON in one line."""
    click.echo(_dumped(what))


def time_text(moment: datetime | None) -> str | None:
    """A moment as JSON has it: ISO 8601, to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _dumped(what: Any, **options: Any) -> str:
    """Plain values as JSON; a number that JSON does not have is ``null`` there, as in browsers."""
    try:
        return json.dumps(what, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_with_numbers(what), **options)


def _with_numbers(what: Any) -> Any:
    if isinstance(what, dict):
        return {name: _with_numbers(value) for name, value in what.items()}
    if isinstance(what, list):
        return [_with_numbers(value) for value in what]
    return None if isinstance(what, float) and not isfinite(what) else what


def _is_unicode(encoding: str | None) -> bool:
    return encoding is not None and encoding.lower().startswith("utf")


def _spelled_out(line: str) -> str:
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
