"""How a worker works."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

#: How long a claim holds without being renewed, in milliseconds.
DEFAULT_LEASE_MS = 30_000

#: After how many jobs a process for jobs is replaced by a new one.
DEFAULT_MAX_JOBS_PER_PROCESS = 1_000

#: What keeps jobs apart: ``process``: they run in processes that are used again; ``job``: each runs in one of its own.
Isolation = Literal["process", "job"]

ISOLATIONS: Final[tuple[Isolation, ...]] = get_args(Isolation)

#: How many numbers there are to claim by, each with room for those that follow when replies are lost. A holder's name
#: ends in such a number, and stays within 64 bytes.
_HOLDERS, _LOST_REPLIES = 10**5, 10**5

#: A function of the user's, or its dotted path.
Function = Callable[..., Any] | str


@dataclass(frozen=True)
class HorseOptions:
    """How the processes of a worker run jobs.

    Attributes:
        isolation: what keeps jobs apart.
        max_jobs: after how many jobs a process is replaced, from 1,000 on not in its first second; ``None`` for never.
            Without meaning where each has its own.
        max_memory: with how many bytes of memory a process is replaced after a job; ``None`` for any.
        preload: modules to import before the first job.
        init: called in each process that runs jobs, before the first.
        exception_handlers: called with the job, and type, value and traceback of the exception, when an attempt fails.
    """

    isolation: Isolation = "process"
    max_jobs: int | None = DEFAULT_MAX_JOBS_PER_PROCESS
    max_memory: int | None = None
    preload: tuple[str, ...] = ()
    init: Function | None = None
    exception_handlers: tuple[Function, ...] = ()


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        name: its name, which others may have too.
        queues: the queues to serve, in order of preference.
        processes: how many horses to keep.
        lease_ms: how long a claim holds without being renewed, in milliseconds.
        burst: whether to end once there is nothing left to do.
        max_jobs: after how many jobs to end; ``None`` for never.
        max_idle_ms: after how long without anything to do to end, in milliseconds; ``None`` for never.
        shutdown_timeout_ms: how long what runs has to end after the worker was asked to, in milliseconds; ``None`` for
            as long as it likes.
        horse: how its processes run jobs.
        holder: a number by which it claims, and those of the same name, alive or dead, don't.
    """

    name: str
    queues: list[str]
    processes: int = 1
    lease_ms: int = DEFAULT_LEASE_MS
    burst: bool = False
    max_jobs: int | None = None
    max_idle_ms: int | None = None
    shutdown_timeout_ms: int | None = None
    horse: HorseOptions = field(default_factory=HorseOptions)
    holder: int = field(default_factory=lambda: secrets.randbelow(_HOLDERS) * _LOST_REPLIES)
