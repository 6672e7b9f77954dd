"""``rqdeps worker``: runs jobs."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from rqdeps.allowance import ALLOW_VARIABLE
from rqdeps.cli.options import url_option
from rqdeps.cli.probe import check_worker
from rqdeps.codec import MAX_PAYLOAD_VARIABLE, SERIALIZER_VARIABLE
from rqdeps.signing import Keyring
from rqdeps.worker import Worker
from rqdeps.worker.journal import FORMAT, TIME_FORMAT
from rqdeps.worker.options import DEFAULT_MAX_JOBS_PER_PROCESS, ISOLATIONS

_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


def _processes(value: str) -> int:
    """A number of processes, or ``auto`` for one per processor."""
    if value == "auto":
        return _processors()
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number of processes from 1 up nor auto")
    return int(value)


def _limit(value: str) -> int | None:
    """A number of jobs, or ``none`` for no limit."""
    if value == "none":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number of jobs from 1 up nor none")
    return int(value)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@click.command(short_help="Runs the jobs of queues.")
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", envvar="RQDEPS_WORKER_QUEUES")
@url_option
@click.option(
    "--processes",
    type=_processes,
    default="1",
    show_default=True,
    metavar="N|auto",
    help="Jobs run at once; auto: one per CPU.",
)
@click.option("--name", "-n", metavar="NAME", help="A name of its own; by default made of host, process id and chance.")
@click.option(
    "--isolation",
    type=click.Choice(ISOLATIONS),
    default="process",
    show_default=True,
    help="What keeps jobs apart: processes that are used again, or one for each job.",
)
@click.option("--burst", "-b", is_flag=True, help="End once nothing is queued, running or waiting for another attempt.")
@click.option("--max-jobs", type=click.IntRange(min=1), metavar="N", help="End after N jobs.")
@click.option("--with-scheduler", "-s", is_flag=True, hidden=True, expose_value=False)  # RQ's; every worker is one
@click.option("--max-idle-time", metavar="SECONDS", help="End after so long without a job: seconds, or such as 5m.")
@click.option(
    "--lease",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="After how long the jobs of a worker that died are run by others.",
)
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long what runs has to end after SIGTERM; then it is killed, and goes back. Default: as long as it likes.",
)
@click.option(
    "--max-jobs-per-process",
    type=_limit,
    default=str(DEFAULT_MAX_JOBS_PER_PROCESS),
    show_default=True,
    metavar="N|none",
    help="After how many jobs a process is replaced by a new one; from 1000 on not in its first second.",
)
@click.option(
    "--max-memory", metavar="SIZE", help="Replace a process that has more memory in use after a job: such as 500M."
)
@click.option("--preload", multiple=True, metavar="MODULE", help="Import this before the first job; may be repeated.")
@click.option(
    "--init",
    metavar="MODULE:FUNCTION",
    help="Call this in each process that runs jobs, before the first: for connections, Django, Sentry.",
)
@click.option(
    "--exception-handler",
    "exception_handlers",
    multiple=True,
    metavar="MODULE:FUNCTION",
    help="Call this with the job, and type, value and traceback, when an attempt fails; may be repeated.",
)
@click.option(
    "--serializer",
    metavar="NAME",
    help=f"What is read besides JSON: pickle, or MODULE:NAME of one of your own. Default: ${SERIALIZER_VARIABLE}.",
)
@click.option(
    "--max-payload",
    metavar="SIZE",
    help=f"How large a result may be: bytes, or such as 32M. Default: ${MAX_PAYLOAD_VARIABLE}, else 16M.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="PACKAGE",
    help=f"Run only what is defined in this package or module, or these. Default: ${ALLOW_VARIABLE}, else all.",
)
@click.option(
    "--check",
    metavar="NAME",
    help="Run nothing: exit with 0 if the worker of this name is alive, else with 1. For a container's probe.",
)
@click.option("--log-level", type=click.Choice(_LEVELS, case_sensitive=False), default="INFO", show_default=True)
def worker(
    queues: tuple[str, ...],
    url: str | None,
    lease: float,
    processes: int,
    burst: bool,
    max_jobs: int | None,
    max_idle_time: str | None,
    allow: tuple[str, ...],
    check: str | None,
    log_level: str,
    **options: Any,
) -> None:
    """Runs the jobs of QUEUEs (default: the queue "default"), the first named first.

    Functions are imported from the current folder and the Python path. SIGTERM or Ctrl-C ends the worker once its
    running jobs have ended; a second one ends it at once, and its jobs go back to their queues.

    Exit codes: 0 ended well, also when jobs failed; 1 could not start, or was forced to end; 2 wrong usage.
    """
    if check is not None:
        check_worker(check, url)
        return
    logging.basicConfig(level=log_level.upper(), format=FORMAT, datefmt=TIME_FORMAT)
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    chosen = Worker(
        queues or ("default",),
        url=url,
        processes=processes,
        lease=lease,
        allow=allow or None,  # none is not the same as an empty list: then the environment is asked
        **options,
    )
    click.echo(
        f"rqdeps worker {chosen.name} on {chosen.address}: "
        f"queue{'s' * (len(chosen.queue_names) > 1)} {', '.join(chosen.queue_names)}, "
        f"{processes} process{'es' * (processes > 1)}, lease {lease:g} s"
        f"{'' if chosen.allowance is None else f', runs only what is defined in {chosen.allowance}'}"
        f"{', accepts only what is signed' if Keyring.of_environment().signs else ''}",
        err=True,
    )
    chosen.work(burst=burst, max_jobs=max_jobs, max_idle_time=max_idle_time)
    sys.exit(chosen.exit_code)
