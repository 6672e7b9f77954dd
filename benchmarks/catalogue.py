"""Which queues can be measured, read from their adapters' source: importing them would take the queues themselves."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.queues.adapter import Adapter

#: The queue that the others are compared with, which runs in the interpreter of the benchmarks themselves.
OURS = "rqdeps"

ADAPTERS = Path(__file__).parent / "queues"

#: Modules of that folder that are no adapters.
OTHERS = {"__init__", "adapter", "tasks"}


@dataclass(frozen=True)
class Listing:
    """What an adapter says of its queue.

    Attributes:
        module: the name of its module in ``benchmarks.queues``.
        name: what the table calls the queue.
        requirements: what pip installs.
        python: the oldest Python that it runs on.
        settings: which settings are used, in a few words.
        lacks: what it does not do that rqdeps does by default.
    """

    module: str
    name: str
    requirements: tuple[str, ...]
    python: tuple[int, int]
    settings: str
    lacks: str


def catalogue(folder: Path = ADAPTERS) -> dict[str, Listing]:
    """All adapters of a folder, by the names of their modules, rqdeps first, the others by name."""
    listings = {path.stem: listing for path in sorted(folder.glob("*.py")) if (listing := _listing(path))}
    return dict(sorted(listings.items(), key=lambda item: item[0] != OURS))


def choose(peers: str, known: Mapping[str, Listing]) -> list[Listing]:
    """rqdeps, and the peers that are named.

    Args:
        peers: names with commas between them, or ``all``.
        known: all there are.

    Raises:
        ValueError: one of them is not known.
    """
    names = list(known) if peers == "all" else [name.strip() for name in peers.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no adapter for {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys([OURS, *names])]


def _listing(path: Path) -> Listing | None:
    for node in ast.parse(path.read_text(), str(path)).body:
        if path.stem not in OTHERS and isinstance(node, ast.ClassDef) and _is_adapter(node):
            said = _class_attributes(node)
            return Listing(
                module=path.stem,
                name=said.get("name", path.stem),
                requirements=tuple(said.get("requirements", ())),
                python=tuple(said.get("python", Adapter.python)),
                settings=said.get("settings", Adapter.settings),
                lacks=said.get("lacks", Adapter.lacks),
            )
    return None


def _is_adapter(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == Adapter.__name__ for base in node.bases)


def _class_attributes(node: ast.ClassDef) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for statement in node.body:
        for target, value in _assignments(statement):
            try:
                said[target] = ast.literal_eval(value)
            except ValueError:
                continue  # made when the class is; nothing that is read here
    return said


def _assignments(statement: ast.stmt) -> Sequence[tuple[str, ast.expr]]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        return [(statement.target.id, statement.value)]
    if isinstance(statement, ast.Assign):
        return [(target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name)]
    return []
