"""What is where: the jobs of each status, queue by queue."""

from __future__ import annotations

from rqdeps.status import JobStatus, check_status
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask

#: No queue has more: lists and sets on the server end here.
MOST_JOBS = 2**32 - 1


def counts_per_queue() -> Conversation[dict[str, dict[JobStatus, int]]]:
    """How many jobs of each status each queue has, by the queue's name."""
    found = yield from ask(reads.overview())
    return {queue: _with_all_statuses(counts) for queue, counts in found.items()}


def counts_of(queue: str) -> Conversation[dict[JobStatus, int]]:
    """How many jobs of each status a queue has."""
    found = yield from ask(reads.overview([queue]))
    return _with_all_statuses(found[queue])


def _with_all_statuses(counts: dict[str, int]) -> dict[JobStatus, int]:
    return {status: counts.get(status.value, 0) for status in JobStatus}


def ids_in(queue: str, status: object, offset: object, length: object) -> Conversation[list[str]]:
    """The ids of a queue's jobs that have a status, in the order in which they run, wait or ended.

    Args:
        queue: the queue.
        status: the status.
        offset: how many to pass over.
        length: how many at most.

    Raises:
        TypeError: ``offset`` or ``length`` is no number.
        ValueError: one of them is negative, or there is no such status.
    """
    wanted = check_status(status).value
    first, most = _natural(offset, "offset"), MOST_JOBS if length == -1 else _natural(length, "length")
    found: list[str] = []
    while first >= 0 and len(found) < most:
        first, ids = yield from ask(reads.list_ids(queue, wanted, offset=first, count=most - len(found)))
        found += ids
    return found


def slice_of(queue: str, status: object, start: int, end: int, *, desc: bool) -> Conversation[list[str]]:
    """The ids of a queue's jobs that have a status, from one place to another, as a sorted set is cut in Redis.

    Args:
        queue: the queue.
        status: the status.
        start: the first place, from 0; below 0, so many from the end.
        end: the last place, which belongs to it; -1 for the last of all.
        desc: whether to count from the end, and list the last first.
    """
    wanted = check_status(status)
    if not desc and start >= 0 and end == -1:
        return (yield from ids_in(queue, wanted, start, MOST_JOBS))
    count = (yield from counts_of(queue))[wanted]
    first = start if start >= 0 else max(start + count, 0)
    last = min(end if end >= 0 else end + count, count - 1)
    if first > last:
        return []
    offset = count - 1 - last if desc else first
    found = yield from ids_in(queue, wanted, offset, last - first + 1)
    return found[::-1] if desc else found


def _natural(number: object, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} is a number of jobs, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"{name} is a number of jobs from 0 up, not {number}")
    return min(number, MOST_JOBS)
