"""Scripts on fakeredis are compiled once in a process, and not at each call.

A real server keeps what it has compiled, and fakeredis does not: that would be most of what a call costs there.
"""

from __future__ import annotations

from typing import Any

from fakeredis.commands_mixins import scripting_mixin

_Lua: Any = scripting_mixin.LUA_MODULE.LuaRuntime

#: What scripts have been compiled to, for all servers of fakeredis, each of which has a Lua of its own.
_compiled: dict[bytes | str, bytes] = {}


class RememberingLua(_Lua):  # type: ignore[misc]
    """A Lua that knows again what has been compiled."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._functions: dict[bytes | str, Any] = {}

    def execute(self, code: bytes | str, *args: Any) -> Any:
        """Runs code, and compiles it when it comes for the first time."""
        if code not in self._functions:
            self._functions[code] = self._function_of(code)
        return self._functions[code](*args)

    def _function_of(self, code: bytes | str) -> Any:
        lua = self.globals()
        if code not in _compiled:
            function = self.compile(code)
            _compiled[code] = lua[b"string"][b"dump"](function)
            return function
        return lua[b"loadstring"](_compiled[code])


def compile_once() -> None:
    """Has servers of fakeredis that are made from now on know again what has been compiled."""
    scripting_mixin.LUA_MODULE.LuaRuntime = RememberingLua
