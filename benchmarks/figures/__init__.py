"""All that is measured, one idea a module."""

from __future__ import annotations

from fnmatch import fnmatch

from benchmarks.bench import SCALES, Scale
from benchmarks.figures import counts, draining, enqueueing, latency, memory, recovery, release, shapes, workers
from benchmarks.figures.figure import Figure, Measurement

#: In the order of the table.
MEASUREMENTS: list[Measurement] = [
    measurement
    for module in (enqueueing, draining, latency, shapes, release, counts, memory, workers, recovery)
    for measurement in module.MEASUREMENTS
]


def choose(scale: Scale, wanted: str = "") -> list[Measurement]:
    """What is to be measured.

    Args:
        scale: leaves out what takes too long for it, unless it is asked for by name.
        wanted: names of measurements or of figures, with commas between them; ``*`` stands for anything.

    Raises:
        ValueError: nothing has one of these names.
    """
    if not wanted:
        sizes = list(SCALES)
        return [each for each in MEASUREMENTS if sizes.index(each.since.name) <= sizes.index(scale.name)]
    chosen: list[Measurement] = []
    for pattern in wanted.split(","):
        matching = [each for each in MEASUREMENTS if any(fnmatch(name, pattern.strip()) for name in _names(each))]
        if not matching:
            raise ValueError(f"no figure {pattern}; there are {', '.join(each.name for each in MEASUREMENTS)}")
        chosen += matching
    return [each for each in MEASUREMENTS if each in chosen]


def _names(measurement: Measurement) -> list[str]:
    return [measurement.name, *(figure.name for figure in measurement.figures)]


__all__ = ["MEASUREMENTS", "Figure", "Measurement", "choose"]
