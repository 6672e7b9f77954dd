"""The calls about groups of jobs."""

from __future__ import annotations

from rqdeps.store.calls.call import Call, texts

#: How many jobs of a group one call lists.
PAGE = 10_000


def names() -> Call[list[str]]:
    """The names of all groups, in order."""
    return Call("groups", [], texts, writes=False)


def members(group: str, *, offset: int) -> Call[list[str]]:
    """The ids of a group's jobs in the order in which they were enqueued, ``PAGE`` at most."""
    return Call("group", [group, offset, PAGE], texts, writes=False)


def leave(group: str, job_id: str) -> Call[bool]:
    """Takes a job out of its group. The result says whether it was there."""
    return Call("leave_group", [group, job_id], bool)
