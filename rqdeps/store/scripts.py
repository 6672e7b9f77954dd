"""The Lua scripts, put together from their libraries when they are first used.

A line ``-- @include lib/name`` stands for the text of ``lua/lib/name.lua``; each library comes once, where it is first
included. A library whose last line is ``return name`` is loaded when a call first uses it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: What one call may cost, so that none holds the server for much longer than 5 ms: an edge costs 1, a job that is
#: claimed or reported ``JOB_COST``, one that a cascade moves, with all that belongs to it, ``MOVE_COST``. Every script
#: knows these numbers under the same names.
BUDGET = 500
JOB_COST = 3
MOVE_COST = 6

#: What a job costs that is new: it stands nowhere yet that it would have to leave.
NEW_JOB_COST = 2

#: How many edges cost 1 that lie between new jobs of one call: neither end has to be looked up, or written by itself.
NEAR_EDGES_FOR_ONE = 2

#: What an edge costs that comes after its job: each is looked up and written by itself.
FURTHER_EDGE_COST = 2

#: What a job costs that goes through the gate behind which it was staged; `lib/gates` has it too.
THROUGH_COST = 2

#: What a plain job costs that is kept behind a gate as it came, and again when it goes through; `lib/gates` has it too.
KEPT_COST = 1

#: How many jobs one call claims, or reports, at most.
JOBS_PER_CALL = BUDGET // (2 * JOB_COST)

_INCLUDE = re.compile(r"^-- @include (\S+)$")
_RESULT = re.compile(r"^return (\w+)$")
_FOLDER = resources.files("rqdeps.store") / "lua"


class ScriptError(Exception):
    """A script can't be put together: a library is missing, or libraries include each other in a circle."""


@dataclass(frozen=True)
class Script:
    """One Lua script, ready to be loaded.

    Attributes:
        name: its file's name without the ending.
        body: its text, with everything it includes.
        sha: the name under which a server that has it knows it.
    """

    name: str
    body: str
    sha: str


@cache
def script(name: str, *, budget: int = BUDGET) -> Script:
    """The script of this name.

    Args:
        name: its file's name without the ending.
        budget: what one call may cost; tests of what exceeds it take a small one.

    Raises:
        ScriptError: if it can't be put together.
    """
    constants = f"local BUDGET, JOB_COST, MOVE_COST = {budget}, {JOB_COST}, {MOVE_COST}\n"
    body = constants + _compose(name, [], set())
    return Script(name, body, hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest())


def script_names() -> list[str]:
    """The names of all scripts."""
    return sorted(entry.name.removesuffix(".lua") for entry in _FOLDER.iterdir() if entry.name.endswith(".lua"))


def _compose(name: str, path: list[str], done: set[str]) -> str:
    """A script or library with all that it includes and that is not done yet."""
    if name in path:
        raise ScriptError(f"scripts include each other in a circle: {' → '.join([*path, name])}")
    try:
        text = _FOLDER.joinpath(f"{name}.lua").read_text("utf-8")
    except FileNotFoundError:
        raise ScriptError(f"there is no script {name!r}, asked for by {path[-1] if path else 'a call'}") from None
    done.add(name)
    above: list[str] = []
    own: list[str] = []
    for line in text.splitlines():
        include = _INCLUDE.match(line)
        if include is None:
            own.append(line)
        elif include[1] not in done or include[1] in [*path, name]:
            (own if _has_code(own) else above).append(_compose(include[1], [*path, name], done))
    if name.startswith("lib/") and (result := _RESULT.match(own[-1])):
        own = [f"local {result[1]} = when_used(function()", *own, "end)"]
    return "\n".join([*above, *own]) + "\n"


def _has_code(lines: list[str]) -> bool:
    return any(line and not line.startswith("--") for line in lines)
