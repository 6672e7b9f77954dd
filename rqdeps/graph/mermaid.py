"""A graph as a flowchart for Mermaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rqdeps.graph.data import GraphData
from rqdeps.graph.drawing import Arrow, Box, drawing_of
from rqdeps.graph.looks import LOOKS

#: Mermaid draws so many arrows, unless it is told otherwise.
MOST_EDGES = 500


def mermaid(graph: GraphData, *, folded: bool) -> str:
    """A graph as a flowchart.

    Args:
        graph: the graph.
        folded: whether jobs that are alike are shown as one.
    """
    return "\n".join(_lines(graph, folded=folded)) + "\n"


def _lines(graph: GraphData, *, folded: bool) -> Iterator[str]:
    drawing = drawing_of(graph, folded=folded)
    yield "flowchart TD"
    inside = drawing.inside()
    yield from map(_box, inside[""])
    for frame in drawing.frames:
        yield f'    subgraph {frame.name}["{_text(frame.lines)}"]'
        for box in inside[frame.name]:
            yield f"    {_box(box)}"
        yield "    end"
    for arrow in drawing.arrows:
        yield _arrow(arrow)
    for status in dict.fromkeys(box.status for box in drawing.boxes):
        yield f"    classDef {status or 'deleted'} fill:{LOOKS[status].fill},stroke:#555,color:#222"


def _box(box: Box) -> str:
    return f'    {box.name}["{_text(box.lines)}"]:::{box.status or "deleted"}'


def _arrow(arrow: Arrow) -> str:
    line = "-.->" if arrow.is_dashed else "-->"
    label = f'|"{_text([arrow.label])}"|' if arrow.label else ""
    return f"    {arrow.source} {line}{label} {arrow.target}"


def _text(lines: Sequence[str]) -> str:
    """Text between quotes: whatever could mean something to Mermaid, or to a browser, is spelled out."""
    return "<br/>".join("".join(_character(character) for character in line) for line in lines)


def _character(character: str) -> str:
    if character.isalnum() or character in " _-.,:()·×" or character in _MARKS:
        return character
    return f"#{ord(character)};" if character.isprintable() else " "


_MARKS = frozenset(look.mark for look in LOOKS.values())
