"""What kind of graph it is, for queues that can only express some."""

from __future__ import annotations

from benchmarks.queues.adapter import Graph


def levels(graph: Graph) -> list[list[int]] | None:
    """The graph as levels, where each job waits for all of the level before and for nothing else.

    Returns:
        The places of each level; ``None`` for a graph that is not of that kind.
    """
    found: list[list[int]] = []
    waited_for: list[int] | None = None
    for place, dependencies in enumerate(graph):
        if found and sorted(dependencies) == waited_for:
            found[-1].append(place)
            continue
        previous = found[-1] if found else []
        if sorted(dependencies) != previous:
            return None
        waited_for = previous
        found.append([place])
    return found


def is_chain(graph: Graph) -> bool:
    """Whether each job but the first waits for the one before it, and for nothing else."""
    return all(list(dependencies) == ([place - 1] if place else []) for place, dependencies in enumerate(graph))


def is_fan_in(graph: Graph) -> bool:
    """Whether the last job waits for all the others, which wait for nothing."""
    last = len(graph) - 1
    return not any(graph[:last]) and sorted(graph[last]) == list(range(last))
