"""How a person changes their mind: about a job (cancel, delete, requeue, skip, wait for more) or a queue (limit)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rqdeps.codec import Codec
from rqdeps.dependency import Dependency, JobRef, Rule
from rqdeps.enqueueing import carry_on_cascades
from rqdeps.errors import GraphTooLargeError, NoSuchJobError, UpstreamFailedError
from rqdeps.job_record import JobRecord, opened_payload, refresh
from rqdeps.lineage import culprits, edges_of, refuse_circle
from rqdeps.overview import MOST_JOBS
from rqdeps.reading import fetch_fields
from rqdeps.signing import Keyring, seal_result
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import changes
from rqdeps.store.calls.changes import Policy, Revived
from rqdeps.store.calls.enqueue import NewGroup
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import BUDGET, JOBS_PER_CALL

#: How many jobs to requeue an error names.
_NAMED = 3

_POLICIES = ("cancel", "release", "delete")

#: How many new dependencies one call takes.
_DEPENDENCIES_PER_CALL = BUDGET // 2


def cancel(job_id: str) -> Conversation[bool]:
    """Ends a job before it runs, or asks for it to be stopped. Says whether one of both has come to pass.

    Raises:
        NoSuchJobError: there is no such job.
    """
    (status,) = yield from _cancel_some([job_id])
    if not status:
        raise NoSuchJobError(job_id)
    if status == JobStatus.JOINING:
        yield from _cancel_joined(job_id)
    return status in _BEING_CANCELED


def cancel_all(job_ids: Sequence[str]) -> Conversation[int]:
    """Ends jobs before they run, and asks for those that run to be stopped. Says how many that has come to pass for."""
    found = yield from _cancel_some(job_ids)
    for job_id, status in zip(job_ids, found, strict=True):
        if status == JobStatus.JOINING:
            yield from _cancel_joined(job_id)
    return sum(status in _BEING_CANCELED for status in found)


def refuse_to_enqueue_dependents(*, asked: bool) -> None:
    """Raises ``ValueError`` if somebody wants to cancel a job, and have its dependents run as if it had succeeded."""
    if asked:
        raise ValueError(
            "a job that is canceled counts as failed for those that depend on it: skip() has them run as if it had "
            'succeeded, delete(dependents="release") as if they had never depended on it'
        )


def _cancel_joined(job_id: str) -> Conversation[None]:
    """Cancels what a job has spawned, and what that has, and what stands in for any of it."""
    found = yield from fetch_fields([job_id])
    if any(fields and JobRecord(each, fields).is_workflow for each, fields in found):
        return  # the call has begun to cancel its members, but for those that clean up
    joining = [job_id]
    while joining:
        edges = yield from edges_of(joining.pop(), joined=True)
        waited_for = [edge.dependency_id for edge in edges if edge.outcome is None]
        while waited_for:
            found_so = list(zip(waited_for, (yield from _cancel_some(waited_for)), strict=True))
            joining += [each for each, how in found_so if how == JobStatus.JOINING]
            failed = yield from fetch_fields(each for each, how in found_so if how == JobStatus.FAILED)
            fallbacks = [JobRecord(each, fields).fallback_id for each, fields in failed if fields]
            waited_for = [each for each in fallbacks if each is not None]


#: What ``cancel`` says of jobs that are canceled, or will be once they have stopped, or what they join has; and of
#: those that would have run again.
_BEING_CANCELED = (JobStatus.CANCELED, JobStatus.STARTED, JobStatus.JOINING, "repeating")


def _cancel_some(job_ids: Sequence[str]) -> Conversation[list[str]]:
    """Cancels jobs. Says of each what the call says."""
    found: list[str] = []
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        changed = yield from ask(changes.cancel(job_ids[i : i + JOBS_PER_CALL]))
        yield from carry_on_cascades(changed.cascades_left)
        found += changed.found
    return found


def delete(job_id: str, dependents: Policy) -> Conversation[None]:
    """Deletes a job.

    Args:
        job_id: the job.
        dependents: what becomes of those that still wait for it.

    Raises:
        NoSuchJobError: there is no such job.
        ValueError: ``dependents`` is something else.
    """
    if dependents not in _POLICIES:
        raise ValueError(f"dependents= is one of {', '.join(map(repr, _POLICIES))}, not {dependents!r}")
    if not (yield from delete_all([job_id], dependents)):
        raise NoSuchJobError(job_id)


def delete_all(job_ids: Sequence[str], dependents: Policy) -> Conversation[int]:
    """Deletes jobs. Says how many there were.

    Args:
        job_ids: the jobs.
        dependents: what becomes of those that still wait for them.
    """
    count = 0
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        changed = yield from ask(changes.delete(job_ids[i : i + JOBS_PER_CALL], dependents))
        yield from carry_on_cascades(changed.cascades_left)
        count += changed.found.count("1")
    return count


def requeue(job_id: str, *, force: bool, at_front: bool) -> Conversation[None]:
    """Gives a job that has ended another life.

    Args:
        job_id: the job.
        force: run it whatever its status, its dependencies and its fallback are.
        at_front: put it at the front of its queue.

    Raises:
        InvalidJobOperationError: it has not ended, or has finished.
        UpstreamFailedError: its dependencies don't let it run; the error names the jobs to requeue instead.
        FallbackReleasedError: its fallback has begun.
        NoSuchJobError: there is no such job.
    """
    try:
        requeued = yield from ask(changes.requeue(job_id, force=force, at_front=at_front))
    except UpstreamFailedError as error:
        found = yield from culprits(job_id, most=_NAMED)
        named = [(root.job_id, root.status or "deleted") for root in found.roots]
        raise UpstreamFailedError(job_id, error.status, named, more=found.more, is_canceled=error.is_canceled) from None
    yield from carry_on_cascades(requeued.cascades_left)
    if requeued.joins and not (yield from _revive_joined([job_id])):
        found = yield from culprits(job_id, most=_NAMED)
        if found.roots:
            named = [(root.job_id, root.status or "deleted") for root in found.roots]
            raise UpstreamFailedError(job_id, JobStatus.UPSTREAM_FAILED, named, more=found.more)


def requeue_all(job_ids: Sequence[str]) -> Conversation[int]:
    """Gives those of some jobs another life that failed or that a person ended, and that nothing stands in for.

    Says how many live again. What could not run because of them waits for them again.
    """
    revived = yield from revive(job_ids)
    joining = [job_id for job_id, how in zip(job_ids, revived, strict=True) if how == "joins"]
    return revived.count("revived") + (yield from _revive_joined(joining))


def _revive_joined(job_ids: Sequence[str]) -> Conversation[int]:
    """Gives those another life that jobs have joined and that did not succeed, and so on. Says how many were."""
    count, joining = 0, list(job_ids)
    while joining:
        edges = yield from edges_of(joining.pop(), joined=True)
        failed = [edge.dependency_id for edge in edges if edge.outcome not in _NOTHING_TO_REVIVE]
        revived = yield from revive(failed)
        count += revived.count("revived")
        joining += [each for each, how in zip(failed, revived, strict=True) if how == "joins"]
    return count


#: How jobs ended that are not to be revived, or that have not ended.
_NOTHING_TO_REVIVE = (None, JobStatus.FINISHED, JobStatus.SKIPPED)


def revive(job_ids: Sequence[str]) -> Conversation[list[Revived]]:
    """Gives those of some jobs another life that failed or were ended by a person. Says what became of each."""
    revived: list[Revived] = []
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        left, some = yield from ask(changes.revive(job_ids[i : i + JOBS_PER_CALL]))
        yield from carry_on_cascades(left)
        revived += some
    return revived


def skip(job_id: str, output: Any, codec: Codec) -> Conversation[None]:
    """Treats a job as finished with a value.

    Args:
        job_id: the job.
        output: the value.
        codec: how it is written.

    Raises:
        InvalidJobOperationError: it has finished already.
        NoSuchJobError: there is no such job.
        SerializationError: the value can't be carried; or all is signed, and the job is not.
    """
    value = codec.encode_output(output)
    if Keyring.of_environment().signs:
        _, stands_for = yield from opened_payload(JobRecord(job_id))
        value = seal_result(value, [job_id, *stands_for])
    left = yield from ask(changes.skip(job_id, value, "a person had it skipped, with this value as its output"))
    yield from carry_on_cascades(left)


def add_dependency(
    job: JobRecord, jobs: JobRef | Iterable[JobRef] | Dependency, rule: Rule | None
) -> Conversation[None]:
    """Lets a job wait for others too. It may be queued already, but not have run.

    Args:
        job: the job.
        jobs: a job or several, or their ids, or a ``Dependency`` with a rule of its own.
        rule: the trigger rule for them; ``"all_success"`` by default.

    Raises:
        DependencyCycleError: they would wait for each other in a circle, which the error spells out.
        InvalidJobOperationError: the job has run.
        NoSuchJobError: one of the jobs does not exist.
        ValueError: it depends on one of them already.
        GraphTooLargeError: these are more than one call takes, and the job is not held.
    """
    if isinstance(jobs, Dependency) and rule is not None:
        raise ValueError(f"a Dependency has a rule of its own; drop rule={rule!r}")
    group = jobs if isinstance(jobs, Dependency) else Dependency(jobs, rule=rule)
    if job.draft is not None:
        new = NewGroup(group.rule, [("dependency", job_id) for job_id in group.job_ids])
        job.draft = job.draft.waiting_for(new)
        return
    size = _DEPENDENCIES_PER_CALL
    if len(group.job_ids) > size:
        yield from refresh(job)
        if job.loaded_status is not JobStatus.CREATED:
            raise GraphTooLargeError(
                f"{len(group.job_ids)} dependencies are more than a job can get in one step, which is {size}: "
                f"hold the job, or give them in several calls"
            )
    for i in range(0, len(group.job_ids), size):
        yield from _add_some(job.id, group.job_ids[i : i + size], group.rule)


def _add_some(job_id: str, dependency_ids: tuple[str, ...], rule: Rule) -> Conversation[None]:
    added = yield from ask(changes.add_dependency(job_id, dependency_ids, rule=rule))
    while added.search is not None:  # unless the graph changes while this looks, once
        yield from refuse_circle(job_id, dependency_ids)
        added = yield from ask(changes.add_dependency(job_id, dependency_ids, rule=rule, state=added.search))
    yield from carry_on_cascades(added.cascades_left)


def limit_queue(queue: str, most: object) -> Conversation[None]:
    """Bounds how many jobs of a queue are started at once.

    Args:
        queue: the queue.
        most: how many, from 1 up; ``None`` for any number.

    Raises:
        TypeError: ``most`` is no whole number.
        ValueError: it is less than 1.
    """
    wanted = _limit(most)
    cursor = yield from ask(changes.limit(queue, wanted))
    while cursor != b"0":
        cursor = yield from ask(changes.limit(queue, wanted, cursor))


def _limit(most: object) -> int | None:
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int):
        raise TypeError(f"a limit is a number of jobs, or None for any number, not {type(most).__name__}")
    if most < 1:
        raise ValueError(f"a limit is a number of jobs from 1 up, not {most}; pause() stops a queue altogether")
    return min(most, MOST_JOBS)
