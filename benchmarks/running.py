"""One run: every measurement, repetition by repetition, each queue in turn, so that what disturbs hits all alike."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.bench import Bench, Scale
from benchmarks.catalogue import Listing
from benchmarks.environments import interpreter_for
from benchmarks.errors import BenchmarkError, LacksError, SkippedError
from benchmarks.figures import Measurement
from benchmarks.processes import Program
from benchmarks.results import Measured, Results, Subject
from benchmarks.server import Server

#: A measurement that has taken longer on a queue is not repeated on it.
ENOUGH_SECONDS = 90

#: Tells people what is being done.
Tell = Callable[[str], None]


@dataclass
class Run:
    """What one run does.

    Attributes:
        server: the server, which nobody else uses.
        scale: how much is measured.
        measurements: what is measured.
        repetitions: how often.
        folder: where jobs write, and workers log.
        tell: is told what comes next.
        keep: is given the results, each time that there are more.
    """

    server: Server
    scale: Scale
    measurements: Sequence[Measurement]
    repetitions: int
    folder: Path
    tell: Tell
    keep: Callable[[Results], None]

    def measure(self, listings: Sequence[Listing], *, fresh: bool = False) -> Results:
        """Measures queues.

        Args:
            listings: the queues, the one first that the others are compared with.
            fresh: whether the peers' environments are made anew.
        """
        results = Results(self._about())
        benches = []
        for listing in listings:
            subject = Subject(listing.name, settings=listing.settings, lacks=listing.lacks)
            results.subjects.append(subject)
            try:
                benches.append(self._bench(listing, subject, fresh=fresh))
            except SkippedError as reason:
                subject.skipped = str(reason)
                self.tell(f"{listing.name}: not measured, {reason}")
        for number, measurement in enumerate(self.measurements, start=1):
            where = f"[{number}/{len(self.measurements)}] {measurement.name}"
            seconds = dict.fromkeys((bench.listing.name for bench in benches), 0.0)
            for repetition in range(1, self.repetitions + 1):
                for bench in benches:
                    name = bench.listing.name
                    if seconds[name] <= ENOUGH_SECONDS:
                        self.tell(f"{where}, repetition {repetition} of {self.repetitions}: {name}")
                        seconds[name] += self._once(bench, measurement, results)
                        self.keep(results)
        return results

    def _about(self) -> dict[str, str]:
        return {
            "date": machine.now(),
            "machine": machine.machine(),
            "server": self.server.says(),
            "Python": machine.python(),
            "commit of rqdeps": machine.commit(),
            "scale": f"{self.scale.name}, repetitions: {self.repetitions}",
        }

    def _bench(self, listing: Listing, subject: Subject, *, fresh: bool) -> Bench:
        self.tell(f"{listing.name}: looking for its environment, or making it")
        python = interpreter_for(listing, fresh=fresh)
        bench = Bench(self.server, listing, Program(python, self.folder), self.scale, self.folder)
        asked = [str(python), "-c", "import platform; print(platform.python_version())"]
        subject.python = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        self.server.clear()
        try:
            with bench.adapter() as adapter:
                subject.version = adapter.version()
        except BenchmarkError as error:
            raise SkippedError(f"its adapter does not start: {error}") from error
        return bench

    def _once(self, bench: Bench, measurement: Measurement, results: Results) -> float:
        """Measures; returns the seconds that it took, or infinity if it came to nothing, so that it is not repeated."""
        measured = Measured(bench.listing.name, measurement.name)
        results.measured.append(measured)
        begun = time.monotonic()
        self.server.clear()
        try:
            measured.figures = dict(measurement.measure(bench))
            return time.monotonic() - begun
        except LacksError as lack:
            measured.lacks = str(lack)
        except BenchmarkError as error:
            measured.error, measured.figures = str(error), error.figures
        except Exception as error:  # a queue that breaks is a cell in the table, and the others go on
            measured.error = f"{type(error).__name__}: {error}"
        self.tell(f"{bench.listing.name}: {measurement.name}: {measured.lacks or measured.error}")
        return math.inf
