"""Random graphs of jobs to be, made from a random generator alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from chaos.jobs import Deed
from rqdeps.dependency import RULES, Rule

#: The queues; the last has a limit.
QUEUES = ("work", "low", "narrow")
LIMIT = 2

#: How often a job does what, in parts of the whole.
_DEEDS = {
    "return": 60,
    "raise": 14,
    "spawn": 8,
    "snooze": 3,
    "list": 2,
    "overrun": 1.5,
    "exit": 1.5,
    "die": 2,
    "kill supervisor": 0.7,
    "close all": 0.7,
    "write rubbish": 0.7,
    "print": 1,
    "fork": 1.5,
    "mess": 3,
    "ignore time": 0.1,
}

#: How wide the large graphs are, which come in pieces.
_WIDE = (260, 400)


@dataclass
class Node:
    """A job to be.

    Attributes:
        deed: what it does.
        groups: what it waits for: rules, and numbers of earlier nodes.
        outputs: of which of these it takes the output.
        options: further options.
        fallback: what its fallback does, if it has one.
    """

    deed: Deed
    groups: list[tuple[Rule, list[int]]] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    fallback: Deed | None = None


def seconds(random: Random) -> float:
    """How long a job takes: mostly a moment, now and then about a lease, so that it is lost while it runs."""
    if random.random() < 0.4:
        return 0
    if random.random() < 0.06:
        return random.uniform(1, 3)
    return min(1.5, random.expovariate(1 / 0.04))


def deed(random: Random, *, spawns: bool = True) -> Deed:
    """What a job does."""
    while (do := random.choices(list(_DEEDS), list(_DEEDS.values()))[0]) == "spawn" and not spawns:
        pass
    made: Deed = {"do": do, "seconds": round(seconds(random), 3), "until": random.choice([2, 2, 2, 3, 99])}
    if do in {"overrun", "ignore time"}:
        made["timeout"] = 0.3
    if do == "list":
        made["items"] = random.randint(0, 5)
    if do == "snooze":
        made["until"] = random.randint(2, 4)
    if do == "spawn":
        made["until"] = random.choice([0, 0, 0, 2])
        made["seconds"] = round(random.uniform(0, 0.8), 3)  # so that its worker is lost before it can report
        made["gives"] = random.random() < 0.5
        made["children"] = [
            deed(random, spawns=random.random() < 0.2) | {"after": random.random() < 0.2, "retry": 2}
            for _ in range(random.randint(1, 4))
        ]
    return made


def options_for(random: Random, what: Deed) -> dict[str, Any]:
    """Options of a job that does this."""
    options: dict[str, Any] = {"queue": random.choices(QUEUES, (8, 3, 1))[0], "result_ttl": -1}
    options["job_timeout"] = what.get("timeout")
    if random.random() < 0.75:
        options["retry"] = random.choice([1, 2, 3])
    if random.random() < 0.1:
        options["result_ttl"] = random.choice([0, 0.5])
    if random.random() < 0.05:
        options["at_front"] = True
    if random.random() < 0.01:
        options["ttl"] = 0.5
    for name in ("on_success", "on_failure", "on_stopped"):
        if random.random() < 0.1:
            options[name] = f"chaos.jobs.{random.choice(['look_on', 'complain', 'perish'])}"
    return options


def graph(random: Random) -> list[Node]:
    """Some jobs, each of which waits for some of those before it."""
    nodes: list[Node] = []
    for number in range(random.choice([1, 1, 2, 3, 4, 6, 9, 14])):
        what = deed(random)
        node = Node(what, options=options_for(random, what))
        chosen = random.sample(range(number), min(number, random.choice([0, 1, 1, 2, 2, 3])))
        _depend(random, node, chosen)
        if random.random() < 0.1:
            node.fallback = deed(random, spawns=False)
        nodes.append(node)
    return nodes


def wide_graph(random: Random) -> list[Node]:
    """More jobs than one call takes, all of which wait for the first, and one that waits for all of these."""
    width = random.randint(*_WIDE)
    first = Node({"do": "return", "seconds": 0.1}, options={"queue": "work", "result_ttl": -1})
    middle = [
        Node({"do": "return", "seconds": 0}, [("all_success", [0])], options={"queue": "work", "result_ttl": -1})
        for _ in range(width)
    ]
    last = Node(
        {"do": "return", "seconds": 0},
        [("all_done", list(range(1, width + 1)))],
        options={"queue": "low", "result_ttl": -1},
    )
    return [first, *middle, last]


def _depend(random: Random, node: Node, chosen: list[int]) -> None:
    while chosen:
        members = [chosen.pop() for _ in range(random.randint(1, len(chosen)))]
        rule: Rule = "all_success" if random.random() < 0.6 else random.choice(RULES)
        node.groups.append((rule, members))
        if random.random() < 0.5:
            node.outputs += members
