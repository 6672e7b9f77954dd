"""The page of the docs: an introduction that people write, and a table of all names, made of the verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from from_rq.names import COMMANDS, Name
from from_rq.verdicts import BETTER, NOT_THERE, SAME, Verdict, Verdicts

PAGE = Path(__file__).parent.parent.parent / "docs" / "from-rq.md"

#: What stands above the tables.
INTRODUCTION = Path(__file__).parent / "introduction.md"

#: The parts of the page, each with RQ's modules in the order in which a reader looks for them.
PARTS = {
    "Queues, jobs and results": [
        *("rq", "rq.queue", "rq.job", "rq.callbacks", "rq.repeat", "rq.results", "rq.group", "rq.decorators"),
        *("rq.registry", "rq.command", "rq.exceptions", "rq.timeouts", "rq.serializers", "rq.version"),
    ],
    "Workers": ["rq.worker", "rq.worker.base", "rq.suspension"],
    "The command line": [COMMANDS],
}

_HEAD = ("| RQ | rqdeps | |", "| --- | --- | --- |")

#: The kinds of verdicts as a table has them, from above.
_ORDER = (SAME, BETTER, NOT_THERE)

#: What all others go under.
REST = "Modules that are not there"


def page(names: Sequence[Name], verdicts: Verdicts) -> str:
    """The whole page."""
    by_module: defaultdict[str, list[Name]] = defaultdict(list)
    for name in names:
        by_module[name.module].append(name)
    shown = {module for modules in PARTS.values() for module in modules}
    rest = sorted(set(by_module) - shown)
    lines = [INTRODUCTION.read_text("utf-8").rstrip(), "", _summary(names, verdicts)]
    for title, modules in PARTS.items():
        lines += ["", f"### {title}"]
        for module in modules:
            lines += _tables(module, by_module[module], verdicts)
    lines += ["", f"### {REST}", "", *_HEAD, *(_module(module, by_module[module], verdicts) for module in rest)]
    return "\n".join(lines) + "\n"


def _summary(names: Iterable[Name], verdicts: Verdicts) -> str:
    kinds = [verdict.kind for name in names if (verdict := verdicts.of(name)) is not None]
    return (
        f"Of {len(kinds):,} names, {kinds.count(SAME)} are *same* and {kinds.count(BETTER)} *better*. "
        f"Most of the {kinds.count(NOT_THERE)} others are how RQ is built, which programs seldom touch."
    )


def _tables(module: str, names: Iterable[Name], verdicts: Verdicts) -> Iterator[str]:
    """A table of what a module has, and one for each of its classes or commands."""
    rows: defaultdict[str, _Rows] = defaultdict(_Rows)
    for name in names:
        verdict = verdicts.of(name)
        if verdict is None:
            continue
        holder, last = _parted(name, verdict)
        rows[holder].add(verdict, last)
        if verdict.kind != NOT_THERE:
            for parameter in name.parameters:
                of_it = verdicts.of_parameter(name, parameter)
                if of_it is not None:
                    rows[holder].add(of_it, last, parameter)
    for holder, those in rows.items():
        title = f"rq {holder}".strip() if module == COMMANDS else ".".join(filter(None, [module, holder]))
        yield from ("", f"#### `{title}`", "", *_HEAD, *those.lines())


def _module(module: str, names: Sequence[Name], verdicts: Verdicts) -> str:
    """The row of a module on which there is one verdict."""
    (verdict,) = {verdicts.of(name) for name in names}
    shown = ", ".join(f"`{name.path}`" for name in names)
    return f"| `{module}`: {shown} | {verdict.kind} | {verdict.note} |"


class _Rows:
    """The rows of a table: one for each verdict and its note, with all names that share it."""

    def __init__(self) -> None:
        self._rows: defaultdict[tuple[int, str, str], dict[str, list[str]]] = defaultdict(dict)

    def add(self, verdict: Verdict, name: str, parameter: str | None = None) -> None:
        """Adds a name, or a parameter of what it names."""
        row = self._rows[_ORDER.index(verdict.kind), verdict.counterpart or "", verdict.note]
        parameters = row.setdefault(name, [])
        if parameter is not None:
            parameters.append(parameter)

    def lines(self) -> Iterator[str]:
        """The rows: what is there first."""
        for (order, counterpart, note), row in sorted(self._rows.items(), key=lambda item: item[0][0]):
            shown = ", ".join(f"`{name}{_call(parameters)}`" for name, parameters in row.items())
            text = "; ".join(filter(None, [counterpart and f"`{counterpart}`", note]))
            yield f"| {shown} | {_ORDER[order]} | {text} |".replace("|  |", "| |")


def _call(parameters: Sequence[str]) -> str:
    shown = (parameter if parameter.startswith("-") else f"{parameter}=" for parameter in parameters)
    return f"({', '.join(shown)})" if parameters else ""


def _parted(name: Name, verdict: Verdict) -> tuple[str, str]:
    """In which table a name stands, and how: what is not there as what holds it is not stands beside that."""
    if verdict.name == name.module:
        return "", name.path
    separator = " " if name.module == COMMANDS else "."
    there = verdict.name.removeprefix(f"{name.module}.")
    holder = there.partition(" --")[0] if name.module == COMMANDS else there.rpartition(".")[0]
    if holder == there:
        holder = ""
    return holder, name.path.removeprefix(f"{holder}{separator}") if holder else name.path
