"""Checks of the workers: whether anybody is there to run jobs, and does what time brings."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from rqdeps.attempts import worker_of
from rqdeps.doctor.data_facts import DataFacts
from rqdeps.doctor.findings import Finding, Reporter, Section, names
from rqdeps.durations import format_ms
from rqdeps.status import JobStatus
from rqdeps.store.calls.checkups import Sampled
from rqdeps.text import many
from rqdeps.version import __version__
from rqdeps.worker_info import WorkerInfo

_say: Final = Reporter(Section.DATA)

#: How late what is due may be, in milliseconds, before it counts as overdue: workers look each second.
LATE_MS: Final = 5_000

#: How far the clock may be behind what it has shown, in milliseconds.
BEHIND_MS: Final = 1_000


def check_workers(facts: DataFacts) -> Iterator[Finding]:
    """Whether any worker is alive."""
    alive = facts.alive
    if alive:
        served = sorted(facts.served)
        yield _say.ok("workers", f"{many(len(alive), 'worker')} alive, for {_queues(len(served))} {names(served)}")
        return
    count = facts.total(*_OPEN)
    waiting = [queue.name for queue in facts.queues if queue.waiting or queue.count(JobStatus.STARTED)]
    if not count:
        yield _say.ok("workers", "none is alive, and no job waits")
    else:
        yield _say.problem(
            "workers",
            f"none is alive, and {many(count, 'job')} {'has' if count == 1 else 'have'} not ended: nothing runs, and "
            f"nobody does what time brings",
            "Start a worker:",
            ["worker", *waiting],
        )


_OPEN: Final = (JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.STARTED, JobStatus.DEFERRED)


def _queues(count: int) -> str:
    return "queue" if count == 1 else f"{count} queues:"


def check_silent_workers(facts: DataFacts) -> Iterator[Finding]:
    """Whether workers have fallen silent without saying that they go."""
    alive = {worker.name for worker in facts.alive}
    for worker in facts.workers:
        if worker.name in alive:
            continue
        held = sum(
            worker_of(job.fields.get("holder", "")) == worker.name for _, job in facts.sampled(JobStatus.STARTED)
        )
        holds = f"; it holds {many(held, 'job')}, which other workers run once its leases end" if held else ""
        yield _say.warning(
            "silent worker",
            f"{worker.name} gave its last sign of life {format_ms(worker.age_ms)} ago{holds}",
            f"See whether it runs on {worker.host or 'its machine'} (process {worker.pid}), and what its log says.",
            about=worker.name,
        )


def check_versions(facts: DataFacts) -> Iterator[Finding]:
    """Whether workers run another release than this program."""
    others = [worker for worker in facts.alive if worker.version and worker.version != __version__]
    if others:
        told = names([f"{worker.name} ({worker.version})" for worker in others])
        yield _say.warning(
            "versions",
            f"workers of another release than this one, {__version__}: {told}",
            "Bring programs and workers to the same release.",
            about=told,
        )


def check_unknown_queues(facts: DataFacts) -> Iterator[Finding]:
    """Whether workers serve queues that nobody has ever put a job into, as after a typing error."""
    known = {queue.name for queue in facts.queues}
    unserved = [queue.name for queue in facts.queues if queue.name not in facts.served]
    for worker in facts.alive:
        for queue in worker.queues:
            if queue in known or not known:
                continue
            near = get_close_matches(queue, unserved, n=1)
            if near or not known.intersection(worker.queues):
                meant = f"; is {near[0]} meant?" if near else ""
                yield _say.warning(
                    "unknown queue",
                    f"worker {worker.name} serves {queue}, into which nothing was ever enqueued{meant}",
                    f"There are: {names(sorted(known), 10)}. Start the worker with the names that programs use.",
                    about=f"{worker.name} {queue}",
                )


def check_maintenance(facts: DataFacts) -> Iterator[Finding]:
    """Whether somebody does what time brings, and all that is due has been done."""
    alive, vitals = facts.alive, facts.vitals
    late_ms = vitals.now_ms - vitals.maintained_at_ms
    if alive and late_ms > LATE_MS:
        ago = f"for {format_ms(late_ms)}" if vitals.maintained_at_ms else "yet"
        yield _say.problem(
            "upkeep",
            f"workers are alive, but none has looked after what time brings {ago}",
            f"See the logs of {names([worker.name for worker in alive])}.",
        )
    elif alive:
        yield _say.ok("upkeep", f"what time brings was done {format_ms(max(0, late_ms))} ago")
    yield from _leases(facts, alive)
    yield from _due(facts, alive)


def _leases(facts: DataFacts, alive: list[WorkerInfo]) -> Iterator[Finding]:
    late = _overdue(facts, JobStatus.STARTED)
    if not late:
        return
    text = f"{many(len(late), 'job')} of workers that are gone: {names([job.job_id for job in late])}"
    if alive:
        advice = "Workers should have taken them back: see their logs."
        yield _say.problem("leases", f"{text}; the leases are over", advice, about="leases")
    else:
        yield _say.problem(
            "leases", f"{text}; nobody is there to take them back", "Start a worker:", ["worker"], "leases"
        )


def _due(facts: DataFacts, alive: list[WorkerInfo]) -> Iterator[Finding]:
    late = _overdue(facts, JobStatus.SCHEDULED)
    if late:
        longest = format_ms(facts.vitals.now_ms - min(job.score for job in late))
        text = f"{many(len(late), 'scheduled job')} should have been queued by now, the first {longest} ago"
        if alive:
            yield _say.problem("overdue", text, "Workers should have queued them: see their logs.", about="scheduled")
        else:
            yield _say.problem("overdue", text, "Any worker does that, of whatever queue:", ["worker"], "scheduled")
    timer = facts.vitals.first_timer_ms
    if timer is not None and facts.vitals.now_ms - timer > LATE_MS:
        yield _say.warning(
            "overdue",
            "jobs whose time to live is over, or whose time to repeat has come, are still as they were",
            "See the logs of the workers." if alive else "Any worker sees to that, of whatever queue:",
            () if alive else ["worker"],
            "timers",
        )


def _overdue(facts: DataFacts, status: JobStatus) -> list[Sampled]:
    """Jobs, of those that were looked at, whose place in their registry has been over for a while."""
    return [job for _, job in facts.sampled(status) if job.score < facts.vitals.now_ms - LATE_MS]


def check_clock(facts: DataFacts) -> Iterator[Finding]:
    """Whether the server's clock is behind what it has shown before."""
    behind_ms = facts.vitals.latest_ms - facts.vitals.now_ms
    if behind_ms > BEHIND_MS:
        yield _say.warning(
            "clock gone back",
            f"the server's clock is {format_ms(behind_ms)} behind what it has shown before",
            "What waits for a time comes that much later. After a failover: synchronise the servers (NTP).",
        )


def check_news(facts: DataFacts) -> Iterator[Finding]:
    """Whether ends of jobs are still to be told to those that wait for them, and nobody does."""
    vitals = facts.vitals
    if vitals.untold:
        state = " ".join(f"{each.member}@{each.place:g}/{each.left}" for each in vitals.untold)
        text = f"{many(vitals.untold_count, 'end')} or reopenings of jobs have not reached all that wait for them"
        if facts.alive:
            yield _say.problem(
                "news", f"{text}, and nobody carries them on", "See the logs of the workers.", about=state
            )
        else:
            yield _say.warning("news", text, "Any worker carries them on, of whatever queue:", ["worker"], state)
    if vitals.overdue_gates:
        yield _say.warning(
            "graphs",
            f"{many(len(vitals.overdue_gates), 'graph')} never came whole, and should have been given up",
            "See the logs of the workers." if facts.alive else "Any worker does that, of whatever queue:",
            () if facts.alive else ["worker"],
            about=" ".join(vitals.overdue_gates),
        )
