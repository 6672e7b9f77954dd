"""``rqdeps workflow``: list, show, cancel, retry, wait for and delete workflows."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import click
from redis.exceptions import RedisError
from rich.console import RenderableType
from rich.text import Text

from rqdeps.cli.asking import is_wanted
from rqdeps.cli.each import change_each
from rqdeps.cli.exits import CANCELED, INTERRUPTED, REFUSED, TIMED_OUT, WRONG_USAGE
from rqdeps.cli.group import message_of
from rqdeps.cli.options import (
    dependents_option,
    duration_ms,
    json_option,
    url_option,
    url_words,
    watch_option,
    yes_option,
)
from rqdeps.cli.plain import time_text
from rqdeps.cli.screen import columns, facts_table, marked
from rqdeps.cli.watching import View, present
from rqdeps.durations import format_time
from rqdeps.errors import NoSuchWorkflowError, RqdepsError, WaitTimeoutError
from rqdeps.graph.looks import LOOKS
from rqdeps.job import Job
from rqdeps.progress_line import bar
from rqdeps.status import JobStatus
from rqdeps.text import printable, times
from rqdeps.workflow import Workflow
from rqdeps.workflow_facts import WorkflowFacts

#: What ``wait`` exits with, by how the workflow has ended.
EXIT_CODES = {JobStatus.FINISHED: 0, JobStatus.FAILED: REFUSED, JobStatus.CANCELED: CANCELED}

#: How many jobs that failed are named.
_NAMED = 10

_SECOND_MS = 1000

_STATUSES = ("joining", "finished", "failed", "canceled")

_id_argument = click.argument("workflow_id", metavar="ID")
_ids_argument = click.argument("workflow_ids", metavar="ID...", nargs=-1, required=True)


@click.group()
def workflow() -> None:
    """List, show, cancel, retry, wait for or delete workflows."""


@workflow.command(name="list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those with this status; joining: it runs.")
@click.option("--most", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many.")
@json_option
@watch_option
@url_option
def list_workflows(status: str | None, most: int, as_json: bool, watch: bool, url: str | None) -> None:
    """Lists workflows, the latest first: status, how many of their jobs have ended, times."""

    def look() -> View:
        found = list(_listed(status, most, url))
        return View(lambda: [_plain(facts) for facts in found], lambda on: _listing(found, status), state=found)

    present(look, as_json=as_json, watch=watch)


def _listing(found: Sequence[WorkflowFacts], status: str | None) -> RenderableType:
    if not found:
        return Text(
            f"No workflow is {status}." if status else 'No workflows: with Workflow("name", queue=q): makes one.'
        )
    head = ["id", "name", "status", "ended", "jobs", "failed", "created", "took"]
    return columns(head, [_row(facts) for facts in found], numbers=["ended", "jobs", "failed"])


def _listed(status: str | None, most: int, url: str | None) -> Iterator[WorkflowFacts]:
    count = 0
    for each in Workflow.all(url=url, most=sys.maxsize if status else most):
        try:
            facts = each.facts()
        except NoSuchWorkflowError:  # it has just been deleted
            continue
        if status is None or facts.status == status:
            yield facts
            count += 1
        if count == most:
            return


def _row(facts: WorkflowFacts) -> list[str | Text]:
    failed = facts.counts[JobStatus.FAILED]
    return [
        facts.id,
        facts.name,
        marked(facts.status),
        str(facts.ended),
        str(facts.total),
        Text(str(failed), LOOKS[JobStatus.FAILED].style if failed else "dim"),
        "" if facts.created_at is None else _when(facts.created_at),
        _took(facts),
    ]


def _took(facts: WorkflowFacts) -> str:
    if facts.created_at is None or facts.ended_at is None:
        return ""
    return format_time(facts.ended_at - facts.created_at)


@workflow.command(name="show")
@_id_argument
@json_option
@watch_option
@url_option
def show_workflow(workflow_id: str, as_json: bool, watch: bool, url: str | None) -> None:
    """Shows one workflow: how far it has come, its times, the jobs that failed, and what can be done."""
    found = Workflow.fetch(workflow_id, url=url)

    def look() -> View:
        facts, eta = found.facts(), found.eta
        return View(
            lambda: _plain(facts) | {"eta": None if eta is None else eta.total_seconds()},
            lambda on: facts_table(_facts(found, facts, eta, url)),
            state=facts,
            has_ended=facts.ended_at is not None,
        )

    present(look, as_json=as_json, watch=watch)


def _facts(
    found: Workflow, facts: WorkflowFacts, eta: timedelta | None, url: str | None
) -> Iterator[tuple[str, str | Text]]:
    yield "workflow", facts.id
    if facts.name:
        yield "name", facts.name
    yield "status", marked(facts.status)
    yield "progress", f"{bar(facts.progress)} {facts.ended} of {facts.total} jobs"
    counts = [(status, count) for status, count in facts.counts.items() if count]
    each = [Text(f"{LOOKS[status].mark} {count} {status}", LOOKS[status].style) for status, count in counts]
    yield "jobs", Text("  ").join(each)
    yield "queues", ", ".join(facts.queues)
    if facts.created_at is not None:
        yield "created", _when(facts.created_at)
    if facts.ended_at is not None:
        yield "ended", _when(facts.ended_at)
        yield "took", _took(facts)
    elif eta is not None:
        yield "left", f"about {format_time(eta)}"
    yield from _bad(found, url)
    yield from _next(facts, url)


def _bad(found: Workflow, url: str | None) -> Iterator[tuple[str, str | Text]]:
    """The jobs that failed, with their errors."""
    ids = found.job_ids(JobStatus.FAILED, JobStatus.STOPPED)
    for job in Job.fetch_many(ids[:_NAMED], url=url):
        if job is None:
            continue
        attempts = job.attempts
        error = attempts[-1].error if attempts else job.reason or ""
        rescued = f" (its fallback: {job.fallback_id})" if job.fallback_id else ""
        name = job.func_name.rpartition(".")[2]
        yield str(job.get_status(refresh=False)), f"{job.id} {name}{rescued}  {printable(error)}"
    if len(ids) > _NAMED:
        yield "", f"… {len(ids)} in all"


def _next(facts: WorkflowFacts, url: str | None) -> Iterator[tuple[str, str]]:
    """What can be done now."""

    def command(*words: str) -> str:
        return shlex.join(["rqdeps", *words, facts.id, *url_words(url)])

    yield "graph", command("graph")
    if facts.status in (JobStatus.FAILED, JobStatus.CANCELED):
        yield "resume", command("workflow", "retry")
    elif facts.status is JobStatus.JOINING:
        yield "wait", command("workflow", "wait")


@workflow.command()
@_ids_argument
@click.option("--no-clean-up", is_flag=True, help="Cancel also what waits for others however they end (all_done).")
@url_option
def cancel(workflow_ids: tuple[str, ...], no_clean_up: bool, url: str | None) -> None:
    """Cancels workflows: nothing more of them starts, and what runs is stopped.

    Jobs that wait for others however these end (all_done) clean up, unless told otherwise.
    """

    def change(workflow_id: str) -> str:
        found = Workflow.fetch(workflow_id, url=url)
        is_canceled = found.cancel(clean_up=not no_clean_up)
        facts = found.facts()
        if not is_canceled:
            return f"{facts.status}, as it was before"
        return "is being canceled; what runs is asked to stop" if facts.status is JobStatus.JOINING else facts.status

    change_each(workflow_ids, change)


@workflow.command()
@_ids_argument
@url_option
def retry(workflow_ids: tuple[str, ...], url: str | None) -> None:
    """Resumes workflows: runs what failed, was canceled or stopped again, and then what waits for it."""

    def change(workflow_id: str) -> str:
        count = Workflow.fetch(workflow_id, url=url).retry_failed()
        return f"{times(count, 'job')} live{'s' * (count == 1)} again" if count else "nothing of it has to run again"

    change_each(workflow_ids, change)


@workflow.command()
@_ids_argument
@dependents_option("What becomes of jobs outside that still wait for them: release lets them run without.")
@yes_option
@url_option
def delete(
    workflow_ids: tuple[str, ...], dependents: Literal["cancel", "release", "delete"], yes: bool, url: str | None
) -> None:
    """Deletes workflows with all their jobs. What runs comes to nothing."""

    def change(workflow_id: str) -> str:
        found = Workflow.fetch(workflow_id, url=url)
        facts = found.facts()
        count = times(facts.total, "job")
        name = f"{facts.name} " if facts.name else ""
        if not is_wanted(f"Delete workflow {name}{workflow_id} with its {count}?", yes=yes):
            return "left as it is"
        found.delete(dependents)
        return f"deleted with its {count}"

    change_each(workflow_ids, change)


@workflow.command()
@_id_argument
@click.option(
    "--timeout",
    "timeout_ms",
    callback=duration_ms,
    metavar="TIME",
    help="Wait so long at most: seconds, or 90s, 5m, 1h30m.",
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@url_option
def wait(workflow_id: str, timeout_ms: int | None, quiet: bool, url: str | None) -> None:
    """Waits until all jobs of a workflow have ended, and shows how far it has come.

    Exits with 0 if it has finished, 1 if it failed, 3 if it was canceled, 124 if the time was over, 130 after Ctrl-C;
    with 2 if it could not be waited for: it is unknown, was deleted, or the server can't be reached.
    """
    try:
        found = Workflow.fetch(workflow_id, url=url)
        status = found.wait(None if timeout_ms is None else timeout_ms / _SECOND_MS, progress=not quiet)
    except WaitTimeoutError as error:
        _fail(error, TIMED_OUT)
    except (RqdepsError, RedisError) as error:
        _fail(error, WRONG_USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    click.echo(f"{workflow_id}: {status}")
    sys.exit(EXIT_CODES.get(status, WRONG_USAGE))


def _fail(error: RqdepsError | RedisError, exit_code: int) -> None:
    click.ClickException(message_of(error)).show()
    sys.exit(exit_code)


def _plain(facts: WorkflowFacts) -> dict[str, Any]:
    return {
        "id": facts.id,
        "name": facts.name,
        "status": facts.status.value,
        "counts": {status.value: count for status, count in facts.counts.items() if count},
        "ended": facts.ended,
        "jobs": facts.total,
        "queues": facts.queues,
        "created_at": time_text(facts.created_at),
        "ended_at": time_text(facts.ended_at),
    }


def _when(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
