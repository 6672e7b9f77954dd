"""Calls that look for jobs among many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.store.calls.call import Argument, Call, counted, text


@dataclass(frozen=True)
class FoundRecord:
    """A job that was found, as it is stored.

    Attributes:
        job_id: the job.
        since_ms: when it came into its status, by the server's clock, in milliseconds.
        error: what its last attempt that did not finish said, or why it was ended, in short.
        facts: the fields of the job that were asked for, empty where it has none.
    """

    job_id: str
    since_ms: int
    error: str
    facts: dict[str, str]


@dataclass(frozen=True)
class FoundPage:
    """Jobs that were found.

    Attributes:
        now_ms: what the server's clock shows.
        cursor: where to go on; empty at the end.
        jobs: the jobs.
    """

    now_ms: int
    cursor: str
    jobs: list[FoundRecord]


def find(
    queue: str,
    status: str,
    *,
    latest_first: bool,
    most: int,
    cursor: str = "",
    function: str = "",
    error: str = "",
    older_ms: int | None = None,
    newer_ms: int | None = None,
    names: Sequence[str] = ("function",),
) -> Call[FoundPage]:
    """The jobs of a queue that have a status and that fit, one page.

    Args:
        queue: the queue.
        status: the status.
        latest_first: whether those that came last come first; else the order in which they run, wait or ended.
        most: how many at most.
        cursor: empty at first, then as replied.
        function: part of the function's path, whatever the case of its Latin letters; empty for any.
        error: part of the error, likewise.
        older_ms: for how long it has had its status at least, in milliseconds; ``None`` for any time.
        newer_ms: for how long at most.
        names: the fields to read, at least one.
    """
    ages: list[Argument] = ["" if age is None else age for age in (older_ms, newer_ms)]
    args = [queue, status, int(latest_first), cursor, most, _small(function), _small(error), *ages]

    def read(reply: list[Any]) -> FoundPage:
        now, next_cursor, values = reply
        found = [
            FoundRecord(
                job_id=text(values[i]),
                since_ms=int(values[i + 1]),
                error=values[i + 2].decode(errors="ignore"),  # it may have been cut within a character
                facts={name: text(value) for name, value in zip(names, values[i + 3], strict=True)},
            )
            for i in range(0, len(values), 4)
        ]
        return FoundPage(int(now), text(next_cursor), found)

    return Call("find", [*args, *counted(names)], read, writes=False)


def _small(part: str) -> bytes:
    """With small letters from a to z. Others stay as they are, as they do on the server."""
    return part.encode().lower()


def waits(queues: Sequence[str]) -> Call[list[int | None]]:
    """How long the next job of each of some queues has been ready, in milliseconds; ``None`` where there is none."""

    def read(reply: list[Any]) -> list[int | None]:
        now = int(reply[0])
        return [max(0, now - int(since)) if since else None for since in reply[1]]

    return Call("waits", counted(queues), read, writes=False)
