"""The process behind ``rqdeps worker``: claims jobs, has horses run them, and reports. It never imports user code."""

from __future__ import annotations

import logging
import selectors
import time

from redis.exceptions import RedisError, ResponseError

from rqdeps.errors import ConnectionUnavailableError, SetUpError
from rqdeps.store import Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.worker.agenda import SETTLE_SECONDS, Agenda
from rqdeps.worker.forked import Horse
from rqdeps.worker.holdings import Holdings
from rqdeps.worker.idleness import Idleness
from rqdeps.worker.inbox import Inbox
from rqdeps.worker.link import Link, is_refusal
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.signals import Signals
from rqdeps.worker.stable import Stable
from rqdeps.worker.upkeep import Upkeep

log = logging.getLogger("rqdeps.worker")

#: What it takes to hear, report, claim and hand out again, in seconds: horses must not run out of work meanwhile.
_SELECT_SECONDS = 0.0001

#: How long one that ends at once waits for the server to answer, in seconds.
_HASTE_SECONDS = 1.0

#: How long a worker that is asked to end tries to report what it has, while the server does not answer, in seconds.
_LAST_WORDS_SECONDS = 10.0


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
        self._signals = Signals(self._selector)
        self._stable = Stable(options.processes, store, self._let_go, options.horse)
        self._holdings = Holdings(self._stable, options.lease_ms, has_handlers=bool(options.horse.exception_handlers))
        inbox = Inbox(self._holdings.stop_claims, self._signals.stop)
        self._upkeep = Upkeep(options.name, options.queues, options.processes, options.lease_ms, inbox.hear)
        self._agenda = Agenda(options, self._holdings, self._stable, self._upkeep)
        told_of = (self._agenda.note_loss, self._agenda.note_refusal, inbox.hear)
        self._link = Link(store, options, self._selector, *told_of)
        self._idleness = Idleness(options.max_idle_ms)

    @property
    def jobs_done(self) -> int:
        """How many attempts have been reported."""
        return self._agenda.jobs_done

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
        has_work = not self._holdings.is_empty or bool(self._agenda.cascades_left)
        has_idled = self._idleness.is_over(has_work=has_work)
        if has_work or self._may_have_unknown_claims():
            return self._is_ending and self._holdings.runs_nothing and self._server_is_gone()
        if self._is_ending or has_idled or self._agenda.has_claimed_enough:
            return True
        return self._options.burst and not self._agenda.left_to_do

    def _may_have_unknown_claims(self) -> bool:
        """Whether the server may have given this worker jobs that it does not know of yet."""
        return self._link.awaits_reply or self._agenda.may_hold_more

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

    def _server_is_gone(self) -> bool:
        asked_at = self._signals.stop_asked_at
        return not self._link.is_up and asked_at is not None and time.monotonic() - asked_at > _LAST_WORDS_SECONDS

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

    # Talking with the server

    def _talk(self) -> None:
        self._link.connect()
        self._link.check()
        self._agenda.is_ending = self._is_ending
        while self._link.is_free:
            request = self._agenda.next_request()
            if request is None:
                break
            self._link.request(*request)
        if self._agenda.awaits_jobs:
            self._link.listen(self._agenda.on_wake)

    # Waiting

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
            self._link.wait_for_reply(SETTLE_SECONDS)
        elif (pause := self._stable.work_ahead() / 2 - _SELECT_SECONDS) > 0:
            time.sleep(min(pause, SETTLE_SECONDS))

    def _time_to_wait(self) -> float:
        now = time.monotonic()
        times = [now + 0.5]
        if self._link.retry_at is not None:
            times.append(self._link.retry_at)
        if self._link.is_free:
            times.append(self._upkeep.next_at)
            if self._holdings.ended:
                times.append(self._holdings.ended[0].at + SETTLE_SECONDS)
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
            self._agenda.note_loss(cut=False)
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
            while (request := self._agenda.reclaim()) is not None:
                call, then = request
                then(self._store.run(call))
            self._store.run(upkeep.depart(self._options.name))
        except (ConnectionUnavailableError, RedisError) as error:
            log.error("could not say goodbye: %s; what this worker held is taken back when its leases end", error)

    def _report_rest(self) -> None:
        """Reports what has ended, and looks at the queues in any case; see ``Agenda.last_request``."""
        is_done = False
        while not is_done:
            call, then = self._agenda.last_request()
            for ended in self._holdings.reported:
                ended.is_resent = True  # the store may send the report again
            try:
                then(self._store.run(call))
            except ResponseError as error:
                if not self._holdings.reported or not is_refusal(error):
                    raise
                self._agenda.note_refusal(error)
            is_done = not self._holdings.ended
