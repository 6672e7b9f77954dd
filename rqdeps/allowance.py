"""What a worker may import and run, if somebody has said so: ``rqdeps worker --allow``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from rqdeps.errors import RqdepsError
from rqdeps.mapping import SPREAD

#: The environment variable that names the packages where nobody else does.
ALLOW_VARIABLE: Final = "RQDEPS_ALLOW"

#: What rqdeps itself has workers run: the job that spawns the others of a map. Each of those is checked when it runs.
_OWN: Final = frozenset({SPREAD})


class NotAllowedError(RqdepsError):
    """A job wants something imported or run that the worker was not allowed to."""


class Allowance:
    """The packages whose functions and classes a worker may import and run; nothing else.

    What counts is where something was defined, not where it can be found: with ``myapp`` allowed,
    ``myapp.reports.build`` runs, but ``myapp.reports.os.system`` does not, nor does ``myapp.reports.system`` after
    ``from os import system``, nor a class of ``myapp`` that is made by what it inherits from ``subprocess.Popen``.

    Args:
        packages: dotted names of packages or modules; what is inside of them is allowed too.

    Raises:
        ValueError: one of them is no dotted name, or there is none.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = tuple(dict.fromkeys(packages))
        for package in self.packages:
            if not all(part.isidentifier() for part in package.split(".")):
                raise ValueError(f"{package!r} is no dotted name of a package or module, such as 'myapp.tasks'")
        if not self.packages:
            raise ValueError("an allowance names at least one package: without --allow, everything may run")

    def __str__(self) -> str:
        return ", ".join(self.packages)

    def check(self, path: str, found: object = None) -> None:
        """Makes sure that something may run: that it, and all that it would call first, was defined inside.

        Args:
            path: its dotted path.
            found: what the path leads to; ``None`` to ask whether it may be looked for at all, before it is imported.

        Raises:
            NotAllowedError: it lies outside of what is allowed, was defined there, or nobody can tell where it was.
        """
        if path in _OWN:
            return
        self._check_path(path)
        for what, home in [] if found is None else _homes(found):
            if home is None or not self._holds(f"{home}."):
                where = f"was defined in {home}" if home else "does not tell where it was defined"
                raise NotAllowedError(f"{path} may not run here: {what} {where}, and only {self} is allowed")

    def _check_path(self, path: str) -> None:
        if not self._holds(path):
            raise NotAllowedError(f"{path} may not run here: this worker was started with --allow {self}")
        if any(part.startswith("__") for part in path.split(".")):
            raise NotAllowedError(f"{path} may not run here: a path must not lead through Python's insides")

    def _holds(self, path: str) -> bool:
        return any(path.startswith(f"{package}.") for package in self.packages)


def _homes(found: Any) -> list[tuple[str, str | None]]:
    """What is run when something is called, and the module in which each of that was defined."""
    if isinstance(found, partial):
        return _homes(found.func)
    if isinstance(found, _CACHED):
        return _homes(found.__wrapped__)
    if isinstance(found, MethodType):
        owner = found.__self__ if isinstance(found.__self__, type) else type(found.__self__)
        return [*_homes(found.__func__), ("its class", owner.__module__)]
    if isinstance(found, type):
        metaclass = ("its metaclass", _home_of_call(type(found)) or found.__module__)
        return [("it", found.__module__), *(_maker(found, name) for name in ("__new__", "__init__")), metaclass]
    if isinstance(found, (FunctionType, BuiltinFunctionType)):
        return [("it", _text(getattr(found, "__module__", None)))]
    # An object that can be called, by a method that its class may have inherited.
    call = getattr(type(found), "__call__", None)  # noqa: B004
    return [("its class", type(found).__module__), ("its __call__", _text(getattr(call, "__module__", None)))]


def _home_of_call(metaclass: type) -> str | None:
    """Where it was defined what happens when a class is called; ``None`` where that is Python's own."""
    home = next((each.__module__ for each in metaclass.__mro__ if "__call__" in vars(each)), "builtins")
    return None if home in _HARMLESS else home


#: What ``functools.cache`` and ``lru_cache`` make of a function.
_CACHED: Final = type(cache(lambda: None))

#: Where classes are defined whose ``__new__`` and ``__init__`` do nothing but make an instance.
_HARMLESS: Final = frozenset({"builtins", "enum", "typing"})


def _maker(kind: type, name: str) -> tuple[str, str]:
    """What makes instances of a class, perhaps inherited, and where that was defined."""
    home = next(each.__module__ for each in kind.__mro__ if name in vars(each))
    return f"its {name}", kind.__module__ if home in _HARMLESS else home


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
