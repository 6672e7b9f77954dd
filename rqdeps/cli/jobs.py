"""``rqdeps jobs``: jobs that have something in common, in columns."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console, RenderableType
from rich.text import Text

from rqdeps.cli.options import json_option, number_or_none, url_option, watch_option
from rqdeps.cli.plain import time_text
from rqdeps.cli.screen import columns, is_narrow, lines_of, marked
from rqdeps.cli.selection import filter_options
from rqdeps.cli.watching import View, present
from rqdeps.durations import format_ms
from rqdeps.finding import ALL_FACTS, Found, FoundJob, JobFilter, find
from rqdeps.status import JobStatus
from rqdeps.store import connect

#: Lines that stand above the jobs and below them.
_OTHER_LINES = 3


@click.command(short_help="Lists jobs that have something in common.")
@filter_options
@click.option("--latest", "latest_first", is_flag=True, help="Those of a queue that came last first.")
@click.option(
    "--most",
    callback=number_or_none,
    default="50",
    show_default=True,
    metavar="N|none",
    help="How many at most; with --watch on a terminal, as many as fit.",
)
@click.option("--ids", "only_ids", is_flag=True, help="Print their ids alone, a line each.")
@json_option
@watch_option
@url_option
def jobs(
    latest_first: bool,
    most: int | None,
    only_ids: bool,
    as_json: bool,
    watch: bool,
    url: str | None,
    **filters: Any,
) -> None:
    """Lists jobs: what runs first, then what waits, what failed, what has finished.

    Options of different kinds have all to fit, and of the same kind one: `rqdeps jobs -s failed -s stopped -q reports`
    lists the jobs of one queue that failed or were stopped. --older and --newer go by the time since a job came into
    its status: `rqdeps jobs -s failed --newer 1h` lists what failed in the last hour.
    """
    if only_ids and (as_json or watch):
        raise click.UsageError("--ids prints ids once: leave --json and --watch out")
    store = connect(url, create=False)
    wanted = JobFilter(**filters)

    def look() -> View:
        found = store.perform(find(wanted, most, latest_first=latest_first, facts=ALL_FACTS))
        return View(
            plain=lambda: [_plain(job) for job in found.jobs],
            picture=lambda on: _picture(found, on, is_watched=watch),
            note="" if watch else _note(found, most),
            state=[(job.id, job.status) for job in found.jobs],
        )

    if only_ids:
        found = store.perform(find(wanted, most, latest_first=latest_first))
        for job in found.jobs:
            click.echo(job.id)
        if note := _note(found, most):
            click.echo(note, err=True)
        return
    present(look, as_json=as_json, watch=watch)


def _note(found: Found, most: int | None) -> str:
    if most is None or len(found.jobs) < most or found.total == len(found.jobs):
        return ""
    of = "" if found.total is None else f" of {found.total:,}"
    return f"These are the first {len(found.jobs):,}{of}; --most shows more, and options choose among them."


def _picture(found: Found, on: Console, *, is_watched: bool) -> RenderableType:
    if not found.jobs:
        return Text("No such job.")
    shown = found.jobs[: lines_of(on) - _OTHER_LINES] if is_watched and on.is_terminal else found.jobs
    rows = [_row(job, narrow=is_narrow(on)) for job in shown]
    return columns(["id", "status", "for", "queue", "function", "about"], rows, numbers=["for"], whole=["id", "status"])


def _row(job: FoundJob, *, narrow: bool) -> list[str | Text]:
    function = f"(workflow {job.facts['description']})".replace(" )", ")") if job.is_workflow else job.function
    age = format_ms(job.age_ms)
    if narrow:
        function, age = function.rpartition(".")[2], " ".join(age.split()[:2])
    return [job.id, marked(job.status), age, job.queue, function, _about(job)]


def _about(job: FoundJob) -> str:
    """What is most worth knowing of a job with its status."""
    if job.status is JobStatus.STARTED:
        return f"on {job.worker}" + (f", attempt {job.attempt}" if job.attempt > 1 else "")
    if job.error:
        return " ".join(job.error.split())
    if job.workflow_id:
        return f"of workflow {job.workflow_id}"
    return "" if job.is_workflow else job.facts["description"]


def _plain(job: FoundJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status.value,
        "queue": job.queue,
        "function": job.function or None,
        "description": job.facts["description"] or None,
        "since": time_text(job.since),
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.at("started_at")),
        "ended_at": time_text(job.at("ended_at")),
        "attempt": job.attempt,
        "worker": job.worker,
        "workflow": job.workflow_id,
        "error": job.error or None,
    }
