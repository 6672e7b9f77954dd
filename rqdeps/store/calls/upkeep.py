"""The calls by which workers keep the data going: signs of life, what time brings, and cascades left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.store.calls.call import Argument, Call, counted, texts
from rqdeps.store.calls.inbox import Message, read_message

#: How many queues one call of ``maintain`` looks after, so that none takes long.
QUEUES_PER_CALL = 20


@dataclass(frozen=True)
class Maintained:
    """What time brought.

    Attributes:
        has_more: whether there is more to do at once.
        next_due_ms: how long until the next job of these queues is due; ``None`` if none is known.
        recovered: jobs taken back from lost workers.
        expired: jobs whose ttl ran out before they started.
        promoted: how many scheduled jobs were queued.
        looked_at: how many ended jobs were due, and deleted, trimmed or postponed.
    """

    has_more: bool
    next_due_ms: int | None
    recovered: list[str]
    expired: list[str]
    promoted: int
    looked_at: int


def maintain(queues: Sequence[str], *, lease_ms: int) -> Call[Maintained]:
    """Does what is due in some queues, within the budget of one call.

    Args:
        queues: the queues to look after, at most ``QUEUES_PER_CALL``.
        lease_ms: how long claims hold; after an outage they get one more lease before they count as lost.
    """
    return Call("maintain", [lease_ms, *counted(queues)], _read_maintained)


def _read_maintained(reply: list[Any]) -> Maintained:
    has_more, next_due, recovered, expired, promoted, looked_at = reply
    return Maintained(
        has_more=bool(has_more),
        next_due_ms=None if next_due < 0 else next_due,
        recovered=texts(recovered),
        expired=texts(expired),
        promoted=promoted,
        looked_at=looked_at,
    )


def cascade() -> Call[int]:
    """Carries on cascades that exceeded the budget of the call that began them. The result counts what is left."""
    return Call("cascade", [], int)


@dataclass(frozen=True)
class Beaten:
    """What a worker is told in reply to its sign of life.

    Attributes:
        queues: the names of all queues there are.
        messages: what was in its inbox.
    """

    queues: list[str]
    messages: list[Message]


def beat(worker: str, fields: Mapping[str, Argument]) -> Call[Beaten]:
    """A worker's sign of life.

    Args:
        worker: the worker's name.
        fields: what to show of it.
    """
    return Call("beat", [worker, *counted([part for pair in fields.items() for part in pair])], _read_beaten)


def _read_beaten(reply: list[Any]) -> Beaten:
    queues, messages = reply
    return Beaten(texts(queues), [read_message(message) for message in messages])


def depart(worker: str) -> Call[int]:
    """A worker says that it is gone."""
    return Call("depart", [worker], int)


def pending(queues: Sequence[str]) -> Call[bool]:
    """Whether queues still hold what a worker in burst mode waits for."""
    return Call("pending", counted(queues), bool, writes=False)
