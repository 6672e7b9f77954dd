"""What a worker asks the server next, the most urgent first, and what it makes of the replies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from rqdeps.store import Call
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.claims import Outcome, Settled
from rqdeps.store.scripts import BUDGET, JOBS_PER_CALL
from rqdeps.worker.held import Held
from rqdeps.worker.holder import Holder
from rqdeps.worker.holdings import BEGUN_SECONDS, Holdings
from rqdeps.worker.journal import note_outcome
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.stable import Stable
from rqdeps.worker.upkeep import Upkeep

log = logging.getLogger("rqdeps.worker")

#: How long an outcome waits at most to be reported together with others, in seconds.
SETTLE_SECONDS = 0.005

#: How many jobs are asked for at once: what the horses have must keep them busy while the server sees to so many. Where
#: a reply takes so long, in seconds, that it is the way to the server, as many are asked for as are wanted.
_ASKED_AT_ONCE = 48
_NEAR_SECONDS = 0.005

#: A call, and what gets its result.
Request = tuple[Call[Any], Callable[[Any], None]]


class Agenda:
    """What there is to ask of the server, one request at a time. Knows no connection, and starts no process.

    Args:
        options: how to work.
        holdings: what the worker holds.
        stable: its horses.
        upkeep: what it does for all workers.

    Attributes:
        is_ending: whether the worker is to take no more jobs.
        cascades_left: how many cascades are known to be left to carry on.
        left_to_do: whether there may be jobs for a worker in burst mode.
        jobs_done: how many attempts were accepted, or refused as stale.
    """

    def __init__(self, options: WorkerOptions, holdings: Holdings, stable: Stable, upkeep: Upkeep) -> None:
        self._options = options
        self._holdings = holdings
        self._stable = stable
        self._upkeep = upkeep
        self._holder = Holder(options)
        self._carried_on_last = self._kept_up_last = False
        self._may_have_jobs = True
        self._took_marker = False
        self._asked_whether_to_end = False
        self._renewal_looked_at = 0.0
        self._server_is_near = True
        self.is_ending = False
        self.cascades_left = 0
        self.left_to_do = True
        self.jobs_done = 0

    @property
    def may_hold_more(self) -> bool:
        """Whether the server may have given this worker jobs of which the reply was lost."""
        return self._holder.may_hold_more

    @property
    def awaits_jobs(self) -> bool:
        """Whether there are no jobs for horses that could take some."""
        return not self._may_have_jobs and self._wants() > 0

    @property
    def has_claimed_enough(self) -> bool:
        """Whether the worker has claimed as many jobs as it was told to run at most."""
        return self._options.max_jobs is not None and self._holdings.claimed >= self._options.max_jobs

    def next_request(self) -> Request | None:
        """What to ask now; ``None`` if there is nothing. Its result comes before anything else is asked."""
        return (
            self.reclaim()
            or self._fetch_outputs()
            or self._renew()
            or self._take_turn_with_upkeep()
            or self._take_turn_with_cascades()
            or self._return_jobs()  # before others are claimed, which would overtake them
            or self._settle_and_claim()
            or self._carry_on_cascades()
            or self._upkeep.due_call()
            or self._ask_whether_to_end()
        )

    def _wants(self) -> int:
        if self.is_ending:
            return 0
        wanted = self._stable.capacity() - self._holdings.waiting
        if self._options.max_jobs is not None:
            wanted = min(wanted, self._options.max_jobs - self._holdings.claimed)
        return max(0, wanted)

    def _settle_and_claim(self) -> Request | None:
        wanted = self._wants()
        if self._server_is_near:
            wanted = min(wanted, _ASKED_AT_ONCE)
        look = self._took_marker or (self._may_have_jobs and wanted > 0)
        if not look and not self._outcomes_are_due():
            return None
        begin = min(wanted, max(0, self._stable.idle - len(self._holdings.ready)))
        self._took_marker = False
        self._holder.asks(wanted)
        return self._settle(wanted, begin=begin, look=look)

    def _settle(self, wanted: int, *, begin: int, look: bool) -> Request:
        asked_at = time.monotonic()
        call = claims.settle(
            self._holdings.report(),
            holder=self._holder.name,
            lease_ms=self._options.lease_ms,
            queues=self._options.queues,
            want=wanted,
            begin=begin,
            look=look,
        )

        def then(settled: Settled) -> None:
            self._server_is_near = time.monotonic() - asked_at < _NEAR_SECONDS
            self._on_settled(settled, begin=begin, looked=look)

        return call, then

    def _outcomes_are_due(self) -> bool:
        ended = self._holdings.ended
        return bool(ended) and (self._stable.runs_dry or time.monotonic() - ended[0].at > SETTLE_SECONDS)

    def _on_settled(self, settled: Settled, *, begin: int, looked: bool) -> None:
        released: dict[str, list[str]] = {}
        for job_id, by in settled.released:
            released.setdefault(by, []).append(job_id)
        for ended, status in zip(self._holdings.acknowledge(), settled.statuses, strict=True):
            if status == "stale" and ended.is_resent:
                continue  # the report before it was accepted, and only the reply was lost
            note_outcome(ended.outcome, status, ended.duration_ns, released.get(ended.outcome.claim.id, []))
            self._count(ended.outcome, status)
        self._holder.is_answered()
        self._holdings.add(settled.claimed, begin=begin)
        # A report tells only of what it has begun itself. What was left before is carried on all the same.
        self.cascades_left = max(self.cascades_left, settled.cascades_left)
        self._carried_on_last = self._kept_up_last = False
        if looked or settled.claimed or settled.has_more:
            self._may_have_jobs = settled.has_more
        self.left_to_do = True

    def _count(self, outcome: Outcome, status: str) -> None:
        self.jobs_done += 1
        if status == "finished":
            self._upkeep.finished += 1
        elif status == "failed":
            self._upkeep.failed += 1
        elif status == "scheduled":
            self._upkeep.due_in(outcome.delay_ms)

    def _fetch_outputs(self) -> Request | None:
        if not self._holdings.fetching:
            return None
        held = self._holdings.fetching[0]
        return held.fetch_outputs(), lambda reply: self._on_outputs(held, *reply)

    def _on_outputs(self, held: Held, cursor: bytes, records: list[reads.OutputRecord]) -> None:
        held.add_outputs(cursor, records)
        if held.has_outputs and held in self._holdings.fetching:  # unless it was given back meanwhile
            self._holdings.fetching.remove(held)
            self._holdings.ready.append(held)

    def _return_jobs(self) -> Request | None:
        returned = self._holdings.returning[:JOBS_PER_CALL]
        if not returned:
            return None
        return claims.give_back([held.claim for held in returned]), lambda count: self._on_returned(len(returned))

    def _on_returned(self, count: int) -> None:
        del self._holdings.returning[:count]
        self._may_have_jobs = True

    def _renew(self) -> Request | None:
        now = time.monotonic()
        if now - self._renewal_looked_at < min(BEGUN_SECONDS, self._options.lease_ms / 12_000):
            return None
        self._renewal_looked_at = now
        due = self._holdings.due_for_renewal()[:BUDGET]
        if not due:
            return None
        for held, runs in due:
            held.renewed_at = now
            held.begun_is_known = held.begun_is_known or runs
        call = claims.renew([(held.claim, runs) for held, runs in due], lease_ms=self._options.lease_ms)
        return call, lambda states: self._on_renewed([held for held, _ in due], states)

    def _on_renewed(self, renewed: list[Held], states: list[claims.ClaimState]) -> None:
        for held, state in zip(renewed, states, strict=True):
            if state == "lost":
                claim = held.claim
                log.warning("the claim of job %s was lost: it is not run on here; another worker may run it", claim.id)
                self._holdings.lose(held)
            elif state == "to be stopped":
                self._holdings.stop(held)

    def _take_turn_with_upkeep(self) -> Request | None:
        """Upkeep goes on in turn with reports and claims: jobs that come without end must not keep it waiting."""
        if self._kept_up_last:
            return None
        request = self._upkeep.due_call()
        self._kept_up_last = request is not None
        return request

    def _take_turn_with_cascades(self) -> Request | None:
        """Cascades go on in turn with reports and claims, so that neither has to wait long for the other."""
        return None if self._carried_on_last else self._carry_on_cascades()

    def _carry_on_cascades(self) -> Request | None:
        return (upkeep.cascade(), self._on_cascaded) if self.cascades_left else None

    def _on_cascaded(self, left: int) -> None:
        self.cascades_left = left
        self._carried_on_last = True
        self._may_have_jobs = True

    def _ask_whether_to_end(self) -> Request | None:
        is_idle = self._holdings.is_empty and not self._may_have_jobs and self.left_to_do
        if not self._options.burst or not is_idle or self._asked_whether_to_end:
            return None
        self._asked_whether_to_end = True
        return upkeep.pending(self._options.queues), self._on_pending

    def _on_pending(self, left_to_do: bool) -> None:
        self.left_to_do = left_to_do

    # When a reply does not come

    def note_loss(self, *, cut: bool) -> None:
        """The connection broke: what a last request claimed is unknown, and what it reported is reported again."""
        self._holdings.report_again(cut=cut)
        self._holdings.renew_all()
        self._renewal_looked_at = 0.0
        self._holder.loses_connection()
        self._may_have_jobs = self._took_marker = True
        self._asked_whether_to_end = False

    def note_refusal(self, error: Exception) -> None:
        """The server refused what was asked, and no other request than a report holds what users made."""
        self._holdings.refuse(str(error))

    def reclaim(self) -> Request | None:
        """Gives back what was claimed by requests whose replies were lost; ``None`` if nothing was."""
        if not self._holder.may_hold_more:
            return None
        known = [held.claim for held, _ in self._holdings.all()]
        return self._holder.give_back(known), self._holder.has_given_back

    # What else happens

    def on_wake(self, marked: bool) -> None:
        """There may be jobs. ``marked`` says that the marker was taken by which others would have heard of them."""
        self._may_have_jobs = True
        self._took_marker = self._took_marker or marked
        self._asked_whether_to_end = False

    def last_request(self) -> Request:
        """Reports what has ended, and looks at the queues in any case.

        This worker may have taken their markers: the look puts them back, so that others look for jobs.
        """
        return self._settle(0, begin=0, look=True)
