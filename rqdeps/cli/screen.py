"""What is shown with colours and columns: on a terminal as wide as that is, elsewhere plain and whole."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from rqdeps.text import printable

#: How wide what is shown is where no terminal sets a limit.
_NO_LIMIT = 10_000

#: How many lines are shown at most where no terminal sets a limit, if it can be folded so far.
LINES_ELSEWHERE = 40

#: How many lines of a terminal are left for the prompt.
_LINES_LEFT = 2


def console() -> Console:
    """Where things are shown: standard output, with a question mark for what its encoding does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_NO_LIMIT, color_system=None, force_terminal=False)


def lines_of(shown_on: Console) -> int:
    """How many lines fit."""
    return max(shown_on.height - _LINES_LEFT, 5) if shown_on.is_terminal else LINES_ELSEWHERE


def show(what: RenderableType, on: Console | None = None) -> None:
    """Shows something; without the spaces that fill lines up where it goes into a file or a pipe."""
    on = on or console()
    if on.is_terminal:
        on.print(what)
        return
    with on.capture() as captured:
        on.print(what)
    for line in captured.get().rstrip("\n").split("\n"):
        click.echo(line.rstrip())


def show_json(what: Any) -> None:
    """Shows plain values as JSON. What can't be printed is spelled out there, which means the same."""
    text = json.dumps(what, indent=2, ensure_ascii=False)
    click.echo("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))


def columns(
    head: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = ("id",),
) -> Table:
    """Rows under a head.

    Args:
        head: what stands above the columns.
        rows: the rows.
        numbers: which of the columns are of numbers.
        whole: which are never cut: where a terminal is too narrow for all, the widest of the others are.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(_line(Text(name, "bold")), justify=justify, no_wrap=name in whole)
    for row in rows:
        table.add_row(*(_line(cell if isinstance(cell, Text) else Text(printable(cell))) for cell in row))
    return table


def _line(text: Text) -> Text:
    """The text, to be cut where there is no room for it, and not wrapped."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
