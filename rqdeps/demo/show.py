"""How the demo's jobs are doing, and how they did, as lines of text."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rqdeps import Job, JobStatus
from rqdeps.demo.steps import Overview

_BAR_LENGTH = 16
_LONGEST_LINE = 100
_TIMES = "\u00d7"
_MARKS = {JobStatus.FINISHED: "✔ ", JobStatus.FAILED: "✘ ", JobStatus.UPSTREAM_FAILED: "✘ "}

#: When an attempt began and ended.
Run = tuple[datetime, datetime]


def progress(counts: Mapping[JobStatus, int]) -> str:
    """How many jobs have ended, and how many have which status."""
    total = sum(counts.values())
    ended = sum(count for status, count in counts.items() if status.is_terminal)
    bar = "█" * (_BAR_LENGTH * ended // max(total, 1))
    named = " · ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{bar:░<{_BAR_LENGTH}} {ended}/{total} ended: {named}"


def highlights(overview: Overview) -> Iterator[str]:
    """The leading sentences of the sections that stand for most of the others."""
    width = min(_LONGEST_LINE, shutil.get_terminal_size().columns - 2)
    if not overview["highlights"]:
        yield "No sentence was found that reads as prose."
    for summary in overview["highlights"]:
        yield from textwrap.wrap(f"• {summary['title']}: {summary['sentences'][0]}", width, subsequent_indent="  ")


def left_behind(folder: Path, url: str, job: Job[Any]) -> Iterator[str]:
    """What there is to look at, and how to be rid of it."""
    yield f"{folder}/report.md    a summary of each section"
    yield f"{folder}/worker.log   what the worker said"
    is_embedded = url.startswith("embedded:")
    if is_embedded:
        data = Path(url.removeprefix("embedded:"))
        yield f"{data}/        the server's; it stops by itself after some minutes"
    yield ""
    yield f"Look around:    rqdeps info --url {shlex.quote(url)}"
    yield f"Look at a job:  rqdeps job {job.id} --url {shlex.quote(url)}"
    if is_embedded:
        yield f"End the server: rqdeps server stop {shlex.quote(url)}"
    yield f"Remove it all:  rm -r {folder}"


class Outcome:
    """What became of jobs that have ended.

    Args:
        jobs: the jobs, those that wait after those waited for.
    """

    def __init__(self, jobs: Sequence[Job[Any]]) -> None:
        self._runs = {job: list(_runs(job)) for job in jobs}

    def graph(self) -> Iterator[str]:
        """A line for each step, below the last one that it waits for. The jobs of one function are one step."""
        steps: dict[str, list[Job[Any]]] = {}
        for job in self._runs:
            steps.setdefault(_step(job), []).append(job)
        step_of = {job.id: step for step, jobs in steps.items() for job in jobs}
        depths: dict[str, int] = {}
        for step, jobs in steps.items():
            rules = {step_of[edge.id]: edge.rule for edge in jobs[0].dependencies()}
            waits_for = sorted(rules, key=list(steps).index)
            depths[step] = depths[waits_for[-1]] + 1 if waits_for else 0
            branch = f"{'   ' * (depths[step] - 1)}└─ " if waits_for else ""
            title = branch + step + (f" {_TIMES}{len(jobs)}" if len(jobs) > 1 else "")
            notes = [f"also after {other}" for other in waits_for[:-1]]
            notes += [f"rule: {rule}" for rule in sorted(set(rules.values()) - {"all_success"})]
            attempts = max(len(self._runs[job]) for job in jobs)
            notes += [f"{attempts} attempts"] if attempts > 1 else []
            yield f"{title:<22} {_statuses(jobs):<14} {self._worked(jobs):6.2f} s  {', '.join(notes)}".rstrip()

    def timing(self) -> Iterator[str]:
        """How long it all took, how long the jobs ran, and how many at a time."""
        runs = sorted(run for runs in self._runs.values() for run in runs)
        begun = min(job.created_at for job in self._runs if job.created_at)
        busy, until = 0.0, begun
        for start, end in runs:
            busy += max(0.0, (end - max(start, until)).total_seconds())
            until = max(until, end)
        worked = self._worked(self._runs)
        yield f"{(until - begun).total_seconds():6.2f} s  from the first job enqueued to the last one ended"
        yield f"{busy:6.2f} s  with jobs running; the rest: start-up, and pauses before retries"
        yield f"{worked:6.2f} s  of work in {len(runs)} attempts: {worked / max(busy, 0.001):.1f} at a time"

    def failures(self) -> list[str]:
        """A line for each job that did not finish."""
        return [
            f"{_step(job)} {status}: {job.attempts[-1].message if job.attempts else job.reason or 'it never ran'}"
            for job in self._runs
            if (status := job.get_status(refresh=False)) is not JobStatus.FINISHED
        ]

    def _worked(self, jobs: Iterable[Job[Any]]) -> float:
        return sum((end - start).total_seconds() for job in jobs for start, end in self._runs[job])


def _step(job: Job[Any]) -> str:
    return job.func_name.rpartition(".")[2]


def _runs(job: Job[Any]) -> Iterator[Run]:
    yield from ((attempt.started_at, attempt.ended_at) for attempt in job.attempts)
    if job.get_status(refresh=False) is JobStatus.FINISHED and job.started_at and job.ended_at:
        yield job.started_at, job.ended_at


def _statuses(jobs: Sequence[Job[Any]]) -> str:
    counts = Counter(job.get_status(refresh=False) for job in jobs)
    number = "{} " if len(jobs) > 1 else ""
    return ", ".join(_MARKS.get(status, "") + number.format(count) + status for status, count in counts.items())
