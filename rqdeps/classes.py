"""Classes by their dotted paths: a value's class is named where it is written, and found again where it is read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.imports import find_object, walk
from rqdeps.refusals import RefusedError

#: What to do about bytes whose classes have changed since they were written.
CLASS_CHANGED: Final = (
    "the class has changed since they were written: bring back what they need until no such jobs are left, or delete "
    "those jobs and enqueue them again"
)


def class_path(kind: type) -> str:
    """The dotted path by which another process finds a class, such as ``"shop.models.Order"``.

    Raises:
        RefusedError: it would not find it: the class is local, of ``__main__``, or not what its path leads to.
    """
    path = _paths.get(kind)
    if path is None:
        path = _paths[kind] = _find_path(kind)
    return path


_paths: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _find_path(kind: type) -> str:
    path = f"{kind.__module__}.{kind.__qualname__}"
    if "<locals>" in path:
        raise RefusedError(
            f"is of the class {path}, which is defined inside a function, where no worker can find it: move the class "
            "to the top level of its module"
        )
    if kind.__module__ == "__main__":
        raise RefusedError(
            f"is of the class {path}, which belongs to the program that was started, and which a worker can't import: "
            "move the class to a module, such as models.py, and import it from there"
        )
    if walk(sys.modules.get(kind.__module__), kind.__qualname__) is not kind:
        raise RefusedError(
            f"is of the class {path}, but that path leads to something else: the class was replaced, reloaded, or made "
            "under another name or module than it is kept under; let its __module__ and __qualname__ say where it is"
        )
    return path


def resolve_class(path: str, allowed: Callable[[str, object], None] | None = None) -> type:
    """Import a class by its dotted path.

    Args:
        path: such as ``"shop.models.Order"``.
        allowed: raises if the class may not be used. It is called with the path and ``None`` before anything is
            imported, then with the path and the class, which may come from another module than its path says.

    Raises:
        SerializationError: there is no such class, importing it raised something, it is no class, or ``allowed``
            raised, which is the cause then.
    """
    if not all(map(str.isidentifier, path.split("."))) or "." not in path:
        raise SerializationError(f"{path!r} is no dotted path of a class, such as 'shop.models.Order'")
    _check(allowed, path, None)
    found = find_object(path, SerializationError)
    if not isinstance(found, type):
        raise SerializationError(f"{path} is of the type {type(found).__name__}, and no class; {CLASS_CHANGED}")
    _check(allowed, path, found)
    return found


def _check(allowed: Callable[[str, object], None] | None, path: str, found: object) -> None:
    if allowed is None:
        return
    try:
        allowed(path, found)
    except (JobTimeoutError, SerializationError):
        raise
    except Exception as error:
        raise SerializationError(str(error)) from error
