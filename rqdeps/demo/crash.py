"""``rqdeps demo --kill``: a worker is killed in the middle of its work, and the jobs' own log says what that did."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from rqdeps import Job, JobStatus, Queue
from rqdeps.demo.ledger import Ledger, note, work
from rqdeps.demo.running import PROCESSES, Process, Progress, WorkerCommand, ends_within
from rqdeps.demo.show import section, wrap

#: How long a job of a worker that died stays claimed, in seconds: short, so that nobody has to wait for long.
LEASE = 3

#: How many jobs each of the three stages has, and how long each job takes, in seconds.
JOBS_PER_STAGE, JOB_SECONDS = 15, 0.2

#: After which part of the jobs the worker is killed.
KILLED_AFTER = 1 / 3

#: How often the log is looked at for the right moment, in seconds.
_TICK = 0.01


def enqueue_all(q: Queue, log: Path) -> dict[str, Job[Any]]:
    """Enqueues a plan, three stages of jobs that each wait for one of the stage before, and a report. By name."""
    jobs = {"plan": q.enqueue(work, "plan", JOB_SECONDS, log)}
    above = [jobs["plan"]] * JOBS_PER_STAGE
    for stage in ("fetch", "parse", "store"):
        names = [f"{stage}-{number:02}" for number in range(1, JOBS_PER_STAGE + 1)]
        above = [
            q.enqueue(work, name, JOB_SECONDS, log, depends_on=job) for name, job in zip(names, above, strict=True)
        ]
        jobs.update(zip(names, above, strict=True))
    return {**jobs, "report": q.enqueue(work, "report", JOB_SECONDS, log, depends_on=above)}


def crash(q: Queue, command: WorkerCommand, folder: Path) -> None:
    """Runs the jobs, kills their worker on the way, has another go on, and counts.

    Args:
        q: an empty queue.
        command: what starts a worker on it.
        folder: where to write.

    Raises:
        click.ClickException: a job was lost, or has run before what it depends on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, said = folder / "kill.log", folder / "worker.log"
    for file in (log, said):
        file.unlink(missing_ok=True)
    jobs = enqueue_all(q, log.resolve())
    names = {job.id: name for name, job in jobs.items()}
    dependencies = {job.id: job.dependency_ids for job in jobs.values()}
    click.echo(f"{len(jobs)} jobs are enqueued, and a worker runs them:\n{command}\n")

    shown = Progress(q)
    with command.running(said) as worker:
        _wait_for_the_middle(log, len(jobs), worker, shown, said)
        _kill(worker, q, log)
    shown.end()
    section("The worker is killed", _what_it_left(worker, Ledger.read(log).in_flight, names))

    section("Another worker goes on", _what_it_waits_for())
    recovery = _Recovery(log, names, shown)
    with command.running(said) as worker:
        shown.until_the_end_of(worker, said, recovery.look)
    section(f"The count, by the log that the jobs wrote themselves: {log}", _count(Ledger.read(log), dependencies))
    complain(Ledger.read(log), names, dependencies)


def _wait_for_the_middle(log: Path, total: int, worker: Process, shown: Progress, said: Path) -> None:
    """Waits until a good part of the jobs has ended, and as many as can have begun."""
    while True:
        ledger = Ledger.read(log)
        if len(ledger.ended) >= total * KILLED_AFTER and len(ledger.running) == PROCESSES:
            return
        shown.show()
        if ends_within(worker, _TICK):
            raise click.ClickException(f"the worker ended before it could be killed: see {said}")


def _kill(worker: Process, q: Queue, log: Path) -> None:
    """Kills a worker and the processes that run its jobs, and notes which jobs were in flight."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    begun = Ledger.read(log).starts
    note(
        log, "kill", str(worker.pid), *(job_id for job_id in q.get_job_ids(status=JobStatus.STARTED) if job_id in begun)
    )


def _what_it_left(worker: Process, in_flight: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    yield f"kill -KILL -{worker.pid}   (the worker, and the {PROCESSES} processes in which it ran jobs)"
    yield from (f"{names[job_id]} was in flight, as job {job_id}" for job_id in in_flight)


def _what_it_waits_for() -> Iterator[str]:
    yield from wrap(
        f"It runs at once whatever may run. What was in flight stays claimed by the dead worker until its lease ends: "
        f"{LEASE} s here (--lease {LEASE}), 30 s by default."
    )


class _Recovery:
    """Says which jobs of the dead worker run again, once they do.

    Args:
        log: the log of the jobs.
        names: their names, by their ids.
        shown: where to say it.
    """

    def __init__(self, log: Path, names: Mapping[str, str], shown: Progress) -> None:
        self._log = log
        self._names = names
        self._shown = shown
        self._told: set[str] = set()

    def look(self) -> None:
        """Looks for more of them."""
        for job_id, seconds in Ledger.read(self._log).restarted.items():
            if job_id not in self._told:
                self._told.add(job_id)
                self._shown.say(f"{self._names[job_id]} runs again, {seconds:.1f} s after its worker died")


def _count(ledger: Ledger, dependencies: Mapping[str, list[str]]) -> Iterator[str]:
    early = len(ledger.too_early(dependencies))
    yield ledger.summary(dependencies)
    yield f"{ledger.starts.total()} starts, {early or 'none'} before all that the job depends on had ended"


def complain(ledger: Ledger, names: Mapping[str, str], dependencies: Mapping[str, list[str]]) -> None:
    """Makes sure that no job was lost, and that none ran before all that it depends on had ended.

    Args:
        ledger: what the log says.
        names: the names of the jobs, by their ids.
        dependencies: the ids of what each job depends on, by its id.

    Raises:
        click.ClickException: there are such jobs; it names them.
    """
    complaints = [f"{names[job_id]} was lost" for job_id in ledger.lost(dependencies)]
    complaints += [f"{names[job_id]} ran too early" for job_id in ledger.too_early(dependencies)]
    if complaints:
        click.echo()
        raise click.ClickException("\n".join(complaints))
