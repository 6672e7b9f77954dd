"""Runs beside a queue, in its environment: calls its adapter when told to, times it, and answers in lines of JSON.

Needs the standard library alone. ``python -m benchmarks.driver MODULE URL``; the other end is ``remote.py``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from benchmarks.queues.adapter import Adapter, Step, Unsupported

#: How long to wait between two looks at how many jobs have ended, in seconds.
PAUSE = 0.004

#: The mean time from one job's line to the next job, where latency is measured, in seconds.
LEAST_INTERVAL, MOST_INTERVAL = 0.02, 0.1

#: As in JSON: how often, which function, its arguments.
Repeated = tuple[int, str, list[Any]]


class Driver:
    """Does with an adapter what the other end asks for.

    Args:
        adapter: the queue.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    def version(self) -> str:
        """The queue's version."""
        return self.adapter.version()

    def enqueue(self, steps: list[Repeated]) -> float:
        """Enqueues one by one; returns the seconds that it took."""
        return _seconds(self.adapter.enqueue, _steps(steps))

    def enqueue_in_bulk(self, steps: list[Repeated]) -> float:
        """Enqueues many at once; returns the seconds that it took."""
        return _seconds(self.adapter.enqueue_in_bulk, _steps(steps))

    def enqueue_graph(self, graph: list[list[int]], steps: Mapping[str, Repeated]) -> float:
        """Enqueues a graph; returns the seconds that it took. JSON has made the places strings."""
        made = {int(place): Step(function, args) for place, (_, function, args) in steps.items()}
        return _seconds(self.adapter.enqueue_graph, graph, made)

    def enqueue_when_idle(self, path: str, times: int, seconds: float) -> None:
        """Enqueues jobs that write down when they ran, labelled with when they were enqueued.

        Each is enqueued a while after the one before has run, so that the worker has nothing to do any more.

        Args:
            path: where they write.
            times: how many, at most.
            seconds: when to stop.
        """
        jitter = random.Random(times)  # noqa: S311 - no secret
        interval, until = LEAST_INTERVAL, time.monotonic() + seconds
        for _ in range(times):
            time.sleep(interval * jitter.uniform(0.5, 1.5))  # so that nobody's clock fits
            size, begun = _size(path), time.monotonic()
            self.adapter.enqueue([Step("note", (path, f"{time.time():.6f}"))])
            while _size(path) == size:
                if time.monotonic() > until:
                    return
                time.sleep(0.001)
            # Who takes long to begin a job may take as long to have done with it.
            interval = min(max(interval, 4 * (time.monotonic() - begun)), MOST_INTERVAL)

    def ended(self, times: int = 1) -> int:
        """How many jobs have ended, asked so often."""
        return [self.adapter.ended() for _ in range(times)][-1]

    def waiting(self) -> int:
        """How many jobs wait for others."""
        return self.adapter.waiting()

    def watch(self, question: str, target: int, seconds: float) -> list[list[float]]:
        """Asks for a count until the target is reached, at most for some seconds.

        Args:
            question: ``ended`` or ``waiting``.
            target: 0, or what the count is to rise to.
            seconds: when to return in any case.

        Returns:
            The first time and count that was not 0, and the last, each as ``[time, count]``; nothing before the first.
        """
        ask: Callable[[], int] = getattr(self.adapter, question)
        until = time.monotonic() + seconds
        seen: list[list[float]] = []
        while True:
            count, now = ask(), time.time()
            is_reached = count >= target if target else count == 0
            if count or is_reached:
                seen[1:] = [[now, count]]
            if is_reached or time.monotonic() > until:
                return seen
            time.sleep(PAUSE)

    def worker(
        self, processes: int, lease_seconds: int | None, fork_each: bool, url: str
    ) -> tuple[list[str], dict[str, str]]:
        """How a worker is started, for a server at a URL that need not be the adapter's own."""
        adapter = self.adapter if url == self.adapter.url else type(self.adapter)(url)
        command = adapter.worker(processes, lease_seconds=lease_seconds, fork_each=fork_each)
        if adapter is not self.adapter:
            adapter.close()
        return list(command.argv), dict(command.env)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked, and puts into words why it can't be done."""
        try:
            return {"value": getattr(self, asked.pop("method"))(**asked)}
        except Unsupported as lack:
            return {"lacks": str(lack)}
        except Exception as error:  # whatever a queue raises is a cell in the table
            traceback.print_exc()
            return {"error": " ".join(f"{type(error).__name__}: {error}".split())}


def load(module: str, url: str) -> Adapter:
    """The adapter of a module in ``benchmarks.queues``."""
    held = vars(importlib.import_module(f"benchmarks.queues.{module}"))
    classes = [each for each in held.values() if isinstance(each, type) and issubclass(each, Adapter)]
    found = next(each for each in classes if each.__module__ == f"benchmarks.queues.{module}")
    return found(url)


def serve(driver: Driver, questions: TextIO, answers: TextIO) -> None:
    """Answers each question, until there are no more."""
    for line in questions:
        answers.write(json.dumps(driver.answer(json.loads(line))) + "\n")
        answers.flush()
    driver.adapter.close()


def _steps(steps: list[Repeated]) -> list[Step]:
    return [step for times, function, args in steps for step in [Step(function, args)] * times]


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _seconds(function: Callable[..., None], *args: Any) -> float:
    gc.collect()  # what was made for the measurement is not for the queue to look through
    begun = time.perf_counter()
    function(*args)
    return time.perf_counter() - begun


def main() -> None:
    """Serves standard input. What the queue itself prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, url = sys.argv[1:]
    serve(Driver(load(module, url)), sys.stdin, answers)


if __name__ == "__main__":
    main()
