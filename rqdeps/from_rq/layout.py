"""The names of RQ's keys, from RQ 2 on, and what stands in its fields. Only this package knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Where RQ keeps a job that waits: the list of its queue, or one of the queue's registries.
Place = Literal["queue", "ready", "scheduled", "deferred"]

#: The places, in the order in which RQ would come to run what is in them.
PLACES: tuple[Place, ...] = ("queue", "ready", "scheduled", "deferred")

#: The status that a job has in each place; another means that somebody is just moving it.
STATUS_IN: dict[Place, str] = {
    "queue": "queued",
    "ready": "ready_to_enqueue",
    "scheduled": "scheduled",
    "deferred": "deferred",
}


@dataclass(frozen=True)
class Layout:
    """The keys of one RQ deployment.

    Attributes:
        prefix: what they begin with; RQ 3 takes another from ``RQ_KEY_PREFIX``.
    """

    prefix: str = "rq"

    @property
    def queues(self) -> str:
        """A set of the keys of all queues."""
        return f"{self.prefix}:queues"

    def name_in(self, queue_key: str) -> str:
        """The name of a queue, given its key."""
        return queue_key.removeprefix(f"{self.prefix}:queue:")

    def place(self, place: Place, queue: str) -> str:
        """Where jobs of a queue wait: a list for those that are queued, else a sorted set."""
        return f"{self.prefix}:{place}:{queue}"

    def taken(self, queue: str) -> str:
        """A list of jobs that a worker has taken, and not begun."""
        return f"{self.prefix}:queue:{queue}:intermediate"

    def running(self, queue: str) -> str:
        """A sorted set of the jobs that run, each with its execution after a colon."""
        return f"{self.prefix}:wip:{queue}"

    def rate_limited(self, key: str) -> str:
        """A sorted set of jobs that wait for room under a rate limit."""
        return f"{self.prefix}:rl:{key}:rate_limited"

    @property
    def rate_limits(self) -> str:
        """A set of the names of all rate limits."""
        return f"{self.prefix}:rl-keys"

    def job(self, job_id: str) -> str:
        """The hash of a job."""
        return f"{self.prefix}:job:{job_id}"

    def dependents(self, job_id: str) -> str:
        """A set of the jobs that wait for this one."""
        return f"{self.prefix}:job:{job_id}:dependents"

    @property
    def marks(self) -> str:
        """A hash of our own: what a migration has begun. It is there only while there is something to finish."""
        return f"rqdeps:from:{self.prefix}"
