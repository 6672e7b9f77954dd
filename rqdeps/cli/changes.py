"""``rqdeps requeue``, ``cancel``, ``delete`` and ``skip``: a line for each job says what has become of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any, Literal

import click

from rqdeps.cli.each import change_each
from rqdeps.cli.options import dependents_option, url_option, url_words
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError, UpstreamFailedError
from rqdeps.job import Job
from rqdeps.status import JobStatus

#: What can be requeued without force.
_ENDED_BADLY = (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)

_ids_argument = click.argument("job_ids", metavar="ID...", nargs=-1, required=True)


@click.command()
@_ids_argument
@click.option("--force", is_flag=True, help="Also if it has finished, can't run by itself, or its fallback has begun.")
@click.option("--front", is_flag=True, help="Put it at the front of its queue.")
@url_option
def requeue(job_ids: tuple[str, ...], force: bool, front: bool, url: str | None) -> None:
    """Gives jobs that have ended another life, with all their retries.

    What could not run because of them waits for them again, and runs once they have finished.
    """

    def change(job: Job[Any]) -> str:
        try:
            job.requeue(force=force, at_front=front)
        except InvalidJobOperationError as error:
            raise InvalidJobOperationError(_refusal(error, url)) from None
        return job.get_status()

    _change_each(job_ids, url, change)


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


@click.command()
@_ids_argument
@url_option
def cancel(job_ids: tuple[str, ...], url: str | None) -> None:
    """Ends jobs before they run, and stops those that run. Their dependents count them as failed."""

    def change(job: Job[Any]) -> str:
        is_changed = job.cancel()
        status = job.get_status()
        if not is_changed:
            return f"{status}, as it was before"
        return f"{status}; its worker was asked to stop it" if status is JobStatus.STARTED else status

    _change_each(job_ids, url, change)


@click.command()
@_ids_argument
@dependents_option("What becomes of jobs that still wait for it: release lets them run without it.")
@url_option
def delete(job_ids: tuple[str, ...], dependents: Literal["cancel", "release", "delete"], url: str | None) -> None:
    """Deletes jobs and all that is stored of them."""

    def change(job: Job[Any]) -> str:
        job.delete(dependents=dependents)
        return "deleted"

    _change_each(job_ids, url, change)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no JSON ({error}): text needs quotes, as in --output '\"text\"'"
        ) from error


@click.command()
@_ids_argument
@click.option("--output", type=_json, default="null", metavar="JSON", help="What those that take its output get.")
@url_option
def skip(job_ids: tuple[str, ...], output: Any, url: str | None) -> None:
    """Treats jobs as finished, to get on without them."""

    def change(job: Job[Any]) -> str:
        job.skip(output)
        return job.get_status()

    _change_each(job_ids, url, change)


def _change_each(job_ids: tuple[str, ...], url: str | None, change: Callable[[Job[Any]], str]) -> None:
    """Changes one job after the other, and says what has become of it. Exits with 1 if one was refused."""
    jobs = dict(zip(job_ids, Job.fetch_many(job_ids, url=url), strict=True))

    def change_job(job_id: str) -> str:
        job = jobs[job_id]
        if job is None:
            raise NoSuchJobError(job_id)
        return change(job)

    change_each(jobs, change_job)
