"""What is to go wrong, and when: made from a seed alone, so that it can be had again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from chaos.late import LASTS
from chaos.workers import LEASE

#: How many workers there are.
WORKERS = 4

#: How long things go on in between, in seconds on average.
_PAUSE = 0.8

#: What goes wrong, and how often before all of it comes again in another order.
_KINDS = {
    "kill worker": 6,
    "kill horse": 3,
    "end worker": 3,
    "end worker at once": 1,
    "pause worker": 3,
    "cut off workers at work": 3,
    "pause worker and horses": 1,
    "kill all workers": 1,
    "stop jobs and kill worker": 3,
    "cut": 4,
    "break connections": 2,
    "restart server": 1,
    "pause server": 1,
    "forget scripts": 1,
    "pause queue": 1,
}

#: While this goes on nothing else happens: a lease runs out, another worker claims, and a report comes in late.
_LEFT_ALONE = "cut off workers at work"

#: After one of these no other of its kind comes for a while, so that it can be seen what follows.
_REST = 3 * LEASE
_RESTED = ({"restart server", "pause server", "kill all workers"}, {_LEFT_ALONE})


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
    at = 1.0
    rest_until = dict.fromkeys((kind for kinds in _RESTED for kind in kinds), 2.0)
    to_come: list[str] = []
    while (at := at + random.expovariate(1 / _PAUSE)) < seconds:
        if not to_come:
            to_come = [kind for kind, times in _KINDS.items() for _ in range(times)]
            random.shuffle(to_come)
        kind = next((kind for kind in to_come if rest_until.get(kind, 0) <= at), None)
        if kind is None:
            continue
        to_come.remove(kind)
        lasts = _seconds(random, kind)
        for kinds in _RESTED:
            if kind in kinds:
                rest_until |= dict.fromkeys(kinds, at + lasts + _REST)
        yield Disturbance(at, kind, random.randrange(1000), lasts, random.random())
        if kind == _LEFT_ALONE:
            at += lasts


def _seconds(random: Random, kind: str) -> float:
    """How long: mostly either much shorter or longer than a lease."""
    if kind == "restart server":
        return random.choice([0, 0.2, 1])
    if kind in {"cut", "pause queue"}:
        return random.uniform(0.3, 1.5)
    if kind == _LEFT_ALONE:
        return LASTS / 2
    if random.random() < 0.3:
        return random.uniform(0.05, 0.4)
    return LEASE * random.uniform(1.2, 2)
