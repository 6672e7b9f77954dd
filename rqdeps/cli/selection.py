"""Which jobs a command is about: those that are named, or those that have something in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from rqdeps.cli.options import F, duration_ms
from rqdeps.finding import JobFilter
from rqdeps.ids import check_queue_name
from rqdeps.status import JobStatus


def _part(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """What a text has to contain. An empty one is what a shell makes of a variable that is not set: not any text."""
    if value == "":
        raise click.BadParameter("it is empty: leave it out for any")
    return value or ""


_FILTERS: list[Callable[[Any], Any]] = [
    click.option(
        "--queue",
        "-q",
        "queues",
        multiple=True,
        metavar="NAME",
        callback=lambda context, parameter, names: tuple(map(check_queue_name, names)),
        help="Those of this queue; may be repeated.",
    ),
    click.option(
        "--status",
        "-s",
        "statuses",
        multiple=True,
        type=click.Choice([status.value for status in JobStatus]),
        metavar="STATUS",
        callback=lambda context, parameter, names: tuple(map(JobStatus, names)),
        help=f"Those with this status; may be repeated: {', '.join(JobStatus)}.",
    ),
    click.option(
        "--function",
        "-f",
        callback=_part,
        metavar="TEXT",
        help="Those whose function's path contains this; A to Z in any case.",
    ),
    click.option(
        "--error",
        "-e",
        callback=_part,
        metavar="TEXT",
        help="Those whose last error contains this; A to Z in any case.",
    ),
    click.option(
        "--older",
        "older_ms",
        callback=duration_ms,
        metavar="TIME",
        help="Those that have had their status for longer: seconds, or such as 30m, 2h, 7d.",
    ),
    click.option(
        "--newer", "newer_ms", callback=duration_ms, metavar="TIME", help="Those that have had it for less long."
    ),
]


def filter_options(command: F) -> F:
    """The options that choose jobs by what they have in common; together they are what ``JobFilter`` takes."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def chosen(
    job_ids: Sequence[str], wanted: JobFilter, *, everything: bool, statuses: Sequence[JobStatus]
) -> JobFilter | None:
    """What was chosen by filters, or ``None`` where jobs are named.

    Args:
        job_ids: the jobs that are named.
        wanted: what the options say.
        everything: whether all were asked for.
        statuses: those that the command is for, where none is asked for.

    Raises:
        click.UsageError: nothing was chosen, or jobs both by name and otherwise.
    """
    is_filtered = wanted != JobFilter()
    if job_ids and _are_typed("queues", "statuses", "function", "error", "older_ms", "newer_ms", "everything"):
        raise click.UsageError("name jobs, or choose them by options; not both")
    if job_ids:
        return None  # whatever variables and pyproject.toml say of the others
    if not is_filtered and not everything:
        raise click.UsageError(
            "name jobs, or choose them: by --queue, --status, --function, --error, --older, --newer, or --all"
        )
    return wanted if wanted.statuses else replace(wanted, statuses=tuple(statuses))


def _are_typed(*names: str) -> bool:
    """Whether one of these options stands on the command line."""
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)
