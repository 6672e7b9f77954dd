"""Functions that are called once an attempt of a job has ended, in the process that ran it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

from rqdeps.durations import to_ms
from rqdeps.functions import path_of

#: How long a callback may run unless it says otherwise, in milliseconds; as in RQ.
DEFAULT_TIMEOUT_MS: Final = 60_000


@dataclass(frozen=True, init=False)
class Callback:
    """A function that is called once a job has run, with a time limit of its own.

    What it gets depends on the option that it is given for: see ``Options``. What it raises never changes what became
    of the job.

    Args:
        func: a function that workers can import, or its dotted path.
        timeout: how long it may run: seconds, a ``timedelta``, or a text such as ``"5m"``; 60 s by default.

    Attributes:
        name: the dotted path of the function.
        timeout_ms: how long it may run, in milliseconds.

    Raises:
        UnsupportedFunctionError: a worker could not find the function.
        TypeError: ``timeout`` is no duration.
        ValueError: ``timeout`` is 0, negative, or longer than 100 years.
    """

    name: str
    timeout_ms: int

    def __init__(self, func: Callable[..., Any] | str, timeout: int | float | str | timedelta | None = None) -> None:
        timeout_ms = to_ms(timeout, "the timeout of a callback")
        if timeout_ms == 0:
            raise ValueError("the timeout of a callback is 0, which leaves no time to run")
        object.__setattr__(self, "name", path_of(func))
        object.__setattr__(self, "timeout_ms", DEFAULT_TIMEOUT_MS if timeout_ms is None else timeout_ms)

    def __repr__(self) -> str:
        limit = "" if self.timeout_ms == DEFAULT_TIMEOUT_MS else f", timeout={self.timeout_ms / 1000}"
        return f"Callback({self.name!r}{limit})"

    @classmethod
    def of(cls, value: object, option: str) -> Callback | None:
        """Reads an option: a function or its path is a callback with the usual time limit.

        Raises:
            TypeError: it is neither that nor a callback.
            UnsupportedFunctionError: a worker could not find the function.
        """
        if value is None or isinstance(value, Callback):
            return value
        if not callable(value) and not isinstance(value, str):
            raise TypeError(f"{option} is a function, its dotted path, or a Callback, not {type(value).__name__}")
        return cls(value)

    def encode(self) -> str:
        """As compact text: ``tasks.report``, or ``tasks.report:5000ms`` where its time limit is not the usual one."""
        return self.name if self.timeout_ms == DEFAULT_TIMEOUT_MS else f"{self.name}:{self.timeout_ms}ms"

    @classmethod
    def decode(cls, text: str) -> Callback:
        """Reads what ``encode`` wrote. Raises ``ValueError`` for what it did not write."""
        path, _, timeout = text.partition(":")
        return cls(path, timeout or None)


@dataclass(frozen=True)
class Callbacks:
    """The callbacks of one job, each by the name of its option.

    Attributes:
        on_success: called when the function has returned.
        on_failure: called when it has raised.
        on_stopped: called when a person has stopped it.
    """

    on_success: Callback | None = None
    on_failure: Callback | None = None
    on_stopped: Callback | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Callbacks:
        """Reads the options that are callbacks. Raises what ``Callback.of`` raises."""
        if _NAMES.isdisjoint(options):
            return NO_CALLBACKS
        return cls(*(Callback.of(options.get(field.name), field.name) for field in fields(cls)))

    def given(self) -> dict[str, Callback]:
        """Those that there are, by the names of their options."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: callback for name, callback in every.items() if callback is not None}

    def encode(self) -> str:
        """As compact text; empty if there are none.

        In the order of the attributes, with commas between them: ``tasks.report``, or ``,tasks.alert:5000ms``, or
        ``tasks.report,,tasks.clean``.
        """
        every = (self.on_success, self.on_failure, self.on_stopped)
        return ",".join(callback.encode() if callback else "" for callback in every).rstrip(",")

    @classmethod
    def decode(cls, text: str) -> Callbacks:
        """Reads what ``encode`` wrote.

        Raises:
            ValueError: for text that ``encode`` did not write.
        """
        parts = text.split(",")
        if len(parts) > len(fields(cls)):
            raise ValueError(f"{text!r} names more callbacks than a job can have")
        return cls(*(Callback.decode(part) if part else None for part in parts))


#: Those of most jobs.
NO_CALLBACKS: Final = Callbacks()

#: The options that are callbacks.
_NAMES: Final = frozenset(field.name for field in fields(Callbacks))
