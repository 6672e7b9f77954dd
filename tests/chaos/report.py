"""What came of it, for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: How many findings of a kind are printed.
_SHOWN = 10


@dataclass
class Report:
    """What a run of the suite has found.

    Attributes:
        seed: from which the schedule was made.
        seconds: how long it was disturbed.
        facts: what happened, in numbers.
        causes: how many runs that came to nothing had which cause.
        findings: by the name of a check, what it found.
    """

    seed: int
    seconds: float
    facts: dict[str, str] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings.values())

    def __str__(self) -> str:
        rows = {"seed": str(self.seed), "minutes": f"{self.seconds / 60:.1f}", **self.facts}
        rows |= {name: str(len(found)) for name, found in self.findings.items()}
        rows["runs that came to nothing"] = str(sum(self.causes.values()))
        rows |= {f"  {cause}": str(count) for cause, count in self.causes.most_common()}
        width = max(len(name) for name in rows)
        lines = [f"{name:<{width}}  {value}" for name, value in rows.items()]
        for name, found in self.findings.items():
            lines += [f"{name}: {each}" for each in found[:_SHOWN]]
            if len(found) > _SHOWN:
                lines.append(f"{name}: and {len(found) - _SHOWN} more")
        return "\n".join(lines)
