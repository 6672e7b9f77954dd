"""The process behind ``rqdeps worker``: claims jobs, has horses run them, and reports. It never imports user code."""

from __future__ import annotations

import logging
import selectors
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, reads, upkeep
from rqdeps.store.calls.claims import Outcome, Settled
from rqdeps.store.scripts import BUDGET
from rqdeps.worker.held import Held
from rqdeps.worker.journal import note_outcome
from rqdeps.worker.link import Link
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.pipe import Report
from rqdeps.worker.signals import Signals
from rqdeps.worker.stable import Horse, HorseDiedError, Stable
from rqdeps.worker.upkeep import Upkeep

log = logging.getLogger("rqdeps.worker")

#: How long an outcome waits at most to be reported together with others, in seconds.
_SETTLE_SECONDS = 0.005

#: A job that runs for longer than this is known on the server to have begun, in seconds.
_BEGUN_SECONDS = 1.0

#: How long a worker that is asked to end tries to report what it has, while the server does not answer, in seconds.
_LAST_WORDS_SECONDS = 10.0

Request = tuple[Call[Any], Callable[[Any], None]]


@dataclass
class Ended:
    """An attempt that has ended, to be reported; ``is_resent`` if an earlier report was left without a reply."""

    held: Held
    outcome: Outcome
    duration_ns: int
    at: float = field(default_factory=time.monotonic)
    is_resent: bool = False


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
        self._link = Link(store, options.queues, self._selector, self._on_lost)
        self._stable = Stable(options.processes, store)
        self._upkeep = Upkeep(options.name, options.queues, options.processes, options.lease_ms)
        self._signals = Signals(self._selector)
        self._holders = 1
        self._fetching: deque[Held] = deque()  # claimed; outputs of other jobs are still to be fetched
        self._ready: deque[Held] = deque()  # claimed; waits for a horse
        self._ended: list[Ended] = []  # ran; not yet reported
        self._settling: list[Ended] = []  # reported; not yet acknowledged
        self._giving_back: list[Held] = []
        self._reclaims: deque[tuple[str, str, int]] = deque()  # claims made in calls whose reply was lost
        self._cascades_left = 0
        self._may_have_jobs = True
        self._took_marker = False
        self._left_to_do = True
        self._asked_whether_to_end = False
        self._renewal_looked_at = 0.0
        self._claimed = 0
        self.jobs_done = 0

    # The main path

    def run(self) -> int:
        """Works until told to end, or in burst mode until nothing is left. Returns the exit code: 1 if forced."""
        with self._signals:
            self._link.connect()
            try:
                while not self._is_over():
                    self._keep_horses()
                    self._hand_out()
                    self._talk()
                    self._wait()
                self._say_goodbye()
            finally:
                self._stable.close()
                self._link.close()
                self._selector.close()
        return 1 if self._signals.is_forced else 0

    def _is_over(self) -> bool:
        if self._signals.is_forced:
            return True
        if self._holds_anything():
            return self._is_ending and self._nothing_runs() and self._server_is_gone()
        if self._is_ending or self._has_reached_max_jobs():
            return True
        return self._options.burst and not self._left_to_do

    @property
    def _is_ending(self) -> bool:
        return self._signals.stop_asked_at is not None

    def _holds_anything(self) -> bool:
        return bool(
            self._fetching
            or self._ready
            or self._ended
            or self._settling
            or self._giving_back
            or self._cascades_left
            or not self._nothing_runs()
        )

    def _nothing_runs(self) -> bool:
        return next(self._stable.held, None) is None

    def _server_is_gone(self) -> bool:
        asked_at = self._signals.stop_asked_at
        return not self._link.is_up and asked_at is not None and time.monotonic() - asked_at > _LAST_WORDS_SECONDS

    def _has_reached_max_jobs(self) -> bool:
        return self._options.max_jobs is not None and self._claimed >= self._options.max_jobs

    # Horses

    def _keep_horses(self) -> None:
        for horse in self._stable.start_missing():
            self._selector.register(horse.pipe.frames, selectors.EVENT_READ, lambda horse=horse: self._listen_to(horse))
        for horse in self._stable.horses:
            horse.pipe.flush()
        self._stable.kill_overdue()
        if self._is_ending:
            self._give_back([*self._stable.take_back_all(), *self._ready, *self._fetching])
            self._ready.clear()
            self._fetching.clear()
        else:
            stuck = self._stable.take_back_stuck()
            if self._stable.idle:
                self._ready.extendleft(reversed(stuck))
            else:
                self._give_back(stuck)

    def _hand_out(self) -> None:
        if self._ready:
            self._ready = deque(self._stable.give(self._ready))

    def _listen_to(self, horse: Horse) -> None:
        for held, report in self._stable.collect(horse):
            self._note_end(held, report)

    def _note_end(self, held: Held, report: Report) -> None:
        self._ended.append(Ended(held, held.outcome(report), report.duration_ns))

    def _bury_dead(self) -> None:
        for death, reported in self._stable.reap():
            log.warning("%s (pid %d)", death.how, death.horse.pid)
            self._selector.unregister(death.horse.pipe.frames)
            death.horse.pipe.close()
            for held, report in reported:
                self._note_end(held, report)
            if death.ran is not None:
                self._note_end(*death.ran)
            self._ready.extendleft(reversed(death.waiting))

    def _give_back(self, jobs: list[Held]) -> None:
        self._giving_back += jobs
        self._claimed -= len(jobs)

    # Talking with the server: one request at a time, the most urgent first

    def _talk(self) -> None:
        self._link.connect()
        self._link.check()
        while self._link.is_free:
            request = self._next_request()
            if request is None:
                break
            self._link.request(*request)
        if self._wants() and not self._may_have_jobs:
            self._link.listen(self._on_wake)

    def _next_request(self) -> Request | None:
        return (
            self._reclaim()
            or self._fetch_outputs()
            or self._settle_and_claim()
            or self._return_jobs()
            or self._renew()
            or self._carry_on_cascades()
            or self._upkeep.due_call()
            or self._ask_whether_to_end()
        )

    def _wants(self) -> int:
        if self._is_ending:
            return 0
        wanted = self._stable.capacity() - len(self._ready) - len(self._fetching)
        if self._options.max_jobs is not None:
            wanted = min(wanted, self._options.max_jobs - self._claimed)
        return max(0, wanted)

    def _settle_and_claim(self) -> Request | None:
        wanted = self._wants()
        look = self._took_marker or (self._may_have_jobs and wanted > 0)
        if not look and not self._outcomes_are_due():
            return None
        begin = min(wanted, max(0, self._stable.idle - len(self._ready)))
        self._settling, self._ended = self._ended, []
        self._took_marker = False
        call = claims.settle(
            [ended.outcome for ended in self._settling],
            holder=self._holder,
            lease_ms=self._options.lease_ms,
            queues=self._options.queues,
            want=wanted,
            begin=begin,
            look=look,
        )
        return call, lambda settled: self._on_settled(settled, begin=begin, looked=look)

    def _outcomes_are_due(self) -> bool:
        if not self._ended:
            return False
        return self._stable.runs_dry or time.monotonic() - self._ended[0].at > _SETTLE_SECONDS

    def _on_settled(self, settled: Settled, *, begin: int, looked: bool) -> None:
        released: dict[str, list[str]] = {}
        for job_id, by in settled.released:
            released.setdefault(by, []).append(job_id)
        for ended, status in zip(self._settling, settled.statuses, strict=True):
            if status == "stale" and ended.is_resent:
                continue  # the report before it was accepted, and only the reply was lost
            note_outcome(ended.outcome, status, ended.duration_ns, released.get(ended.outcome.claim.id, []))
            self._count(ended.outcome, status)
        self._settling = []
        now = time.monotonic()
        for place, claim in enumerate(settled.claimed):
            held = Held.of(claim, now=now, begins=place < begin)
            (self._ready if held.cursor is None else self._fetching).append(held)
        self._claimed += len(settled.claimed)
        self._cascades_left = settled.cascades_left
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
        if not self._fetching:
            return None
        held = self._fetching[0]
        assert held.cursor is not None
        return reads.outputs(held.claim.id, held.cursor), self._on_outputs

    def _on_outputs(self, reply: tuple[bytes, list[reads.OutputRecord]]) -> None:
        cursor, records = reply
        if not self._fetching:  # given back meanwhile
            return
        held = self._fetching[0]
        held.outputs.update({record.job_id: (record.status, record.value) for record in records})
        held.cursor = cursor
        if cursor == b"0":
            self._ready.append(self._fetching.popleft())

    def _return_jobs(self) -> Request | None:
        if not self._giving_back:
            return None
        returned = self._giving_back[:BUDGET]
        call = claims.give_back([held.claim for held in returned])
        return call, lambda count: self._on_returned(returned)

    def _on_returned(self, returned: list[Held]) -> None:
        del self._giving_back[: len(returned)]
        self._may_have_jobs = True

    def _renew(self) -> Request | None:
        now = time.monotonic()
        if now - self._renewal_looked_at < min(_BEGUN_SECONDS, self._options.lease_ms / 1000 / 12):
            return None
        self._renewal_looked_at = now
        due = [(held, runs) for held, runs in self._all_held() if self._is_renewal_due(held, runs, now)][:BUDGET]
        if not due:
            return None
        for held, runs in due:
            held.renewed_at = now
            held.begun_is_known = held.begun_is_known or runs
        call = claims.renew([(held.claim, runs) for held, runs in due], lease_ms=self._options.lease_ms)
        return call, self._on_renewed

    def _all_held(self) -> list[tuple[Held, bool]]:
        running = {id(horse.running()[0]) for horse in self._stable.horses}
        held = [(held, id(held) in running) for held in self._stable.held]
        held += [(held, False) for held in (*self._fetching, *self._ready)]
        return held + [(ended.held, True) for ended in (*self._ended, *self._settling)]

    def _is_renewal_due(self, held: Held, runs: bool, now: float) -> bool:
        if now - held.renewed_at > self._options.lease_ms / 1000 / 3:
            return True
        return runs and not held.begun_is_known and now - held.renewed_at > _BEGUN_SECONDS

    def _on_renewed(self, lost: list[str]) -> None:
        for job_id in lost:
            log.warning("the claim of job %s was lost: another worker may run it", job_id)
            self._ready = deque(held for held in self._ready if held.claim.id != job_id)
            self._fetching = deque(held for held in self._fetching if held.claim.id != job_id)
            for horse in self._stable.horses:
                held, _ = horse.running()
                if held is not None and held.claim.id == job_id:
                    self._stable.kill(horse, HorseDiedError("killed, because the claim of its job was lost"))

    def _carry_on_cascades(self) -> Request | None:
        return (upkeep.cascade(), self._on_cascaded) if self._cascades_left else None

    def _on_cascaded(self, left: int) -> None:
        self._cascades_left = left
        self._may_have_jobs = True

    def _ask_whether_to_end(self) -> Request | None:
        if not self._options.burst or self._holds_anything() or self._may_have_jobs or not self._left_to_do:
            return None
        if self._asked_whether_to_end:
            return None
        self._asked_whether_to_end = True
        return upkeep.pending(self._options.queues), self._on_pending

    def _on_pending(self, left_to_do: bool) -> None:
        self._left_to_do = left_to_do

    # When the connection breaks

    @property
    def _holder(self) -> str:
        return f"{self._options.name}.{self._holders}"

    def _on_lost(self) -> None:
        """A request was left without a reply: what it claimed is unknown, what it reported is reported again."""
        for ended in self._settling:
            ended.is_resent = True
        self._ended = self._settling + self._ended
        self._settling = []
        self._reclaims.extend((queue, self._holder, 0) for queue in self._options.queues)
        self._holders += 1
        self._may_have_jobs = True
        self._asked_whether_to_end = False

    def _reclaim(self) -> Request | None:
        if not self._reclaims:
            return None
        queue, holder, offset = self._reclaims[0]
        known = [held.claim.id for held, _ in self._all_held()]
        return claims.reclaim(queue, holder=holder, offset=offset, known=known), self._on_reclaimed

    def _on_reclaimed(self, reply: tuple[int, int]) -> None:
        offset, returned = reply
        queue, holder, _ = self._reclaims.popleft()
        if offset >= 0:
            self._reclaims.appendleft((queue, holder, offset))
        if returned:
            log.warning("%d jobs went back to %s: the reply that named them was lost", returned, queue)

    # Waiting

    def _on_wake(self, marked: bool) -> None:
        self._may_have_jobs = True
        self._took_marker = self._took_marker or marked
        self._asked_whether_to_end = False

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._time_to_wait()):
            key.data()
        if self._signals.may_have_lost_a_child():
            self._bury_dead()

    def _time_to_wait(self) -> float:
        now = time.monotonic()
        times = [now + 0.5, self._upkeep.next_at]
        if self._link.retry_at is not None:
            times = [now + 0.5, self._link.retry_at]
        if self._ended:
            times.append(self._ended[0].at + _SETTLE_SECONDS)
        if any(len(horse.tasks) > 1 or horse.pipe.has_more_to_send for horse in self._stable.horses):
            times.append(now + 0.01)
        return max(0.0, min(times) - now)

    def _say_goodbye(self) -> None:
        """Ends the horses, gives back what they ran if the end was forced, and departs."""
        running = list(self._stable.held)
        self._stable.close()
        self._link.close()
        # A last look puts back the marker that this worker may have taken, so that others look for jobs.
        last = claims.settle(
            [ended.outcome for ended in (*self._settling, *self._ended)],
            holder=self._holder,
            lease_ms=self._options.lease_ms,
            queues=self._options.queues,
            want=0,
            begin=0,
        )
        left = [held.claim for held in (*running, *self._ready, *self._fetching, *self._giving_back)]
        try:
            if left:
                self._store.run(claims.give_back(left))
            self._store.run(last)
            self._store.run(upkeep.depart(self._options.name))
        except ConnectionUnavailableError as error:
            log.error("could not say goodbye: %s; what this worker held is taken back when its leases end", error)
