"""``rqdeps worker --check``: whether a worker is alive, for a container's probe."""

from __future__ import annotations

import sys

import click

from rqdeps.durations import format_ms
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import connect
from rqdeps.worker_info import workers

#: How long the server has to answer, in seconds. Whoever runs the probe counts one that takes long as failed.
_PATIENCE_SECONDS = 3.0


def check_worker(name: str, url: str | None) -> None:
    """Says whether a worker is alive, and exits with 1 if it is not.

    Where the server does not answer soon, nobody can tell. Workers wait until it is back, with what they hold; a probe
    that failed then would have all of them killed, and their jobs with them. So that exits with 0.

    Args:
        name: the worker's name.
        url: where the server is.
    """
    try:
        store = connect(url, create=False).hasty(_PATIENCE_SECONDS)
        found = [worker for worker in store.perform(workers()) if worker.name == name]
    except ConnectionUnavailableError as error:
        click.echo(f"can't tell whether worker {name} is alive: {str(error).partition(chr(10))[0]}", err=True)
        return
    if not found:
        click.echo(f"no worker {name} has been heard of in the last minute", err=True)
        sys.exit(1)
    seen = f"last heard of {format_ms(found[0].age_ms)} ago"
    if not found[0].is_alive:
        click.echo(f"worker {name} is not alive: {seen}", err=True)
        sys.exit(1)
    click.echo(f"worker {name} is alive: {seen}")
