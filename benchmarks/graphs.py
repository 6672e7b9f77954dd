"""The graphs that are measured: for each job, in order, the places of the jobs that it waits for."""

from __future__ import annotations

import random

#: The layered graph is the same in each run.
SEED = 20

Graph = list[list[int]]


def chain(length: int) -> Graph:
    """Each job waits for the one before."""
    return [[place - 1] if place else [] for place in range(length)]


def fan_out(width: int) -> Graph:
    """One job, then as many that wait for it."""
    return [[], *([0] for _ in range(width))]


def fan_in(width: int) -> Graph:
    """As many jobs, then one that waits for them all."""
    return [*([] for _ in range(width)), list(range(width))]


def diamond(width: int) -> Graph:
    """One job, as many that wait for it, and one that waits for all these."""
    return [*fan_out(width), list(range(1, width + 1))]


def fan_ins(width: int, edges: int) -> Graph:
    """So many fan-ins beside each other that there are at least so many edges."""
    graph: Graph = []
    for _ in range(-(-edges // width)):
        first = len(graph)
        graph += [[] for _ in range(width)]
        graph.append(list(range(first, first + width)))
    return graph


def layered(jobs: int, dependencies: int, layer: int = 100) -> Graph:
    """Layers of jobs; each job waits for some jobs of the layer before, chosen at random, the same in each run."""
    choice = random.Random(SEED)  # noqa: S311 - no secret
    graph: Graph = []
    for place in range(jobs):
        above = place // layer * layer
        graph.append(sorted(choice.sample(range(above - layer, above), dependencies)) if above else [])
    return graph


def edges_of(graph: Graph) -> int:
    """How many edges there are."""
    return sum(map(len, graph))
