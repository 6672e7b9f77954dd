"""Jobs in every status that a job can have, for tests of what can be done with a job in any of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import samples
from by_hand import LEASE_MS, HandWorker
from redis.exceptions import ConnectionError as RedisConnectionError

import rqdeps.store.store
from rqdeps import Dependency, Job, JobStatus, Queue
from rqdeps.store import Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.scripts import script

#: Every status; nothing leads to ``joining`` yet.
STATUSES = [status.value for status in JobStatus if status is not JobStatus.JOINING]
ENDED = [status for status in STATUSES if JobStatus(status).is_terminal]
OPEN = [status for status in STATUSES if status not in ENDED]

AN_HOUR = 3600


def job_in(status: str, queue: Queue, hands: HandWorker, **options: Any) -> Job[Any]:
    """A job that has this status. What it depends on, if anything, stays as it is meanwhile.

    Args:
        status: the status.
        queue: the job's queue.
        hands: who claims it, where it has to run.
        **options: further options of the job.
    """
    held = queue.options(hold=True, **options).enqueue(samples.anything)
    if status == "created":
        return held
    if status == "deferred":
        held.add_dependency(queue.options(hold=True).enqueue(samples.anything))
    elif status == "upstream_failed":
        held.add_dependency(job_in("failed", queue, hands))
    elif status == "skipped":
        held.add_dependency(Dependency(job_in("finished", queue, hands), rule="all_failed"))
    elif status == "scheduled":
        held.delete()
        return queue.enqueue_in(AN_HOUR, samples.anything, args=[], **options)
    held.release()
    if status == "canceled":
        held.cancel()
    if status in ("started", "finished", "failed", "stopped"):
        claim_until(hands, held.id)
    if status == "finished":
        hands.finish(held.id, b"jnull")
    elif status == "failed":
        hands.fail(held.id)
    elif status == "stopped":
        held.cancel()
        hands.store.run(claims.give_back([hands.held.pop(held.id)]))
    return held


def claim_until(hands: HandWorker, job_id: str) -> None:
    """Claims jobs one by one, up to this one."""
    while job_id not in hands.held:
        assert hands.claim(1), f"{job_id} can't be claimed"


def maintain(store: Store, *queues: str) -> None:
    """Does what is due, and carries on what was left behind, until nothing is left."""
    for _ in range(2_000):
        if not store.run(upkeep.maintain(queues or ["default"], lease_ms=LEASE_MS)).has_more:
            return
    raise AssertionError("maintain never comes to an end")


@contextmanager
def budget(size: int) -> Iterator[None]:
    """A call may cost no more than this."""
    with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=size)):
        yield


@contextmanager
def every_reply_lost() -> Iterator[None]:
    """The first sending of every call arrives, and its reply is lost, so that all are sent twice."""
    evaluate = rqdeps.store.store.evaluate
    sendings = 0

    def lose(*args: Any) -> Any:
        nonlocal sendings
        sendings += 1
        replies = evaluate(*args)
        if sendings % 2:
            raise RedisConnectionError("the reply is lost")
        return replies

    with (
        mock.patch.object(rqdeps.store.store, "evaluate", lose),
        mock.patch.object(rqdeps.store.store, "LONGEST_PAUSE", 0),
    ):
        yield


def finish(hands: HandWorker, *jobs: Job[Any]) -> None:
    """Claims jobs and reports them as finished."""
    for job in jobs:
        claim_until(hands, job.id)
        hands.finish(job.id, b"j1")


def fail(hands: HandWorker, *jobs: Job[Any]) -> None:
    """Claims jobs and reports them as failed, without another attempt."""
    for job in jobs:
        claim_until(hands, job.id)
        hands.fail(job.id)
