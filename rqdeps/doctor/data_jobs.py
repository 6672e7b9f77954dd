"""Checks of jobs that nobody will run, and of those that failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rqdeps.attempts import worker_of
from rqdeps.doctor.data_facts import DataFacts, QueueFacts
from rqdeps.doctor.findings import Finding, Reporter, Section, names
from rqdeps.durations import format_ms
from rqdeps.status import JobStatus
from rqdeps.text import many, printable

_say: Final = Reporter(Section.DATA)

_HOUR_MS: Final = 3_600_000

#: How long a job may be held before somebody may have forgotten it, in milliseconds: less if others wait for it.
HELD_LONG_MS: Final = 24 * _HOUR_MS
HELD_UP_MS: Final = _HOUR_MS

#: How many jobs that failed within an hour, or ever, are many.
MANY_LATELY: Final = 10
MANY: Final = 1_000

#: How long an error may be where it stands in a line.
_LONGEST_ERROR: Final = 120


def check_queues(facts: DataFacts) -> Iterator[Finding]:
    """Whether the jobs of each queue will be run."""
    served, found = facts.served, False
    for queue in facts.queues:
        finding = None
        if queue.settings.is_paused and queue.waiting:
            finding = _paused(facts, queue)
        elif queue.waiting and served and queue.name not in served:
            finding = _unserved(facts, queue)
        elif queue.count(JobStatus.QUEUED) and (gone := _lost_places(facts, queue)):
            finding = _full(facts, queue, gone)
        if finding is not None:
            found = True
            yield finding
    if not found:
        waiting, running = sum(queue.waiting for queue in facts.queues), facts.total(JobStatus.STARTED)
        doing = f"{many(waiting, 'job')} waiting, {running:,} running"
        yield _say.ok(
            "queues", f"{many(len(facts.queues), 'queue')}: {doing}" if facts.queues else "there are none yet"
        )


def _unserved(facts: DataFacts, queue: QueueFacts) -> Finding:
    return _say.problem(
        "queues",
        f"{queue.name}: {_waiting(facts, queue)}, and no worker that is alive serves this queue",
        "Start a worker for it:",
        ["worker", queue.name],
        queue.name,
    )


def _waiting(facts: DataFacts, queue: QueueFacts) -> str:
    """How many jobs of a queue could run, and how many, of those that were looked at, wait for these."""
    others = sum(len(facts.roots.waiting_for(status, queue.name)) for status in ("queued", "scheduled"))
    wait = f", for which {many(others, 'other')} {'waits' if others == 1 else 'wait'}" if others else ""
    return f"{many(queue.waiting, 'job')} waiting{wait}"


def _paused(facts: DataFacts, queue: QueueFacts) -> Finding:
    return _say.warning(
        "queues",
        f"{queue.name}: paused, with {_waiting(facts, queue)}",
        "Nobody takes them until it is resumed:",
        ["queue", "resume", queue.name],
        queue.name,
    )


def _lost_places(facts: DataFacts, queue: QueueFacts) -> list[str]:
    """The holders of started jobs, in a queue that is full to its limit, who give no sign of life."""
    limit = queue.settings.limit
    if limit is None or queue.count(JobStatus.STARTED) < limit:
        return []
    alive = {worker.name for worker in facts.alive}
    holders = [worker_of(job.fields.get("holder", "")) for job in queue.sample(JobStatus.STARTED)]
    return [holder for holder in holders if holder not in alive]


def _full(facts: DataFacts, queue: QueueFacts, gone: list[str]) -> Finding:
    ends = max(job.score for job in queue.sample(JobStatus.STARTED)) - facts.vitals.now_ms
    when = f"in {format_ms(ends)}" if ends > 0 else "once a worker does what time brings"
    return _say.warning(
        "queues",
        f"{queue.name}: at most {queue.settings.limit} at once, and {many(len(gone), 'place')} taken by workers that "
        f"give no sign of life ({names(sorted(set(gone)))})",
        f"The places are free when the leases are over, {when}; to let more run until then:",
        ["queue", "limit", queue.name, str((queue.settings.limit or 0) + len(gone))],
        queue.name,
    )


def check_held(facts: DataFacts) -> Iterator[Finding]:
    """Whether somebody has forgotten jobs that are held."""
    held = list(facts.sampled(JobStatus.CREATED))
    if not held:
        return
    oldest = min((job for _, job in held), key=lambda job: job.score)
    age_ms = facts.vitals.now_ms - oldest.score
    others = len(facts.roots.waiting_for("created"))
    wait = f"; {many(others, 'other')} {'waits' if others == 1 else 'wait'} for such" if others else ""
    count = facts.total(JobStatus.CREATED)
    text = f"{many(count, 'job')} held, the oldest for {format_ms(age_ms)} ({oldest.job_id}){wait}"
    if age_ms > (HELD_UP_MS if others else HELD_LONG_MS):
        yield _say.warning(
            "held jobs",
            text,
            "Nobody runs them until the program that held them calls release(). If nobody will:",
            ["cancel", oldest.job_id],
        )
    else:
        yield _say.ok("held jobs", text)


def check_deferred(facts: DataFacts) -> Iterator[Finding]:
    """Whether jobs wait for others that have ended."""
    forgotten = [] if facts.vitals.untold_count else facts.roots.forgotten()
    if forgotten:
        yield _say.problem(
            "deferred jobs",
            f"{many(len(forgotten), 'job')} that nothing will release, though all that they wait for has ended: "
            f"{names(forgotten)}",
            "This should not be: please report it. To run one all the same, cancel it, then requeue it (--force):",
            ["cancel", forgotten[0]],
            " ".join(forgotten),
        )
    elif count := facts.total(JobStatus.DEFERRED):
        looked_at = sum(1 for _ in facts.sampled(JobStatus.DEFERRED))
        beside = "" if looked_at == count else f" ({looked_at:,} looked at)"
        yield _say.ok("deferred jobs", f"{many(count, 'job')} waiting for others that have not ended{beside}")


def check_failed(facts: DataFacts) -> Iterator[Finding]:
    """Whether failed jobs pile up, and what most of them failed with."""
    count = facts.total(JobStatus.FAILED)
    if not count:
        return
    since = facts.vitals.now_ms - _HOUR_MS
    lately = sum(job.number("ended_at") > since for _, job in facts.sampled(JobStatus.FAILED))
    text = f"{many(count, 'job')} failed, {lately:,}{'+' * (lately >= _SAMPLED)} within the last hour"
    if facts.errors:
        (error, often), *_ = facts.errors.most_common(1)
        how_many = f"mostly ({often} of the last {facts.errors.total()})" if often > 1 else "such as"
        text += f"; {how_many}: {_short(error)}"
    if count >= MANY or lately >= MANY_LATELY:
        example = next(job.job_id for _, job in facts.sampled(JobStatus.FAILED))
        yield _say.warning("failed jobs", text, "The last one, with its traceback:", ["job", example])
    else:
        yield _say.ok("failed jobs", text)


_SAMPLED: Final = 100


def _short(error: str) -> str:
    line = printable(" ".join(error.split()))
    return line if len(line) <= _LONGEST_ERROR else f"{line[: _LONGEST_ERROR - 1]}…"


def check_rootless(facts: DataFacts) -> Iterator[Finding]:
    """Whether jobs can't run because of others that nobody can requeue, as they have been deleted."""
    if facts.rootless:
        yield _say.warning(
            "upstream_failed",
            f"{many(len(facts.rootless), 'job')} can't run because of jobs that have been deleted: "
            f"{names(facts.rootless)}",
            "There is nothing to requeue above them. To run one all the same:",
            ["requeue", "--force", facts.rootless[0]],
            " ".join(facts.rootless),
        )
