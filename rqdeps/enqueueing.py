"""Brings jobs to the server: in one call where they fit, else in pieces behind a gate that is opened at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rqdeps.enqueue_data import EnqueueData, order_of
from rqdeps.errors import DuplicateJobError, GraphGivenUpError, NoSuchJobError
from rqdeps.store import Store
from rqdeps.store.calls import staging, upkeep
from rqdeps.store.calls.enqueue import enqueue
from rqdeps.store.scripts import BUDGET

#: How many pieces are under way at once: one round trip for all of them.
PIECES_AT_ONCE = 8

#: How often a graph is staged anew that was given up because this process was held up.
STAGINGS = 3


def enqueue_datas(datas: Sequence[EnqueueData], store: Store, queue: str) -> None:
    """Enqueues jobs, all of them or none.

    Args:
        datas: the jobs, which may depend on each other in any order.
        store: the deployment.
        queue: the queue of those that name none.

    Raises:
        ValueError: two of them have the same id.
        DependencyCycleError: they would wait for each other in a circle.
        DuplicateJobError: a job with one of the ids exists already.
        NoSuchJobError: a job to wait for neither exists nor is among them.
        GraphGivenUpError: more than a minute passed between two pieces of a large graph, again and again.
        ConnectionUnavailableError: the server did not answer.
    """
    jobs = [each.new_job(data.queue or queue) for data in datas for each in data.with_fallbacks()]
    if not jobs:
        return
    order = order_of(jobs)
    new_queues = store.new_queues([job.queue for job in jobs])
    if sum(job.cost for job in jobs) <= BUDGET:
        left = store.run(enqueue(jobs, new_queues=new_queues)).cascades_left
    else:
        left = _stage(staging.plan(jobs, order), store, new_queues)
    store.remember_queues(new_queues)
    carry_on_cascades(store, left)


def carry_on_cascades(store: Store, left: int) -> None:
    """Carries on the cascades that a call had to leave, to their end."""
    while left:
        left = store.run(upkeep.cascade())


def _stage(plan: staging.Plan, store: Store, new_queues: Sequence[str]) -> int:
    """Stages a graph and lets it through. Returns how many cascades are left."""
    for staging_number in range(1, STAGINGS + 1):
        try:
            return _stage_once(plan, store, new_queues, again=staging_number > 1)
        except GraphGivenUpError:
            _give_up(plan, store)
            if staging_number == STAGINGS:
                raise
    raise AssertionError("unreachable")


def _stage_once(plan: staging.Plan, store: Store, new_queues: Sequence[str], *, again: bool) -> int:
    calls = [
        staging.stage(plan.gate, number, piece, new_queues=new_queues if number == 1 else ())
        for number, piece in enumerate(plan.pieces, 1)
    ]
    if again:  # the graph may have gone through after all, and its first job have been deleted since
        calls = [call.again() for call in calls]
    try:
        for i in range(0, len(calls), PIECES_AT_ONCE):
            store.run_all(calls[i : i + PIECES_AT_ONCE])
    except (DuplicateJobError, NoSuchJobError):
        _give_up(plan, store)
        raise
    return store.run(staging.open_gate(plan))


def _give_up(plan: staging.Plan, store: Store) -> None:
    while store.run(staging.give_up(plan.gate)):
        pass
