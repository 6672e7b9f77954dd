"""What a look at a deployment came to: findings, each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


class Section(Enum):
    """What a check is about."""

    CONFIGURATION = "Configuration"
    SERVER = "Server"
    DATA = "Data"


@dataclass(frozen=True)
class Finding:
    """How one check came out.

    Attributes:
        section: what it is about.
        check: the name of the check.
        level: how it came out.
        text: what was found.
        advice: what to do, in a sentence; empty where there is nothing to do.
        command: the words of a command of rqdeps that does it, without the program's name and where the server is.
        about: what the finding is of, such as a queue: by this a second look knows it again.
    """

    section: Section
    check: str
    level: Level
    text: str
    advice: str = ""
    command: Sequence[str] = ()
    about: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether there is something to do."""
        return self.level in (Level.WARNING, Level.PROBLEM)

    @property
    def key(self) -> tuple[str, str]:
        """What it has in common with the same finding of another look."""
        return self.check, self.about


@dataclass(frozen=True)
class Reporter:
    """Makes findings of one section."""

    section: Section

    def ok(self, check: str, text: str) -> Finding:
        """Nothing to do."""
        return Finding(self.section, check, Level.OK, text)

    def warning(self, check: str, text: str, advice: str, command: Sequence[str] = (), about: str = "") -> Finding:
        """Something that may become a problem, or that somebody may not have meant."""
        return Finding(self.section, check, Level.WARNING, text, advice, command, about)

    def problem(self, check: str, text: str, advice: str, command: Sequence[str] = (), about: str = "") -> Finding:
        """Jobs don't run because of this, or may be lost."""
        return Finding(self.section, check, Level.PROBLEM, text, advice, command, about)

    def unknown(self, check: str, text: str, advice: str = "") -> Finding:
        """It can't be told from here."""
        return Finding(self.section, check, Level.UNKNOWN, text, advice)


def names(found: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most:,} more"
