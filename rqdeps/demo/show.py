"""How the demo's jobs are doing, and how they did, as lines of text."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rqdeps import Job, JobStatus, Queue
from rqdeps.demo.steps import Overview
from rqdeps.progress_line import bar

_LONGEST_LINE = 100
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


def _step(job: Job[Any]) -> str:
    return job.func_name.rpartition(".")[2]


def _runs(job: Job[Any]) -> Iterator[Run]:
    yield from ((attempt.started_at, attempt.ended_at) for attempt in job.attempts)
    if job.get_status(refresh=False) is JobStatus.FINISHED and job.started_at and job.ended_at:
        yield job.started_at, job.ended_at
