"""From a dotted path to what it names: the longest of its modules that there is, and what that holds by this name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from rqdeps.errors import JobTimeoutError, RqdepsError


def find_object(path: str, error: type[RqdepsError]) -> Any:
    """Import what a dotted path names.

    Args:
        path: such as ``"tasks.report"`` or ``"package.module.Class.method"``, with one dot at least.
        error: what to raise, with words for people, if there is no such module, if importing it raises something (the
            cause then), or if nothing in it has this name.
    """
    module_name, _, name = path.rpartition(".")
    if (found := getattr(sys.modules.get(module_name), name, None)) is not None:
        return found  # which is what is found below too, after a search
    names = path.split(".")
    prefixes = [".".join(names[:count]) for count in range(1, len(names))]
    loaded = next((prefix for prefix in reversed(prefixes) if prefix in sys.modules), None)
    found = walk(sys.modules[loaded], path[len(loaded) + 1 :]) if loaded else None
    if found is None:
        module_name = _import_longest(path, prefixes, error)
        found = walk(sys.modules[module_name], path[len(module_name) + 1 :])
        if found is None:
            raise error(_what_is_missing(path, module_name))
    return found


def walk(found: Any, names: str) -> Any:
    """What a module holds under a name with dots; ``None`` if nothing."""
    for name in names.split("."):
        found = getattr(found, name, None)
    return found


def _import_longest(path: str, prefixes: Sequence[str], error: type[RqdepsError]) -> str:
    """Import the longest of these modules that there is; what follows in the path may be a class and its method."""
    imported = None
    for module_name in prefixes:
        if not _import(path, module_name, error):
            break
        imported = module_name
    if imported is None:
        raise error(
            f"{path} can't be imported: there is no module {prefixes[0]!r} here; is it installed, and was the worker "
            "started in the right directory?"
        )
    return imported


def _import(path: str, module_name: str, error: type[RqdepsError]) -> bool:
    """Import a module, or tell that there is none of this name."""
    try:
        import_module(module_name)
    except JobTimeoutError:
        raise
    except (Exception, SystemExit) as raised:
        if isinstance(raised, ModuleNotFoundError) and f"{module_name}.".startswith(f"{raised.name}."):
            return False
        raise error(
            f"{path} can't be imported: importing {module_name!r} raised {type(raised).__name__}: {raised}"
        ) from raised
    return True


def _what_is_missing(path: str, module_name: str) -> str:
    holder, names = sys.modules[module_name], path[len(module_name) + 1 :].split(".")
    holder_name = module_name
    while len(names) > 1 and hasattr(holder, names[0]):
        holder_name, holder = f"{holder_name}.{names[0]}", getattr(holder, names.pop(0))
    near = get_close_matches(names[0], dir(holder), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{path} can't be imported: {holder_name!r} has no {names[0]!r}{hint}"
