"""Every public name of RQ, as JSON on the standard output. Run by a Python that has RQ; needs nothing else.

A module's names are what it defines; what it merely imports is another's. A package's names are also those that it
re-exports. A class has its members, and the attributes that its ``__init__`` sets; a function has its parameters, and
the options that it takes out of its ``**kwargs``. The command line is a module of its own, ``rq``'s commands its names.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

#: The module under which the commands are listed.
COMMANDS = "command line"

#: What stands for each of them, with the options that they share.
EVERY_COMMAND = "every command"


@dataclass
class Name:
    """A public name.

    Attributes:
        module: where it is.
        path: its name there, such as ``Queue.enqueue``.
        kind: ``class``, ``function``, ``value``, ``attribute``, ``command`` or ``option``.
        parameters: of a function, or of what makes a class's instances: those that can be given by name. Of an option:
            how else it can be written.
        positional: those of them that can be given by position, in order.
    """

    module: str
    path: str
    kind: str
    parameters: list[str] = field(default_factory=list)
    positional: list[str] = field(default_factory=list)


def names_of(package: Any) -> Iterator[Name]:
    """All names of all modules of a package."""
    inside = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    for name in [package.__name__, *sorted(inside)]:
        if not name.endswith("__main__"):
            yield from _names_of_module(importlib.import_module(name), package.__name__)


def _names_of_module(module: Any, package: str) -> Iterator[Name]:
    assigned = set(_assigned_in(_tree_of(module).body))
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or inspect.ismodule(value) or name in ("TYPE_CHECKING", "logger"):
            continue
        if not (_is_class(value) or inspect.isfunction(value)):
            if name in assigned:
                yield Name(module.__name__, name, "value")
        elif value.__module__ == module.__name__ or (_is_package(module) and value.__module__.startswith(package)):
            yield from _names_of_value(module.__name__, name, value, deep=value.__module__ == module.__name__)


def _names_of_value(module: str, path: str, value: Any, *, deep: bool) -> Iterator[Name]:
    kind = "class" if inspect.isclass(value) else "function"
    yield Name(module, path, kind, *(parameters_of(value) if deep else ([], [])))
    if kind == "class" and deep:
        for member in sorted(own_members(value)):
            inner = inspect.getattr_static(value, member, None)
            plain = inner.__func__ if isinstance(inner, (classmethod, staticmethod)) else inner
            if inspect.isfunction(plain) or (inspect.isclass(plain) and plain.__qualname__.startswith(value.__name__)):
                yield from _names_of_value(module, f"{path}.{member}", plain, deep=True)
            else:
                yield Name(module, f"{path}.{member}", "attribute")


def own_members(kind: type) -> set[str]:
    """The public members of a class that it does not inherit, and the attributes that its ``__init__`` sets."""
    members = {*vars(kind), *vars(kind).get("__annotations__", {}), *_set_in_init(kind)}
    if issubclass(kind, tuple):
        members.update(getattr(kind, "_fields", ()))
    if issubclass(kind, Enum):
        members = set(kind.__members__)
    return {member for member in members if not member.startswith("_")}


def members_of(kind: type) -> set[str]:
    """The public members of a class, inherited ones too, and the attributes that its instances are made with."""
    return {member for each in kind.__mro__ if each is not object for member in own_members(each)}


def parameters_of(function: Any) -> tuple[list[str], list[str]]:
    """The names of a function's parameters: all that can be given by name, and those that can be given by position."""
    if inspect.isclass(function) and issubclass(function, Enum):
        return [], []
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], []
    parameters = [each for each in parameters if each.name not in ("self", "cls") and not each.name.startswith("_")]
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    ordered = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if any(each.kind is each.VAR_KEYWORD for each in parameters) and inspect.isfunction(function):
        taken = dict.fromkeys(_options_taken(function))
        named += [option for option in taken if option not in {*named, "args", "kwargs"}]
    return named, ordered


def _options_taken(function: Any) -> Iterator[str]:
    """The names that a function takes out of its ``**kwargs``, itself or by what its class parses them with."""
    yield from _taken_out(function)
    owner = getattr(sys.modules[function.__module__], function.__qualname__.partition(".")[0], None)
    parser = getattr(owner, "parse_args", None)
    if parser is not None and "parse_args" in inspect.getsource(function):
        yield from _taken_out(parser)


def _taken_out(function: Any) -> Iterator[str]:
    for node in ast.walk(_tree_of(function)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop":
            holder, key = node.func.value, node.args[0]
            if isinstance(holder, ast.Name) and holder.id == "kwargs" and isinstance(key, ast.Constant):
                yield key.value


def _set_in_init(kind: type) -> Iterator[str]:
    init = vars(kind).get("__init__")
    if not inspect.isfunction(init) or not init.__code__.co_filename.endswith(".py"):
        return
    for node in ast.walk(_tree_of(init)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                yield target.attr


def _assigned_in(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
        for part in ("body", "orelse", "handlers", "finalbody"):
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                yield from _assigned_in(getattr(statement, part, []))


def _tree_of(code: Any) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError):  # an empty module, or a function that was made without source, as of a dataclass
        return ast.parse("")


def _is_class(value: Any) -> bool:
    return issubclass(type(value), type)  # Python 3.10 takes annotations such as list[int] for classes too


def _is_package(module: Any) -> bool:
    return hasattr(module, "__path__")


def commands_of(group: Any) -> Iterator[Name]:
    """The commands of a group of click with their options, such as ``worker`` and ``worker --burst``.

    An option that every command has is listed once, as one of ``every command``.
    """
    options = dict(_options_of(group))
    shared = set.intersection(*map(set, options.values()))
    yield Name(COMMANDS, EVERY_COMMAND, "command")
    yield from (_option(EVERY_COMMAND, each) for each in sorted(shared))
    for path, own in options.items():
        yield Name(COMMANDS, path, "command")
        yield from (_option(path, each) for each in sorted(set(own) - shared))


def _options_of(group: Any, prefix: str = "") -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The paths of all commands, and how the options of each can be written: first the longest way."""
    for name in sorted(group.list_commands(None)):
        command, path = group.get_command(None, name), f"{prefix}{name}"
        if hasattr(command, "list_commands"):
            yield from _options_of(command, f"{path} ")
        else:
            options = [each for each in command.params if each.param_type_name == "option"]
            yield path, [tuple(sorted(each.opts, key=len, reverse=True)) for each in options]


def _option(path: str, written: tuple[str, ...]) -> Name:
    longest, *others = written
    return Name(COMMANDS, f"{path} {longest}", "option", others)


def read(text: str) -> list[Name]:
    """The names that were printed."""
    return [Name(**fields) for fields in json.loads(text)]


def main() -> None:
    """Prints the names."""
    package = importlib.import_module("rq")
    commands = importlib.import_module("rq.cli").main
    json.dump([asdict(name) for name in [*names_of(package), *commands_of(commands)]], sys.stdout, indent=1)


if __name__ == "__main__":
    main()
