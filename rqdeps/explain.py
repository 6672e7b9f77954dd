"""One sentence on a job: why it does not run, whom it waits for, whose fault that is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rqdeps.job_facts import JobFacts
from rqdeps.lineage import culprits, edges_of
from rqdeps.registry import WorkerInfo, workers
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import reads
from rqdeps.store.calls.reads import EdgeRecord, Standing

#: How many jobs a sentence names.
_NAMED = 3

#: A worker whose last sign of life is older counts as lost, in milliseconds; it gives one each second.
_ALIVE_MS = 5_000

_DOING = {
    JobStatus.CREATED: "is held",
    JobStatus.DEFERRED: "waits for others itself",
    JobStatus.SCHEDULED: "waits for its time",
    JobStatus.QUEUED: "is queued",
    JobStatus.STARTED: "runs",
    JobStatus.JOINING: "waits for the jobs it spawned",
}


_ENDED = {"finished": "finished", "failed": "failed", "stopped": "was stopped", "canceled": "was canceled"}


def explain(job: JobFacts, store: Store) -> str:
    """Says where a job stands.

    Args:
        job: the job.
        store: the deployment.

    Raises:
        NoSuchJobError: it has been deleted.
    """
    if job.draft is not None:
        return f"Job {job.id} is not saved yet: Queue.enqueue_job enqueues it."
    status = job.get_status()
    say = {
        JobStatus.CREATED: _created,
        JobStatus.DEFERRED: _deferred,
        JobStatus.SCHEDULED: _scheduled,
        JobStatus.QUEUED: _queued,
        JobStatus.STARTED: _started,
        JobStatus.UPSTREAM_FAILED: _upstream_failed,
        JobStatus.SKIPPED: _skipped,
    }.get(status, _ended)
    return f"Job {job.id} {say(job, store)}."


def _created(job: JobFacts, store: Store) -> str:
    return "is held: release() lets it go" if job.is_held else "is just being let through with its graph"


# What it waits for


def _deferred(job: JobFacts, store: Store) -> str:
    waiting: list[EdgeRecord] = []
    total = 0
    for edge in edges_of(job.id, store):
        total += 1
        if edge.outcome is None:
            waiting.append(edge)
    if job.fallback_of is not None and any(edge.kind == "fallback" for edge in waiting):
        return f"stands in for {_shown(job.fallback_of, store)}, in case that fails"
    rules = sorted({edge.rule for edge in waiting})
    named = _and([_waited_for(edge, store) for edge in waiting[:_NAMED]], more=len(waiting) > _NAMED)
    return f"waits for {len(waiting)} of {_times(total, 'dependency')} ({', '.join(rules)}): {named}"


def _waited_for(edge: EdgeRecord, store: Store) -> str:
    if edge.status == JobStatus.FAILED:
        return f"{edge.dependency_id} failed, and its fallback has not ended"
    return _shown(edge.dependency_id, store)


def _shown(job_id: str, store: Store) -> str:
    """A job, its function, and what it does."""
    job = _found(job_id, store)
    if job is None:
        return f"{job_id}, which has been deleted"
    status = job.get_status(refresh=False)
    return f"{_name(job)}, which {_DOING.get(status) or _ENDED.get(status.value) or f'is {status}'}"


def _named(job_id: str, store: Store) -> str:
    job = _found(job_id, store)
    return job_id if job is None else _name(job)


def _found(job_id: str, store: Store) -> JobFacts | None:
    (fields,) = store.run(reads.fetch([job_id]))
    return None if fields is None else JobFacts(job_id, store, fields)


def _name(job: JobFacts) -> str:
    return f"{job.id} ({job.func_name.rpartition('.')[2]})"


# What keeps a released job


def _scheduled(job: JobFacts, store: Store) -> str:
    standing = store.run(reads.standing(job.id))
    when = _duration(standing.due_ms)
    if job.attempt:
        return f"runs again in {when}, after {_times(job.attempt, 'attempt')}" + _nobody_there(standing, store)
    return f"waits for its time, which comes in {when}" + _nobody_there(standing, store)


def _queued(job: JobFacts, store: Store) -> str:
    standing = store.run(reads.standing(job.id))
    place = "is behind many jobs" if standing.ahead is None else f"is behind {_times(standing.ahead, 'job')}"
    if standing.ahead == 0:
        place = "is next"
    if standing.is_paused:
        return f"{place} in queue {standing.queue}, which is paused: resume() lets its jobs run"
    return f"{place} in queue {standing.queue}" + _nobody_there(standing, store)


def _nobody_there(standing: Standing, store: Store) -> str:
    if any(standing.queue in worker.queues for worker in _alive(store)):
        return ""
    return f", and no live worker serves that queue: start one with `rqdeps worker {standing.queue}`"


def _alive(store: Store) -> list[WorkerInfo]:
    return [worker for worker in workers(store) if worker.age_ms <= _ALIVE_MS]


def _started(job: JobFacts, store: Store) -> str:
    standing = store.run(reads.standing(job.id))
    name = job.worker_name
    if name not in {worker.name for worker in _alive(store)}:
        then = "ends as stopped" if job.is_being_stopped else "goes back to its queue"
        return (
            f"was taken by worker {name}, which gives no sign of life: it {then} when its lease ends, "
            f"in {_duration(standing.due_ms)}"
        )
    if job.is_being_stopped:
        return f"runs on worker {name}, which was asked to stop it"
    return f"runs on worker {name} (attempt {max(job.attempt, 1)})"


# How it ended


def _upstream_failed(job: JobFacts, store: Store) -> str:
    found = culprits(job.id, store, most=_NAMED)
    unmet = _unmet(job, store)
    named = _and(
        [_how_it_ended(root.job_id, root.status, root.outcome, store) for root in found.roots], more=found.more
    )
    began = "" if named == unmet.causes else f"; it began where {named}"
    if any(root.status is not None for root in found.roots):
        return f"can't run: {unmet}{began}; requeue that, or skip it"
    return f"can't run: {unmet}{began}; requeue(force=True) runs this job all the same"


def _skipped(job: JobFacts, store: Store) -> str:
    if job.fallback_of is not None:
        return f"was not needed: {_shown(job.fallback_of, store)}, and it stands in for that only if it fails"
    return f"was skipped, as the branch not taken: {_unmet(job, store)}"


@dataclass(frozen=True)
class _Unmet:
    """Rules that can't be met any more, and the dependencies that had a part in it."""

    rules: str
    causes: str

    def __str__(self) -> str:
        return f"{self.rules} can't be met, since {self.causes}"


