"""What is shown with colours and columns: on a terminal as wide as that is, elsewhere plain and whole."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from rqdeps.graph.looks import LOOKS
from rqdeps.status import JobStatus
from rqdeps.text import printable

#: How wide what is shown is where no terminal sets a limit.
NO_LIMIT = 10_000

#: How many lines are shown at most where no terminal sets a limit, if it can be folded so far.
LINES_ELSEWHERE = 40

#: A terminal with fewer columns is narrow.
_NARROW = 110

#: How many lines of a terminal are left for the prompt.
_LINES_LEFT = 2


def console() -> Console:
    """Where things are shown: standard output."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=NO_LIMIT, color_system=None, force_terminal=False)


def is_narrow(shown_on: Console) -> bool:
    """Whether there is no room for all that might be said in a line."""
    return shown_on.is_terminal and shown_on.width < _NARROW


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
    text = captured.get().rstrip("\n")
    for line in text.split("\n") if text else ():
        click.echo(line.rstrip())


def marked(status: JobStatus) -> Text:
    """A status in its colour, with its sign where people look at it."""
    mark = f"{LOOKS[status].mark} " if sys.stdout.isatty() else ""
    return Text(f"{mark}{status}", LOOKS[status].style)


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


def facts_table(facts: Iterable[tuple[str, str | Text]], *, names_width: int = 0) -> Table:
    """Names, and beside each what is to be said; of several lines, the first has the name.

    Args:
        facts: names and what is to be said.
        names_width: how wide the names are at least, so that what is said of one stands where it does of another.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=names_width)
    table.add_column()
    for name, value in facts:
        if isinstance(value, Text):
            lines = [value]
        else:
            lines = [Text(printable(line), overflow="fold") for line in value.splitlines() or [""]]
        for i, line in enumerate(lines):
            table.add_row(Text("" if i else name, "dim", no_wrap=True), line)
    return table


def _line(text: Text) -> Text:
    """The text, to be cut where there is no room for it, and not wrapped."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
