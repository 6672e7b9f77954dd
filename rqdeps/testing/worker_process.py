"""A real worker for tests, in a process forked from theirs, which has imported what the test has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import warnings
from multiprocessing.context import ForkProcess
from typing import Any

from rqdeps.queue import Queue
from rqdeps.status import JobStatus
from rqdeps.store.calls import upkeep
from rqdeps.testing.server import RealServer
from rqdeps.worker import Worker

#: How long what runs has to end at the end of a test, and then the worker itself, in seconds.
_TO_FINISH, _TO_END = 1.0, 5.0

#: How often to look whether a worker is idle, in seconds.
_PAUSE = 0.005


class WorkerProcess:
    """A worker that runs as long as this is entered.

    Args:
        server: the server.
        *queues: the names of the queues, in order of preference.
        **options: others of ``Worker``.
    """

    def __init__(self, server: RealServer, *queues: str, **options: Any) -> None:
        self._queues = queues or ("default",)
        self._queue = server.queue(self._queues[0])
        self._worker = Worker(list(self._queues), url=server.url, **options)
        self._process: ForkProcess | None = None

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def queue(self) -> Queue:
        """The first of its queues."""
        return self._queue

    @property
    def pid(self) -> int:
        """The id of its process."""
        pid = self._running.pid
        assert pid is not None
        return pid

    def start(self) -> None:
        """Starts it, or another one once it has ended."""
        self._process = multiprocessing.get_context("fork").Process(target=self._work)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of a test hold no lock it needs
            self._process.start()

    def stop(self) -> None:
        """Ends it as a deployment would: what runs has a second to end, then it goes back to its queue."""
        process, self._process = self._process, None
        if process is None:
            return
        for seconds in (_TO_FINISH, _TO_END):
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGTERM)
            process.join(seconds)
        process.kill()
        process.join()
        process.close()

    def kill(self) -> None:
        """Kills it with SIGKILL, as the system would for want of memory. What it runs dies with it."""
        self._running.kill()
        self._running.join()

    def wait_until_idle(self, timeout: float = 10.0) -> None:
        """Waits until nothing of its queues is queued, runs, or waits for another attempt.

        Args:
            timeout: how long at most, in seconds.

        Raises:
            TimeoutError: there still is something; it says what.
        """
        deadline = time.monotonic() + timeout
        while self._queue.store.run(upkeep.pending(self._queues)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {timeout:g} s there still is something to do: {self._told()}")
            time.sleep(_PAUSE)

    @property
    def _running(self) -> ForkProcess:
        if self._process is None:
            raise RuntimeError("the worker was not started")
        return self._process

    def _work(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self._worker.work()
        sys.exit(self._worker.exit_code)

    def _told(self) -> str:
        life = "runs" if self._running.is_alive() else "has ended"
        places = []
        for name in self._queues:
            counts = Queue.on(name, self._queue.store).counts
            told = [f"{counts[status]} {status}" for status in JobStatus if counts[status] and not status.is_terminal]
            places.append(f"{name}: {', '.join(told) or 'nothing'}")
        return f"{'; '.join(places)}. The worker {life}"
