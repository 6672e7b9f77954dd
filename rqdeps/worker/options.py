"""How a worker works."""

from __future__ import annotations

from dataclasses import dataclass

#: How long a claim holds without being renewed, in milliseconds.
DEFAULT_LEASE_MS = 30_000


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        name: its name.
        queues: the queues to serve, in order of preference.
        processes: how many horses to keep.
        lease_ms: how long a claim holds without being renewed, in milliseconds.
        burst: whether to end once there is nothing left to do.
        max_jobs: after how many jobs to end; ``None`` for never.
    """

    name: str
    queues: list[str]
    processes: int = 1
    lease_ms: int = DEFAULT_LEASE_MS
    burst: bool = False
    max_jobs: int | None = None
