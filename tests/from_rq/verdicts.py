"""The verdicts on RQ's names, as people write them in ``verdicts/*.toml``, and which of them is meant for a name.

A file has a table for each module or class, and in it a line for each name, or for several::

    ["rq.queue.Queue"]
    "count, is_empty" = "same"
    "fetch_job" = "better: what is better about it"
    "key" = "not there: what to do instead"
    "enqueue(pipeline)" = "not there: ..."
    "(serializer)" = "better: ..."

``same as NAME`` and ``better as NAME`` say that rqdeps has it elsewhere than under the same name; ``CLASS.*`` is where
it has several. In parentheses stand parameters: of one function, or, without its name, of all functions of that table.
Parameters that rqdeps calls as RQ does need no line. What is not there has no members or parameters of its own: one
line will do for a class, and ``"*"`` for a module. A note that begins with "refused" is on a parameter that rqdeps
takes to tell what to do instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from from_rq.names import COMMANDS, Name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "verdicts"

SAME, BETTER, NOT_THERE = "same", "better", "not there"

_VERDICT = re.compile(rf"({SAME}|{BETTER}|{NOT_THERE})(?: as ([^:]+))?(?:: (.+))?", re.DOTALL)
_KEY = re.compile(r"([^,(]*)(?:\(([^)]*)\))?(?:, *|$)")
_EVERYTHING = "*"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a name of RQ.

    Attributes:
        name: RQ's name, with its module; a parameter stands in parentheses after it.
        kind: ``same``, ``better`` or ``not there``.
        note: why it is better, or what to do instead.
        counterpart: where rqdeps has it, if that is elsewhere than under the same name.
    """

    name: str
    kind: str
    note: str
    counterpart: str | None


class Verdicts:
    """All verdicts, and which of them were asked for."""

    def __init__(self) -> None:
        self.by_name: dict[str, Verdict] = {}
        self.given_twice: list[str] = []
        self.used: set[str] = set()
        for file in sorted(FOLDER.glob("*.toml")):
            for verdict in _verdicts_in(file):
                if verdict.name in self.by_name:
                    self.given_twice.append(verdict.name)
                self.by_name[verdict.name] = verdict

    def of(self, name: Name) -> Verdict | None:
        """The verdict on a name: its own, or that what holds it is not there."""
        for holder in _holders(name):
            found = self._use(holder)
            if found is not None and (holder == full_name(name) or found.kind == NOT_THERE):
                return found
        return None

    def of_parameter(self, name: Name, parameter: str) -> Verdict | None:
        """The verdict on a parameter, if there is one: on that of this function, or on that of all around it."""
        around = [f"{holder}.({parameter})" for holder in reversed(_holders(name))]
        for key in (f"{full_name(name)}({parameter})", *around):
            found = self._use(key)
            if found is not None:
                return found
        return None

    def counterpart(self, name: Name) -> str:
        """Where rqdeps has it: as the verdict says, or else under the same name in the counterpart of what holds it."""
        own = self.by_name.get(full_name(name))
        if own is not None and own.counterpart:
            return own.counterpart.replace(_EVERYTHING, name.path.rpartition(".")[2])
        if name.module == COMMANDS:
            return f"rqdeps {name.path}"
        holder, _, last = name.path.rpartition(".")
        if holder:
            return f"{self.counterpart(Name(name.module, holder, 'class'))}.{last}"
        return f"{re.sub('^rq', 'rqdeps', name.module)}.{last}"

    def _use(self, name: str) -> Verdict | None:
        found = self.by_name.get(name)
        if found is not None:
            self.used.add(name)
        return found


def full_name(name: Name) -> str:
    """A name with its module."""
    return f"{name.module}.{name.path}"


def _holders(name: Name) -> list[str]:
    """Its module, then the classes that hold it or its command, then the name itself."""
    if name.module == COMMANDS:
        paths = [name.path.partition(" --")[0], name.path] if name.kind == "option" else [name.path]
    else:
        parts = name.path.split(".")
        paths = [".".join(parts[: end + 1]) for end in range(len(parts))]
    return [name.module, *(f"{name.module}.{path}" for path in paths)]


def _verdicts_in(file: Path) -> Iterator[Verdict]:
    for table, lines in tomllib.loads(file.read_text("utf-8")).items():
        for key, text in lines.items():
            read = _VERDICT.fullmatch(text)
            if read is None:
                raise ValueError(f"{file.name}: {table}: {key!r}: {text!r} is no verdict")
            kind, counterpart, note = read.groups()
            if kind != SAME and not note:
                raise ValueError(f"{file.name}: {table}: {key!r} needs a reason, or a way out")
            for name in _names_in(key):
                yield Verdict(f"{table}{name}", kind, note or "", counterpart)


def _names_in(key: str) -> Iterator[str]:
    """The names in a key, as they follow the table's."""
    if key == _EVERYTHING:
        yield ""
        return
    for name, parameters in _KEY.findall(key):
        if parameters:
            yield from (f".{name.strip()}({parameter.strip()})" for parameter in parameters.split(","))
        elif name.strip():
            yield f".{name.strip()}"
