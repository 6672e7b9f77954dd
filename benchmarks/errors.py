"""What keeps a figure from being measured, as words for its cell in the table."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A measurement came to nothing; the text says why, for the table.

    Attributes:
        figures: what had been measured before.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.figures: dict[str, float] = {}


class StalledError(BenchmarkError):
    """Jobs did not end in the time that they were given."""


class LacksError(BenchmarkError):
    """The queue, or this system, does not do what is measured."""


class SkippedError(BenchmarkError):
    """A queue can't be measured here at all."""
