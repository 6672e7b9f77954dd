"""The page of the docs: an introduction that people write, and a table of all names, made of the verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from from_rq.names import COMMANDS, Name
from from_rq.verdicts import NOT_THERE, Verdict, Verdicts

PAGE = Path(__file__).parent.parent.parent / "docs" / "from-rq.md"

#: What stands above the tables.
INTRODUCTION = Path(__file__).parent / "introduction.md"

#: The parts of the page, each with RQ's modules in the order in which a reader looks for them.
PARTS = {
    "What programs import": (
        ["rq", "rq.queue", "rq.job", "rq.callbacks", "rq.repeat", "rq.results", "rq.group", "rq.decorators"]
        + ["rq.registry", "rq.command", "rq.exceptions", "rq.timeouts", "rq.serializers", "rq.version"]
    ),
    "Workers": ["rq.worker", "rq.worker.base", "rq.suspension"],
    "The command line": [COMMANDS],
}

#: What all others go under.
REST = "Modules that are not there"


def page(names: Sequence[Name], verdicts: Verdicts) -> str:
    """The whole page."""
    by_module: defaultdict[str, list[Name]] = defaultdict(list)
    for name in names:
        by_module[name.module].append(name)
    shown = {module for modules in PARTS.values() for module in modules}
    parts = PARTS | {REST: sorted(set(by_module) - shown)}
    lines = [INTRODUCTION.read_text("utf-8").rstrip(), "", *_summary(names, verdicts)]
    for title, modules in parts.items():
        lines += ["", f"## {title}"]
        for module in modules:
            lines += ["", f"### `{_shown(module)}`", "", "| RQ | rqdeps | |", "| --- | --- | --- |"]
            lines += _rows(by_module[module], verdicts)
    return "\n".join(lines) + "\n"


def _summary(names: Iterable[Name], verdicts: Verdicts) -> list[str]:
    found = [verdict.kind for name in names if (verdict := verdicts.of(name)) is not None]
    return [
        f"Of the {len(found):,} public names of RQ 3.0.0, {found.count('same')} are *same*, {found.count('better')} "
        f"*better*, {found.count('not there')} *not there*; most of the last are how RQ is built inside. A test fails "
        f"when one is in none."
    ]


def _rows(names: Sequence[Name], verdicts: Verdicts) -> Iterator[str]:
    """A row for each verdict with its note, with all names of one class that share it."""
    rows: defaultdict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for name in names:
        verdict = verdicts.of(name)
        if verdict is None:
            continue
        holder, last = _parted(name)
        rows[holder, *_words(verdict)].append(last)
        if verdict.kind != NOT_THERE:
            for parameter in name.parameters:
                of_it = verdicts.of_parameter(name, parameter)
                if of_it is not None:
                    rows[holder, *_words(of_it)].append(f"{last}({parameter}=)")
    for (holder, kind, counterpart, note), those in rows.items():
        shown = ", ".join(f"`{each}`" for each in those)
        in_it = f"`{holder}`: " if holder else ""
        text = "; ".join(filter(None, [counterpart and f"`{counterpart}`", note]))
        yield f"| {in_it}{shown} | {kind} | {text} |".replace("|  |", "| |")


def _words(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.kind, verdict.counterpart or "", verdict.note


def _parted(name: Name) -> tuple[str, str]:
    """What holds a name, as far as it is said once for all that it holds, and the rest."""
    if name.module == COMMANDS:
        command, dashes, option = name.path.partition(" --")
        return (command, f"--{option}") if dashes else ("", command)
    holder, _, last = name.path.rpartition(".")
    return holder, last


def _shown(module: str) -> str:
    return "rq" if module == COMMANDS else module
