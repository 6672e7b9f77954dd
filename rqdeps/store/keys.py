"""The names of keys. Scripts derive those of jobs and queues from the prefix; ``docs/architecture.md`` lists all."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMESPACE = re.compile(r"[A-Za-z0-9_./-]{1,32}")

DEFAULT_NAMESPACE = "rqdeps"


@dataclass(frozen=True)
class Keys:
    """The keys of one deployment, which all carry the same hash tag, so that a cluster keeps them on one shard.

    Attributes:
        namespace: the tag, without its braces.

    Raises:
        ValueError: if the namespace has other characters than letters, digits, ``_ . / -``, or more than 32.
    """

    namespace: str = DEFAULT_NAMESPACE

    def __post_init__(self) -> None:
        if not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(
                f"{self.namespace!r} can't be a namespace: use 1 to 32 letters, digits, and any of _ . / -"
            )

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        return f"{{{self.namespace}}}:"

    @property
    def schema(self) -> str:
        """The key that holds the version of the layout."""
        return f"{self.prefix}schema"

    def wake(self, queue: str) -> str:
        """The key of the marker that idle supervisors of a queue block on."""
        return f"{self.prefix}wake:{queue}"

    def inbox(self, worker: str) -> str:
        """The key of the messages to a worker."""
        return f"{self.prefix}inbox:{worker}"

    def ended(self, job_id: str) -> str:
        """The channel on which the end of a job is published to those who wait for it."""
        return f"{self.prefix}ended:{job_id}"
