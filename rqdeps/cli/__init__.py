"""The command line: ``rqdeps``."""

from __future__ import annotations

import click

from rqdeps.cli.group import FriendlyGroup
from rqdeps.version import __version__

#: The commands, and where each is: what a command needs is imported when it is called.
COMMANDS = {
    "worker": "rqdeps.cli.worker:worker",
    "info": "rqdeps.cli.info:info",
    "queue": "rqdeps.cli.queue:queue",
    "job": "rqdeps.cli.job:job",
    "graph": "rqdeps.cli.graph:graph",
    "workflow": "rqdeps.cli.workflow:workflow",
    "requeue": "rqdeps.cli.changes:requeue",
    "cancel": "rqdeps.cli.changes:cancel",
    "delete": "rqdeps.cli.changes:delete",
    "skip": "rqdeps.cli.changes:skip",
    "migrate-from-rq": "rqdeps.cli.migrate:migrate_from_rq",
    "server": "rqdeps.cli.server:server",
    "demo": "rqdeps.cli.demo:demo",
}


@click.group(cls=FriendlyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rqdeps")
def main() -> None:
    """A job queue on Redis or Valkey for jobs that wait for other jobs."""
