"""The critical path of a graph as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from rqdeps.cli.screen import columns
from rqdeps.durations import format_time
from rqdeps.graph.critical_path import CriticalPath, PathStep
from rqdeps.graph.data import label_of
from rqdeps.graph.graph import Graph
from rqdeps.graph.looks import LOOKS
from rqdeps.text import printable, times


def path_table(graph: Graph, lines: int) -> RenderableType:
    """The critical path of a graph.

    Args:
        graph: the graph.
        lines: how many lines there should be at most; where there are more, steps of a function are shown as one.
    """
    path = graph.critical_path()
    if not path.steps:
        return Text("Nothing of this graph has run, and nothing waits for a worker: there is no critical path yet.")
    each = [[step] for step in path.steps]
    parts = each if len(each) <= lines - 3 else [list(steps) for _, steps in groupby(path.steps, _function_of)]
    rows = [_row(steps, path) for steps in parts]
    return Group(Text(_summary(path)), Text(), columns(["at", "waited", "ran", "job", "status", "id"], rows))


def _function_of(step: PathStep) -> str:
    return step.node.function


def _summary(path: CriticalPath) -> str:
    parts = [f"{format_time(path.ran)} running", *_waits(path.waited)]
    count = len(path.steps)
    so_far = "" if path.has_ended else " so far"
    return f"{format_time(path.duration)}{so_far}, by {times(count, 'job')} one after the other: {', '.join(parts)}"


def _row(steps: Sequence[PathStep], path: CriticalPath) -> list[str | Text]:
    first = steps[0].node
    waited: dict[str, timedelta] = {}
    for step in steps:
        for reason, time in step.waited.items():
            waited[reason] = waited.get(reason, timedelta(0)) + time
    look = LOOKS[steps[-1].node.status]
    return [
        format_time(steps[0].ready_at - path.steps[0].ready_at),
        ", ".join(_waits(waited)),
        format_time(sum((step.ran for step in steps), timedelta(0))),
        Text(printable(label_of(first)) + (f" ×{len(steps)}" if len(steps) > 1 else ""), "bold"),
        Text(f"{look.mark} {steps[-1].node.status or 'deleted'}", look.style),
        Text(first.id if len(steps) == 1 else "", "dim"),
    ]


def _waits(waited: Mapping[str, timedelta]) -> Iterator[str]:
    for reason, time in waited.items():
        yield f"{format_time(time)} for {reason}"
