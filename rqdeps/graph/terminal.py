"""A graph as a terminal shows it: a tree in colours, cut to the width there is."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rqdeps.graph.data import GraphData
from rqdeps.graph.folding import Folded, fold, unfolded
from rqdeps.graph.looks import LOOKS
from rqdeps.graph.tree import Row, rows_of
from rqdeps.text import printable, times

#: How wide text is that nobody looks at in a terminal.
_WIDE = 10_000

#: How many rows are fitted into the width of a terminal: for each of thousands that would take a millisecond.
_MOST_FITTED = 300

_HINTS = {
    "depth": "Jobs of a function at the same depth are shown as one.",
    "function": "All jobs of a function are shown as one.",
}


def tree_text(graph: GraphData, *, folded: bool, lines: int | None) -> str:
    """A tree as plain text.

    Args:
        graph: the graph.
        folded: whether jobs that are alike are shown as one.
        lines: how many lines there should be at most.
    """
    out = StringIO()
    console = Console(file=out, width=_WIDE, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(tree(graph, folded=folded, lines=lines), soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().split("\n"))


def tree(graph: GraphData, *, folded: bool, lines: int | None) -> RenderableType:
    """A tree as rich shows it, with a line below that says how many jobs have which status.

    Args:
        graph: the graph.
        folded: whether jobs that are alike are shown as one.
        lines: how many lines there should be at most.
    """
    shown = fold(graph, None if lines is None else max(lines - 3, 1)) if folded else unfolded(graph)
    rows = [_cells(row) for row in rows_of(graph, shown)]
    columns = [_grid(rows)] if len(rows) <= _MOST_FITTED else _padded(rows)
    return Group(*columns, Text(), *_footer(graph, shown))


def _grid(rows: Sequence[Sequence[Text]]) -> Table:
    """Rows in columns that fit the terminal."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for is_whole in (False, False, False, True, False):  # ids are to be copied, and never cut
        grid.add_column(no_wrap=is_whole)
    for cells in rows:
        grid.add_row(*cells)
    return grid


def _padded(rows: Sequence[Sequence[Text]]) -> Sequence[Text]:
    """Rows in columns as wide as they need to be, which takes a third of the time."""
    widths = [max(cells[column].cell_len for cells in rows) for column in range(4)]
    lines = []
    for *cells, notes in rows:
        line = Text(no_wrap=True, overflow="ignore")
        for cell, width in zip(cells, widths, strict=True):
            cell.plain = cell.plain.replace("\n", " ")
            line.append_text(cell).append(" " * (width - cell.cell_len + 2))
        lines.append(line.append_text(notes))
    return lines


def _cells(row: Row) -> Sequence[Text]:
    title = Text.assemble((row.branch, "dim"), (printable(row.label), "bold"), no_wrap=True, overflow="ellipsis")
    if row.count > 1:
        title.append(f" ×{row.count}")
    return (
        title,
        _statuses(row),
        Text(row.took, no_wrap=True, overflow="ellipsis"),
        Text("\n".join(row.ids), style="dim" if row.count == 1 else "red"),
        Text(printable(", ".join(row.notes)), style="dim", overflow="fold"),
    )


def _statuses(row: Row) -> Text:
    parts = []
    for status, count in row.counts.items():
        look = LOOKS[status]
        parts.append((f"{look.mark} {status or 'deleted'}" if row.count == 1 else f"{look.mark}{count}", look.style))
    return Text(" ", no_wrap=True, overflow="ellipsis").join(Text(*part) for part in parts)


def _footer(graph: GraphData, shown: Folded) -> Sequence[Text]:
    """How many jobs there are, and what the marks mean."""
    total = sum(not node.is_workflow for node in graph.nodes.values())
    text = Text(f"{times(total, 'job')}: ")
    gone = total - sum(graph.counts.values())
    text.append_text(
        Text("  ").join(
            Text(f"{LOOKS[status].mark} {count} {status or 'deleted'}", LOOKS[status].style)
            for status, count in (*graph.counts.items(), *[(None, gone)] * bool(gone))
        )
    )
    notes = [_HINTS[shown.by]] if shown.by in _HINTS else []
    if not graph.is_whole:
        notes.append("There are more jobs than these.")
    return [text, Text(" ".join(notes), style="dim")] if notes else [text]
