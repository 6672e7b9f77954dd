"""Brings jobs to the server: in one call where they fit, else in pieces behind a gate that is opened at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice, starmap
from typing import Any

from rqdeps.codec import Codec
from rqdeps.durations import to_ms
from rqdeps.enqueue_data import EnqueueData, FunctionCall, delayed, reusable, scheduled
from rqdeps.errors import (
    DependencyCycleError,
    DuplicateJobError,
    GraphAbandonedError,
    GraphGivenUpError,
    NoSuchJobError,
)
from rqdeps.ids import check_id
from rqdeps.job_record import JobRecord, opened_payload, refresh
from rqdeps.lineage import refuse_circle
from rqdeps.options import JobOptions, at_ms
from rqdeps.ordering import order_of
from rqdeps.signing import Keyring, seal_payload
from rqdeps.spawning import SpawnedGraph
from rqdeps.store import RegisteredQueues
from rqdeps.store.calls import changes, staging, upkeep
from rqdeps.store.calls.call import Call, CallsToBe
from rqdeps.store.calls.enqueue import NewJob, enqueue, fit_one_call
from rqdeps.store.conversation import Conversation, ask, ask_all
from rqdeps.store.scripts import BUDGET, JOBS_PER_CALL

#: How many pieces are under way at once: one round trip for all of them. Others get their turn between the pieces, as a
#: server reads no more than 16 KiB from a connection at a time.
PIECES_AT_ONCE = 32

#: How many steps of a cascade are asked for in one round trip where that many are needed. They are short requests, so
#: that nobody else gets a turn in between.
STEPS_AT_ONCE = 4

#: How often a graph is staged anew that was given up because this process was held up.
STAGINGS = 3

# Jobs to be


def data_at(
    moment: datetime, func: Callable[..., Any] | str, args: tuple[Any, ...], named: Mapping[str, Any], codec: Codec
) -> EnqueueData:
    """The job to be that makes a call no earlier than at a moment.

    Raises:
        ValueError: the moment has no time zone.
    """
    due_ms = at_ms(moment)
    return scheduled(FunctionCall.split(func, args, named).data(codec), due_ms)


def data_in(
    delay: timedelta | int | float | str,
    func: Callable[..., Any] | str,
    args: tuple[Any, ...],
    named: Mapping[str, Any],
    codec: Codec,
) -> EnqueueData:
    """The job to be that makes a call no earlier than after a while.

    Raises:
        TypeError: the while is ``None``.
    """
    delay_ms = to_ms(delay, "time_delta")
    if delay_ms is None:
        raise TypeError("time_delta says after how long, and can't be None: use enqueue, or 0")
    return delayed(FunctionCall.split(func, args, named).data(codec), delay_ms)


def draft_of(
    func: Callable[..., Any] | str,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    codec: Codec,
) -> EnqueueData:
    """A job to be that nobody knows of yet.

    Args:
        func: a function that workers can import, or its dotted path.
        args: the function's arguments.
        kwargs: the function's arguments by name.
        options: see ``AllOptions``.
        codec: how the arguments are written.
    """
    data = FunctionCall.apart(func, args, kwargs, JobOptions.read(options)).data(codec)
    return reusable(data).changed(queue=data.queue or "default")


def datas_of(jobs: object, kind: type[JobRecord]) -> list[tuple[object, EnqueueData]]:
    """What ``enqueue_many`` was given, each with the job to be that it stands for.

    Args:
        jobs: jobs to be, and jobs that are not saved yet.
        kind: the class of such jobs.

    Raises:
        TypeError: there is something else among them.
    """
    if not isinstance(jobs, Iterable):
        raise TypeError(f"enqueue_many takes a list of jobs to be, not {type(jobs).__name__}")
    return [(job, job if isinstance(job, EnqueueData) else _draft_of(job, kind)) for job in list(jobs)]


def grouped(datas: list[EnqueueData], group: str | None) -> list[EnqueueData]:
    """The same jobs to be, in a group, if one is named.

    Raises:
        TypeError: its name is no text.
        ValueError: its name can't be that of a group.
    """
    if group is None:
        return datas
    name = check_id(group, "a group's name")
    return [data.changed(group=name) for data in datas]


def limited(datas: list[EnqueueData], timeout_ms: int | None) -> list[EnqueueData]:
    """The same jobs to be, with a queue's time limit, if there is one, where their own options say nothing."""
    return datas if timeout_ms is None else [data.timed_out_after(timeout_ms) for data in datas]


