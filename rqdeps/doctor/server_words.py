"""How checks of the server speak."""

from __future__ import annotations

from typing import Final

from rqdeps.doctor.findings import Finding, Reporter, Section
from rqdeps.store.server_facts import ServerFacts

say: Final = Reporter(Section.SERVER)

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def cannot_tell(check: str, facts: ServerFacts, *commands: str) -> Finding:
    """What a check says that lacks what the server did not tell.

    Args:
        check: the check.
        facts: what it did tell.
        *commands: by which commands it would have.
    """
    refused = [command for command in commands if command in facts.refused]
    if not refused:
        return say.unknown(check, "can't tell: the server does not say")
    needed = " ".join(f"+{command}" for command in refused)
    return say.unknown(check, f"can't tell: this user lacks {needed}", "Ask as a user who may do that.")


def size(number: float) -> str:
    """A number of bytes for people."""
    unit = 0
    while number >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 10 else f"{number:.1f} {_UNITS[unit]}"  # noqa: PLR2004
