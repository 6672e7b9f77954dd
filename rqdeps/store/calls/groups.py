"""The calls about groups of jobs."""

from __future__ import annotations

from rqdeps.store.calls.call import Call, text, texts

#: How many groups, or jobs of a group, one call lists.
PAGE = 500


def names(after: str = "") -> Call[list[str]]:
    """The names of groups in order, ``PAGE`` at most.

    Args:
        after: the last name of the page before.
    """
    return Call("groups", [after, PAGE], texts, writes=False)


def members(group: str, after: int = 0) -> Call[list[tuple[str, int]]]:
    """The ids of a group's jobs in the order in which they were enqueued, each with its place, ``PAGE`` at most.

    Args:
        group: its name.
        after: the place of the last one of the page before.
    """
    return Call(
        "group",
        [group, after, PAGE],
        lambda reply: [(text(reply[i]), int(float(reply[i + 1]))) for i in range(0, len(reply), 2)],
        writes=False,
    )


def leave(group: str, job_id: str) -> Call[bool]:
    """Takes a job out of its group. The result says whether it was there."""
    return Call("leave_group", [group, job_id], bool)