def _draft_of(job: object, kind: type[JobRecord]) -> EnqueueData:
    if not isinstance(job, kind):
        raise TypeError(f"enqueue_many takes what Queue.prepare_data(...) makes, not {type(job).__name__}")
    if job.draft is None:
        raise TypeError(f"{job!r} is enqueued already; enqueue_many takes jobs to be")
    return job.draft


# Conversations


def enqueue_datas(datas: Sequence[EnqueueData], queue: str, registered: RegisteredQueues) -> Conversation[None]:
    """Enqueues jobs, all of them or none.

    Args:
        datas: the jobs, which may depend on each other in any order.
        queue: the queue of those that name none.
        registered: the queues that the server knows.

    Raises:
        ValueError: two of them have the same id.
        DependencyCycleError: they would wait for each other in a circle.
        DuplicateJobError: a job with one of the ids exists already.
        NoSuchJobError: a job to wait for neither exists nor is among them.
        GraphGivenUpError: more than a minute passed between two pieces of a large graph, again and again.
        ConnectionUnavailableError: the server did not answer.
    """
    jobs = _new_jobs(datas, queue)
    if not jobs:
        return
    order = order_of(jobs)
    new_queues = registered.new_among({job.queue for job in jobs})
    if fit_one_call(jobs, BUDGET):
        left, steps = (yield from ask(enqueue(jobs, new_queues=new_queues))), 1
    else:
        plan = staging.plan(jobs, order)
        left, steps = (yield from _stage(plan, new_queues)), plan.steps
    if new_queues:
        registered.remember(new_queues)
    if left:
        yield from carry_on_cascades(left, steps)


def _new_jobs(datas: Sequence[EnqueueData], queue: str) -> list[NewJob]:
    """Jobs as calls take them, each with what stands in for it."""
    signs = Keyring.of_environment().signs
    return [each.new_job(data.queue or queue, signs=signs) for data in datas for each in data.with_fallbacks()]


def stage_spawned(graph: SpawnedGraph, queue: str, registered: RegisteredQueues) -> Conversation[int]:
    """Stages what an attempt has spawned; it goes through once the attempt is accepted. Returns the number of pieces.

    Args:
        graph: what it has spawned.
        queue: the queue of those that name none.
        registered: the queues that the server knows.

    Raises:
        ValueError: two of the jobs have the same id.
        DependencyCycleError: they would wait for each other in a circle, or for the job that spawns them.
        DuplicateJobError: a job with one of the ids exists already.
        NoSuchJobError: a job to wait for neither exists nor is among them.
        ClaimLostError: another worker may have the job by now.
        GraphGivenUpError: more than a minute passed between two pieces.
        ConnectionUnavailableError: the server did not answer.
    """
    jobs = _new_jobs(graph.datas, queue)
    new_queues = registered.new_among({job.queue for job in jobs})
    plan = staging.plan(jobs, order_of(jobs), spawner=graph.spawner)
    try:
        pieces = yield from _stage_pieces(plan, new_queues, again=False)
    except GraphAbandonedError as error:
        yield from _give_up(error.gate)
        pieces = yield from _stage_pieces(plan, new_queues, again=False)
    registered.remember(new_queues)
    if graph.others:  # from here on, whoever else adds dependencies sees these
        try:
            yield from refuse_circle(graph.spawner.id, graph.others)
        except DependencyCycleError:
            yield from _give_up(plan.gate)
            raise
    return pieces


