"""Values that can't be carried between processes: where they stand, why not, and what to pass instead."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    Set,
    ValuesView,
)
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import IOBase
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from rqdeps.retry import Retry, Snooze

#: How many characters of a dict's key an error shows.
_LONGEST_SHOWN: Final = 60

#: The types whose subclasses are refused, since they would come back as these.
_CARRIED: Final = (
    *(str, int, float, dict, list, tuple, set, frozenset, bytes, bytearray),
    *(datetime, date, time, timedelta, Decimal, UUID, PurePath),
)

#: What to do about instances of other types.
_BY_TYPE: Final[Sequence[tuple[tuple[Any, ...], str]]] = (
    ((Retry, Snooze), "raise Snooze(delay) to have the job run again, or any error to have it retried"),
    ((BaseException,), "pass str(...) of it"),
    ((complex,), "pass its .real and .imag"),
    ((IOBase,), "pass the name of the file, or what it holds"),
    ((Awaitable,), "await it first, and pass what it gives"),
    ((AsyncIterable,), "gather what it gives in a list, and pass that"),
    ((Iterator, KeysView, ValuesView, ItemsView, range, deque), "pass list(...) of it"),
    ((Mapping,), "pass dict(...) of it"),
    ((Set,), "pass set(...) of it"),
    ((Callable,), "pass its dotted path as a str, and import it inside the job"),
)

#: Methods by which objects of other libraries turn into plain values, such as numpy's, pandas' and pydantic's.
_METHODS: Final = ("tolist", "item", "to_dict", "model_dump")


class FieldName(str):
    """The name of a dataclass's field, among the keys that lead to a value."""

    __slots__ = ()


class RefusedError(Exception):
    """A value that can't be carried. Gathers the keys that lead to it, inmost first, while the writer unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.which = ""
        self.keys: list[Any] = []

    def place(self, where: str) -> str:
        """Where the value stands, such as ``argument 2["rows"][0].price``.

        Args:
            where: what holds it, such as ``"argument 2"``.
        """
        steps = (f".{key}" if isinstance(key, FieldName) else f"[{shown(key)}]" for key in reversed(self.keys))
        return self.which + where + "".join(steps)


def shown(key: Any) -> str:
    """A dict's key, or a small value, as an error shows it."""
    text = json.dumps(key, ensure_ascii=not key.isprintable()) if isinstance(key, str) else repr(key)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def is_job(kind: type) -> bool:
    """Whether a class is one of jobs, which are never carried: their outputs or ids are."""
    return bool(getattr(kind, "__rqdeps_job__", False))


def why_not(value: Any) -> str:
    """Say why a value is refused, as the rest of a sentence that begins with its place.

    Args:
        value: something of a type that can't be carried.
    """
    kind = type(value)
    if is_job(kind):
        return "is a job: pass its .output for its return value, which the new job then waits for, or pass its .id"
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"is of the type {name}, which can't be carried: {_way_out(value, kind)}"


def _way_out(value: Any, kind: type) -> str:
    if isinstance(value, tuple) and hasattr(kind, "_asdict"):
        return "pass its ._asdict(), or tuple(...) of it"
    if method := next((name for name in _METHODS if callable(getattr(kind, name, None))), None):
        is_scalar = method == "tolist" and getattr(value, "ndim", None) == 0 and hasattr(kind, "item")
        return f"pass its .{'item' if is_scalar else method}()"
    if base := next((base for base in _CARRIED if isinstance(value, base)), None):
        return f"convert it to a plain {base.__name__}"
    for kinds, way_out in _BY_TYPE:
        if isinstance(value, kinds):
            return way_out
    return "pass its id or a plain dict, and load or build the object inside the job"
