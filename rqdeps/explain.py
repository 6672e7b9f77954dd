"""One sentence on a job: why it does not run, whom it waits for, whose fault that is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rqdeps.job_record import JobRecord, refresh
from rqdeps.lineage import EdgePages, culprits, edges_of
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.calls.reads import EdgeRecord, Standing
from rqdeps.store.conversation import ask
from rqdeps.text import times
from rqdeps.worker_info import alive_workers

#: How many jobs a sentence names.
_NAMED = 3

_DOING = {
    JobStatus.CREATED: "is held",
    JobStatus.DEFERRED: "waits for others itself",
    JobStatus.SCHEDULED: "waits for its time",
    JobStatus.QUEUED: "is queued",
    JobStatus.STARTED: "runs",
    JobStatus.JOINING: "waits for the jobs it spawned",
}


_ENDED = {"finished": "finished", "failed": "failed", "stopped": "was stopped", "canceled": "was canceled"}


def explain(job: JobRecord) -> Conversation[str]:
    """Says where a job stands.

    Args:
        job: the job, which is read anew.

    Raises:
        NoSuchJobError: it has been deleted.
    """
    if job.draft is not None:
        return f"Job {job.id} is not saved yet: Queue.enqueue_job enqueues it."
    yield from refresh(job)
    if job.loaded_status is JobStatus.CREATED:
        return f"Job {job.id} {_created(job)}."
    say = {
        JobStatus.DEFERRED: _deferred,
        JobStatus.SCHEDULED: _scheduled,
        JobStatus.QUEUED: _queued,
        JobStatus.STARTED: _started,
        JobStatus.JOINING: _joining,
        JobStatus.UPSTREAM_FAILED: _upstream_failed,
        JobStatus.SKIPPED: _skipped,
    }.get(job.loaded_status, _ended)
    said = yield from say(job)
    return f"Job {job.id} {said}."


def _created(job: JobRecord) -> str:
    return "is held: release() lets it go" if job.is_held else "is just being let through with its graph"


# What it waits for


def _deferred(job: JobRecord) -> Conversation[str]:
    edges = yield from edges_of(job.id)
    waiting = [edge for edge in edges if edge.outcome is None]
    if job.fallback_of is not None and any(edge.kind == "fallback" for edge in waiting):
        shown = yield from _shown(job.fallback_of)
        return f"stands in for {shown}, in case that fails"
    rules = sorted({edge.rule for edge in waiting})
    names = yield from _each(_waited_for(edge) for edge in waiting[:_NAMED])
    named = _and(names, more=len(waiting) > _NAMED)
    return f"waits for {len(waiting)} of {times(len(edges), 'dependency')} ({', '.join(rules)}): {named}"


def _waited_for(edge: EdgeRecord) -> Conversation[str]:
    if edge.status == JobStatus.FAILED:
        return f"{edge.dependency_id} failed, and its fallback has not ended"
    return (yield from _shown(edge.dependency_id))


def _shown(job_id: str) -> Conversation[str]:
    """A job, its function, and what it does."""
    job = yield from _found(job_id)
    if job is None:
        return f"{job_id}, which has been deleted"
    status = job.loaded_status
    if job.is_workflow and status is JobStatus.JOINING:
        return f"{_name(job)}, which has not ended"
    return f"{_name(job)}, which {_DOING.get(status) or _ENDED.get(status.value) or f'is {status}'}"


def _named(job_id: str) -> Conversation[str]:
    job = yield from _found(job_id)
    return job_id if job is None else _name(job)


def _found(job_id: str) -> Conversation[JobRecord | None]:
    (fields,) = yield from ask(reads.fetch([job_id]))
    return None if fields is None else JobRecord(job_id, fields)


def _name(job: JobRecord) -> str:
    if job.is_workflow:
        return f"{job.id} ({f'workflow {job.given_description}'.rstrip()})"
    return f"{job.id} ({job.func_name.rpartition('.')[2]})"


# What keeps a released job


def _scheduled(job: JobRecord) -> Conversation[str]:
    standing = yield from ask(reads.standing(job.id))
    when = _duration(standing.due_ms)
    nobody = yield from _nobody_there(standing)
    if job.attempt:
        return f"runs again in {when}, after {times(job.attempt, 'attempt')}{nobody}"
    return f"waits for its time, which comes in {when}{nobody}"


def _queued(job: JobRecord) -> Conversation[str]:
    standing = yield from ask(reads.standing(job.id))
    place = "is behind many jobs" if standing.ahead is None else f"is behind {times(standing.ahead, 'job')}"
    if standing.ahead == 0:
        place = "is next"
    if standing.is_paused:
        return f"{place} in queue {standing.queue}, which is paused: resume() lets its jobs run"
    limit = ""
    if standing.full_at is not None:
        limit = f", of which at most {standing.full_at} {'runs' if standing.full_at == 1 else 'run'} at once"
    nobody = yield from _nobody_there(standing)
    return f"{place} in queue {standing.queue}{limit}{nobody}"


def _nobody_there(standing: Standing) -> Conversation[str]:
    alive = yield from alive_workers()
    if any(standing.queue in worker.queues for worker in alive):
        return ""
    return f", and no live worker serves that queue: start one with `rqdeps worker {standing.queue}`"


def _started(job: JobRecord) -> Conversation[str]:
    standing = yield from ask(reads.standing(job.id))
    name = job.worker_name
    alive = yield from alive_workers()
    if name not in {worker.name for worker in alive}:
        then = "ends as stopped" if job.is_being_stopped else "goes back to its queue"
        return (
            f"was taken by worker {name}, which gives no sign of life: it {then} when its lease ends, "
            f"in {_duration(standing.due_ms)}"
        )
    if job.is_being_stopped:
        return f"runs on worker {name}, which was asked to stop it"
    progress = f", {job.loaded_progress}".rstrip(".") if job.loaded_progress else ""
    return f"runs on worker {name} (attempt {max(job.attempt, 1)}){progress}"


def _joining(job: JobRecord) -> Conversation[str]:
    edges = yield from edges_of(job.id, joined=True)
    waiting = [edge for edge in edges if edge.outcome is None]
    names = yield from _each(_waited_for(edge) for edge in waiting[:_NAMED])
    named = _and(names, more=len(waiting) > _NAMED)
    if job.is_workflow:
        doing = f"is the end of workflow {job.given_description or job.id}, and waits"
        what = times(len(edges), "job")
    else:
        doing = "has run, and waits"
        what = f"{times(len(edges), 'job')} that it spawned"
    canceled = "; it was canceled" if job.is_being_stopped else ""
    return f"{doing} for {len(waiting)} of {what}: {named}{canceled}"


# How it ended


def _upstream_failed(job: JobRecord) -> Conversation[str]:
    found = yield from culprits(job.id, most=_NAMED)
    unmet = yield from _unmet(job)
    names = yield from _each(_how_it_ended(root.job_id, root.status, root.outcome) for root in found.roots)
    named = _and(names, more=found.more)
    began = "" if named == unmet.causes else f"; it began where {named}"
    if job.is_workflow:
        return f"is the end of a workflow that failed: {unmet}{began}; retry_failed() resumes it"
    are_there = any(root.status is not None for root in found.roots)
    if job.has_joined:
        way_out = "requeue() runs that again" if are_there else "requeue(force=True) runs this job anew"
        return f"has run, but what it spawned failed: {unmet}{began}; {way_out}"
    if are_there:
        return f"can't run: {unmet}{began}; requeue that, or skip it"
    return f"can't run: {unmet}{began}; requeue(force=True) runs this job all the same"


def _skipped(job: JobRecord) -> Conversation[str]:
    if job.fallback_of is not None:
        shown = yield from _shown(job.fallback_of)
        return f"was not needed: {shown}, and it stands in for that only if it fails"
    unmet = yield from _unmet(job)
    return f"was skipped, as the branch not taken: {unmet}"


@dataclass(frozen=True)
class _Unmet:
    """Rules that can't be met any more, and the dependencies that had a part in it."""

    rules: str
    causes: str

    def __str__(self) -> str:
        return f"{self.rules} can't be met, since {self.causes}"


