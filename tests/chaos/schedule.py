"""What is to go wrong, and when: made from a seed alone, so that it can be had again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from chaos.workers import LEASE

#: How many workers there are.
WORKERS = 3

#: How long things go on in between, in seconds on average.
_PAUSE = 0.8

#: What goes wrong, and how often, in parts of the whole.
_KINDS = {
    "kill worker": 20,
    "kill horse": 8,
    "end worker": 10,
    "end worker at once": 4,
    "pause worker": 14,
    "pause worker and horses": 4,
    "kill all workers": 2,
    "stop jobs and kill worker": 10,
    "cut": 14,
    "break connections": 6,
    "restart server": 6,
    "pause server": 4,
    "forget scripts": 3,
    "pause queue": 3,
}

#: After these nothing else happens to the server for a while, so that it can be seen what follows.
_OF_SERVER = {"restart server", "pause server", "kill all workers"}
_REST = 3 * LEASE


@dataclass(frozen=True)
class Disturbance:
    """Something that goes wrong.

    Attributes:
        at: when, in seconds from the start.
        kind: what.
        which: which worker, horse or queue, as far as there are so many.
        seconds: for how long.
        strength: how much of it, from 0 to 1.
    """

    at: float
    kind: str
    which: int
    seconds: float
    strength: float

    def __str__(self) -> str:
        return f"{self.at:8.2f}  {self.kind}  {self.which}  {self.seconds:.2f} s  {self.strength:.2f}"


def schedule(seed: int, seconds: float) -> list[Disturbance]:
    """What goes wrong in so many seconds."""
    return list(_disturbances(Random(f"schedule {seed}"), seconds))


def _disturbances(random: Random, seconds: float) -> Iterator[Disturbance]:
    at, server_rests_until = 1.0, 4.0
    while (at := at + random.expovariate(1 / _PAUSE)) < seconds:
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        lasts = _seconds(random, kind)
        drawn = Disturbance(at, kind, random.randrange(1000), lasts, random.random())
        if kind in _OF_SERVER:
            if at < server_rests_until:
                continue
            server_rests_until = at + lasts + _REST
        yield drawn


def _seconds(random: Random, kind: str) -> float:
    """How long: mostly either much shorter or longer than a lease."""
    if kind == "restart server":
        return random.choice([0, 0.2, 1])
    if kind in {"cut", "pause queue"}:
        return random.uniform(0.3, 1.5)
    if random.random() < 0.3:
        return random.uniform(0.05, 0.4)
    return LEASE * random.uniform(1.2, 2)
