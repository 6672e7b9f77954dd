"""The calls by which a person looks for what is wrong with a deployment. None of them writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.store.calls.call import Call, counted, pairs, text, texts

#: How many jobs one call is asked about.
JOBS_PER_CALL = 100

#: How many keys one call is asked about.
KEYS_PER_CALL = 100


@dataclass(frozen=True)
class Untold:
    """News that has not reached all whom it is for: that a job ended or lives again, or a task of many steps.

    Attributes:
        member: the job, or the task.
        place: how far it has come.
        left: how many jobs wait behind it, if it is a gate.
    """

    member: str
    place: float
    left: int


@dataclass(frozen=True)
class Vitals:
    """How a deployment goes on as a whole. Times are milliseconds of the server's clock.

    Attributes:
        now_ms: what the clock shows.
        maintained_at_ms: when somebody last did what time brings; 0 if nobody ever has.
        latest_ms: the latest time that the clock has shown; 0 if nobody has noted any.
        queues: the names of all queues.
        untold: the first of the news under way.
        untold_count: how many there are.
        overdue_gates: graphs that never became whole, and whose time to do so is over.
        first_timer_ms: when the first time to live runs out, or the first job repeats; ``None`` if there is none.
    """

    now_ms: int
    maintained_at_ms: int
    latest_ms: int
    queues: list[str]
    untold: list[Untold]
    untold_count: int
    overdue_gates: list[str]
    first_timer_ms: float | None


def vitals() -> Call[Vitals]:
    """How the deployment goes on as a whole."""
    return Call("vitals", [], _read_vitals, writes=False)


def _read_vitals(reply: list[Any]) -> Vitals:
    now, beat, queues, untold, count, gates, timer = reply
    noted = pairs(beat)
    return Vitals(
        now_ms=int(now),
        maintained_at_ms=int(noted.get("at", 0)),
        latest_ms=int(noted.get("latest", 0)),
        queues=sorted(texts(queues)),
        untold=[Untold(text(untold[i]), float(untold[i + 1]), untold[i + 2]) for i in range(0, len(untold), 3)],
        untold_count=count,
        overdue_gates=texts(gates),
        first_timer_ms=float(timer) if timer else None,
    )


@dataclass(frozen=True)
class Sampled:
    """A job of a sample.

    Attributes:
        job_id: the job.
        score: its place in the registry that its status names.
        fields: those of the fields asked for that it has.
    """

    job_id: str
    score: float
    fields: dict[str, str]

    def number(self, name: str) -> int:
        """A field as a number; 0 without it."""
        found = self.fields.get(name, "")
        return int(found) if found.isdecimal() else 0


def sample(queue: str, status: str, count: int, *fields: str, from_the_end: bool = False) -> Call[list[Sampled]]:
    """Some jobs of a queue that have a status.

    Args:
        queue: the queue.
        status: the status; any but that of queued jobs, which stand in no registry.
        count: how many at most.
        *fields: the names of fields that are wanted, at least one.
        from_the_end: whether to begin with the last one.
    """

    def read(reply: list[Any]) -> list[Sampled]:
        return [
            Sampled(
                text(reply[i]),
                float(reply[i + 1]),
                {
                    name: value.decode(errors="replace")
                    for name, value in zip(fields, reply[i + 2], strict=True)
                    if value is not None
                },
            )
            for i in range(0, len(reply), 3)
        ]

    args = [queue, status, count, int(from_the_end), *counted(fields)]
    return Call("sample", args, read, writes=False)


@dataclass(frozen=True)
class Awaited:
    """What a job waits for.

    Attributes:
        status: the job's status; empty if it has been deleted.
        queue: its queue.
        does: ``"waits"`` for another; ``"untold"`` of the end of another; ``"decided"``, though nobody has applied its
            rules; ``"coming"``, with a graph; ``"unknown"``; or empty if it waits for no other job.
        other: that other job, or empty.
    """

    status: str
    queue: str
    does: str
    other: str


def awaited(job_ids: Sequence[str]) -> Call[dict[str, Awaited]]:
    """What jobs wait for, and what that waits for in turn: of the first of them, at least one, and of jobs above."""

    def read(reply: list[Any]) -> dict[str, Awaited]:
        return {text(reply[i]): Awaited(*texts(reply[i + 1 : i + 5])) for i in range(0, len(reply), 5)}

    return Call("awaited", counted(job_ids), read, writes=False)


def ownerless(names: Sequence[str]) -> Call[list[str]]:
    """Those of some keys, named without the prefix, that are there and belong to nobody."""
    return Call("ownerless", counted(names), lambda reply: [_decoded(name) for name in reply], writes=False)


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogateescape")
