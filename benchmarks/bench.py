"""What a measurement works with: a clean server, the queue's adapter, its workers, and waiting that ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.catalogue import Listing
from benchmarks.errors import StalledError
from benchmarks.processes import Program, WorkerProcess, await_lines
from benchmarks.queues.adapter import Step
from benchmarks.remote import RemoteAdapter
from benchmarks.server import Server


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        name: what it is called on the command line.
        seconds: how long one measurement of a rate shall take, about.
        most_jobs: how many jobs it has, at most.
        counted_jobs: how many jobs are run to count what they cost.
        spaced_jobs: how many jobs the latency is measured by.
        weighed_jobs: how many jobs memory is measured by.
        chain: the length of a chain.
        patience: how many seconds may pass without a job's end before a queue is said to have stalled.
        limit: how many seconds a drain may take in all.
        recovery_limit: how many seconds jobs of a worker that was killed are waited for.
    """

    name: str
    seconds: float
    most_jobs: int
    counted_jobs: int
    spaced_jobs: int
    weighed_jobs: int
    chain: int
    patience: float
    limit: float
    recovery_limit: float


QUICK = Scale("quick", 0.5, 5_000, 200, 40, 500, 50, 15, 30, 60)
NORMAL = Scale("normal", 2.5, 40_000, 1_000, 300, 2_000, 300, 30, 120, 400)
FULL = Scale("full", 2.5, 40_000, 1_000, 300, 2_000, 300, 30, 120, 400)

#: From the smallest to the largest.
SCALES = {scale.name: scale for scale in (QUICK, NORMAL, FULL)}


@dataclass(frozen=True)
class Drained:
    """What was seen of a drain; times are those of the clock on the wall.

    Attributes:
        begun_at: when a job had ended for the first time.
        before: how many had ended then.
        ended_at: when all had ended.
        total: how many that is.
    """

    begun_at: float
    before: int
    ended_at: float
    total: int

    @property
    def seconds(self) -> float:
        """How long those took whose end was seen."""
        return self.ended_at - self.begun_at

    @property
    def rate(self) -> float:
        """Jobs a second, from the first end that was seen on, so that the worker's start does not count."""
        return (self.total - self.before) / self.seconds if self.seconds > 0 else 0.0


@dataclass
class Bench:
    """One queue on the server, for one measurement after another.

    Attributes:
        server: the server.
        listing: the queue.
        program: how its processes are started.
        scale: how much is measured.
        folder: where jobs write, and workers log.
        rates: what is known of its speed from one repetition to the next, by the name of the figure.
    """

    server: Server
    listing: Listing
    program: Program
    scale: Scale
    folder: Path
    rates: dict[str, float] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def path(self, name: str) -> Path:
        """A file that is not there yet."""
        return self.folder / f"{self.listing.module}-{next(self._numbers)}-{name}"

    def adapter(self, url: str = "") -> RemoteAdapter:
        """The queue's adapter, in a new process.

        Args:
            url: what to use instead of the server, such as a proxy to it.
        """
        return RemoteAdapter(self.listing.module, self.program, url or self.server.url, self.path("adapter.log"))

    def worker(
        self,
        adapter: RemoteAdapter,
        processes: int = 1,
        *,
        url: str = "",
        lease_seconds: int | None = None,
        fork_each: bool = False,
    ) -> WorkerProcess:
        """A new worker, which runs.

        Args:
            adapter: who knows how it is started.
            processes: how many jobs it runs at once.
            url: what it uses instead of the server, such as a proxy to it.
            lease_seconds: when jobs of lost workers are to be run again.
            fork_each: whether it forks for each job.
        """
        used = url or self.server.url
        argv, env = adapter.worker(processes, used, lease_seconds, fork_each)
        return WorkerProcess(self.program, argv, env, used, self.path("worker.log"))

    def drain(self, adapter: RemoteAdapter, worker: WorkerProcess, total: int) -> Drained:
        """Waits until so many jobs have ended.

        Raises:
            StalledError: they don't.
        """
        first: tuple[float, int] | None = None
        latest, moved_at = 0, time.monotonic()
        until = moved_at + self.scale.limit
        while True:
            seen = adapter.watch("ended", total)
            if seen:
                first = first or seen[0]
                if seen[-1][1] >= total:
                    return Drained(*first, seen[-1][0], total)
                if seen[-1][1] > latest:
                    latest, moved_at = seen[-1][1], time.monotonic()
            worker.check()
            if time.monotonic() - moved_at > self.scale.patience:
                raise StalledError(f"stalled after {latest:,} of {total:,} jobs")
            if time.monotonic() > until:
                raise StalledError(f"{latest:,} of {total:,} jobs ended in {self.scale.limit:.0f} s")

    def notes(self, path: Path, total: int, worker: WorkerProcess) -> list[tuple[float, str]]:
        """Waits until jobs have written so many lines; returns the time and the label of each.

        Raises:
            StalledError: they don't.
        """
        lines = await_lines(path, total, self.scale.limit, worker)
        if len(lines) < total:
            raise StalledError(f"{len(lines):,} of {total:,} jobs ran in {self.scale.limit:.0f} s")
        split = [line.split(" ", 1) for line in lines]
        return [(float(when), label) for when, label in split]


def note(path: Path, label: str = "-") -> Step:
    """A call that writes down when it runs."""
    return Step("note", (str(path), label))
