"""Options of commands that are not on the command line but in variables, or in tables of ``pyproject.toml``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from rqdeps.allowance import ALLOW_VARIABLE
from rqdeps.codec import MAX_PAYLOAD_VARIABLE, SERIALIZER_VARIABLE
from rqdeps.configuration import (
    TABLE_NAME,
    Configuration,
    configuration,
    is_signing_key,
    why_no_signing_key,
    why_not_a_key,
)
from rqdeps.signatures import HINT_CUTOFF
from rqdeps.store.connection import URL_VARIABLE, url_from
from rqdeps.text import printable

#: The variables that say for all programs what these options say for a command. They come before the file.
GENERAL: Final = {
    "url": URL_VARIABLE,
    "allow": ALLOW_VARIABLE,
    "serializer": SERIALIZER_VARIABLE,
    "max-payload": MAX_PAYLOAD_VARIABLE,
}

#: What an option can be given in the file as.
_Typed = str | bool | list[str]


# Variables


def variable_of(words: Sequence[str], key: str) -> str:
    """The variable that stands for an option: ``RQDEPS_WORKER_MAX_MEMORY``.

    Args:
        words: the command, such as ``["workflow", "list"]``.
        key: the option, as ``key_of`` has it.
    """
    return "_".join(["rqdeps", *words, key]).replace("-", "_").upper()


def key_of(parameter: click.Parameter) -> str | None:
    """What an option is called in the file: ``max-memory``. ``None`` for what is only given on the command line.

    That is so for arguments too, but for those that name a variable.
    """
    if isinstance(parameter, click.Argument):
        return parameter.name if parameter.envvar else None
    if not isinstance(parameter, click.Option) or parameter.hidden or not parameter.expose_value:
        return None
    return next((name[2:] for name in parameter.opts if name.startswith("--")), None)


def variables_of(parameter: click.Parameter) -> list[str]:
    """The variables that stand for an option, the first first."""
    named = parameter.envvar or []
    return [named] if isinstance(named, str) else list(named)


def name_variables(command: click.Command, words: Sequence[str]) -> None:
    """Tells the options of a command, and of those below it, by which variables they are given."""
    for each, below in commands_of(command, words):
        for parameter in each.params:
            key = key_of(parameter)
            if key is not None:
                parameter.envvar = list(dict.fromkeys([variable_of(below, key), *variables_of(parameter)]))


def commands_of(command: click.Command, words: Sequence[str]) -> Iterator[tuple[click.Command, list[str]]]:
    """A command and all below it, each with its words."""
    yield command, list(words)
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            if below is not None:
                yield from commands_of(below, [*words, name])


# Tables


@dataclass(frozen=True)
class Entry:
    """What the table of a command says.

    Attributes:
        words: the command.
        key: what it is called there.
        value: what stands there.
        problem: why that can't be; empty if it can.
        parameter: the option that it is for, if there is one.
        typed: the value as it would come from the command line.
    """

    words: Sequence[str]
    key: str
    value: Any
    problem: str = ""
    parameter: click.Parameter | None = None
    typed: _Typed = ""

    @property
    def overridden_by(self) -> str | None:
        """The variable that is set and comes before it."""
        if self.parameter is None:
            return None
        names = variables_of(self.parameter)
        key = key_of(self.parameter) or ""
        if key in GENERAL and not isinstance(self.parameter.default, str):  # who has a default asks for no other
            names.append(GENERAL[key])
        return next((name for name in names if os.environ.get(name)), None)


def table_name(words: Sequence[str]) -> str:
    """What the table of a command is called."""
    return ".".join([TABLE_NAME, *words])


def problems_at_the_top(found: Configuration, names: Iterable[str]) -> Iterator[tuple[str, Any, str]]:
    """What can't stand in ``[tool.rqdeps]``: key, value and why.

    Args:
        found: the project's configuration.
        names: the commands.
    """
    for key, value in found.table.items():
        if key == "url":
            continue
        if not isinstance(value, Mapping):
            yield key, value, why_not_a_key(key)
        elif _canonical(key) not in names:
            yield key, value, f"[{TABLE_NAME}.{key}] is for no command{_nearest(key, names)}"


def entries_of(command: click.Command, words: Sequence[str], table: Any, folder: Path) -> Iterator[Entry]:
    """What the table of a command says, and those of the commands below it.

    Args:
        command: the command.
        words: its words.
        table: what stands under its name.
        folder: where the file is: relative URLs are meant from there.
    """
    below = command.commands if isinstance(command, click.Group) else {}
    options = {key: parameter for parameter in command.params if (key := key_of(parameter)) is not None}
    seen = set()
    for written, value in table.items():
        key = _canonical(written)
        name = table_name(words)
        if is_signing_key(key):
            yield Entry(words, written, value, why_no_signing_key(name, written))
        elif key in seen:
            yield Entry(words, written, value, f"[{name}] says {key} twice, with a dash and with an underscore")
        elif key in below and isinstance(value, Mapping):
            yield from entries_of(below[key], [*words, key], value, folder)
        elif key in below:
            yield Entry(
                words, written, value, f"[{name}] {written} is a command: it takes a table, not {_shown(value)}"
            )
        elif key not in options:
            nearest = _nearest(key, [*options, *below])
            yield Entry(words, written, value, f"[{name}] has no key {written!r}{nearest}")
        else:
            yield _entry(words, written, value, options[key], folder)
        seen.add(key)


def _entry(words: Sequence[str], key: str, value: Any, parameter: click.Parameter, folder: Path) -> Entry:
    try:
        typed = _as_typed(value, parameter)
    except ValueError as error:
        return Entry(words, key, value, f"[{table_name(words)}] {key} takes {error}, not {_shown(value)}", parameter)
    if key == "url" and isinstance(typed, str):
        typed = url_from(typed, folder)
    return Entry(words, key, value, "", parameter, typed)


def _as_typed(value: Any, parameter: click.Parameter) -> _Typed:
    """The value as click knows it from the command line; what it stands for is for the option itself to say."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value
    if getattr(parameter, "multiple", False) or parameter.nargs != 1:
        if not isinstance(value, list) or not all(map(_is_plain, value)):
            raise ValueError('a list, such as ["one", "two"]')
        return list(map(str, value))
    if not _is_plain(value):
        raise ValueError("a text or a number")
    return str(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value as TOML has it, or near enough."""
    return "a table" if isinstance(value, Mapping) else json.dumps(value, default=str, ensure_ascii=False)


def _canonical(key: str) -> str:
    """A key with dashes, which may be written with underscores."""
    return key.replace("_", "-")


def _nearest(key: str, names: Iterable[str]) -> str:
    """What may have been meant, as the end of a line."""
    names = list(names)
    near = get_close_matches(_canonical(key), names, 1, HINT_CUTOFF)
    if near:
        return f": did you mean {near[0]}?"
    return f"; there are {', '.join(names)}" if names else "; it takes none"


# What a command gets


def defaults_for(command: click.Command, name: str, names: Iterable[str]) -> dict[str, Any] | None:
    """What the project says for a command, as click takes it.

    Args:
        command: the command that is about to run.
        name: its name.
        names: those of all commands.

    Raises:
        ValueError: the file is no TOML, or has a key that there is not, at the top or for this command, or a value that
            can't be.
    """
    found = configuration()
    if found is None:
        return None
    defaults: dict[str, Any] = {}
    problems = [problem for _, _, problem in problems_at_the_top(found, names)]
    tables = [table for key, table in found.table.items() if _canonical(key) == name and isinstance(table, Mapping)]
    for entry in (each for table in tables for each in entries_of(command, [name], table, found.path.parent)):
        if entry.problem:
            problems.append(entry.problem)
        elif entry.overridden_by is None and entry.parameter is not None:
            level = defaults
            for word in entry.words:
                level = level.setdefault(word, {})
            level[entry.parameter.name or ""] = entry.typed
    if problems:
        raise ValueError(printable(f"{found.path}: {problems[0]}"))
    return defaults


def asks_for_help(command: click.Command, args: Sequence[str], context: click.Context) -> bool:
    """Whether what is about to run only tells about itself.

    Args:
        command: the command.
        args: what it is given.
        context: that of the group.
    """
    options = args[: args.index("--")] if "--" in args else args
    return any(name in options for name in context.help_option_names) or (isinstance(command, click.Group) and not args)


def origin_of(error: click.BadParameter) -> str | None:
    """Where a value stands that an option does not take, if that is not the command line."""
    context, parameter = error.ctx, error.param
    if context is None or parameter is None or parameter.name is None:
        return None
    source = context.get_parameter_source(parameter.name)
    if source is ParameterSource.ENVIRONMENT:
        return next((f"${name}" for name in variables_of(parameter) if os.environ.get(name)), None)
    found = configuration() if source is ParameterSource.DEFAULT_MAP else None
    if found is None:
        return None
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    return f"{found.path}: [{table_name(words)}]"
