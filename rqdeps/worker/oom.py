"""Whether the system has killed processes because memory ran out, as far as it tells."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path("/")

#: Where cgroups say how often that happened: of version 2, then of version 1.
_OF_VERSION_2 = ("sys/fs/cgroup/{path}/memory.events", "sys/fs/cgroup/memory.events")
_OF_VERSION_1 = ("sys/fs/cgroup/memory/{path}/memory.oom_control", "sys/fs/cgroup/memory/memory.oom_control")

#: Where the system says it of all processes, for those that are in no cgroup that counts.
_OF_THE_SYSTEM = "proc/vmstat"

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class OutOfMemoryWatch:
    """Tells whether the out-of-memory killer of Linux was at work in this process's cgroup since one last asked.

    Args:
        root: where the system's files are.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        self._source = next((path for path in _sources(root) if _count(path) is not None), None)
        self._known = self._look()

    def has_killed(self) -> bool:
        """Whether processes were killed since the last call; ``False`` where the system does not tell."""
        known, self._known = self._known, self._look()
        return self._known > known

    def _look(self) -> int:
        return 0 if self._source is None else _count(self._source) or 0


def _sources(root: Path) -> list[Path]:
    """The files that may tell, the best first."""
    templates: list[str] = []
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            templates += [template.format(path=path.strip("/")) for template in _OF_VERSION_2]
        elif "memory" in controllers.split(","):
            templates += [template.format(path=path.strip("/")) for template in _OF_VERSION_1]
    return [root / template for template in [*templates, _OF_THE_SYSTEM]]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _count(path: Path) -> int | None:
    found = _COUNT.search("\n".join(_lines(path)))
    return int(found[1]) if found else None
