"""``rqdeps requeue``, ``cancel``, ``delete`` and ``skip``: of jobs that are named, or that have something in common."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, Literal

import click

from rqdeps.changing import cancel_all, delete_all, requeue_all
from rqdeps.cli.changing_many import Change, change_many
from rqdeps.cli.each import change_each
from rqdeps.cli.options import F, dependents_option, url_option, url_words, yes_option
from rqdeps.cli.plain import parsed
from rqdeps.cli.selection import chosen, filter_options
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError, UpstreamFailedError
from rqdeps.finding import JobFilter
from rqdeps.job import Job
from rqdeps.status import JobStatus

#: What can be requeued without force.
_ENDED_BADLY = (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)

_NOT_ENDED = tuple(status for status in JobStatus if not status.is_terminal)


def _job_options(command: F) -> F:
    """What all these commands take: ids, or what chooses jobs."""
    for option in (
        url_option,
        yes_option,
        click.option("--all", "-a", "everything", is_flag=True, help="All that the command is for."),
        filter_options,
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
    ):
        command = option(command)
    return command


@click.command(short_help="Gives jobs another life.")
@click.option("--front", is_flag=True, help="Put it at the front of its queue.")
@click.option("--force", is_flag=True, help="Also if it has finished, can't run by itself, or its fallback has begun.")
@_job_options
def requeue(
    job_ids: tuple[str, ...], everything: bool, yes: bool, url: str | None, force: bool, front: bool, **filters: Any
) -> None:
    """Gives jobs that have ended another life, with all their retries.

    Those with these IDs, or those that options choose: of these, if no --status is given, what failed, was stopped or
    canceled. What could not run because of them waits for them again, and runs once they have finished.
    """

    def change(job: Job[Any]) -> str:
        try:
            job.requeue(force=force, at_front=front)
        except InvalidJobOperationError as error:
            raise InvalidJobOperationError(_refusal(error, url)) from None
        return job.get_status()

    wanted = chosen(job_ids, JobFilter(**filters), everything=everything, statuses=_ENDED_BADLY)
    many = None if force or front else requeue_all
    _change(job_ids, wanted, url, yes=yes, change=Change("requeue", "live again", change, many))


def _refusal(error: InvalidJobOperationError, url: str | None) -> str:
    """Why a job was not requeued, and which command to give instead."""
    if not isinstance(error, UpstreamFailedError) or not error.culprits:
        return str(error).replace("requeue(force=True)", "--force")
    named = ", ".join(f"{job_id!r} ({status})" for job_id, status in error.culprits)
    because = f"job {error.job_id!r} is {error.status} because of {named}"
    roots = [job_id for job_id, status in error.culprits if status in _ENDED_BADLY]
    if not roots:
        return f"{because}; --force runs it all the same"
    instead = shlex.join(["rqdeps", "requeue", *roots, *url_words(url)])
    return f"{because}; requeue {'that' if len(roots) == 1 else 'those'} instead, or use --force: {instead}"


@click.command(short_help="Ends jobs before they run; stops those that run.")
@_job_options
def cancel(job_ids: tuple[str, ...], everything: bool, yes: bool, url: str | None, **filters: Any) -> None:
    """Ends jobs before they run, and stops those that run. Their dependents count them as failed.

    Those with these IDs, or those that options choose among those that have not ended.
    """

    def change(job: Job[Any]) -> str:
        is_changed = job.cancel()
        status = job.get_status()
        if not is_changed:
            return f"{status}, as it was before"
        return f"{status}; its worker was asked to stop it" if status is JobStatus.STARTED else status

    wanted = chosen(job_ids, JobFilter(**filters), everything=everything, statuses=_NOT_ENDED)
    _change(job_ids, wanted, url, yes=yes, change=Change("cancel", "canceled, or asked to stop", change, cancel_all))


@click.command()
@dependents_option("What becomes of jobs that still wait for it: release lets them run without it.")
@_job_options
def delete(
    job_ids: tuple[str, ...],
    everything: bool,
    yes: bool,
    url: str | None,
    dependents: Literal["cancel", "release", "delete"],
    **filters: Any,
) -> None:
    """Deletes jobs and all that is stored of them.

    Those with these IDs, or those that options choose, whatever their status. What runs comes to nothing.
    """

    def change(job: Job[Any]) -> str:
        job.delete(dependents=dependents)
        return "deleted"

    wanted = chosen(job_ids, JobFilter(**filters), everything=everything, statuses=())
    deleted = Change("delete", "deleted", change, lambda ids: delete_all(ids, dependents), takes_workflows=True)
    _change(job_ids, wanted, url, yes=yes, change=deleted)


def _json(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no JSON ({error}): text needs quotes, as in --output '\"text\"'"
        ) from error


@click.command()
@click.option("--output", type=_json, default="null", metavar="JSON", help="What those that take its output get.")
@_job_options
def skip(job_ids: tuple[str, ...], everything: bool, yes: bool, url: str | None, output: Any, **filters: Any) -> None:
    """Treats jobs as finished, to get on without them.

    Those with these IDs, or those that options choose among those that have not finished.
    """

    def change(job: Job[Any]) -> str:
        job.skip(output)
        return job.get_status()

    unfinished = [status for status in JobStatus if status is not JobStatus.FINISHED]
    wanted = chosen(job_ids, JobFilter(**filters), everything=everything, statuses=unfinished)
    _change(job_ids, wanted, url, yes=yes, change=Change("skip", "treated as finished", change))


def _change(job_ids: tuple[str, ...], wanted: JobFilter | None, url: str | None, *, yes: bool, change: Change) -> None:
    if wanted is None:
        _change_each(job_ids, url, change.one)
    else:
        change_many(wanted, change, url, yes=yes)


def _change_each(job_ids: tuple[str, ...], url: str | None, change: Callable[[Job[Any]], str]) -> None:
    """Changes one job after the other, and says what has become of it. Exits with 1 if one was refused."""
    jobs = dict(zip(job_ids, Job.fetch_many(job_ids, url=url), strict=True))

    def change_job(job_id: str) -> str:
        job = jobs[job_id]
        if job is None:
            raise NoSuchJobError(job_id)
        return change(job)

    change_each(jobs, change_job)
