"""A queue's adapter as the benchmarks hold it: it runs in a process and an environment of its own (``driver.py``)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.errors import BenchmarkError, LacksError, StalledError
from benchmarks.graphs import Graph
from benchmarks.processes import Program, last_words
from benchmarks.queues.adapter import Step

#: Seconds that one call may take.
CALL_LIMIT = 120

#: Seconds that an adapter has to let go of what it holds.
CLOSE_LIMIT = 2

#: Seconds that one look at a count may take before the worker is looked at too.
SLICE = 1.0


class RemoteAdapter:
    """Calls an adapter in its own process, and tells how long the queue took.

    Args:
        module: the adapter's module in ``benchmarks.queues``.
        program: how processes of its environment are started.
        url: the server.
        log: where to put what it prints.
    """

    def __init__(self, module: str, program: Program, url: str, log: Path) -> None:
        self._log = log
        self._unread = b""
        self._process = program.start(
            ["python", "-m", "benchmarks.driver", module, url],
            {},
            url,
            log,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> RemoteAdapter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # by which it is told to close the adapter
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_LIMIT)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def version(self) -> str:
        """The queue's version."""
        return str(self._call("version"))

    def enqueue(self, step: Step, times: int) -> float:
        """Enqueues a call so often, one by one; returns the seconds that it took."""
        return float(self._call("enqueue", steps=[_repeated(step, times)]))

    def enqueue_in_bulk(self, step: Step, times: int) -> float:
        """Enqueues a call so often, at once; returns the seconds that it took."""
        return float(self._call("enqueue_in_bulk", steps=[_repeated(step, times)]))

    def enqueue_any_way(self, step: Step, times: int) -> None:
        """Enqueues a call so often, at once if the queue can, else one by one."""
        try:
            self.enqueue_in_bulk(step, times)
        except LacksError:
            self.enqueue(step, times)

    def enqueue_graph(self, graph: Graph, steps: dict[int, Step]) -> float:
        """Enqueues calls that wait for each other; returns the seconds that it took."""
        told = {str(place): _repeated(step, 1) for place, step in steps.items()}
        return float(self._call("enqueue_graph", graph=graph, steps=told))

    def enqueue_when_idle(self, path: Path, times: int, seconds: float) -> None:
        """Enqueues at most so many jobs, for so long, that write down when they ran and were enqueued."""
        self._call("enqueue_when_idle", path=str(path), times=times, seconds=seconds)

    def ended(self, times: int = 1) -> int:
        """How many jobs have ended, asked so often."""
        return int(self._call("ended", times=times))

    def waiting(self) -> int:
        """How many jobs wait for others.

        Raises:
            LacksError: the queue does not tell.
        """
        return int(self._call("waiting"))

    def watch(self, question: str, target: int, seconds: float = SLICE) -> list[tuple[float, int]]:
        """When a count was first seen not to be 0, and when it was last seen, at its target or after some seconds."""
        seen = self._call("watch", question=question, target=target, seconds=seconds)
        return [(when, int(count)) for when, count in seen]

    def worker(
        self, processes: int, url: str, lease_seconds: int | None, fork_each: bool
    ) -> tuple[list[str], dict[str, str]]:
        """How a worker is started: its words, and what its environment has besides."""
        argv, env = self._call("worker", processes=processes, lease_seconds=lease_seconds, fork_each=fork_each, url=url)
        return argv, env

    def _call(self, method: str, **asked: Any) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"method": method, **asked}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        answer = json.loads(self._line(method))
        if "lacks" in answer:
            raise LacksError(answer["lacks"])
        if "error" in answer:
            raise BenchmarkError(f"{method}: {answer['error']}")
        return answer["value"]

    def _line(self, method: str) -> bytes:
        assert self._process.stdout is not None
        until = time.monotonic() + CALL_LIMIT
        while b"\n" not in self._unread:
            if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise StalledError(f"{method} took more than {CALL_LIMIT} s")
            piece = os.read(self._process.stdout.fileno(), 65_536)
            if not piece:
                raise self._death()
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _death(self) -> BenchmarkError:
        return BenchmarkError(f"its program ended: {last_words(self._log)}")


def _repeated(step: Step, times: int) -> tuple[int, str, list[Any]]:
    return times, step.function, list(step.args)
