"""``rqdeps job ID``: all about one job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from rich.console import Group
from rich.text import Text

from rqdeps.cli.job_as_json import plain_job
from rqdeps.cli.options import json_option, url_option, watch_option
from rqdeps.cli.screen import facts_table, marked
from rqdeps.cli.watching import View, present
from rqdeps.durations import format_ms, format_time
from rqdeps.errors import RqdepsError
from rqdeps.job import Job
from rqdeps.status import JobStatus
from rqdeps.telling import LogLine
from rqdeps.text import printable, times

#: How wide the column of names is.
_NAMES = 14

_SHOWN = 10
_WIDTH = 300


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--log", "shows_log", is_flag=True, help="Show the lines of its log instead, with time and attempt.")
@json_option
@watch_option
@url_option
def job(job_id: str, shows_log: bool, as_json: bool, watch: bool, url: str | None) -> None:
    """Shows all about one job.

    Its status and why it is so, call, times, progress, neighbours, result or error.
    """
    found = Job.fetch(job_id, url=url)

    def look() -> View:
        if shows_log:
            lines = found.log_lines()
            log = list(map(_log_line, lines))
            return View(
                lambda: [{"at": said.at.isoformat(), "attempt": said.attempt, "text": said.text} for said in lines],
                lambda on: Group(*(Text(line, overflow="fold") for line in log)),
                state=log,
                has_ended=found.get_status().is_terminal,
            )
        explanation = found.explain()
        facts = list(_facts(found, explanation, url))
        return View(
            lambda: plain_job(found, explanation),
            lambda on: facts_table(facts, names_width=_NAMES),
            state=facts,
            has_ended=found.get_status(refresh=False).is_terminal,
        )

    present(look, as_json=as_json, watch=watch)


def _log_line(said: LogLine) -> str:
    return f"{_when(said.at)} [{said.attempt}] {printable(said.text)}"


def _facts(found: Job[Any], explanation: str, url: str | None) -> Iterator[tuple[str, str | Text]]:
    status = found.get_status(refresh=False)
    yield "job", found.id
    yield "status", marked(status)
    yield "explain", explanation
    yield "call", _short(found.description)
    yield "queue", found.origin
    yield from _times(found)
    if found.attempt:
        left = "" if status.is_terminal else f", {times(found.retries_left, 'retry')} left"
        yield "attempts", f"{found.attempt} begun{left}, last on {found.worker_name}"
    progress = found.get_progress(refresh=False)
    if progress is not None:
        yield "progress", f"attempt {progress.attempt}: {progress}"
    for last in found.log_lines(1):
        yield "log", f"{_short(last.text)} (the last line; --log shows all)"
    if found.meta:
        yield "meta", _short(repr(found.meta))
    for option, callback in found.callbacks.given().items():
        yield option.replace("_", " "), f"{callback.name} (for {format_ms(callback.timeout_ms)} at most)"
    yield from _neighbours(found, url)
    if status is JobStatus.FINISHED and not found.is_workflow:
        yield "result", _result(found)
    for attempt in found.attempts:
        what = f"{attempt.outcome} {_when(attempt.ended_at)} {_short(attempt.error)}"
        yield f"attempt {attempt.number}", what.rstrip()
    if found.exc_info and status is not JobStatus.FINISHED:
        yield "traceback", found.exc_info


def _times(found: Job[Any]) -> Iterator[tuple[str, str]]:
    queued, started, ended = found.enqueued_at, found.started_at, found.ended_at
    if started and queued and started < queued:
        started = None  # that was before it was queued again
    for name, moment in (
        ("created", found.created_at),
        ("scheduled", found.scheduled_for),
        ("queued", queued),
        ("started", started),
        ("ended", ended),
    ):
        if moment is not None:
            yield name, _when(moment)
    if started and ended and ended >= started:
        yield "took", format_time(ended - started)


def _neighbours(found: Job[Any], url: str | None) -> Iterator[tuple[str, str]]:
    for name, other in (("workflow", found.workflow_id), ("spawned by", found.spawned_by)):
        if other is not None:
            yield name, other
    for name, other in (("stands in for", found.fallback_of), ("fallback", found.fallback_id)):
        if other is not None:
            yield name, f"{other} ({_status(other, url)})"
    edges = [edge for edge in found.dependencies() if edge.id != found.fallback_of]
    for edge in edges[:_SHOWN]:
        passes = ", passes its output on" if edge.wants_output else ""
        yield "depends on", f"{edge.id} ({edge.status or 'deleted'}; {edge.rule}{passes})"
    dependents = [dependent for dependent in found.dependent_ids if dependent != found.fallback_id]
    for dependent in dependents[:_SHOWN]:
        yield "waited for by", dependent
    for count, what in ((len(edges), "dependencies"), (len(dependents), "dependents")):
        if count > _SHOWN:
            yield "", f"… {count} {what} in all"


def _status(job_id: str, url: str | None) -> str:
    (job,) = Job.fetch_many([job_id], url=url)
    return "deleted" if job is None else job.get_status(refresh=False)


def _result(found: Job[Any]) -> str:
    try:
        return _short(repr(found.result))
    except RqdepsError as error:
        return f"({error})"


def _when(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="milliseconds")


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
