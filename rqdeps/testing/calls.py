"""Calls compared by what the function gets, however that was written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from rqdeps.functions import path_of

_MISSING = object()

Arguments = Mapping[str, Any]


def check_there(function: Callable[..., Any] | str) -> None:
    """Makes sure that a path is not mistyped, as far as that can be told: its module may be another program's.

    Raises:
        ValueError: its module is there, and the function is not.
    """
    if not isinstance(function, str):
        return
    module_name, _, name = path_of(function).rpartition(".")
    try:
        module = import_module(module_name)
    except ImportError:
        return
    if not hasattr(module, name):
        raise ValueError(f"module {module_name} has no {name!r}")


def bound(function: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    """Arguments by the names of the function's parameters, defaults included; by position where these are not known.

    Args:
        function: the function, or its path, which tells no names.
        args: the arguments by position.
        kwargs: the arguments by name.
    """
    try:
        if isinstance(function, str):
            raise TypeError
        call = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):  # builtins tell no signature, and what a test wants may be no call that could be
        return {f"argument {number}": value for number, value in enumerate(args, 1)} | dict(kwargs)
    call.apply_defaults()
    return _flat(call)


def _flat(call: inspect.BoundArguments) -> Arguments:
    """Arguments one by one, also those that a function takes as ``*args`` and ``**kwargs``."""
    flat: dict[str, Any] = {}
    for name, value in call.arguments.items():
        kind = call.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            flat |= {f"{name}[{number}]": each for number, each in enumerate(value)}
        elif kind is inspect.Parameter.VAR_KEYWORD:
            flat |= value
        else:
            flat[name] = value
    return flat


def argument_differences(wanted: Arguments, found: Arguments, *, others_may_be: bool) -> list[str]:
    """What is different, in words.

    Args:
        wanted: what the arguments are to be. A value may be something like ``unittest.mock.ANY``.
        found: what they are.
        others_may_be: whether there may be more than those.
    """
    names = wanted if others_may_be else dict.fromkeys([*wanted, *found])
    return [
        f"{name} is {_shown(found, name)}, not {_shown(wanted, name)}"
        for name in names
        if name not in wanted or name not in found or wanted[name] != found[name]
    ]


def _shown(arguments: Arguments, name: str) -> str:
    value = arguments.get(name, _MISSING)
    return "not given" if value is _MISSING else repr(value)
