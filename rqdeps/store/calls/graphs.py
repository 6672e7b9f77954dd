"""The call that reads jobs with all their neighbours, for a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rqdeps.store.calls.call import Call, counted, text, texts

#: The fields that a picture needs of a job; the script knows those of the first line by their places.
_FIELDS = (
    *("status", "function", "attempt", "joins", "linked", "fallback", "reason"),
    *("queue", "description", "progress", "held", "workflow", "spawned_by", "fallback_of"),
    *("created_at", "enqueued_at", "scheduled_for", "started_at", "returned_at", "ended_at"),
)

#: The first cursor of a job; the other two ask for what is above it too, or below, and above or below that, if there is
#: room in the reply.
ALONE, AND_ABOVE, AND_BELOW = "", "<", ">"


class RunRecord(NamedTuple):
    """An attempt that did not finish: its number, when it began and ended, by the server's clock, and its outcome."""

    attempt: int
    started_at_ms: int
    ended_at_ms: int
    outcome: str


class RegisterRecord(NamedTuple):
    """What a job waits for, or has joined.

    Attributes:
        job_id: the job waited for.
        kind: ``dependency``, ``output``, ``fallback`` or ``spawn``.
        group: the number of the group that it stands in.
        outcome: how it ended, as far as the dependent has been told; empty while that is open.
    """

    job_id: str
    kind: str
    group: int
    outcome: str


@dataclass
class Registers:
    """What a job waits for, or has joined, as far as it has been read.

    Attributes:
        rules: the rule of each group, by its number.
        each: what it waits for, by id.
    """

    rules: dict[int, str]
    each: dict[str, RegisterRecord]

    def add(self, stored: Sequence[bytes]) -> None:
        """Adds some of what is stored, a name and a value each."""
        for i in range(0, len(stored), 2):
            name, value = stored[i].decode(), stored[i + 1].decode()
            if name[0] != "#":
                kind, group, _, outcome = value.split(":")
                self.each[name] = RegisterRecord(name, kind, int(group), outcome)
            elif name != "#":
                self.rules[int(name[1:])] = value.partition(":")[0]


class NeighboursPage(NamedTuple):
    """A job with some of its neighbours.

    Attributes:
        job_id: the job.
        cursor: where to go on; empty if this was all.
        fields: some of its fields, on the first page; ``None`` on a later one; empty if there is no such job.
        runs: its attempts that did not finish, on the first page, the last 10; without one that was its only one.
        waits_for: what it waits for, for ``Registers.add``.
        has_joined: what it has joined, for the same.
        below: the ids of those that wait for it, or join it; also of some that nobody sees yet.
        members: if it is a workflow's own job: the ids of its members, in the order in which they came.
    """

    job_id: str
    cursor: str
    fields: dict[str, bytes] | None
    runs: list[RunRecord]
    waits_for: Sequence[bytes]
    has_joined: Sequence[bytes]
    below: list[str]
    members: list[str]


def neighbours(jobs: Sequence[tuple[str, str]]) -> Call[tuple[int, list[NeighboursPage]]]:
    """Jobs with their neighbours, for at least the first of them; and the server's time in milliseconds.

    Args:
        jobs: id and cursor of each: at first ``ALONE``, ``AND_ABOVE`` or ``AND_BELOW``.
    """
    read_before = {job_id for job_id, cursor in jobs if cursor not in (ALONE, AND_ABOVE, AND_BELOW)}

    def page(entry: list[Any]) -> NeighboursPage:
        job_id = text(entry[0])
        fields = {name: value for name, value in zip(_FIELDS, entry[2], strict=False) if value is not None}
        return NeighboursPage(
            job_id=job_id,
            cursor=text(entry[1]),
            fields=None if job_id in read_before else fields,
            runs=[_run(line) for line in entry[3]],
            waits_for=entry[4],
            has_joined=entry[5],
            below=texts(entry[6]),
            members=texts(entry[7]),
        )

    return Call(
        "graph",
        [*counted(_FIELDS), *counted([part for job in jobs for part in job])],
        lambda reply: (int(reply[0]), [page(entry) for entry in reply[1:]]),
        writes=False,
    )


def _run(line: bytes) -> RunRecord:
    attempt, started_at, ended_at, outcome = line.decode().split(" ")
    return RunRecord(int(attempt), int(started_at), int(ended_at), outcome)
