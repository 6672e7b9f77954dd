"""Environment variables that are asked for again and again, at every job."""

from __future__ import annotations

import os


class Variable:
    """An environment variable, which may change at any time. It is quickly found not to be set, as most are not.

    Args:
        name: its name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = os.environ.encodekey(name)

    def get(self) -> str:
        """Its value, or nothing if it is not set."""
        # What `os.environ` is made of has no public name. Asking it takes 2 µs where a variable is not set.
        known = getattr(os.environ, "_data", None)
        if known is not None and self._key not in known:
            return ""
        return os.environ.get(self._name, "")
