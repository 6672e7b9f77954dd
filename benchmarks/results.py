"""What a run came to: all repetitions, kept as JSON, from which table and plot can be made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.spread import Spread


@dataclass
class Measured:
    """One repetition of one measurement on one queue.

    Attributes:
        queue: the name of the queue.
        measurement: the name of the measurement.
        figures: values by the names of the figures; where something went wrong, what was measured before.
        lacks: what the queue lacks for it, where it could not be measured.
        error: what went wrong, where something did.
    """

    queue: str
    measurement: str
    figures: dict[str, float] = field(default_factory=dict)
    lacks: str = ""
    error: str = ""


@dataclass
class Subject:
    """A queue as it was measured.

    Attributes:
        name: what the table calls it.
        version: its version.
        python: the version of Python that ran it.
        settings: which of its settings were used.
        lacks: what it does not do that rqdeps does by default.
        skipped: why it was not measured at all, if so.
    """

    name: str
    version: str = ""
    python: str = ""
    settings: str = ""
    lacks: str = ""
    skipped: str = ""


@dataclass
class Results:
    """All of a run.

    Attributes:
        about: where and when, for people, by what it tells.
        subjects: the queues, in the order of the table, the one that others are compared with first.
        measured: all repetitions.
    """

    about: dict[str, str] = field(default_factory=dict)
    subjects: list[Subject] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    def values(self, queue: str, figure: str) -> list[float]:
        """What was measured of one figure of one queue."""
        return [each.figures[figure] for each in self.measured if each.queue == queue and figure in each.figures]

    def spread(self, queue: str, figure: str) -> Spread | None:
        """The same, summed up; nothing where nothing was measured."""
        values = self.values(queue, figure)
        return Spread.of(values) if values else None

    def obstacles(self, queue: str, measurement: str) -> Iterator[Measured]:
        """The repetitions of a measurement that came to nothing."""
        for each in self.measured:
            if (each.queue, each.measurement) == (queue, measurement) and (each.lacks or each.error):
                yield each

    def write(self, path: Path) -> None:
        """Keeps all as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """What was kept."""
        told = json.loads(path.read_text())
        return cls(
            told["about"],
            [Subject(**each) for each in told["subjects"]],
            [Measured(**each) for each in told["measured"]],
        )