def _unmet(job: JobRecord) -> Conversation[_Unmet]:
    rules: set[str] = set()
    named: list[str] = []
    more = False
    pages = EdgePages(job.id, joined=job.has_joined)
    while pages.has_more and not more:
        edges = yield from pages.next()
        for edge in edges:
            if edge.outcome is None or edge.kind == "fallback" or not edge.is_to_blame:
                continue
            rules.add(edge.rule)
            if len(named) == _NAMED:
                more = True
                break
            named.append((yield from _how_it_ended(edge.dependency_id, edge.status, edge.outcome)))
    return _Unmet(" and ".join(sorted(rules)), _and(named, more=more))


def _how_it_ended(job_id: str, status: str | None, outcome: str) -> Conversation[str]:
    """A job, and how it ended for those that waited for it."""
    name = yield from _named(job_id)
    if status is None:
        return f"{name} {_ENDED.get(outcome, f'is {outcome}')}, and has been deleted since"
    said = yield from _said(job_id, status)
    return f"{name} {_ENDED.get(outcome, f'is {outcome}')}{said}"


def _said(job_id: str, status: str) -> Conversation[str]:
    """What the error was that a job failed with."""
    if status != JobStatus.FAILED:
        return ""
    attempts = yield from ask(reads.attempts(job_id))
    return f": {attempts[-1].error}" if attempts and attempts[-1].error else ""


def _ended(job: JobRecord) -> Conversation[str]:
    status = job.loaded_status
    if job.reason:
        return f"is {status}: {job.reason}"
    said = yield from _said(job.id, status)
    if job.repeats_at is not None:
        when = f"{job.repeats_at:%Y-%m-%d %H:%M:%S %Z}"
        return (
            f"has finished, and runs again at {when}; cancel() ends that ({times(job.repeats_left, 'repetition')} left)"
        )
    if status is JobStatus.FAILED and job.fallback_id is not None:
        shown = yield from _shown(job.fallback_id)
        return f"has failed{said}; {shown}, stands in for it"
    return f"has {status}{said}" if status in (JobStatus.FINISHED, JobStatus.FAILED) else f"was {status}"


# Words


def _each(conversations: Iterable[Conversation[str]]) -> Conversation[list[str]]:
    """What conversations return, one after the other."""
    found = []
    for conversation in conversations:
        found.append((yield from conversation))  # noqa: PERF401
    return found


def _and(names: Sequence[str], *, more: bool) -> str:
    return "; ".join([*names, *(["and others"] if more else [])])


def _duration(ms: int) -> str:
    seconds = max(0, ms) / 1000
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
