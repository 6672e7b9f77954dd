"""States of a server in which it refuses what it is asked, whatever that is: what to do then, and how to say it."""

from __future__ import annotations

import re

from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

#: What servers begin an error with, and what it means. Scripts pass errors on, in Redis 6.2 within one of their own.
_STATES = {
    "READONLY": "it is a replica, which takes no writes: name its master, or wait until it is one again",
    "MASTERDOWN": "it is a replica that has lost its master",
    "NOREPLICAS": "it takes no writes without replicas, and has too few (min-replicas-to-write)",
    "LOADING": "it is still loading its data",
    "MISCONF": "it takes no writes because it can't save them: its log says more",
    "OOM": "its memory is full (maxmemory), and it takes nothing new: run or delete jobs, or raise that",
    "BUSY": "it is busy with somebody's script",
}

#: Those of a server that is a master no longer, or not yet: another may be it, or the same one soon.
_OF_NO_MASTER = ("READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING")

#: redis-py takes the word away where it knows it, and names the error after it.
_NAMES = {"ReadOnlyError": "READONLY", "MasterDownError": "MASTERDOWN", "OutOfMemoryError": "OOM"}

_WORD = re.compile(rf"(?:^|: -?)({'|'.join(_STATES)})\b")


class NoMasterError(RedisConnectionError):
    """The server is no master now, and has done nothing of what it was asked: as if there had been no connection."""


def raise_if_no_master(error: ResponseError) -> None:
    """Makes an error of the connection of one that only says that this server is not the one to ask now.

    Raises:
        NoMasterError: it is not.
    """
    state = _state_in(error)
    if state in _OF_NO_MASTER:
        raise NoMasterError(_STATES[state]) from error


def state_in_words(error: Exception) -> str | None:
    """What state of the server an error is about; ``None`` if it is about something else."""
    if isinstance(error, NoMasterError):
        return str(error)
    return _STATES.get(_state_in(error) or "")


def _state_in(error: Exception) -> str | None:
    if isinstance(error, BusyLoadingError):
        return "LOADING"
    if not isinstance(error, ResponseError):
        return None
    name = _NAMES.get(type(error).__name__)
    found = _WORD.search(str(error))
    return name or (found[1] if found else None)
