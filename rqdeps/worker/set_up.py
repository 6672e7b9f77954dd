"""What a process for jobs does before its first job: what the worker was told to load and to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rqdeps.codec import Codec
from rqdeps.durations import FOREVER
from rqdeps.errors import SetUpError
from rqdeps.functions import resolve
from rqdeps.worker.execution import EndingCopies, call
from rqdeps.worker.options import Function, HorseOptions
from rqdeps.worker.time_limit import TimeLimit


@dataclass(frozen=True)
class Ready:
    """What was loaded.

    Attributes:
        init: to be called in each process that runs jobs, before the first.
        exception_handlers: to be called when an attempt fails.
    """

    init: Callable[[], Any] | None
    exception_handlers: tuple[Callable[..., Any], ...]


def load(options: HorseOptions, codec: Codec) -> Ready:
    """Imports what jobs will need.

    Raises:
        SetUpError: something can't be imported.
    """
    try:
        codec.load()
    except Exception as error:
        raise SetUpError(f"the serializer can't be used: {error}") from error
    for name in options.preload:
        try:
            with EndingCopies():
                import_module(name)
        except (Exception, SystemExit) as error:
            raise SetUpError(f"the module {name!r} can't be preloaded: {type(error).__name__}: {error}") from error
    return Ready(
        None if options.init is None else _function(options.init, "init"),
        tuple(_function(handler, "the exception handler") for handler in options.exception_handlers),
    )


def _function(given: Function, what: str) -> Callable[..., Any]:
    if not isinstance(given, str):
        return given
    try:
        return resolve(given)
    except Exception as error:
        raise SetUpError(f"{what} can't be used: {error}") from error


def initialise(ready: Ready) -> None:
    """Calls what the worker was told to call in each process that runs jobs.

    Raises:
        SetUpError: it raised something.
    """
    if ready.init is None:
        return
    try:
        with TimeLimit(FOREVER, "") as limit:
            call(ready.init, (), {}, limit)
    except (Exception, SystemExit) as error:
        name = getattr(ready.init, "__qualname__", repr(ready.init))
        raise SetUpError(f"init, {name}, raised {type(error).__name__}: {error}") from error
