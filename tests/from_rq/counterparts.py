"""Whether rqdeps has what a verdict says, and whether its functions take what RQ's take."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import click

from from_rq.names import COMMANDS, Name, members_of, parameters_of
from from_rq.verdicts import BETTER, NOT_THERE, SAME, Verdict, Verdicts, full_name
from rqdeps.cli import main
from rqdeps.options import ALL_OPTION_NAMES, OPTION_NAMES

#: Something that is there, and not worth a look: an attribute that instances are made with.
_AN_ATTRIBUTE = object()

_MISSING = object()


def faults_of(name: Name, verdicts: Verdicts) -> Iterator[str]:
    """What is wrong about a name that rqdeps is said to have."""
    where = verdicts.counterpart(name)
    if not is_there(name, verdicts):
        yield f"{full_name(name)}: there is no {where}"
    elif name.kind == "option":
        yield from (f"{where}: there is no {fault}" for fault in _spellings_missing(name, _command(where), verdicts))
    elif name.kind in ("class", "function"):
        yield from (f"{where}: {fault}" for fault in _faults_of_parameters(name, _found(where), verdicts))


def _spellings_missing(name: Name, found: Any, verdicts: Verdicts) -> Iterator[str]:
    for written in name.parameters:
        is_there = written in found.opts
        if is_there != (_kind(verdicts.of_parameter(name, written)) != NOT_THERE):
            yield written


def _kind(verdict: Verdict | None) -> str:
    """What becomes of a parameter; without a verdict, it is the same."""
    return SAME if verdict is None else verdict.kind


def is_there(name: Name, verdicts: Verdicts) -> bool:
    """Whether rqdeps has a name of RQ, be it under the name that a verdict says."""
    where = verdicts.counterpart(name)
    return (_command(where) if name.module == COMMANDS else _found(where)) is not _MISSING


def _faults_of_parameters(name: Name, found: Any, verdicts: Verdicts) -> Iterator[str]:
    kinds = {parameter: _kind(verdicts.of_parameter(name, parameter)) for parameter in name.parameters}
    if set(kinds.values()) == {NOT_THERE}:
        return  # others than users call it
    named, ordered = _parameters_of(found)
    by_position = _positional_only(found)
    for parameter, kind in kinds.items():
        is_taken = parameter in named or (kind == BETTER and _position(name, parameter) < len(by_position))
        if kind == NOT_THERE and parameter in named and not _is_refused(name, parameter, verdicts):
            yield f"{parameter}= is there, other than the verdict says"
        elif kind != NOT_THERE and not is_taken:
            yield f"{parameter}= is not there"
    for theirs, ours in zip(name.positional, ordered, strict=False):
        is_said = f"{full_name(name)}({theirs})" in verdicts.by_name
        if theirs != ours and ours not in by_position and not is_said:
            yield f"what RQ takes as {theirs} by position would be {ours}"


def _is_refused(name: Name, parameter: str, verdicts: Verdicts) -> bool:
    """Whether rqdeps takes a parameter only to tell what to do instead, as the verdict says."""
    verdict = verdicts.of_parameter(name, parameter)
    return verdict is not None and verdict.note.startswith("refused")


def _found(where: str) -> Any:
    """What has this dotted name, if anything."""
    found, parts = _module_in(where)
    for part in parts:
        if inspect.isclass(found):
            found = getattr(found, part, _AN_ATTRIBUTE) if part in members_of(found) else _MISSING
        else:
            found = getattr(found, part, _MISSING)
    return found


def _module_in(where: str) -> tuple[Any, list[str]]:
    """The innermost module in a dotted name, and the names that follow it."""
    parts = where.split(".")
    for end in range(len(parts) - 1, 1, -1):
        try:
            return importlib.import_module(".".join(parts[:end])), parts[end:]
        except ModuleNotFoundError:
            continue
    return importlib.import_module(parts[0]), parts[1:]


def _command(where: str) -> Any:
    """The command, or the option of one, that is written like this, if there is one."""
    found: Any = main
    for word in where.split()[1:]:
        if word.startswith("--"):
            found = next((each for each in getattr(found, "params", ()) if word in each.opts), _MISSING)
        else:
            found = _subcommand(found, word)
    return found


def _subcommand(group: Any, name: str) -> Any:
    command = group.get_command(click.Context(group), name) if isinstance(group, click.Group) else None
    return _MISSING if command is None else command


def _parameters_of(found: Any) -> tuple[set[str], list[str]]:
    """As ``parameters_of``, with the options that rqdeps' annotations name."""
    named, ordered = parameters_of(found)
    return {*named, *_options_of(found)}, ordered


def _options_of(found: Any) -> frozenset[str]:
    for parameter in _signature(found):
        if parameter.kind is parameter.VAR_KEYWORD:
            if "AllOptions" in str(parameter.annotation):
                return ALL_OPTION_NAMES
            if "Options" in str(parameter.annotation) or found.__name__.startswith("enqueue"):
                return OPTION_NAMES
    return frozenset()


def _positional_only(found: Any) -> list[str]:
    return [each.name for each in _signature(found) if each.kind is each.POSITIONAL_ONLY and each.name != "self"]


def _position(name: Name, parameter: str) -> int:
    return name.positional.index(parameter) if parameter in name.positional else len(name.positional)


def _signature(found: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return []
