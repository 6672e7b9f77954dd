"""The directive ``mermaid``: diagrams that GitHub draws. To draw them here, browsers would load a program for it.

So the transitions of a state diagram are a table, and other diagrams are shown as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_TRANSITION = re.compile(r"^\s*(\S+) --> (\w+)(?:: (.+))?$", re.MULTILINE)
_START = "[*]"


class Mermaid(SphinxDirective):
    """A diagram."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Makes a table, or a block of text."""
        text = "\n".join(self.content)
        if not text.startswith("stateDiagram"):
            return [nodes.literal_block(text, text, language="text")]
        rows = [_row("from", "to", "when")]
        for source, target, label in _TRANSITION.findall(text):
            rows.append(_row("" if source == _START else nodes.literal("", source), nodes.literal("", target), label))
        columns = [nodes.colspec(colwidth=width) for width in (1, 1, 3)]
        head, body = nodes.thead("", rows[0]), nodes.tbody("", *rows[1:])
        return [nodes.table("", nodes.tgroup("", *columns, head, body, cols=len(columns)))]


def _row(*cells: str | nodes.Node) -> nodes.row:
    shown: Iterable[nodes.Node] = (nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in shown))


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes the directive known."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
