"""The command line: ``rqdeps``."""

from __future__ import annotations

import click

from rqdeps.cli.changes import cancel, delete, requeue, skip
from rqdeps.cli.demo import demo
from rqdeps.cli.errors import FriendlyGroup
from rqdeps.cli.info import info
from rqdeps.cli.job import job
from rqdeps.cli.queue import queue
from rqdeps.cli.server import server
from rqdeps.cli.worker import worker
from rqdeps.version import __version__


@click.group(cls=FriendlyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rqdeps")
def main() -> None:
    """A job queue on Redis or Valkey for jobs that wait for other jobs."""


for command in (worker, info, queue, job, requeue, cancel, delete, skip, server, demo):
    main.add_command(command)
