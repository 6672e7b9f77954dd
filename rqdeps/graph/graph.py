"""A graph of jobs, as it was when it was read."""

from __future__ import annotations

from typing import Any

from rqdeps.graph.critical_path import CriticalPath, critical_path
from rqdeps.graph.data import GraphData
from rqdeps.graph.dot import dot
from rqdeps.graph.folding import Folded, fold
from rqdeps.graph.mermaid import mermaid
from rqdeps.graph.plain import json_text, plain

#: How many lines a tree has at most, unless somebody wants more, if it can be folded so far.
DEFAULT_LINES = 40


class Graph(GraphData):
    """Jobs and what leads from one to the other, as it was when it was read. ``print(graph)`` shows it as a tree."""

    def folded(self, most: int | None = None) -> Folded:
        """The same with jobs that are alike as one: of the same function, and with the same neighbours.

        Args:
            most: how many there should be in the end. Where there are more, all jobs of a function at the same depth
                are taken together, and if that is not enough, all jobs of a function.
        """
        return fold(self, most)

    def critical_path(self) -> CriticalPath:
        """Which jobs made it take as long as it took, and what they waited for; until now, if it has not ended."""
        return critical_path(self)

    # What others can read

    def to_dict(self) -> dict[str, Any]:
        """The graph as plain values. Times are ISO 8601, durations seconds."""
        return plain(self)

    def to_json(self, indent: int | None = None) -> str:
        """The graph as JSON, see ``to_dict``.

        Args:
            indent: how far to indent each level; all stands on one line without it.
        """
        return json_text(self, indent)

    def to_mermaid(self, *, folded: bool = False) -> str:
        """The graph as a flowchart for Mermaid, as Markdown on many sites takes it.

        Args:
            folded: whether jobs that are alike are shown as one.
        """
        return mermaid(self, folded=folded)

    def to_dot(self, *, folded: bool = False) -> str:
        """The graph in the language of Graphviz.

        Args:
            folded: whether jobs that are alike are shown as one.
        """
        return dot(self, folded=folded)

    def to_tree(self, *, folded: bool = True, lines: int | None = DEFAULT_LINES) -> str:
        """The graph as a tree of plain text: each job below the last of those it comes after.

        Args:
            folded: whether jobs that are alike are shown as one.
            lines: how many lines it should have at most, if it can be folded so far; ``None`` for any number.
        """
        from rqdeps.graph.terminal import tree_text  # noqa: PLC0415 - only who shows a graph needs what that imports

        return tree_text(self, folded=folded, lines=lines)

    def __str__(self) -> str:
        return self.to_tree()
