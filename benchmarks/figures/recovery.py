"""What becomes of jobs whose worker is killed while it runs them, with another worker beside."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.bench import FULL, Bench
from benchmarks.figures.figure import Figure, Figures, Measurement
from benchmarks.processes import await_lines
from benchmarks.queues.adapter import Step

PROCESSES = 2

#: As many as two workers of two processes run at once.
JOBS = 4

#: How long each job takes, in seconds: until the other worker is there, at least.
JOB_SECONDS = 8.0

#: How long the other worker is waited for.
START_SECONDS = 5.0

#: After what time without a sign of life a worker is given up, where that can be set. In seconds.
LEASE_SECONDS = 30


def recovery(bench: Bench) -> Figures:
    """Kills a worker with all its processes; until what it ran has been begun again, and what never ends.

    Where jobs are lost, there is no time.
    """
    path = bench.path("notes")
    with bench.adapter() as adapter:
        for number in range(JOBS):
            adapter.enqueue(Step("work", (str(path), str(number), JOB_SECONDS)), 1)
        with bench.worker(adapter, PROCESSES, lease_seconds=LEASE_SECONDS) as doomed:
            begun = bench.notes(path, PROCESSES, doomed)
            with bench.worker(adapter, PROCESSES, lease_seconds=LEASE_SECONDS) as other:
                # It may be that the first worker has taken all; then the other one just has the time to start.
                await_lines(path, JOBS, START_SECONDS, other)
                doomed.kill()
                killed_at = time.time()
                while (
                    lost := JOBS - len(labels(path, "ended"))
                ) and time.time() < killed_at + bench.scale.recovery_limit:
                    other.check()
                    time.sleep(0.1)
    again = labels(path, "begun", since=killed_at)
    interrupted = [label.split()[1] for _, label in begun[:PROCESSES]]
    if lost or not all(label in again for label in interrupted):
        return {LOST.name: lost}
    return {LOST.name: lost, RECOVERED.name: max(again[label] for label in interrupted) - killed_at}


def labels(path: Path, event: str, since: float = 0) -> dict[str, float]:
    """The jobs that have written down an event, and when they did so for the first time.

    Args:
        path: where they write.
        event: ``begun`` or ``ended``.
        since: what came before this is left out.
    """
    found: dict[str, float] = {}
    for line in path.read_text().splitlines():
        at, happened, label = line.split()
        if happened == event and float(at) > since:
            found.setdefault(label, float(at))
    return found


RECOVERED = Figure("recovery", "SIGKILL of a worker: until its jobs are begun again, lease of 30 s", "s", "lower")
LOST = Figure("recovery-lost", f"the same: jobs lost, of {JOBS}", "", "lower")

MEASUREMENTS = [Measurement("recovery", "Recovery", [RECOVERED, LOST], recovery, FULL)]
