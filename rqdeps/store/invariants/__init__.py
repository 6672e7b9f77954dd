"""What must be true of the stored data at any moment between two calls, checked on the data itself.

For tests, and for a person who doubts. Nothing is changed. The data is read in several steps, so nobody else may write
meanwhile. ``docs/architecture.md`` says what the keys hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from redis import Redis

from rqdeps.store.invariants import joins, keys, links, places, workflows
from rqdeps.store.invariants.data import Data, read
from rqdeps.store.keys import DEFAULT_NAMESPACE, Keys

__all__ = ["InvariantError", "check_invariants", "violations"]

#: Each goes through the data and says what is wrong.
_CHECKS: Final[list[Callable[[Data], Iterator[str]]]] = [
    keys.check_keys,
    keys.check_hashes_stay_small,
    keys.check_long_fields,
    keys.check_fields,
    keys.check_jobs,
    places.check_registries,
    places.check_queues,
    places.check_claims,
    places.check_timers,
    places.check_groups,
    places.check_gates,
    places.check_plain_jobs,
    links.check_groups,
    links.check_edges_agree,
    links.check_fallbacks,
    links.check_registers,
    links.check_verdicts,
    links.check_cascades,
    joins.check_joins,
    joins.check_joined,
    joins.check_spawned,
    joins.check_outputs_are_kept,
    workflows.check_own_jobs,
    workflows.check_members,
    workflows.check_counts,
    workflows.check_cancellations,
    workflows.check_durations,
]


class InvariantError(AssertionError):
    """The stored data contradicts itself.

    Attributes:
        violations: what is wrong, each naming the job or key.
    """

    def __init__(self, violations: list[str]) -> None:
        super().__init__("\n  ".join([f"{len(violations)} violations in the stored data:", *violations]))
        self.violations = violations


def check_invariants(connection: Redis, namespace: str = DEFAULT_NAMESPACE, *, quiet: bool = False) -> None:
    """Checks the data of a deployment.

    Args:
        connection: a client of the server, which does not decode responses.
        namespace: the hash tag of the deployment's keys.
        quiet: whether no worker has taken a wake marker without having looked for jobs since. Then every queue with
            jobs must have its marker too.

    Raises:
        InvariantError: with all that is wrong.
    """
    found = violations(read(connection, Keys(namespace)), quiet=quiet)
    if found:
        raise InvariantError(found)


def violations(data: Data, *, quiet: bool = False) -> list[str]:
    """All that is wrong with data that has been read; see ``check_invariants``."""
    checks = [*_CHECKS, places.check_wake_markers] if quiet else _CHECKS
    return [violation for check in checks for violation in check(data)]
