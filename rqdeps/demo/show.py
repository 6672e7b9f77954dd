"""How the demo's jobs are doing, and how they did, as lines of text."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rqdeps import Job, JobStatus, Queue
from rqdeps.demo.steps import Overview
from rqdeps.progress_line import bar

_LONGEST_LINE = 100
_TIMES = "×"
_MARKS = {JobStatus.FINISHED: "✔ ", JobStatus.FAILED: "✘ ", JobStatus.UPSTREAM_FAILED: "✘ "}

#: Where the notes on a step begin, in columns.
_NOTES_AT = 47

#: When an attempt began and ended.
Run = tuple[datetime, datetime]


def command(*words: str) -> str:
    """A command of rqdeps as it can be copied into the shell from which this program was started."""
    return shlex.join([*_program(), *words])


def _program() -> list[str]:
    """What to type for rqdeps: it need not be on the path, or another may be."""
    called, found = sys.argv[0], shutil.which("rqdeps")
    if found and (_are_same(found, called) or _are_same(os.path.dirname(found), os.path.dirname(sys.executable))):
        return ["rqdeps"]
    return [called] if os.path.basename(called) == "rqdeps" else [sys.executable, "-m", "rqdeps"]


def _are_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def section(title: str, lines: Iterable[str]) -> None:
    """Prints lines below a title."""
    click.secho(f"\n{title}", bold=True)
    for line in lines:
        click.echo(f"  {line}".rstrip())


def progress(counts: Mapping[JobStatus, int]) -> str:
    """How many jobs have ended, and how many have which status."""
    total = sum(counts.values())
    ended = sum(count for status, count in counts.items() if status.is_terminal)
    named = " · ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{bar(ended / max(total, 1))} {ended}/{total} ended: {named}"


def highlights(overview: Overview) -> Iterator[str]:
    """The leading sentences of the sections that stand for most of the others."""
    if not overview["highlights"]:
        yield "No sentence was found that reads as prose."
    for summary in overview["highlights"]:
        yield from wrap(f"• {summary['title']}: {summary['sentences'][0]}", indent="  ")


def way_out(failed: Job[Any], kept: Job[Any], mending: Sequence[str]) -> Iterator[str]:
    """Why a job can't run, and one line that mends it.

    Args:
        failed: the job that has failed.
        kept: one that it keeps from running.
        mending: the commands that do it.
    """
    yield from wrap(kept.explain())
    yield ""
    yield from wrap(
        f"Make the folder, requeue {_step(failed)}, and let a worker run it: {_step(kept)} follows by itself. "
        f"One line to copy:"
    )
    yield ""
    yield click.style(" && ".join(mending), bold=True)


def wrap(text: str, indent: str = "") -> list[str]:
    """The lines of a text that is printed in a section; all but the first are indented so."""
    width = min(_LONGEST_LINE, shutil.get_terminal_size().columns - 2)
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def left_behind(folder: Path, url: str, job: Job[Any]) -> Iterator[str]:
    """What there is to look at, and how to be rid of it."""
    yield f"{folder}/report.md    a summary of each section"
    yield f"{folder}/worker.log   what the worker said"
    is_embedded = url.startswith("embedded:")
    if is_embedded:
        data = Path(url.removeprefix("embedded:"))
        yield f"{data}/        the server's; it stops by itself after some minutes"
    yield ""
    yield f"Look around:    {command('info', '--url', url)}"
    yield f"Look at a job:  {command('job', job.id, '--url', url)}"
    if is_embedded:
        yield f"End the server: {command('server', 'stop', url)}"
    yield f"Remove it all:  rm -r {folder}"


class Outcome:
    """What became of jobs that have ended.

    Args:
        jobs: the jobs, those that wait after those waited for.
        queue: their queue.
    """

    def __init__(self, jobs: Sequence[Job[Any]], queue: Queue) -> None:
        self._runs: dict[Job[Any], list[Run]] = {}
        for job in _with_fallbacks(jobs, queue):
            job.refresh()
            self._runs[job] = list(_runs(job))

    def graph(self) -> Iterator[str]:
        """A line for each step, below the last one that it waits for. The jobs of one function are one step."""
        steps: dict[str, list[Job[Any]]] = {}
        for job in self._runs:
            steps.setdefault(_step(job), []).append(job)
        step_of = {job.id: step for step, jobs in steps.items() for job in jobs}
        rules = {step: {step_of[edge.id]: edge.rule for edge in jobs[0].dependencies()} for step, jobs in steps.items()}
        above = {step: sorted(rules[step], key=list(steps).index) for step in steps}
        depths: dict[str, int] = {}
        for step in steps:
            depths[step] = depths[above[step][-1]] + 1 if above[step] else 0
        for (step, jobs), branch in zip(steps.items(), branches(list(depths.values())), strict=True):
            title = branch + step + (f" {_TIMES}{len(jobs)}" if len(jobs) > 1 else "")
            notes = [f"also after {', '.join(above[step][:-1])}"] if above[step][1:] else []
            notes += [f"rule: {rule}" for rule in sorted(set(rules[step].values()) - {"all_success", "fallback"})]
            notes += [f"stands in for {step_of[job.fallback_of]}" for job in jobs[:1] if job.fallback_of]
            attempts = max(len(self._runs[job]) for job in jobs)
            notes += [f"{attempts} attempts"] if attempts > 1 else []
            took = f"{self._worked(jobs):6.2f} s" if attempts else ""
            yield from _beside(f"{title:<20} {_statuses(jobs):<14} {took}", ", ".join(notes))

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

    def failures(self) -> dict[Job[Any], str]:
        """The jobs that have failed and have no fallback, each with a line on it."""
        return {
            job: f"{_step(job)} failed: {job.attempts[-1].message if job.attempts else job.reason}"
            for job in self._runs
            if job.get_status(refresh=False) is JobStatus.FAILED and job.fallback_id is None
        }

    def _worked(self, jobs: Iterable[Job[Any]]) -> float:
        return sum((end - start).total_seconds() for job in jobs for start, end in self._runs[job])


def _with_fallbacks(jobs: Iterable[Job[Any]], queue: Queue) -> Iterator[Job[Any]]:
    """Jobs, each followed by its fallback."""
    for job in jobs:
        yield job
        fallback = queue.fetch_job(job.fallback_id) if job.fallback_id else None
        if fallback is not None:
            yield fallback


def branches(depths: Sequence[int]) -> list[str]:
    """What stands before the nodes of a tree, by how deep they are, from above to below."""
    lines = []
    has_more: set[int] = set()
    for depth in reversed(depths):
        has_more = {level for level in has_more if level <= depth}
        stems = "".join("│  " if level in has_more else "   " for level in range(1, depth))
        lines.append(stems + ("├─ " if depth in has_more else "└─ ") if depth else "")
        has_more.add(depth)
    return lines[::-1]


def _beside(line: str, notes: str) -> Iterator[str]:
    """A line with notes beside it, and below one another where the terminal is narrow."""
    width = max(shutil.get_terminal_size().columns - 2 - _NOTES_AT, 20)
    for note in textwrap.wrap(notes, width) or [""]:
        yield f"{line:<{_NOTES_AT}}{note}".rstrip()
        line = ""


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
