"""The order of jobs of one call: each after all that it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from rqdeps.ids import repeated
from rqdeps.store.calls.changes import circle
from rqdeps.store.calls.enqueue import NewJob


def order_of(jobs: Sequence[NewJob]) -> list[str]:
    """The ids of jobs of one call, each after all that it waits for.

    Raises:
        ValueError: two of them have the same id.
        DependencyCycleError: they would wait for each other in a circle.
    """
    job_ids = [job.id for job in jobs]
    if (twice := repeated(job_ids)) is not None:
        raise ValueError(f"two jobs of one call have the id {twice!r}")
    if not [job for job in jobs if job.groups] or _are_in_order(jobs, job_ids):  # as in most calls
        return job_ids
    waits_for: dict[str, set[str]] = {}
    stands_in: dict[str, str] = {}
    for job in jobs:
        waits_for[job.id] = {job_id for group in job.groups for _, job_id in group.members}
        if fallback := job.fields.get("fallback"):
            stands_in[job.id] = str(fallback)
    for job_id, dependencies in waits_for.items():  # who waits for a job waits for what may stand in for it
        for dependency in list(dependencies):
            stand_in = stands_in.get(dependency)
            while stand_in is not None and stand_in != job_id:
                dependencies.add(stand_in)
                stand_in = stands_in.get(stand_in)
    try:
        return list(TopologicalSorter(waits_for).static_order())
    except CycleError as error:
        raise circle(list(reversed(error.args[1]))) from None


def _are_in_order(jobs: Sequence[NewJob], job_ids: Sequence[str]) -> bool:
    """Whether each job comes after all that it waits for, and none has another stand in for it."""
    to_come = set(job_ids)
    for job in jobs:
        for group in job.groups:
            if not to_come.isdisjoint([job_id for _, job_id in group.members]):
                return False
        if "fallback" in job.fields:
            return False
        to_come.remove(job.id)
    return True
