"""What a figure is, and what measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.bench import QUICK, Bench, Scale

#: What a measurement returns: its figures by their names.
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Figure:
    """One number, and how to read it.

    Attributes:
        name: what it is called in the results.
        title: what it is called in the table.
        unit: what it is counted in.
        better: which end is the good one.
        in_plot: whether the plot shows it.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    in_plot: bool = False


@dataclass(frozen=True)
class Measurement:
    """What is run at once, on one queue, for one or several figures.

    Attributes:
        name: what selects it on the command line.
        section: where it stands in the table.
        figures: what it measures.
        measure: does it, and returns a value for each figure.
        since: the smallest scale at which it is run unasked.
    """

    name: str
    section: str
    figures: Sequence[Figure]
    measure: Callable[[Bench], Figures]
    since: Scale = QUICK
