"""How many jobs a horse is given ahead: about four milliseconds of work, by what jobs have taken lately, or one job."""

from __future__ import annotations

#: How much work may wait in a horse's pipe, and how many jobs at most. A system with more to run than processors may
#: let this worker, or the server, wait for longer than a millisecond.
_AHEAD_NS = 4_000_000
_AHEAD_JOBS = 128

#: Behind a job of up to this length waits another in any case: the horse has it while the supervisor asks for more.
_SHORT_NS = 5_000_000

#: Weight of the newest job in the running average.
_NEWEST = 0.2

#: A job that took longer than so many times the average counts in it as that long: one that was held up must not make
#: all others look long, and many in a row soon do.
_OUTLIER = 4


class Pace:
    """What jobs take, by a running average.

    Attributes:
        average_ns: that average, in nanoseconds; ``None`` before the first.
    """

    def __init__(self) -> None:
        self.average_ns: float | None = None

    def note(self, took_ns: int) -> None:
        """A job took so long, with all that a horse does around it, in nanoseconds."""
        if self.average_ns is None:
            self.average_ns = max(took_ns, 1)
        else:
            newest = min(took_ns, _OUTLIER * self.average_ns)
            self.average_ns = max(self.average_ns + _NEWEST * (newest - self.average_ns), 1)

    @property
    def depth(self) -> int:
        """How many jobs a horse may have, with the one it runs."""
        if self.average_ns is None:
            return 1
        least = 2 if self.average_ns <= _SHORT_NS else 1
        return max(least, min(_AHEAD_JOBS, int(_AHEAD_NS / self.average_ns)))

    def seconds_for(self, jobs: int) -> float:
        """How long a horse has to do with so many jobs, in seconds; 0 where nothing is known yet."""
        return 0.0 if self.average_ns is None else max(0, jobs) * self.average_ns / 1e9
