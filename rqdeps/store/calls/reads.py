"""The calls that read jobs, queues and workers, and the two that change what a person reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from rqdeps.errors import NoSuchJobError
from rqdeps.store.calls.call import Call, counted, pairs, text, texts
from rqdeps.store.calls.enqueue import EdgeKind
from rqdeps.text import error_line

#: What stands in a job's hash for a payload or a result that is too long for it.
ELSEWHERE = b"@"

#: The place before that of every dependent.
BEFORE_ALL = -1


def fetch(job_ids: Sequence[str]) -> Call[list[dict[str, bytes] | None]]:
    """The fields of jobs, ``None`` where there is no such job. A long payload or result reads ``ELSEWHERE``."""
    return Call("fetch", counted(job_ids), lambda reply: [pairs(fields) or None for fields in reply], writes=False)


def read_part(job_id: str, name: str) -> Call[tuple[str | None, bytes | None]]:
    """A job's status and one field of it, also where that is long."""
    return Call(
        "read_part",
        [job_id, name],
        lambda reply: (text(reply[0]) if reply and reply[0] else None, reply[1] if len(reply) > 1 else None),
        writes=False,
    )


@dataclass(frozen=True)
class AttemptRecord:
    """An attempt that did not finish, as it is stored. Times are milliseconds of the server's clock."""

    attempt: int
    started_at_ms: int
    ended_at_ms: int
    outcome: str
    holder: str
    details: bytes

    @property
    def error(self) -> str:
        """The exception and what it said, in short, or nothing."""
        return error_line(self.told["type"], self.told["message"])

    @property
    def told(self) -> dict[str, str]:
        """What the worker told of it, ``type``, ``message`` and ``traceback``: empty where it told nothing."""
        try:
            details = json.loads(self.details) if self.details else {}
        except ValueError:  # which no release of rqdeps writes
            details = {}
        names = ("type", "message", "traceback")
        return {name: str(details.get(name, "")) if isinstance(details, dict) else "" for name in names}


def attempts(job_id: str) -> Call[list[AttemptRecord]]:
    """The last attempts of a job that did not finish, oldest first."""
    return Call("attempts", [job_id], lambda reply: [read_attempt(entry) for entry in reply], writes=False)


def read_attempt(entry: bytes) -> AttemptRecord:
    """Takes an attempt apart."""
    line, _, details = entry.partition(b"\n")
    attempt, started_at, ended_at, outcome, holder = line.decode().split(" ")
    return AttemptRecord(int(attempt), int(started_at), int(ended_at), outcome, holder, details)


@dataclass(frozen=True)
class EdgeRecord:
    """A dependency of a job, as it is stored.

    Attributes:
        dependency_id: the job waited for.
        kind: whether it is waited for, its value is wanted too, or the job is its fallback.
        group: the number of the group it stands in.
        rule: that group's rule.
        outcome: how it ended, as the dependent was told; ``None`` while that is open.
        status: its status now; ``None`` if it has been deleted.
        is_to_blame: whether it has a part in it that its group can't be met any more.
    """

    dependency_id: str
    kind: EdgeKind
    group: int
    rule: str
    outcome: str | None
    status: str | None
    is_to_blame: bool = False


@dataclass(frozen=True)
class GroupRecord:
    """A group of dependencies, as it is stored: its rule, how many there are, and how many ended in which way."""

    rule: str
    total: int
    finished: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class EdgesPage:
    """Some of a job's dependencies.

    Attributes:
        cursor: where to go on; ``b"0"`` at the end.
        groups: all its groups.
        edges: the dependencies. While some are added or taken away, one may come twice.
    """

    cursor: bytes
    groups: list[GroupRecord]
    edges: list[EdgeRecord]


def edges(job_id: str, cursor: bytes = b"0", *, joined: bool = False) -> Call[EdgesPage]:
    """What a job depends on, one page; or what it joins once it has run."""
    return Call("edges", [job_id, int(joined), cursor], _read_edges, writes=False)


