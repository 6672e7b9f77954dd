"""The calls that read jobs, queues and workers, and the two that change what a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.errors import NoSuchJobError
from rqdeps.store.calls.call import Call, counted, pairs, text, texts


def fetch(job_ids: Sequence[str]) -> Call[list[dict[str, bytes] | None]]:
    """The fields of jobs, ``None`` where there is no such job. A long payload or result reads ``@``."""
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


def attempts(job_id: str) -> Call[list[AttemptRecord]]:
    """The last attempts of a job that did not finish, oldest first."""
    return Call("attempts", [job_id], lambda reply: [_read_attempt(entry) for entry in reply], writes=False)


def _read_attempt(entry: bytes) -> AttemptRecord:
    line, _, details = entry.partition(b"\n")
    attempt, started_at, ended_at, outcome, holder = line.decode().split(" ")
    return AttemptRecord(int(attempt), int(started_at), int(ended_at), outcome, holder, details)


@dataclass(frozen=True)
class EdgeRecord:
    """A dependency of a job, as it is stored.

    Attributes:
        dependency_id: the job waited for.
        wants_output: whether its value is wanted too.
        group: the number of the group it stands in.
        rule: that group's rule.
        outcome: how it ended, as the dependent was told; ``None`` while that is open.
        status: its status now; ``None`` if it has been deleted.
    """

    dependency_id: str
    wants_output: bool
    group: int
    rule: str
    outcome: str | None
    status: str | None


def edges(job_id: str) -> Call[list[EdgeRecord]]:
    """What a job depends on, group by group."""
    return Call("edges", [job_id], _read_edges, writes=False)


def _read_edges(reply: list[Any]) -> list[EdgeRecord]:
    groups, fields = reply
    rules = [text(group).partition(":")[0] for group in groups]
    found = [
        EdgeRecord(
            dependency_id=text(fields[i]),
            wants_output=fields[i + 1] == b"output",
            group=fields[i + 2],
            rule=rules[fields[i + 2]],
            outcome=text(fields[i + 3]) or None,
            status=text(fields[i + 4]) or None,
        )
        for i in range(0, len(fields), 5)
    ]
    return sorted(found, key=lambda edge: edge.group)


def dependents(job_id: str) -> Call[list[str]]:
    """The ids of the jobs that wait, or waited, for a job."""
    return Call("dependents", [job_id], texts, writes=False)


@dataclass(frozen=True)
class OutputRecord:
    """The value that a job takes of a dependency.

    Attributes:
        job_id: the dependency.
        status: its status; empty if it has been deleted.
        value: its result, serialized; empty if there is none.
    """

    job_id: str
    status: str
    value: bytes


def outputs(job_id: str, cursor: bytes = b"0") -> Call[tuple[bytes, list[OutputRecord]]]:
    """The values that a job wants of its dependencies, one page; with the next cursor, ``b"0"`` at the end."""
    return Call("outputs", [job_id, cursor], _read_outputs, writes=False)


def _read_outputs(reply: list[Any]) -> tuple[bytes, list[OutputRecord]]:
    cursor, fields = reply
    found = [OutputRecord(text(fields[i]), text(fields[i + 1]), fields[i + 2]) for i in range(0, len(fields), 3)]
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


def list_ids(queue: str, status: str, *, offset: int, count: int) -> Call[list[str]]:
    """The ids of the jobs of a queue that have a status, one page, in the order they run, wait or ended."""
    return Call("list", [queue, status, offset, count], texts, writes=False)


@dataclass(frozen=True)
class WorkerRecord:
    """A worker, as it is stored, and how long ago it gave its last sign of life, in milliseconds."""

    name: str
    fields: dict[str, str]
    age_ms: int


def workers() -> Call[list[WorkerRecord]]:
    """The workers that gave a sign of life in the last minute."""
    return Call("workers", [], _read_workers, writes=False)


def _read_workers(reply: list[Any]) -> list[WorkerRecord]:
    now, found = int(reply[0]), pairs(reply[1])
    records = []
    for name, values in found.items():
        fields = {key: text(value) for key, value in pairs(values).items()}
        records.append(WorkerRecord(name, fields, age_ms=max(0, now - int(fields.get("beat_at", now)))))
    return records