def _unmet(job: JobFacts, store: Store) -> _Unmet:
    rules: set[str] = set()
    named: list[str] = []
    more = False
    for edge in edges_of(job.id, store):
        if edge.outcome is None or edge.kind == "fallback" or not edge.is_to_blame:
            continue
        rules.add(edge.rule)
        if len(named) == _NAMED:
            more = True
            break
        named.append(_how_it_ended(edge.dependency_id, edge.status, edge.outcome, store))
    return _Unmet(" and ".join(sorted(rules)), _and(named, more=more))


def _how_it_ended(job_id: str, status: str | None, outcome: str, store: Store) -> str:
    """A job, and how it ended for those that waited for it."""
    name = _named(job_id, store)
    if status is None:
        return f"{name} {_ENDED.get(outcome, f'is {outcome}')}, and has been deleted since"
    return f"{name} {_ENDED.get(outcome, f'is {outcome}')}{_said(job_id, status, store)}"


def _said(job_id: str, status: str, store: Store) -> str:
    """What the error was that a job failed with."""
    attempts = store.run(reads.attempts(job_id)) if status == JobStatus.FAILED else []
    return f": {attempts[-1].message}" if attempts and attempts[-1].message else ""


def _ended(job: JobFacts, store: Store) -> str:
    status = job.get_status(refresh=False)
    if job.reason:
        return f"is {status}: {job.reason}"
    said = _said(job.id, status, store)
    if status is JobStatus.FAILED and job.fallback_id is not None:
        return f"has failed{said}; {_shown(job.fallback_id, store)}, stands in for it"
    return f"has {status}{said}" if status in (JobStatus.FINISHED, JobStatus.FAILED) else f"was {status}"


# Words


def _and(names: Sequence[str], *, more: bool) -> str:
    return "; ".join([*names, *(["and others"] if more else [])])


def _times(count: int, what: str) -> str:
    if count == 1:
        return f"{count} {what}"
    return f"{count} {what[:-1]}ies" if what.endswith("y") else f"{count} {what}s"


def _duration(ms: int) -> str:
    seconds = max(0, ms) / 1000
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
