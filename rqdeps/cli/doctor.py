"""``rqdeps doctor``: what is wrong with configuration, server and data, and what to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import Any, Final

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rqdeps.cli.configured import Setting, settings_in_effect
from rqdeps.cli.exits import REFUSED, WRONG_USAGE
from rqdeps.cli.options import url_option, url_words
from rqdeps.cli.plain import show_json
from rqdeps.cli.screen import console, show
from rqdeps.doctor import CouldNotLookError, Finding, Level, Section, look_around
from rqdeps.text import printable, times

#: How each level is marked, in which style, and how where there are only letters.
_MARKS: Final = {
    Level.OK: ("✔", "green", "ok"),
    Level.WARNING: ("!", "yellow", "!"),
    Level.PROBLEM: ("✖", "red", "X"),
    Level.UNKNOWN: ("?", "cyan", "?"),
}

#: How wide the columns of marks and of names of checks are, also of long ones; and how far advice stands in.
_MARK, _CHECK, _LONGEST_CHECK, _INDENT = 2, 16, 36, 4


@click.command()
@click.option("--full", is_flag=True, help="Look at all keys, and check the data as a whole: best while nobody works.")
@click.option("--json", "as_json", is_flag=True, help="Show the findings as JSON.")
@url_option
@click.pass_context
def doctor(context: click.Context, full: bool, as_json: bool, url: str | None) -> None:
    """Looks for what is wrong with configuration, server and data, and says what to do. Nothing is changed.

    Exits with 1 if there is a problem, with 2 if the server could not be looked at, else with 0.
    """
    findings: list[Finding] = []
    out = _Shown(console(), url)
    could_look = True
    try:
        for finding in _findings(context, url, full=full):
            findings.append(finding)
            if not as_json:
                out.show(finding)
    except CouldNotLookError as error:
        could_look = False
        findings.append(error.finding)
        if not as_json:
            out.show(error.finding)
    if as_json:
        show_json([_as_json(finding, url) for finding in findings])
    else:
        out.sum_up(findings, could_look=could_look)
    if not could_look:
        context.exit(WRONG_USAGE)
    context.exit(REFUSED if any(finding.level is Level.PROBLEM for finding in findings) else 0)


def _findings(context: click.Context, url: str | None, *, full: bool) -> Iterator[Finding]:
    yield from map(_of_setting, settings_in_effect(context))
    yield from look_around(url, full=full)


def _of_setting(setting: Setting) -> Finding:
    """A setting, with where it is made, and what counts instead or is wrong with it."""
    instead = f"; {setting.overridden_by} counts instead" if setting.overridden_by else ""
    told = f"{setting.value} ({setting.source}{instead})".lstrip()
    if not setting.problem:
        return Finding(Section.CONFIGURATION, setting.name, Level.OK, told)
    level = Level.WARNING if setting.overridden_by else Level.PROBLEM
    return Finding(
        Section.CONFIGURATION, setting.name, level, f"{told}: {setting.problem}", "Correct it, or take it away."
    )


def _command(finding: Finding, url: str | None) -> str:
    """The command that does what a finding advises; empty if there is none."""
    return shlex.join(["rqdeps", *finding.command, *url_words(url)]) if finding.command else ""


def _as_json(finding: Finding, url: str | None) -> dict[str, Any]:
    return {
        "section": finding.section.value.lower(),
        "check": finding.check,
        "level": finding.level.value,
        "text": finding.text,
        "advice": " ".join(filter(None, [finding.advice, _command(finding, url)])),
    }


class _Shown:
    """Shows findings one after the other, each section under its name.

    Args:
        on: where.
        url: the server's, as commands name it.
    """

    def __init__(self, on: Console, url: str | None) -> None:
        self._on = on
        self._url = url
        self._section: Section | None = None
        self._has_marks = _can_show("".join(mark for mark, _, _ in _MARKS.values()))

    def show(self, finding: Finding) -> None:
        """Shows a finding, and what to do about it."""
        if finding.section is not self._section:
            show(Text(("\n" if self._section else "") + finding.section.value, "bold"), self._on)
            self._section = finding.section
        mark, style, letters = _MARKS[finding.level]
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(width=_MARK)
        line.add_column(min_width=_CHECK, max_width=_LONGEST_CHECK)
        line.add_column(overflow="fold")
        line.add_row(
            Text(mark if self._has_marks else letters, style),
            Text(printable(finding.check)),
            Text(printable(finding.text)),
        )
        show(line, self._on)
        if finding.advice:
            show(Padding(Text(printable(finding.advice)), (0, 0, 0, _INDENT)), self._on)
        if command := _command(finding, self._url):
            # Never wrapped by us, so that it can be copied as a whole.
            self._on.print(Text(f"{' ' * _INDENT}{command}", "bold"), soft_wrap=True)

    def sum_up(self, findings: list[Finding], *, could_look: bool) -> None:
        """Says how many findings there are of each kind."""
        counts = {level: sum(finding.level is level for finding in findings) for level in Level}
        parts = [
            times(counts[Level.PROBLEM], "problem"),
            times(counts[Level.WARNING], "warning"),
            f"{times(counts[Level.UNKNOWN], 'check')} without an answer",
        ]
        levels = (Level.PROBLEM, Level.WARNING, Level.UNKNOWN)
        told = [part for part, level in zip(parts, levels, strict=True) if counts[level]]
        if not could_look:
            told = ["The server could not be looked at"]
        show(Text(f"\n{', '.join(told) or 'Nothing found'}."), self._on)


def _can_show(marks: str) -> bool:
    """Whether standard output has these characters."""
    try:
        marks.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
