"""Functions by their dotted paths: a program names one, a worker imports it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NoReturn
from weakref import WeakKeyDictionary

from rqdeps.errors import RqdepsError, UnsupportedFunctionError
from rqdeps.imports import find_object, walk
from rqdeps.signatures import bind, check_near_options

__all__ = ["FunctionImportError", "bind", "check_near_options", "path_of", "resolve"]

#: How many characters of an object an error shows.
_LONGEST_SHOWN: Final = 100


class FunctionImportError(RqdepsError, ImportError):
    """A worker can't import a job's function. Where importing it raised something, that is the ``__cause__``."""


# From a function to its path


def path_of(fn: Callable[..., Any] | str) -> str:
    """The dotted path by which a worker finds a function, such as ``"tasks.report"``.

    Args:
        fn: a function, builtin, class, static method or class method, or a dotted path.

    Raises:
        UnsupportedFunctionError: for what a worker could not find: a lambda, a nested function, a method of a living
            object, a callable object without a name, a ``functools.partial``, something of ``__main__``, something
            else than what its path leads to, or a str that is no dotted path.
    """
    if isinstance(fn, str):
        return _checked(fn)
    if type(fn) is not FunctionType:  # other callables may compare equal, or be made anew at each look
        return _find_path(fn)
    path = _paths.get(fn)
    if path is None:
        path = _paths[fn] = _find_path(fn)
    return path


_paths: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()


def _checked(path: str) -> str:
    parts = path.split(".")
    if len(parts) < 2 or not all(map(str.isidentifier, parts)):  # noqa: PLR2004
        raise UnsupportedFunctionError(f"{path!r} is no dotted path of a function, such as 'tasks.report'")
    if parts[0] == "__main__":
        _refuse_main(path)
    return path


def _find_path(fn: Any) -> str:
    if not callable(fn):
        raise UnsupportedFunctionError(
            f"{_short(fn)} is not callable: pass the function itself, report, and not what it returns, report()"
        )
    if isinstance(fn, partial):
        raise UnsupportedFunctionError(
            f"{_short(fn)} is a functools.partial, which has no path: pass its function, and its arguments along with "
            "the others"
        )
    owner = None if isinstance(fn, type) else getattr(fn, "__self__", None)
    if owner is not None and not isinstance(owner, (type, ModuleType)):
        return _path_of_bound(fn, owner)
    module_name, name = _module_and_name(fn, owner)
    _refuse_unreachable(module_name, name)
    module = sys.modules.get(module_name)
    found = fn if module is None else walk(module, name)
    if not _is_same(found, fn):
        leads_to = "nothing" if found is None else _short(found)
        raise UnsupportedFunctionError(
            f"the path {module_name}.{name} leads to {leads_to}, not to the function given, which was replaced, "
            "reloaded, or wrapped by a decorator without functools.wraps: pass what the path leads to, or "
            "the path of the right function as a str"
        )
    return f"{module_name}.{name}"


def _path_of_bound(fn: Any, owner: object) -> str:
    """The path of an object's method that its module offers by name, as ``random.randint`` is."""
    module_name = getattr(fn, "__module__", None)
    if module_name != "__main__" and _is_same(walk(sys.modules.get(str(module_name)), fn.__name__), fn):
        return f"{module_name}.{fn.__name__}"
    raise UnsupportedFunctionError(
        f"{fn.__qualname__} is bound to {_short(owner)}, which a worker does not have: pass a function, and with it "
        "what it needs to find or build the object"
    )


def _is_same(found: Any, fn: Any) -> bool:
    if isinstance(fn, (MethodType, BuiltinMethodType)):  # made anew at each look
        return type(found) is type(fn) and bool(found == fn)
    return found is fn


def _module_and_name(fn: Any, owner: object) -> tuple[str, str]:
    if isinstance(owner, type):  # a class method, perhaps one inherited, which its own name would not tell
        return owner.__module__, f"{owner.__qualname__}.{fn.__name__}"
    name = getattr(fn, "__qualname__", None)
    if name is None:
        raise UnsupportedFunctionError(
            f"{_short(fn)} is an object of the type {type(fn).__qualname__}, which has no path of its own: pass a "
            "function that finds or builds the object, and calls it"
        )
    home = getattr(fn, "__objclass__", fn)  # methods of builtin types know their module by their class only
    module_name = getattr(home, "__module__", None)
    if module_name is None:
        raise UnsupportedFunctionError(f"{name} belongs to no module, so that no worker can import it")
    return module_name, name


def _refuse_unreachable(module_name: str, name: str) -> None:
    if "<lambda>" in name:
        raise UnsupportedFunctionError(f"{module_name}.{name} has no path: define a function with def and a name")
    if "<locals>" in name:
        raise UnsupportedFunctionError(
            f"{name} is defined inside a function, where no worker can find it: move it to the top level of its "
            "module, and pass what it takes from around it as arguments; if a decorator made it, use functools.wraps "
            "there"
        )
    if module_name == "__main__":
        _refuse_main(f"{module_name}.{name}")


def _refuse_main(path: str) -> NoReturn:
    raise UnsupportedFunctionError(
        f"{path} belongs to the program that was started (as python file.py or python -m module, in a shell or in a "
        "notebook), which a worker can't import: move it to a module, such as tasks.py, and import it from there"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


# From a path to its function


def resolve(path: str, allowed: Callable[[str, object], None] | None = None) -> Callable[..., Any]:
    """Import a function by its dotted path.

    Args:
        path: such as ``"tasks.report"`` or ``"package.module.Class.method"``.
        allowed: raises if the function may not run. It is called with the path and ``None`` before anything is
            imported, then with the path and what it leads to. What it raises is passed on.

    Raises:
        FunctionImportError: if there is no such module, if importing it raises something (the cause then), if nothing
            in it has this name, or if that is not callable.
    """
    if "." not in path:
        raise FunctionImportError(f"{path!r} is no dotted path of a function, such as 'tasks.report'")
    if allowed is not None:
        allowed(path, None)
    found = find_object(path, FunctionImportError)
    if not callable(found):
        raise FunctionImportError(f"{path} is {_short(found)}, which is not callable")
    if allowed is not None:
        allowed(path, found)
    function: Callable[..., Any] = found
    return function
