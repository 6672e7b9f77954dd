"""Mapping a function over a list that may be known only while the graph runs: a job that spawns one for each item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rqdeps.callbacks import NO_CALLBACKS
from rqdeps.codec import Codec
from rqdeps.dependency import Output, Rule, check_rule
from rqdeps.enqueue_data import EnqueueData, FunctionCall, call_of
from rqdeps.fallback import WAY_OUT, Fallback
from rqdeps.functions import bind, path_of
from rqdeps.options import OPTION_NAMES, JobOptions
from rqdeps.retry import Retry

#: How often the job that spawns the others tries: what can fail there is the connection.
_RETRIES: Final = 3

#: What a map runs, in a worker: see there.
SPREAD: Final = "rqdeps.spreading.spread"

_DESCRIPTION: Final = "map of "


def map_data(
    func: Callable[..., Any] | str,
    items: Iterable[Any] | Output,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    rule: Rule,
    options: JobOptions,
    codec: Codec,
) -> EnqueueData:
    """The job to be that maps a function over items.

    Args:
        func: a function that workers can import, or its dotted path.
        items: the items, or the output of a job that returns them.
        args: further arguments of each call, after its item.
        kwargs: those by name.
        rule: the trigger rule by which the map joins its elements.
        options: whatever says when it runs is for the map, all else for each element.
        codec: how the arguments are written.

    Raises:
        TypeError: ``items`` is no list, or the arguments don't fit the function's signature.
        ValueError: there is no such rule.
        UnsupportedFunctionError: a worker could not find the function.
        SerializationError: an argument can't be carried.
    """
    check_rule(rule)
    path = path_of(func)
    given = items if isinstance(items, Output) else listed(items)
    call = FunctionCall.apart(func, args, kwargs, options)
    element = ((None, *call.args), dict(call.kwargs))
    _check_call(func, *element)
    values: dict[str, Any] = {
        "func": path,
        "items": given,
        "args": list(call.args),
        "kwargs": dict(call.kwargs),
        "rule": rule,
        "options": options.plain(),
        "fallback": None if options.fallback is None else _plain_fallback(options.fallback, *element),
    }
    own = replace(
        options,
        description=f"{_DESCRIPTION}{path}",
        meta=None,
        timeout_ms=None,
        retry=Retry(max=_RETRIES),
        fallback=None,
        callbacks=NO_CALLBACKS,
        rule=None,
    )
    return FunctionCall(SPREAD, (), values, own, kwargs_are_meant=True).data(codec)


def mapped_by(function: str, description: str) -> str | None:
    """The dotted path of the function that a job maps over items, if that is what it does.

    Args:
        function: the dotted path of the job's function.
        description: its description.
    """
    return description.removeprefix(_DESCRIPTION) if function == SPREAD else None


def listed(items: object) -> list[Any]:
    """Items as a list.

    Raises:
        TypeError: they are a text or a dictionary, which would be taken apart by accident, or not iterable at all.
    """
    if isinstance(items, (str, bytes, bytearray, Mapping)) or not isinstance(items, Iterable):
        raise TypeError(
            f"a map goes over a list of items, or the output of a job that returns one, not over "
            f"{type(items).__name__}: {_way_out(items)}"
        )
    return list(items)


def _way_out(items: object) -> str:
    if isinstance(items, Mapping):
        return "pass list(d.items()), list(d) or list(d.values())"
    if isinstance(items, (str, bytes, bytearray)):
        return "put it into a list if it is one item"
    if getattr(items, "__rqdeps_job__", False):
        return "pass its .output"
    return "put it into a list"


def chain_datas(
    functions: Sequence[Callable[..., Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    options: JobOptions,
    codec: Codec,
) -> list[EnqueueData]:
    """Jobs to be that run one after the other; each gets what the one before it has returned.

    Args:
        functions: the functions.
        args: the arguments of the first.
        kwargs: those by name.
        options: what says when it runs is for the first, all else for each.
        codec: how the arguments are written.

    Raises:
        TypeError: there is no function, or the arguments don't fit.
        ValueError: an option can't be for several jobs.
    """
    if not functions:
        raise TypeError("a chain needs at least one function")
    if options.job_id is not None and len(functions) > 1:
        raise ValueError("job_id is for one job, and a chain is several")
    if len(functions) > 1:
        options.refuse_repeat("a job of a chain")
    datas = [FunctionCall.apart(functions[0], args, kwargs, options).data(codec)]
    later = replace(options, groups=(), job_id=None)
    for function in functions[1:]:
        datas.append(FunctionCall.apart(function, [datas[-1].output], None, later).data(codec))
    return datas


def _plain_fallback(fallback: Fallback, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """A fallback as plain values; without arguments where it takes those of its job, which are given."""
    if fallback.takes_arguments_of_job:
        try:
            _check_call(fallback.func, args, kwargs)
        except TypeError as error:
            raise TypeError(f"{error}; {WAY_OUT}") from None
        return {"func": path_of(fallback.func)}
    call = call_of(fallback)
    own = (tuple(call.args), dict(call.kwargs))
    _check_call(call.func, *own)
    behind = call.options.fallback
    return {
        "func": path_of(call.func),
        "args": list(call.args),
        "kwargs": dict(call.kwargs),
        "options": call.options.plain(),
        "fallback": None if behind is None else _plain_fallback(behind, *own),
    }


def _check_call(func: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Makes sure that a function, if it is at hand, can be called in this way. Raises ``TypeError`` otherwise."""
    if callable(func):
        bind(func, args, kwargs, OPTION_NAMES, explicit=True)


def restored_fallback(values: Mapping[str, Any] | None) -> Fallback | None:
    """The fallback whose plain values were carried with a map."""
    if values is None:
        return None
    if "options" not in values:
        return Fallback.of(values["func"])
    fallback = Fallback(values["func"])
    fallback.args, fallback.kwargs = tuple(values["args"]), dict(values["kwargs"])
    fallback.options = JobOptions.restored(values["options"], restored_fallback(values["fallback"]))
    return fallback
