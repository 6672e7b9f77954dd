"""What can go wrong in a test, apart from what it tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rqdeps.errors import RqdepsError
from rqdeps.text import times

#: How many functions an error names.
_NAMED = 3


class ExtraMissingError(RqdepsError, ImportError):
    """A package is not installed that only tests need."""

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} needs the package {package}, which is not installed: pip install 'rqdeps[testing]'")


class EndlessDrainError(RqdepsError):
    """So much has run that there is probably no end to it.

    Args:
        functions: the function of each attempt that was made.
    """

    def __init__(self, functions: Iterable[str]) -> None:
        counts = Counter(functions)
        most = ", ".join(f"{name} {times(count, 'time')}" for name, count in counts.most_common(_NAMED))
        others = " and others" if len(counts) > _NAMED else ""
        super().__init__(
            f"drain() has made {times(counts.total(), 'attempt')}, and there are jobs left: {most}{others}. Does a job "
            f"enqueue itself, or retry without a delay? If there are that many, say so: drain(max_jobs=...)"
        )
