"""The process behind ``rqdeps worker``: claims jobs, has horses run them, and reports. It never imports user code."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError, ResponseError

from rqdeps.errors import ConnectionUnavailableError, SetUpError
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.claims import Outcome, Settled
from rqdeps.store.scripts import BUDGET, JOBS_PER_CALL
from rqdeps.worker.forked import Horse
from rqdeps.worker.held import Held
from rqdeps.worker.holder import Holder
from rqdeps.worker.holdings import BEGUN_SECONDS, Holdings
from rqdeps.worker.idleness import Idleness
from rqdeps.worker.inbox import Inbox
from rqdeps.worker.journal import note_outcome
from rqdeps.worker.link import Link, is_refusal
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.signals import Signals
from rqdeps.worker.stable import Stable
from rqdeps.worker.upkeep import Upkeep

log = logging.getLogger("rqdeps.worker")

#: How long an outcome waits at most to be reported together with others, in seconds.
_SETTLE_SECONDS = 0.005

#: What it takes to hear, report, claim and hand out again, in seconds: horses must not run out of work meanwhile.
_SELECT_SECONDS = 0.0001

#: How many jobs are asked for at once: what the horses have must keep them busy while the server sees to so many.
_ASKED_AT_ONCE = 48

#: How long one that ends at once waits for the server to answer, in seconds.
_HASTE_SECONDS = 1.0

#: How long a worker that is asked to end tries to report what it has, while the server does not answer, in seconds.
_LAST_WORDS_SECONDS = 10.0

Request = tuple[Call[Any], Callable[[Any], None]]


class Supervisor:
    """Holds the claims of one worker and does all its talk with the server, in one thread and one select loop.

    Args:
        store: the deployment.
        options: how to work.
    """

    def __init__(self, store: Store, options: WorkerOptions) -> None:
        self._store = store
        self._options = options
        self._selector = selectors.DefaultSelector()
        inbox = Inbox(self._stop_jobs, self._end_well)
        self._link = Link(store, options, self._selector, self._on_lost, self._on_refused, inbox.hear)
        self._stable = Stable(options.processes, store, self._let_go, options.horse)
        self._upkeep = Upkeep(options.name, options.queues, options.processes, options.lease_ms, inbox.hear)
        self._signals = Signals(self._selector)
        self._holdings = Holdings(self._stable, options.lease_ms, has_handlers=bool(options.horse.exception_handlers))
        self._holder = Holder(options)
        self._idleness = Idleness(options.max_idle_ms)
        self._cascades_left = 0
        self._carried_on_last = self._kept_up_last = False
        self._may_have_jobs = True
        self._took_marker = False
        self._left_to_do = True
        self._asked_whether_to_end = False
        self._renewal_looked_at = 0.0
        self.jobs_done = 0

    # The main path

    def run(self) -> int:
        """Works until told to end, or in burst mode until nothing is left. Returns the exit code: 1 if forced.

        Raises:
            SetUpError: processes for jobs can't be set up, from the first one on.
        """
        with self._signals:
            try:
                while not self._is_over():
                    self._keep_horses()
                    if len(self._holdings.ready) <= self._stable.idle:
                        self._holdings.hand_out()
                    self._talk()  # before many are handed out, which takes a while: the server works meanwhile
                    self._holdings.hand_out()
                    self._wait()
                self._say_goodbye()
            finally:
                self._stable.end()
                self._link.close()
                self._selector.close()
        if self._can_run_nothing:
            raise SetUpError(self._stable.unready)
        return 1 if self._signals.is_forced else 0

    def _is_over(self) -> bool:
        self._signals.force_at(self._deadline)
        if self._signals.is_forced or self._can_run_nothing:
            return True
        if self._is_ending and self._holdings.runs_nothing and self._stable.is_failing:
            return True  # what follows a death is not called any more
        has_work = not self._holdings.is_empty or bool(self._cascades_left)
        has_idled = self._idleness.is_over(has_work=has_work)
        if has_work or self._may_have_unknown_claims():
            return self._is_ending and self._holdings.runs_nothing and self._server_is_gone()
        if self._is_ending or has_idled or self._has_reached_max_jobs():
            return True
        return self._options.burst and not self._left_to_do

    def _may_have_unknown_claims(self) -> bool:
        """Whether the server may have given this worker jobs that it does not know of yet."""
        return self._link.awaits_reply or self._holder.may_hold_more

    @property
    def _is_ending(self) -> bool:
        return self._signals.stop_asked_at is not None

    @property
    def _deadline(self) -> float | None:
        """When what runs must have ended, by the monotonic clock, in seconds."""
        timeout_ms, asked_at = self._options.shutdown_timeout_ms, self._signals.stop_asked_at
        return None if timeout_ms is None or asked_at is None else asked_at + timeout_ms / 1000

    @property
    def _can_run_nothing(self) -> bool:
        """Whether no process for jobs could be set up at all: that is a person's mistake, and trying again no help."""
        return bool(self._stable.unready) and not self._stable.has_been_ready

    def _end_well(self) -> None:
        self._signals.stop()

    def _server_is_gone(self) -> bool:
        asked_at = self._signals.stop_asked_at
        return not self._link.is_up and asked_at is not None and time.monotonic() - asked_at > _LAST_WORDS_SECONDS

    def _has_reached_max_jobs(self) -> bool:
        return self._options.max_jobs is not None and self._holdings.claimed >= self._options.max_jobs

    # Horses

    def _keep_horses(self) -> None:
        may_fork = not self._link.is_connecting
        for horse in self._stable.start_missing() if may_fork else ():
            self._selector.register(horse.pipe.frames, selectors.EVENT_READ, lambda horse=horse: self._listen_to(horse))
            horse.is_listened_to = True
        for horse in self._stable.horses:
            horse.pipe.flush()
        self._stable.kill_overdue()
        self._holdings.end_running()
        if self._is_ending or not self._stable.horses:
            self._holdings.give_back_waiting()
        else:
            self._holdings.take_back_stuck()

    def _listen_to(self, horse: Horse) -> None:
        for held, report in self._stable.collect(horse):
            self._holdings.note_end(held, report)
        if horse.pipe.has_hung_up:
            self._listen_no_more(horse)

    def _listen_no_more(self, horse: Horse) -> None:
        """Nothing more will come: the horse is dead, or a job has closed what it reports by, and goes on."""
        if horse.is_listened_to:
            self._selector.unregister(horse.pipe.frames)
            horse.is_listened_to = False

    def _bury_dead(self) -> None:
        for death, reported in self._stable.reap():
            self._listen_no_more(death.horse)
            death.horse.pipe.close()
            for held, report in reported:
                self._holdings.note_end(held, report)
            if death.ran is not None:
                self._holdings.note_end(*death.ran)
            self._holdings.give_back(death.cut_short)
            self._holdings.put_first(death.waiting)

    # Talking with the server: one request at a time, the most urgent first

    def _talk(self) -> None:
        self._link.connect()
        self._link.check()
        while self._link.is_free:
            request = self._next_request()
            if request is None:
                break
            self._link.request(*request)
        if not self._may_have_jobs and self._wants():
            self._link.listen(self._on_wake)

    def _next_request(self) -> Request | None:
        return (
            self._reclaim()
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
        if self._is_ending:
            return 0
        wanted = self._stable.capacity() - self._holdings.waiting
        if self._options.max_jobs is not None:
            wanted = min(wanted, self._options.max_jobs - self._holdings.claimed)
        return max(0, wanted)

    def _settle_and_claim(self) -> Request | None:
        wanted = min(self._wants(), _ASKED_AT_ONCE)
        look = self._took_marker or (self._may_have_jobs and wanted > 0)
        if not look and not self._outcomes_are_due():
            return None
        begin = min(wanted, max(0, self._stable.idle - len(self._holdings.ready)))
        self._took_marker = False
        self._holder.asks(wanted)
        call = claims.settle(
            self._holdings.report(),
            holder=self._holder.name,
            lease_ms=self._options.lease_ms,
            queues=self._options.queues,
            want=wanted,
            begin=begin,
            look=look,
        )
        return call, lambda settled: self._on_settled(settled, begin=begin, looked=look)

    def _outcomes_are_due(self) -> bool:
        ended = self._holdings.ended
        return bool(ended) and (self._stable.runs_dry or time.monotonic() - ended[0].at > _SETTLE_SECONDS)

    def _on_refused(self, error: Exception) -> None:
        """The server refused what was asked, and no other request than a report holds what users made."""
        self._holdings.refuse(str(error))

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
        self._cascades_left = max(self._cascades_left, settled.cascades_left)
        self._carried_on_last = self._kept_up_last = False
        if looked or settled.claimed or settled.has_more:
            self._may_have_jobs = settled.has_more
        self._left_to_do = True

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

    def _stop_jobs(self, wanted: list[tuple[str, int]]) -> None:
        """Stops the jobs that a person wants stopped, as far as they are still held under these claims."""
        for held, _ in self._holdings.all():
            if (held.claim.id, held.claim.fence) in wanted:
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
        return (upkeep.cascade(), self._on_cascaded) if self._cascades_left else None

    def _on_cascaded(self, left: int) -> None:
        self._cascades_left = left
        self._carried_on_last = True
        self._may_have_jobs = True

    def _ask_whether_to_end(self) -> Request | None:
        is_idle = self._holdings.is_empty and not self._may_have_jobs and self._left_to_do
        if not self._options.burst or not is_idle or self._asked_whether_to_end:
            return None
        self._asked_whether_to_end = True
        return upkeep.pending(self._options.queues), self._on_pending

    def _on_pending(self, left_to_do: bool) -> None:
        self._left_to_do = left_to_do

    # When the connection breaks

    def _on_lost(self, *, cut: bool = False) -> None:
        """The connection broke: what a last request claimed is unknown, and what it reported is reported again."""
        self._holdings.report_again(cut=cut)
        self._holdings.renew_all()
        self._renewal_looked_at = 0.0
        self._holder.loses_connection()
        self._may_have_jobs = self._took_marker = True
        self._asked_whether_to_end = False

    def _reclaim(self) -> Request | None:
        if not self._holder.may_hold_more:
            return None
        known = [held.claim for held, _ in self._holdings.all()]
        return self._holder.give_back(known), self._holder.has_given_back

    # Waiting

    def _on_wake(self, marked: bool) -> None:
        self._may_have_jobs = True
        self._took_marker = self._took_marker or marked
        self._asked_whether_to_end = False

    def _wait(self) -> None:
        if not self._holdings.ready and not self._holdings.runs_nothing:
            self._let_reports_gather()
        for key, _ in self._selector.select(self._time_to_wait()):
            key.data()
        if self._signals.may_have_lost_a_child():
            self._bury_dead()

    def _let_reports_gather(self) -> None:
        """Waits as long as nothing can be done about a job's report: each by itself would wake this process."""
        if self._link.awaits_reply:
            self._link.wait_for_reply(_SETTLE_SECONDS)
        elif (pause := self._stable.work_ahead() / 2 - _SELECT_SECONDS) > 0:
            time.sleep(min(pause, _SETTLE_SECONDS))

    def _time_to_wait(self) -> float:
        now = time.monotonic()
        times = [now + 0.5]
        if self._link.retry_at is not None:
            times.append(self._link.retry_at)
        if self._link.is_free:
            times.append(self._upkeep.next_at)
            if self._holdings.ended:
                times.append(self._holdings.ended[0].at + _SETTLE_SECONDS)
        if any(len(horse.tasks) > 1 or horse.pipe.has_more_to_send for horse in self._stable.horses):
            times.append(now + 0.01)
        if self._stable.is_short and not self._link.is_connecting:
            times.append(self._stable.fork_at)
        if self._deadline is not None:
            times.append(self._deadline)
        return max(0.0, min(times) - now)

    # Ending

    def _let_go(self) -> None:
        """In a horse, which has copies of all that was open: nothing of the server must reach it."""
        self._link.let_go()
        self._selector.close()

    def _say_goodbye(self) -> None:
        """Ends the horses, reports what they did, gives back what they ran if the end was forced, and departs."""
        holdings = self._holdings
        if self._may_have_unknown_claims():
            self._on_lost()
        reported, running = self._stable.end()
        for held, report in reported:
            holdings.note_end(held, report)
        self._link.close()
        if self._signals.is_forced:
            self._store = self._store.hasty(_HASTE_SECONDS)
        left = [held.claim for held in holdings.left_over(running)]
        try:
            if left:
                self._store.run(claims.give_back(left))
            self._report_rest()
            while (request := self._reclaim()) is not None:
                call, then = request
                then(self._store.run(call))
            self._store.run(upkeep.depart(self._options.name))
        except (ConnectionUnavailableError, RedisError) as error:
            log.error("could not say goodbye: %s; what this worker held is taken back when its leases end", error)

    def _report_rest(self) -> None:
        """Reports what has ended, and looks at the queues in any case.

        This worker may have taken their markers: the look puts them back, so that others look for jobs.
        """
        is_done = False
        while not is_done:
            call = claims.settle(
                self._holdings.report(),
                holder=self._holder.name,
                lease_ms=self._options.lease_ms,
                queues=self._options.queues,
                want=0,
                begin=0,
            )
            for ended in self._holdings.reported:
                ended.is_resent = True  # the store may send the report again
            try:
                self._on_settled(self._store.run(call), begin=0, looked=True)
            except ResponseError as error:
                if not self._holdings.reported or not is_refusal(error):
                    raise
                self._holdings.refuse(str(error))
            is_done = not self._holdings.ended