def _read_edges(reply: list[Any]) -> EdgesPage:
    cursor, texts_of_groups, fields = reply
    groups = []
    for group in texts(texts_of_groups):
        rule, *counts = group.split(":")
        groups.append(GroupRecord(rule, *map(int, counts)))
    found = [
        EdgeRecord(
            dependency_id=text(fields[i]),
            kind=cast(EdgeKind, text(fields[i + 1])),
            group=fields[i + 2],
            rule=groups[fields[i + 2]].rule,
            outcome=text(fields[i + 3]) or None,
            status=text(fields[i + 4]) or None,
            is_to_blame=bool(fields[i + 5]),
        )
        for i in range(0, len(fields), 6)
    ]
    return EdgesPage(cursor, groups, found)


def dependents(job_id: str, after: int = BEFORE_ALL) -> Call[list[tuple[str, int]]]:
    """The jobs that wait, or waited, for a job, one page: the id and the place of each. The last page is empty.

    The id is empty where a dependent is staged or being deleted.

    Args:
        job_id: the job.
        after: the place of the last one known.
    """
    return Call(
        "dependents",
        [job_id, after],
        lambda reply: [(text(reply[i]), int(float(reply[i + 1]))) for i in range(0, len(reply), 2)],
        writes=False,
    )


@dataclass(frozen=True)
class Above:
    """What a job waits for, or a page of it: there is more unless the cursor is ``b"0"``."""

    job_id: str
    cursor: bytes
    dependency_ids: list[str]


def above(jobs: Sequence[tuple[str, bytes]]) -> Call[list[Above]]:
    """What has to end before the dependents of some jobs know what these came to, for at least the first of them.

    Args:
        jobs: id and cursor of each: ``b"0"`` at first.
    """
    return Call(
        "above",
        counted([part for job in jobs for part in job]),
        lambda reply: [Above(text(reply[i]), reply[i + 1], texts(reply[i + 2])) for i in range(0, len(reply), 3)],
        writes=False,
    )


@dataclass(frozen=True)
class Culprit:
    """A job whose end keeps others from running.

    Attributes:
        job_id: the job.
        status: its status now; ``None`` if it has been deleted.
        outcome: how it had ended for those others.
    """

    job_id: str
    status: str | None
    outcome: str


def blame(jobs: Sequence[tuple[str, bytes]]) -> Call[tuple[list[Culprit], list[tuple[str, bytes]]]]:
    """Goes up from jobs that can't run, to those whose end began it. The result has these, and jobs to go on from.

    Args:
        jobs: id and cursor of each: ``b"0"`` at first.
    """

    def read(reply: list[Any]) -> tuple[list[Culprit], list[tuple[str, bytes]]]:
        roots, rest = reply
        found = [
            Culprit(text(roots[i]), text(roots[i + 1]) or None, text(roots[i + 2])) for i in range(0, len(roots), 3)
        ]
        return found, [(text(rest[i]), rest[i + 1]) for i in range(0, len(rest), 2)]

    return Call("blame", counted([part for job in jobs for part in job]), read, writes=False)


@dataclass(frozen=True)
class Standing:
    """Where a job stands in the registry that its status names.

    Attributes:
        status: its status.
        queue: its queue.
        due_ms: for a scheduled job, how long until it is queued; for a started one, until its lease ends.
        ahead: for a queued job, how many entries stand before its own; ``None`` if they are very many.
        is_paused: whether its queue is paused.
        full_at: the limit of its queue, if as many of the queue's jobs are started; else ``None``.
        now_ms: what the server's clock shows.
    """

    status: str
    queue: str
    due_ms: int
    ahead: int | None
    is_paused: bool
    full_at: int | None
    now_ms: int


def standing(job_id: str) -> Call[Standing]:
    """Where a job stands.

    Raises:
        NoSuchJobError: there is no such job.
    """

    def read(reply: list[Any] | None) -> Standing:
        if reply is None:
            raise NoSuchJobError(job_id)
        status, queue, score, ahead, now, paused, full_at = reply
        due_ms = int(float(score)) - int(now) if score and score != b"inf" else 0
        place = None if ahead < 0 else ahead
        return Standing(text(status), text(queue), due_ms, place, bool(paused), full_at or None, int(now))

    return Call("standing", [job_id], read, writes=False)


@dataclass(frozen=True)
class OutputRecord:
    """The value that a job takes of a dependency.

    Attributes:
        job_id: the dependency.
        status: its status; empty if it has been deleted.
        value: its result, serialized; empty if there is none.
        giver: the job whose result that is, if it holds outputs of what that job has joined; else empty.
    """

    job_id: str
    status: str
    value: bytes
    giver: str = ""


