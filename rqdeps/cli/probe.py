"""``rqdeps worker --check``: whether a worker is alive, for a container's probe."""

from __future__ import annotations

import sys

import click

from rqdeps.durations import format_ms
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import connect
from rqdeps.worker_info import ALIVE_MS, workers


def check_worker(name: str, url: str | None) -> None:
    """Says whether a worker is alive, and exits with 1 if it is not.

    Where the server does not answer, nobody can tell. Workers wait until it is back, with what they hold; a probe that
    failed then would have all of them killed, and their jobs with them. So that exits with 0.

    Args:
        name: the worker's name.
        url: where the server is.
    """
    try:
        found = [worker for worker in connect(url, create=False).perform(workers()) if worker.name == name]
    except ConnectionUnavailableError as error:
        click.echo(f"can't tell whether worker {name} is alive: {str(error).partition(chr(10))[0]}", err=True)
        return
    if not found:
        click.echo(f"no worker {name} has been heard of in the last minute", err=True)
        sys.exit(1)
    seen = f"last heard of {format_ms(found[0].age_ms)} ago"
    if found[0].age_ms > ALIVE_MS:
        click.echo(f"worker {name} is not alive: {seen}", err=True)
        sys.exit(1)
    click.echo(f"worker {name} is alive: {seen}")
