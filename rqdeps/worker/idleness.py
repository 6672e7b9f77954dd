"""For how long a worker has had nothing to do."""

from __future__ import annotations

import time


class Idleness:
    """Knows when a worker has had nothing to do for as long as it may.

    Args:
        longest_ms: how long that is, in milliseconds; ``None`` for ever.
    """

    def __init__(self, longest_ms: int | None) -> None:
        self._longest = None if longest_ms is None else longest_ms / 1000
        self._since = time.monotonic()

    def is_over(self, *, has_work: bool) -> bool:
        """Whether it has had nothing to do for so long.

        Args:
            has_work: whether it has anything to do now.
        """
        if has_work:
            self._since = time.monotonic()
        return self._longest is not None and time.monotonic() - self._since >= self._longest
