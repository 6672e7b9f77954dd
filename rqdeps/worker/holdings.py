"""All jobs that a worker has claimed, by how far each has come: from the claim until its outcome is accepted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rqdeps.store.calls.claims import Claimed, Outcome
from rqdeps.store.scripts import JOBS_PER_CALL
from rqdeps.worker.held import Held
from rqdeps.worker.pipe import Report
from rqdeps.worker.stable import HorseDiedError, Stable

#: A job that runs for longer than this is known on the server to have begun, in seconds.
BEGUN_SECONDS = 1.0


@dataclass
class Ended:
    """An attempt that has ended, to be reported; ``is_resent`` if an earlier report was left without a reply."""

    held: Held
    outcome: Outcome
    duration_ns: int
    at: float = field(default_factory=time.monotonic)
    is_resent: bool = False


class Holdings:
    """What a worker holds.

    Args:
        stable: the horses, which have some of it.
        lease_ms: how long a claim holds without being renewed.

    Attributes:
        fetching: claimed; outputs of other jobs are still to be fetched.
        ready: claimed; waits for a horse.
        ended: ran; not yet reported.
        reported: reported; not yet acknowledged.
        returning: to be given back.
        claimed: how many jobs were claimed and not given back.
    """

    def __init__(self, stable: Stable, lease_ms: int) -> None:
        self._stable = stable
        self._lease_ms = lease_ms
        self.fetching: deque[Held] = deque()
        self.ready: deque[Held] = deque()
        self.ended: list[Ended] = []
        self.reported: list[Ended] = []
        self.returning: list[Held] = []
        self.claimed = 0

    @property
    def runs_nothing(self) -> bool:
        """Whether no horse has a job."""
        return next(self._stable.held, None) is None

    @property
    def is_empty(self) -> bool:
        """Whether the worker holds nothing at all."""
        waiting = self.fetching or self.ready or self.ended or self.reported or self.returning
        return not waiting and self.runs_nothing

    @property
    def waiting(self) -> int:
        """How many jobs wait for a horse."""
        return len(self.ready) + len(self.fetching)

    def all(self) -> list[tuple[Held, bool]]:
        """Each job that is not on its way back, and whether its attempt has begun."""
        running = {id(horse.running()[0]) for horse in self._stable.horses}
        held = [(held, id(held) in running) for held in self._stable.held]
        held += [(held, False) for held in (*self.fetching, *self.ready)]
        return held + [(ended.held, True) for ended in (*self.ended, *self.reported)]

    # On their way forth

    def add(self, claims: Sequence[Claimed], *, begin: int) -> None:
        """Takes jobs just claimed. The server knows of the first ``begin`` that they begin at once."""
        now = time.monotonic()
        for place, claim in enumerate(claims):
            held = Held.of(claim, now=now, begins=place < begin)
            (self.ready if held.cursor is None else self.fetching).append(held)
        self.claimed += len(claims)

    def hand_out(self) -> None:
        """Gives the horses what they can take."""
        if self.ready:
            self.ready = deque(self._stable.give(self.ready))

    def note_end(self, held: Held, report: Report) -> None:
        """An attempt has ended."""
        self.ended.append(Ended(held, held.outcome(report), report.duration_ns))

    def report(self) -> list[Outcome]:
        """The outcomes to report now. They count as reported until they are acknowledged or the reply is lost."""
        self.reported, self.ended = self.ended[:JOBS_PER_CALL], self.ended[JOBS_PER_CALL:]
        return [ended.outcome for ended in self.reported]

    def acknowledge(self) -> list[Ended]:
        """What was reported has been answered. Returns it."""
        acknowledged, self.reported = self.reported, []
        return acknowledged

    def report_again(self) -> None:
        """The reply to a report was lost."""
        for ended in self.reported:
            ended.is_resent = True
        self.ended, self.reported = self.reported + self.ended, []

    # On their way back

    def put_first(self, jobs: Iterable[Held]) -> None:
        """Jobs that a horse had and did not begin come before all others."""
        self.ready.extendleft(reversed(list(jobs)))

    def take_back_stuck(self) -> None:
        """Jobs that wait behind a long one go to an idle horse; if there is none, they go back."""
        stuck = self._stable.take_back_stuck()
        if self._stable.idle:
            self.put_first(stuck)
        else:
            self.give_back(stuck)

    def give_back(self, jobs: Sequence[Held]) -> None:
        """These jobs are to be given back."""
        self.returning += jobs
        self.claimed -= len(jobs)

    def give_back_waiting(self) -> None:
        """All jobs that have not begun are to be given back."""
        self.give_back([*self._stable.take_back_all(), *self.ready, *self.fetching])
        self.ready.clear()
        self.fetching.clear()

    def drop(self, job_id: str) -> None:
        """The claim of a job was lost: whatever was to be done for it is not done."""
        self.put_first(self._stable.drop(job_id, HorseDiedError("killed, because the claim of its job was lost")))
        self.ready = deque(held for held in self.ready if held.claim.id != job_id)
        self.fetching = deque(held for held in self.fetching if held.claim.id != job_id)

    # Leases

    def due_for_renewal(self) -> list[tuple[Held, bool]]:
        """The jobs whose lease has used up a third of its time, or whose beginning the server should know."""
        now = time.monotonic()
        return [(held, runs) for held, runs in self.all() if self._is_due(held, runs, now - held.renewed_at)]

    def _is_due(self, held: Held, runs: bool, age: float) -> bool:
        return age > self._lease_ms / 3000 or (runs and not held.begun_is_known and age > BEGUN_SECONDS)
