"""The command line: ``rqdeps``."""

from __future__ import annotations

import click

from rqdeps.cli.group import FriendlyGroup
from rqdeps.version import __version__

#: The commands, and where each is: what a command needs is imported when it is called.
COMMANDS = {
    "worker": "rqdeps.cli.worker:worker",
    "info": "rqdeps.cli.info:info",
    "job": "rqdeps.cli.job:job",
    "jobs": "rqdeps.cli.jobs:jobs",
    "graph": "rqdeps.cli.graph:graph",
    "workflow": "rqdeps.cli.workflow:workflow",
    "queue": "rqdeps.cli.queue:queue",
    "workers": "rqdeps.cli.workers:workers",
    "enqueue": "rqdeps.cli.enqueue:enqueue",
    "requeue": "rqdeps.cli.changes:requeue",
    "cancel": "rqdeps.cli.changes:cancel",
    "delete": "rqdeps.cli.changes:delete",
    "skip": "rqdeps.cli.changes:skip",
    "pause": "rqdeps.cli.queue:pause",
    "resume": "rqdeps.cli.queue:resume",
    "empty": "rqdeps.cli.queue:empty",
    "migrate-from-rq": "rqdeps.cli.migrate:migrate_from_rq",
    "server": "rqdeps.cli.server:server",
    "doctor": "rqdeps.cli.doctor:doctor",
    "demo": "rqdeps.cli.demo:demo",
}

#: Those that must run also where ``pyproject.toml`` says what can't be.
LENIENT = frozenset({"doctor"})


@click.group(
    cls=FriendlyGroup, commands_at=COMMANDS, lenient=LENIENT, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="rqdeps")
def main() -> None:
    """A job queue on Redis or Valkey for jobs that wait for other jobs."""