def outputs(job_id: str, cursor: bytes = b"0", *, joined: bool = False) -> Call[tuple[bytes, list[OutputRecord]]]:
    """The values that a job wants of its dependencies, one page; with the next cursor, ``b"0"`` at the end.

    Args:
        job_id: the job.
        cursor: ``b"0"`` at first, then as replied.
        joined: whether to read those that its result holds of what it has joined.
    """
    return Call("outputs", [job_id, int(joined), cursor], _read_outputs, writes=False)


def _read_outputs(reply: list[Any]) -> tuple[bytes, list[OutputRecord]]:
    cursor, fields = reply
    found = [
        OutputRecord(text(fields[i]), text(fields[i + 1]), fields[i + 2], text(fields[i + 3]))
        for i in range(0, len(fields), 4)
    ]
    return cursor, found


def watch(job_id: str) -> Call[str]:
    """Asks that the end of a job be published, and reads its status.

    Raises:
        NoSuchJobError: there is no such job.
    """

    def read(reply: bytes | None) -> str:
        if reply is None:
            raise NoSuchJobError(job_id)
        return text(reply)

    return Call("watch", [job_id], read)


def save_meta(job_id: str, meta: bytes) -> Call[None]:
    """Replaces a job's meta.

    Raises:
        NoSuchJobError: there is no such job.
    """

    def read(reply: int) -> None:
        if not reply:
            raise NoSuchJobError(job_id)

    return Call("save_meta", [job_id, meta], read)


def overview(queues: Sequence[str] = ()) -> Call[dict[str, dict[str, int]]]:
    """How many jobs of each status there are, queue by queue; of all queues if none is named."""
    return Call(
        "overview",
        counted(queues),
        lambda reply: {queue: pairs(counts) for queue, counts in pairs(reply).items()},
        writes=False,
    )


@dataclass(frozen=True)
class QueueSettings:
    """How a queue is set by people.

    Attributes:
        is_paused: whether workers take no jobs of it.
        limit: how many of its jobs are started at once at most; ``None`` for any number.
    """

    is_paused: bool
    limit: int | None


def settings(queues: Sequence[str]) -> Call[list[QueueSettings]]:
    """How queues are set by people."""

    def read(reply: list[Any]) -> list[QueueSettings]:
        return [
            QueueSettings(bool(reply[i]), None if reply[i + 1] is None else int(reply[i + 1]))
            for i in range(0, len(reply), 2)
        ]

    return Call("settings", counted(queues), read, writes=False)


def is_paused(queue: str) -> Call[bool]:
    """Whether workers take no jobs of a queue."""
    return Call("settings", counted([queue]), lambda reply: bool(reply[0]), writes=False)


def limit_of(queue: str) -> Call[int | None]:
    """How many jobs of a queue are started at once at most; ``None`` for any number."""
    return Call("settings", counted([queue]), lambda reply: None if reply[1] is None else int(reply[1]), writes=False)


def list_ids(queue: str, status: str, *, offset: int, count: int) -> Call[tuple[int, list[str]]]:
    """The ids of the jobs of a queue that have a status, one page, in the order they run, wait or ended.

    The result is the offset from which to go on, -1 at the end, and the ids: fewer than asked for where entries of the
    queue no longer count.
    """
    return Call("list", [queue, status, offset, count], lambda reply: (int(reply[0]), texts(reply[1])), writes=False)


@dataclass(frozen=True)
class WorkerRecord:
    """A worker, as it is stored.

    Attributes:
        name: its name.
        fields: what it says of itself.
        beat_at_ms: when it gave its last sign of life, by the server's clock, in milliseconds.
        age_ms: how long ago that is.
    """

    name: str
    fields: dict[str, str]
    beat_at_ms: int
    age_ms: int


def workers() -> Call[list[WorkerRecord]]:
    """The workers that gave a sign of life in the last minute."""
    return Call("workers", [], _read_workers, writes=False)


def _read_workers(reply: list[Any]) -> list[WorkerRecord]:
    now, found = int(reply[0]), pairs(reply[1])
    records = []
    for name, values in found.items():
        fields = {key: text(value) for key, value in pairs(values).items()}
        beat_at = int(fields.get("beat_at", now))
        records.append(WorkerRecord(name, fields, beat_at, age_ms=max(0, now - beat_at)))
    return records
