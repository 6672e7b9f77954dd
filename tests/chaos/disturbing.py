"""Makes go wrong what is to go wrong, and writes down what that was."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from proxy import Cut, Proxy, Request
from redis.exceptions import RedisError

from chaos import late
from chaos.graphs import LIMIT, QUEUES
from chaos.notebook import Notebook
from chaos.producers import change_here, enqueue_for_certain
from chaos.schedule import WORKERS, Disturbance
from chaos.server import ChaosServer
from chaos.workers import Workers
from rqdeps import Job, JobStatus, Queue
from rqdeps.errors import RqdepsError

#: How often a request is cut at any time, and in the worst of times.
_EVER = 0.001
_WORST = 0.3

_CUTS = list(Cut)

#: For how long a worker that was told to end, or killed, is gone or about to go, in seconds.
_TO_END = 2.0


class Disturber:
    """Carries out a schedule.

    Args:
        seed: which connections are cut is made from it.
        server: the server.
        proxy: the proxy before it.
        workers: the workers.
        notebook: where to write down what goes wrong.
        jobs_notebook: where to write down what is done to jobs.
        jobs_log: where jobs write.

    Attributes:
        is_server_away: whether the server is down or stopped now.
    """

    def __init__(
        self,
        seed: int,
        server: ChaosServer,
        proxy: Proxy,
        workers: Workers,
        notebook: Notebook,
        jobs_notebook: Notebook,
        jobs_log: Path,
    ) -> None:
        self._random = Random(f"cuts {seed}")
        self._server = server
        self._proxy = proxy
        self._workers = workers
        self._notebook = notebook
        self._jobs_notebook = jobs_notebook
        self._jobs_log = jobs_log
        self._late: list[late.LateReports] = []
        self._cut_until, self._cut_strength = 0.0, 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.is_server_away = False
        proxy.cut = self._cut
        self._doings: dict[str, Callable[[Disturbance], None]] = {
            "kill worker": lambda it: self._signal(it, signal.SIGKILL),
            "kill horse": self._kill_horse,
            "end worker": lambda it: self._signal(it, signal.SIGTERM),
            "end worker at once": lambda it: self._signal(it, signal.SIGTERM, signal.SIGTERM),
            "pause worker": self._pause_worker,
            "pause worker and horses": self._pause_worker,
            "cut off workers at work": self._cut_off_at_work,
            "kill all workers": self._kill_all,
            "stop jobs and kill worker": self._stop_and_kill,
            "cut": self._cut_for_a_while,
            "break connections": self._break_connections,
            "restart server": self._restart_server,
            "pause server": self._pause_server,
            "forget scripts": self._forget_scripts,
            "pause queue": self._pause_queue,
        }

    def disturb(self, what: Disturbance) -> None:
        """Makes something go wrong now."""
        self._doings[what.kind](what)

    def do_due(self) -> None:
        """Ends what was to last until now."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()

    def heal(self) -> None:
        """Ends all that goes wrong, for good."""
        for reports in self._late:
            reports.end()
        for _, _, end in sorted(self._later, key=lambda entry: entry[:2]):
            end()
        self._later.clear()
        self._proxy.cut = lambda request: None

    def set_limits(self) -> None:
        """Opens all queues, as wide as they are to be."""
        with self._server.connect() as client:
            for name in QUEUES:
                Queue(name, connection=client).resume()
            Queue(QUEUES[-1], connection=client).limit(LIMIT)

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), then))

    def _note(self, kind: str, pids: Iterable[int | None] = (), seconds: float = 0) -> None:
        self._notebook.note(what=kind, pids=[pid for pid in pids if pid is not None], seconds=seconds)

    # Workers

    def _signal(self, it: Disturbance, *signals: signal.Signals) -> None:
        pids: list[int | None] = []
        for number in signals:
            if pids:
                time.sleep(0.01)  # two signals at once count as one
            pids.append(self._workers.send(it.which, number))
        self._note(it.kind, pids[:1], seconds=_TO_END)

    def _kill_horse(self, it: Disturbance) -> None:
        self._note(it.kind, [self._workers.kill_horse(it.which, int(it.strength * 10))], seconds=_TO_END)

    def _pause_worker(self, it: Disturbance) -> None:
        pids = [self._workers.send(it.which, signal.SIGSTOP)]
        horses = self._workers.horses(it.which) if it.kind == "pause worker and horses" else []
        for horse in horses:
            with contextlib.suppress(ProcessLookupError):
                os.kill(horse, signal.SIGSTOP)
        self._note(it.kind, pids, it.seconds)

        def resume() -> None:
            for pid in (*horses, *pids):
                with contextlib.suppress(ProcessLookupError):
                    if pid is not None:
                        os.kill(pid, signal.SIGCONT)

        self._after(it.seconds, resume)

    def _cut_off_at_work(self, it: Disturbance) -> None:
        """Their jobs end meanwhile, and are reported while others, which have them now, still run them."""
        if self.is_server_away:
            return
        with self._server.connect() as client:
            queue = Queue(QUEUES[0], connection=client)
            ids = enqueue_for_certain(self._jobs_notebook, queue, late.DEEDS, at_front=True)
        self._late.append(late.LateReports(ids, self._jobs_log, self._after, partial(self._note, it.kind)))

    def _kill_all(self, it: Disturbance) -> None:
        pids = [self._workers.send(number, signal.SIGKILL) for number in range(WORKERS)]
        self._note(it.kind, pids, seconds=_TO_END)

    def _stop_and_kill(self, it: Disturbance) -> None:
        """The worker is gone before it can stop the jobs that it was to stop."""
        if self.is_server_away:
            return
        with self._server.connect() as client, contextlib.suppress(RqdepsError, RedisError):
            for name in QUEUES:
                for job_id in Queue(name, connection=client).get_job_ids(status=JobStatus.STARTED, length=5):
                    job: Job[Any] = Job.fetch(job_id, connection=client)
                    change_here(self._jobs_notebook, "cancel", job_id, job.cancel)
        self._kill_all(it)

    # Connections

    def _cut(self, request: Request) -> Cut | None:
        """Asked in the proxy's thread."""
        if any(request.pid in reports.pids for reports in self._late):
            return Cut.BEFORE_REQUEST
        chance = _EVER if time.monotonic() > self._cut_until else self._cut_strength
        return self._random.choice(_CUTS) if self._random.random() < chance else None

    def _cut_for_a_while(self, it: Disturbance) -> None:
        # Now and then nothing comes through, so that leases run out.
        worst = it.strength > 0.85
        seconds = it.seconds * 3 if worst else it.seconds
        self._cut_strength = 1.0 if worst else _WORST * it.strength
        self._cut_until = time.monotonic() + seconds
        self._note(it.kind, seconds=seconds)

    def _break_connections(self, it: Disturbance) -> None:
        self._proxy.break_connections()
        self._note(it.kind)

    # The server

    def _restart_server(self, it: Disturbance) -> None:
        # What is only written down once a second may be lost to SIGKILL.
        kills = it.strength < 0.7 and self._server.keeps_all
        self._note(it.kind, seconds=it.seconds + 0.5)
        self._server.end(signal.SIGKILL if kills else signal.SIGTERM)
        self.is_server_away = True

        def start() -> None:
            self._server.start()
            self.is_server_away = False

        self._after(it.seconds, start)

    def _pause_server(self, it: Disturbance) -> None:
        self._note(it.kind, seconds=it.seconds)
        self._server.pause()
        self.is_server_away = True

        def resume() -> None:
            self._server.resume()
            self.is_server_away = False

        self._after(it.seconds, resume)

    def _forget_scripts(self, it: Disturbance) -> None:
        if not self.is_server_away:
            with self._server.connect() as client:
                client.script_flush()
            self._note(it.kind)

    def _pause_queue(self, it: Disturbance) -> None:
        if self.is_server_away:
            return
        name = QUEUES[it.which % len(QUEUES)]
        self._note(it.kind, seconds=it.seconds)
        with self._server.connect() as client:
            Queue(name, connection=client).pause()

        def resume() -> None:
            if self.is_server_away:
                self._after(0.3, resume)
                return
            with self._server.connect() as client:
                Queue(name, connection=client).resume()

        self._after(it.seconds, resume)
