"""What a queue has to offer to be measured.

An adapter is one small file beside this one. It runs in a process of its own, in its queue's own virtual environment,
so it imports its queue, ``benchmarks.queues`` and the standard library alone. It uses the settings that the queue's own
documentation recommends, with results kept where ours are, and calls the queue as its users do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from typing import Any, ClassVar

from benchmarks.queues import tasks

#: Per job, in an order in which each comes after those that it waits for: the places of the jobs that it waits for.
Graph = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Step:
    """One call to enqueue.

    Attributes:
        function: the name of a function in ``benchmarks.queues.tasks``.
        args: its arguments, plain JSON values.
    """

    function: str = "nothing"
    args: Sequence[Any] = ()


@dataclass(frozen=True)
class Command:
    """How to start a process.

    Attributes:
        argv: the program and its arguments. A first element ``python`` stands for the environment's interpreter.
        env: what to add to its environment.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Unsupported(Exception):  # noqa: N818 - an answer, and no mistake
    """The queue does not do what is asked; the text says what it lacks, for the table."""


class Adapter:
    """What a queue has to offer. What it lacks raises ``Unsupported``, with a few words that say so.

    Args:
        url: the server, as ``redis://127.0.0.1:PORT/0``. It is empty, and nobody else's.

    Attributes:
        name: what the table calls it.
        requirements: what pip installs, without versions, so that the newest releases are taken.
        python: the oldest Python that it runs on.
        settings: which recommended settings are used, in a few words, for the table's notes.
        lacks: what it does not do that rqdeps does by default, in a few words, such as leases or results.
    """

    name: ClassVar[str]
    requirements: ClassVar[Sequence[str]]
    python: ClassVar[tuple[int, int]] = (3, 10)
    settings: ClassVar[str] = "defaults"
    lacks: ClassVar[str] = ""

    def __init__(self, url: str) -> None:
        self.url = url

    def version(self) -> str:
        """The queue's version."""
        return installed_version(self.requirements[0].partition("[")[0])

    def enqueue(self, steps: Sequence[Step]) -> None:
        """Enqueues calls one by one: each is on the server before the next is begun."""
        raise NotImplementedError

    def enqueue_in_bulk(self, steps: Sequence[Step]) -> None:
        """Enqueues calls with what the queue has for many at once."""
        raise Unsupported("no bulk enqueue")

    def enqueue_graph(self, graph: Graph, steps: Mapping[int, Step]) -> None:
        """Enqueues calls that wait for each other.

        Args:
            graph: what waits for what.
            steps: the calls at some places; those at all others do nothing.
        """
        raise Unsupported("no dependencies")

    def ended(self) -> int:
        """How many jobs have ended since the server was empty, by as cheap a question as there is."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many jobs wait for others now, by as cheap a question as there is."""
        raise Unsupported("does not tell how many jobs wait")

    def worker(self, processes: int, *, lease_seconds: int | None = None, fork_each: bool = False) -> Command:
        """How a worker is started.

        Args:
            processes: how many jobs may run at once, each in a process of its own.
            lease_seconds: after what time the jobs of a worker that was killed are to be run again, where that can be
                set; ``None`` for the usual setting.
            fork_each: whether each job is to run in a process forked for it alone.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of what it holds."""


#: Where adapters are told to find the server, in the processes of workers.
URL_VARIABLE = "BENCHMARK_URL"


def url_of_worker() -> str:
    """The server, in the process of a worker."""
    return os.environ[URL_VARIABLE]


def results_url(url: str) -> str:
    """The database of the results: one of their own, where each is a key, so that they can be counted at once."""
    return url.removesuffix("/0") + "/1"


def functions() -> dict[str, Callable[..., Any]]:
    """The functions that jobs call, by their names."""
    return {name: getattr(tasks, name) for name in ("nothing", "note", "work", "pause")}
