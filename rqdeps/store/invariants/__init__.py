"""What must be true of the stored data at any moment between two calls, checked on the data itself.

For tests, and for a person who doubts. Nothing is changed. The data is read in several steps, so nobody else may write
meanwhile. ``docs/architecture.md`` says what the keys hold.
"""

from __future__ import annotations

from redis import Redis

from rqdeps.store.invariants.checks import CHECKS, check_wake_markers
from rqdeps.store.invariants.data import read
from rqdeps.store.keys import DEFAULT_NAMESPACE, Keys

__all__ = ["InvariantError", "check_invariants"]


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
    data = read(connection, Keys(namespace))
    checks = [*CHECKS, check_wake_markers] if quiet else CHECKS
    violations = [violation for check in checks for violation in check(data)]
    if violations:
        raise InvariantError(violations)
