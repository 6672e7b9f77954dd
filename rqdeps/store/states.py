"""What state of a server keeps it from changing anything, in words: it passes, or a person sees to it."""

from __future__ import annotations

import re
from typing import Final

from redis.exceptions import ResponseError

# What servers say, from Redis 6.2 on, in whatever words around it where a script met it; and what people are told.
_STATES: Final = [
    (
        re.compile(r"used memory > 'maxmemory'"),
        "the server's memory is full, and it takes nothing new: run or delete jobs, or raise its setting maxmemory",
    ),
    (
        re.compile(r"read only replica"),
        "the server is a replica, and takes no changes: name its primary, or wait until it is one again",
    ),
    (
        re.compile(r"\bMISCONF\b"),
        "the server can't write to its disk, and takes no changes until it can: its log says why",
    ),
]


def state_behind(error: Exception) -> str | None:
    """What a person is told of the state that a server is in; ``None`` if an error is about something else.

    Args:
        error: what the server said.
    """
    if not isinstance(error, ResponseError):
        return None
    return next((words for said, words in _STATES if said.search(str(error))), None)
