"""Calls against signatures: what can't work, or looks like a slip, is found while the program holds the function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from inspect import Parameter, Signature, signature
from types import FunctionType, MethodType
from typing import Any, Final
from weakref import WeakKeyDictionary

#: How near (0 to 1) a keyword must be to an option to be taken for a slip where a function takes any keyword.
SLIP_CUTOFF: Final = 0.85

#: How near a name must be to be suggested where a call is refused in any case.
HINT_CUTOFF: Final = 0.6

#: How many shapes of accepted calls are remembered for each function.
_MOST_SHAPES: Final = 64


def bind(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    option_names: frozenset[str],
    *,
    explicit: bool = False,
) -> None:
    """Check that a function can be called with these arguments, and that none is a slip for an option.

    Only names and counts are looked at. What counts for a decorated function is the signature of its wrapper, which is
    what will be called. Builtins that tell no signature take anything.

    Args:
        fn: the function.
        args: the positional arguments.
        kwargs: the keyword arguments.
        option_names: the names that ``enqueue`` takes for itself.
        explicit: these ``kwargs`` are meant for the function beyond doubt; where it takes any keyword, none is a slip.

    Raises:
        TypeError: if the call could not work, or if a keyword that is no parameter of the function is very near an
            option.
    """
    if type(fn) is MethodType:  # made anew at each look; its function is not
        bind(fn.__func__, (fn.__self__, *args), kwargs, option_names, explicit=explicit)
        return
    callee = _callee_of(fn)
    if callee.takes_any_keyword and not explicit:
        check_near_options((name for name in kwargs if name not in callee.keywords), option_names)
    shape: tuple[int | str, ...] = (len(args), *kwargs)
    if callee.signature is None or shape in callee.accepted:
        return
    unexpected = [] if callee.takes_any_keyword else [name for name in kwargs if name not in callee.keywords]
    if unexpected:
        hint = _hint(unexpected[0], callee.keywords.difference(kwargs), option_names)
        raise TypeError(f"{_name_of(fn)}() got an unexpected keyword argument {unexpected[0]!r}{hint}")
    try:
        callee.signature.bind(*args, **kwargs)
    except TypeError as error:
        hint = "" if explicit else _hint_for_taken(callee.signature, kwargs, option_names)
        raise TypeError(f"{_name_of(fn)}() {error}{hint}") from None
    if len(callee.accepted) < _MOST_SHAPES:
        callee.accepted.add(shape)


def check_near_options(names: Iterable[str], option_names: frozenset[str]) -> None:
    """Check that no keyword is a slip for an option; for functions that take any keyword, or given by path.

    Args:
        names: the keywords, or the dict of keyword arguments.
        option_names: the names that ``enqueue`` takes for itself.

    Raises:
        TypeError: if one is very near an option, without being it.
    """
    for name in names:
        if near := _near_option(name, option_names):
            raise TypeError(
                f"got the keyword argument {name!r}; did you mean the option {near}=? If it is meant for the function, "
                f"pass it as kwargs={{{name!r}: ...}}"
            )


@dataclass(frozen=True)
class _Callee:
    """What of a signature matters to a call, and the calls seen to fit: how many arguments, and which keywords."""

    signature: Signature | None
    keywords: frozenset[str]
    takes_any_keyword: bool
    accepted: set[tuple[int | str, ...]] = field(default_factory=set)


_callees: WeakKeyDictionary[Callable[..., Any], _Callee] = WeakKeyDictionary()


def _callee_of(fn: Callable[..., Any]) -> _Callee:
    if type(fn) is not FunctionType:
        return _read_callee(fn)
    callee = _callees.get(fn)
    if callee is None:
        callee = _callees[fn] = _read_callee(fn)
    return callee


def _read_callee(fn: Callable[..., Any]) -> _Callee:
    own, told = _parameters_of(fn, follow_wrapped=False), _parameters_of(fn, follow_wrapped=True)
    if own is None:
        return _Callee(None, frozenset(), takes_any_keyword=True)
    keywords = frozenset(
        parameter.name
        for parameter in (*own, *(told or ()))
        if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    )
    return _Callee(Signature(own), keywords, any(parameter.kind is Parameter.VAR_KEYWORD for parameter in own))


def _parameters_of(fn: Callable[..., Any], *, follow_wrapped: bool) -> list[Parameter] | None:
    try:
        parameters = signature(fn, follow_wrapped=follow_wrapped).parameters.values()
    except (TypeError, ValueError, NameError):  # it tells none, or its annotations can't be evaluated
        return None
    # Without defaults and annotations, which could keep alive the function that they belong to.
    return [
        Parameter(parameter.name, parameter.kind, default=parameter.empty if _is_needed(parameter) else None)
        for parameter in parameters
    ]


def _is_needed(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty


def _name_of(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)


def _hint(name: str, keywords: Iterable[str], option_names: frozenset[str]) -> str:
    near = get_close_matches(name, sorted({*keywords, *option_names}), 1, HINT_CUTOFF)
    if not near:
        return ""
    return f"; did you mean the option {near[0]}=?" if near[0] in option_names else f"; did you mean {near[0]}=?"


def _hint_for_taken(told: Signature, kwargs: dict[str, Any], option_names: frozenset[str]) -> str:
    """For a function that needs an argument with an option's name: what was given by this name went to the option."""
    for name, parameter in told.parameters.items():
        if name in option_names and name not in kwargs and parameter.default is Parameter.empty:
            return f"; {name}= is an option of enqueue, and reaches the function only as kwargs={{{name!r}: ...}}"
    return ""


@lru_cache(maxsize=1_024)
def _near_option(name: str, option_names: frozenset[str]) -> str | None:
    if name in option_names:
        return None
    return next(iter(get_close_matches(name, sorted(option_names), 1, SLIP_CUTOFF)), None)