def enqueue_job(job: JobRecord, queue: str, registered: RegisteredQueues) -> Conversation[None]:
    """Enqueues a job that is not saved yet, or lets go of one that is held; both go to this queue.

    Raises:
        InvalidJobOperationError: it was released before.
    """
    if job.draft is None:
        payloads = yield from _signed_for(job.id, queue)
        yield from carry_on_cascades((yield from ask(changes.release([job.id], queue=queue, payloads=payloads))))
    else:
        yield from enqueue_datas([job.draft.changed(queue=queue)], queue, registered)


def _signed_for(job_id: str, queue: str) -> Conversation[dict[str, bytes]]:
    """The payloads of a job, and of what stands in for it, signed for the queue to which they move; none without a key.

    Raises:
        SignatureError: one of them was not signed for the queue in which it is.
    """
    payloads: dict[str, bytes] = {}
    known: str | None = job_id if Keyring.of_environment().signs else None
    while known is not None:
        job = JobRecord(known)
        yield from refresh(job)
        if job.origin == queue:
            break
        payload, stands_for = yield from opened_payload(job)
        payloads[known] = seal_payload(payload, known, queue, job.func_name, job.signed_options, stands_for)
        known = job.fallback_id
    return payloads


def save_held(data: EnqueueData, registered: RegisteredQueues) -> Conversation[None]:
    """Saves a job, which is held until it is released. Raises what ``enqueue_datas`` raises."""
    held = data.changed(options=replace(data.options, hold=True))
    yield from enqueue_datas([held], "default", registered)


def release(job_ids: Sequence[str]) -> Conversation[None]:
    """Lets held jobs go, each to its own queue, in portions of a few hundred.

    Raises:
        InvalidJobOperationError: one of them is not held.
        NoSuchJobError: one of them does not exist.
    """
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        yield from carry_on_cascades((yield from ask(changes.release(job_ids[i : i + JOBS_PER_CALL]))))


def carry_on_cascades(left: int, steps: int = 1) -> Conversation[None]:
    """Carries on the cascades that a call had to leave, to their end.

    Args:
        left: how many it has left.
        steps: how many steps that takes at least.
    """
    while left:
        at_once = max(1, min(steps, STEPS_AT_ONCE))
        *_, left = yield from ask_all([upkeep.cascade()] * at_once)
        steps -= at_once


def _stage(plan: staging.Plan, new_queues: Sequence[str]) -> Conversation[int]:
    """Stages a graph and lets it through. Returns how many cascades are left."""
    for staging_number in range(1, STAGINGS + 1):
        try:
            return (yield from _stage_once(plan, new_queues, again=staging_number > 1))
        except GraphGivenUpError:
            yield from _give_up(plan.gate)
            if staging_number == STAGINGS:
                raise
    raise AssertionError("unreachable")


def _stage_once(plan: staging.Plan, new_queues: Sequence[str], *, again: bool) -> Conversation[int]:
    pieces = yield from _stage_pieces(plan, new_queues, again=again)
    return (yield from ask(staging.open_gate(plan, pieces)))


def _stage_pieces(plan: staging.Plan, new_queues: Sequence[str], *, again: bool) -> Conversation[int]:
    """Stages the pieces of a graph. Returns how many these are."""

    def stage(number: int, piece: staging.Piece) -> Call[int]:
        new = new_queues if number == 1 else ()
        call = staging.stage(plan.gate, number, piece, new_queues=new, spawner=plan.spawner)
        # The graph may have gone through after all, and its first job have been deleted since.
        return call.again() if again else call

    staged, calls = 0, starmap(stage, enumerate(plan.cut(), 1))
    try:
        for first in calls:
            *_, staged = yield from ask_all(CallsToBe(chain([first], islice(calls, PIECES_AT_ONCE - 1))))
    except (DuplicateJobError, NoSuchJobError):
        yield from _give_up(plan.gate)
        raise
    return staged


def _give_up(gate: str) -> Conversation[None]:
    while (yield from ask(staging.give_up(gate))):
        pass
