"""One run of the chaos suite: disturb, heal, drain, check."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from proxy import Proxy

from chaos.checker import Checker
from chaos.disturbing import Disturber
from chaos.duplicates import duplicates
from chaos.graphs import QUEUES
from chaos.history import History
from chaos.leaks import keys_left
from chaos.notebook import Notebook
from chaos.producers import Producer, enqueue_for_certain
from chaos.report import Report
from chaos.schedule import WORKERS, schedule
from chaos.server import ChaosServer
from chaos.stored import Stored
from chaos.workers import Workers
from rqdeps import JobStatus, Queue
from rqdeps.store.invariants import InvariantError, check_invariants

#: How many producers there are, and how long each rests between two doings, in seconds on average.
_PRODUCERS = 2
_PAUSE = 0.25

#: With more jobs than that to be run, producers rest; how often that is looked at, in seconds.
_ENOUGH = 120
_LOOK_SECONDS = 0.5

#: How long workers may take to end, and how long may pass without anything going on until all counts as stuck.
_END_SECONDS = 30.0
_STUCK_SECONDS = 20.0

#: What is looked at to see whether a marker is missing: so many jobs, which take so long.
_BURST = 150
_BURST_SECONDS = 0.02

_OPEN = [status for status in JobStatus if not status.is_terminal and status is not JobStatus.CREATED]

#: A pause of this length in a thread that does nothing else means that the machine was busy, in seconds.
_STALL = 0.4


class Suite:
    """One run.

    Args:
        seed: from which all is made.
        seconds: how long to disturb.
        folder: where to write; a short path.
        say: called with what goes on.
    """

    def __init__(self, seed: int, seconds: float, folder: Path, say: Callable[[str], None]) -> None:
        self._seed, self._seconds, self._folder, self._say = seed, seconds, folder, say
        self._report = Report(seed, seconds)
        self._over = threading.Event()
        (folder / "jobs.log").touch()
        self._server = ChaosServer(folder, "always" if seed % 2 else "everysec")

    def run(self) -> Report:
        """Runs it."""
        with ExitStack() as stack:
            self._server.start()
            stack.callback(self._server.end, signal.SIGKILL)
            proxy = stack.enter_context(Proxy(str(self._server.socket)))
            jobs_log = self._folder / "jobs.log"
            self._workers = Workers(WORKERS, proxy.url, self._folder, jobs_log)
            stack.callback(self._workers.kill)
            self._disturbances = stack.enter_context(Notebook(self._folder / "disturbances.log"))
            by_hand = stack.enter_context(Notebook(self._folder / "producer-disturber.log"))
            disturber = Disturber(self._seed, self._server, proxy, self._workers, self._disturbances, by_hand, jobs_log)
            watch = threading.Thread(target=self._watch_for_stalls)
            watch.start()
            stack.callback(watch.join)
            stack.callback(self._over.set)
            stack.callback(disturber.heal)
            self._disturb(disturber, proxy, stack)
            self._say("healed; draining")
            began = time.monotonic()
            is_drained = self._drain()
            self._report.facts["drained in"] = f"{time.monotonic() - began:.1f} s"
            if is_drained:
                self._look_for_markers()
            self._workers.end(_END_SECONDS)
            self._report.facts["requests cut"] = str(sum(proxy.cuts.values()))
            with self._server.connect() as client:
                self._check(client)
        return self._report

    def _disturb(self, disturber: Disturber, proxy: Proxy, stack: ExitStack) -> None:
        disturber.set_limits()
        rested = threading.Event()
        producers = [
            Producer(
                proxy.url,
                stack.enter_context(Notebook(self._folder / f"producer-{number}.log")),
                f"{self._seed}.{number}",
                _PAUSE,
                rested,
            )
            for number in range(_PRODUCERS)
        ]
        for producer in producers:
            producer.start()
            stack.callback(producer.join)
            stack.callback(producer.stop)
        began = time.monotonic()
        look_at = 0.0
        to_come = schedule(self._seed, self._seconds)
        while (now := time.monotonic() - began) < self._seconds:
            self._workers.start_missing()
            disturber.do_due()
            while to_come and to_come[0].at <= now:
                self._say(str(to_come[0]))
                disturber.disturb(to_come.pop(0))
            if now > look_at and not disturber.is_server_away:
                look_at = now + _LOOK_SECONDS
                (rested.set if self._has_enough() else rested.clear)()
            time.sleep(0.05)
        for producer in producers:
            producer.stop()
        disturber.heal()
        disturber.set_limits()
        for producer in producers:
            producer.join()
        self._report.findings["producers that fell"] = [repr(each.error) for each in producers if each.error]

    def _has_enough(self) -> bool:
        with self._server.connect() as client:
            return self._counts(client)[JobStatus.QUEUED] > _ENOUGH

    def _watch_for_stalls(self) -> None:
        """Notes when nothing got a turn on this machine, as leases then run out by themselves."""
        before = time.monotonic()
        while not self._over.wait(0.05):
            now = time.monotonic()
            if now - before > _STALL:
                self._disturbances.note(what="machine stalled", pids=[], seconds=0)
            before = now

    # Afterwards

    def _counts(self, client: Any) -> Counter[JobStatus]:
        counts: Counter[JobStatus] = Counter()
        for name in QUEUES:
            counts.update(Queue(name, connection=client).counts)
        return counts

    def _drain(self) -> bool:
        """Releases what is held, and waits until all has ended, or nothing goes on. Returns whether all has ended."""
        with self._server.connect() as client:
            for name in QUEUES:
                queue = Queue(name, connection=client)
                for job in queue.get_jobs(status=JobStatus.CREATED):
                    job.release()
            counts, changed_at = self._counts(client), time.monotonic()
            while any(counts[status] for status in _OPEN):
                self._workers.start_missing()
                time.sleep(0.1)
                before, counts = counts, self._counts(client)
                if counts != before:
                    changed_at = time.monotonic()
                elif time.monotonic() - changed_at > _STUCK_SECONDS:
                    return False
        return True

    def _look_for_markers(self) -> None:
        """Has idle workers woken by more jobs than they can take, and end: then others must be woken."""
        with self._server.connect() as client:
            self._workers.start_missing()
            time.sleep(1)  # they look once, and then wait to be woken
            queue = Queue(QUEUES[0], connection=client)
            with Notebook(self._folder / "producer-burst.log") as notebook:
                enqueue_for_certain(notebook, queue, [{"do": "return", "seconds": _BURST_SECONDS}] * _BURST)
            deadline = time.monotonic() + _STUCK_SECONDS
            while queue.count == _BURST and time.monotonic() < deadline:
                time.sleep(0.005)
            in_peace = self._workers.end(_END_SECONDS)
            self._report.findings["workers that did not end"] = [] if in_peace else ["after SIGTERM"]
            at_any_time, now = _violations(client, quiet=False), _violations(client, quiet=True)
            self._report.findings["markers missing"] = [each for each in now if each not in at_any_time]
            self._drain()

    def _check(self, client: Any) -> None:
        history, stored = History(self._folder), Stored(client)
        checker = Checker(history, stored, self._workers.ended)
        found = duplicates(history, stored, checker)
        self._report.causes = found.causes
        self._report.findings |= {
            "lost": list(checker.lost()),
            "unexpected": list(checker.unexpected()),
            "early": list(checker.early()),
            "duplicates without a cause": found.unexplained,
            "accepted wrongly": list(checker.doubly_accepted()),
            "run though canceled": list(checker.not_stopped()),
            "forgotten too early": list(checker.too_early_forgotten()),
            "failed without a cause": list(checker.wrongly_failed()),
            "refused without a cause": list(checker.unfair_refusals()),
            "workers that fell": list(checker.fallen_workers()),
            "violations": _violations(client, quiet=True),
            "keys left": keys_left(client),
        }
        events = Counter(event.kind for event in history.events)
        signals = Counter(sent.name for worker in self._workers.ended for sent in worker.signals)
        self._report.facts |= {
            "jobs enqueued": str(len(history.enqueued)),
            "jobs run": str(len(history.runs_of)),
            "runs": str(len(history.runs)),
            "slowest recovery": f"{found.slowest_recovery:.1f} s",
            **{f"  {kind}": str(count) for kind, count in sorted(events.items())},
            **{f"workers sent {name}": str(count) for name, count in sorted(signals.items())},
        }


def _violations(client: Any, *, quiet: bool) -> list[str]:
    try:
        check_invariants(client, quiet=quiet)
    except InvariantError as error:
        return error.violations
    return []
