"""A graph in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rqdeps.graph.data import GraphData
from rqdeps.graph.drawing import Arrow, Box, drawing_of
from rqdeps.graph.looks import LOOKS


def dot(graph: GraphData, *, folded: bool) -> str:
    """A graph as Graphviz reads it.

    Args:
        graph: the graph.
        folded: whether jobs that are alike are shown as one.
    """
    return "\n".join(_lines(graph, folded=folded)) + "\n"


def _lines(graph: GraphData, *, folded: bool) -> Iterator[str]:
    drawing = drawing_of(graph, folded=folded)
    yield "digraph jobs {"
    yield '    node [shape=box, style="rounded,filled", fontname="Helvetica", color="#555555"];'
    yield '    edge [fontname="Helvetica", fontsize=10, color="#555555"];'
    inside = drawing.inside()
    yield from map(_box, inside[""])
    waited_for = {arrow.source for arrow in drawing.arrows}
    for frame in drawing.frames:
        yield f"    subgraph cluster_{frame.name} {{"
        yield f'        label="{_text(frame.lines)}"; style=rounded; color="#999999"; fontname="Helvetica";'
        for box in inside[frame.name]:
            yield f"    {_box(box)}"
        if frame.name in waited_for or not inside[frame.name]:  # an arrow needs a node to come from, a frame one at all
            yield f'        {frame.name} [label="end", shape=oval, fillcolor="{LOOKS[frame.status].fill}"];'
        yield "    }"
    for arrow in drawing.arrows:
        yield _arrow(arrow)
    yield "}"


def _box(box: Box) -> str:
    return f'    {box.name} [label="{_text(box.lines)}", fillcolor="{LOOKS[box.status].fill}"];'


def _arrow(arrow: Arrow) -> str:
    options = [f'label="{_text([arrow.label])}"'] if arrow.label else []
    options += ["style=dashed"] if arrow.is_dashed else []
    after = f" [{', '.join(options)}]" if options else ""
    return f"    {arrow.source} -> {arrow.target}{after};"


def _text(lines: Sequence[str]) -> str:
    """Text between quotes."""
    return "\\n".join("".join(map(_character, line)) for line in lines)


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else " "
