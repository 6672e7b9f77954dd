"""What runs in place of the functions of jobs, without anything being changed in the modules that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rqdeps.functions import resolve


@dataclass
class _Substitute:
    """A function that runs in place of another, so many times still; ``None`` for always."""

    function: Callable[..., Any]
    times: int | None

    def take(self) -> Callable[..., Any]:
        """The function, which counts as run."""
        if self.times is not None:
            self.times -= 1
        return self.function


class Substitutes:
    """What runs in place of the functions of jobs, by their dotted paths."""

    def __init__(self) -> None:
        self._by_path: dict[str, list[_Substitute]] = {}

    def put(self, path: str, function: Callable[..., Any], times: int | None) -> None:
        """Has attempts run another function. What was said last counts first.

        Args:
            path: the dotted path of the function of jobs.
            function: what runs in its place.
            times: in how many attempts; ``None`` for all.

        Raises:
            ValueError: ``times`` is less than 1.
        """
        if times is not None and times < 1:
            raise ValueError(f"times is at least 1, or None for always, not {times}")
        self._by_path.setdefault(path, []).append(_Substitute(function, times))

    def find(self, path: str, allowed: Callable[[str, object], None] | None) -> Callable[..., Any]:
        """What is to run for a function of this path, in one attempt; see ``resolve``."""
        for substitute in reversed(self._by_path.get(path, [])):
            if substitute.times != 0:
                return substitute.take()
        return resolve(path, allowed)
