"""All jobs that a worker has claimed, by how far each has come: from the claim until its outcome is accepted."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from rqdeps.errors import HorseDiedError, JobStoppedError
from rqdeps.store.calls.claims import Claimed, Outcome
from rqdeps.store.scripts import JOBS_PER_CALL
from rqdeps.worker.following import death_is_followed
from rqdeps.worker.held import Held
from rqdeps.worker.messages import Report
from rqdeps.worker.stable import Stable

log = logging.getLogger("rqdeps.worker")

#: How many bytes of results go into one report, at least one result.
_REPORT_BYTES = 1 << 24

#: How often the connection may break in the middle of one outcome before that counts as the reason.
_CUTS = 5

#: A job that runs for longer than this is known on the server to have begun, in seconds.
BEGUN_SECONDS = 1.0


@dataclass
class Ended:
    """An attempt that has ended, to be reported.

    Attributes:
        held: the job.
        outcome: what to report.
        duration_ns: how long the attempt took.
        at: when it ended, by the monotonic clock, in seconds.
        is_resent: whether an earlier report was left without a reply.
        is_alone: whether it is reported alone, as one of those that were refused together.
        is_refused: whether the server refused the outcome, and this one stands in for it.
        cuts: how often the connection broke in the middle of it.
    """

    held: Held
    outcome: Outcome
    duration_ns: int
    at: float = field(default_factory=time.monotonic)
    is_resent: bool = False
    is_alone: bool = False
    is_refused: bool = False
    cuts: int = 0


class Holdings:
    """What a worker holds.

    Args:
        stable: the horses, which have some of it.
        lease_ms: how long a claim holds without being renewed.
        has_handlers: whether the worker has exception handlers, which are called when an attempt fails.

    Attributes:
        fetching: claimed; outputs of other jobs are still to be fetched.
        ready: claimed; waits for a horse.
        ended: ran; not yet reported.
        reported: reported; not yet acknowledged.
        returning: to be given back.
        claimed: how many jobs were claimed and not given back.
    """

    def __init__(self, stable: Stable, lease_ms: int, *, has_handlers: bool = False) -> None:
        self._stable = stable
        self._has_handlers = has_handlers
        self._lease_ms = lease_ms
        self.fetching: deque[Held] = deque()
        self.ready: deque[Held] = deque()
        self.ended: list[Ended] = []
        self.reported: list[Ended] = []
        self.returning: list[Held] = []
        self.claimed = 0
        self._ending: list[Held] = []

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
            (self.ready if held.has_outputs else self.fetching).append(held)
        self.claimed += len(claims)

    def hand_out(self) -> None:
        """Gives the horses what they can take."""
        if self.ready:
            self.ready = deque(self._stable.give(self.ready))

    def note_end(self, held: Held, report: Report) -> None:
        """An attempt has ended. Where its process died, what follows that comes first, in another process."""
        if held.is_lost:
            return
        if report.kind == "died" and held.death is None and self._is_followed(held):
            held.death = report
            self.put_first([held])
            return
        if held.death is not None:
            report = held.death
        self.ended.append(Ended(held, held.outcome(report), report.duration_ns))

    def _is_followed(self, held: Held) -> bool:
        return death_is_followed(held.claim.callbacks, stopped=held.is_stopping, has_handlers=self._has_handlers)

    def report(self) -> list[Outcome]:
        """The outcomes to report now. They count as reported until they are acknowledged or the reply is lost."""
        count = self._fit_for_one_report()
        self.reported, self.ended = self.ended[:count], self.ended[count:]
        return [ended.outcome for ended in self.reported]

    def _fit_for_one_report(self) -> int:
        size = 0
        for place, ended in enumerate(self.ended[:JOBS_PER_CALL]):
            size += len(ended.outcome.value)
            if place and (ended.is_alone or self.ended[0].is_alone or size > _REPORT_BYTES):
                return place
        return JOBS_PER_CALL

    def acknowledge(self) -> list[Ended]:
        """What was reported has been answered. Returns it."""
        acknowledged, self.reported = self.reported, []
        return acknowledged

    def report_again(self, *, cut: bool = False) -> None:
        """The reply to a report was lost. ``cut`` means that the connection broke before all of the report was sent."""
        for ended in self.reported:
            ended.is_resent = True
            ended.cuts += cut
            ended.is_alone = ended.is_alone or cut
        if len(self.reported) == 1 and self.reported[0].cuts >= _CUTS:
            self.refuse(f"the connection broke {_CUTS} times in the middle of it")
        self.ended, self.reported = self.reported + self.ended, []

    def refuse(self, reason: str) -> None:
        """The server refused the report. One outcome is to blame: alone it is refused again, and its job then fails."""
        refused, self.reported = self.reported, []
        if len(refused) > 1:
            for ended in refused:
                ended.is_alone = ended.is_resent = True  # what came before the one to blame may have been accepted
            again = refused
        else:
            again = [self._failing(ended, reason) for ended in refused if not ended.is_refused]
            for ended in refused:
                if ended.is_refused:
                    log.error("the server refuses every report of job %s: %s; given up", ended.held.claim.id, reason)
        self.ended = again + self.ended

    def _failing(self, refused: Ended, reason: str) -> Ended:
        outcome = refused.held.refused_outcome(refused.outcome, reason)
        return Ended(refused.held, outcome, refused.duration_ns, is_resent=True, is_alone=True, is_refused=True)

    # On their way back

    def put_first(self, jobs: Iterable[Held]) -> None:
        """Jobs that a horse had and did not begin come before all others."""
        self.ready.extendleft(reversed(list(jobs)))

    def take_back_stuck(self) -> None:
        """Jobs that wait behind a long one go to an idle horse; if there is none, they go back.

        So do those that were claimed after them then: given back later, they would come to stand before them.
        """
        stuck = self._stable.take_back_stuck()
        if self._stable.idle:
            self.put_first(stuck)
        elif stuck:
            self._give_back_with_all_that_wait(stuck)

    def give_back(self, jobs: Sequence[Held]) -> None:
        """These jobs are to be given back, but for those that have run: what follows that is still to come."""
        self.put_first(held for held in jobs if held.death is not None)
        returning = [held for held in jobs if held.death is None]
        self.returning += returning
        self.claimed -= len(returning)

    def give_back_waiting(self) -> None:
        """All jobs that have not begun are to be given back."""
        self._give_back_with_all_that_wait(self._stable.take_back_all())

    def _give_back_with_all_that_wait(self, taken: list[Held]) -> None:
        waiting = [*taken, *self.ready, *self.fetching]
        self.ready.clear()
        self.fetching.clear()
        self.give_back(waiting)

    def left_over(self, running: Iterable[Held]) -> list[Held]:
        """At the end, when there are no horses any more: what is to be given back at once.

        What has run already is to be reported, though what follows that was not called.

        Args:
            running: what horses had, and did not report.
        """
        left = [*running, *self.ready, *self.fetching, *self.returning]
        self.ready.clear()
        for held in left:
            if held.death is not None:
                log.warning("what follows the end of job %s was not called: the worker ends", held.claim.id)
                self.note_end(held, held.death)
        return [held for held in left if held.death is None]

    def lose(self, held: Held) -> None:
        """A claim is no longer held: whatever was to be done under it is not done."""
        held.is_lost = True
        self.ended = [ended for ended in self.ended if ended.held is not held]
        self._end(held)

    def stop(self, held: Held) -> None:
        """A person wants a job stopped: it is killed, or given back if it has not begun, which ends it too."""
        if not held.is_stopping:
            held.is_stopping = True
            self._end(held)

    def stop_claims(self, wanted: Collection[tuple[str, int]]) -> None:
        """Stops jobs that a person wants stopped, as far as they are still held under these claims (id and fence)."""
        for held, _ in self.all():
            if (held.claim.id, held.claim.fence) in wanted:
                self.stop(held)

    def _end(self, held: Held) -> None:
        for waiting in (self.ready, self.fetching):
            if held in waiting:
                waiting.remove(held)
                self._end_unbegun(held)
                return
        self._ending.append(held)
        self.end_running()

    def _end_unbegun(self, held: Held) -> None:
        if held.is_stopping and not held.is_lost:
            self.give_back([held])

    def end_running(self) -> None:
        """Ends the horses that run a job which was lost, when another may run it now, or is to be stopped."""
        for held in self._ending:
            runs = held in self._stable.held
            self.put_first(self._stable.stop(held, _reason_to_kill(held)))
            if runs and held not in self._stable.held:
                self._end_unbegun(held)
        if self._ending:
            left = set(map(id, self._stable.held))
            self._ending = [held for held in self._ending if id(held) in left]

    # Leases

    def renew_all(self) -> None:
        """The server may not know of the last renewals: all are due again."""
        for held, _ in self.all():
            held.renewed_at = float("-inf")

    def due_for_renewal(self) -> list[tuple[Held, bool]]:
        """The jobs whose lease has used up a third of its time, or whose beginning the server should know."""
        now = time.monotonic()
        return [(held, runs) for held, runs in self.all() if self._is_due(held, runs, now - held.renewed_at)]

    def _is_due(self, held: Held, runs: bool, age: float) -> bool:
        return age > self._lease_ms / 3000 or (runs and not held.begun_is_known and age > BEGUN_SECONDS)


def _reason_to_kill(held: Held) -> Exception:
    job = f"{held.claim.function} [{held.claim.id}]"
    if held.is_lost:
        return HorseDiedError(f"killed, because the claim of its job was lost: {job}")
    return JobStoppedError(f"stopped, as a person asked: {job}")
