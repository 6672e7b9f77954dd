"""``rqdeps queue limit``, ``pause`` and ``resume``: how many jobs of a queue workers take, if any."""

from __future__ import annotations

import click

from rqdeps.cli.info import at_most
from rqdeps.cli.options import url_option
from rqdeps.queue import Queue
from rqdeps.store import connect

_name_argument = click.argument("name", metavar="NAME")


def _limit(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """A number of jobs, or ``none``."""
    if value == "none":
        return None
    if not (value.isascii() and value.isdecimal()) or int(value) < 1:
        hint = "; rqdeps queue pause stops a queue altogether" if value == "0" else ""
        raise click.BadParameter(f"{value!r} is neither a number of jobs from 1 up nor none{hint}")
    return int(value)


@click.group()
def queue() -> None:
    """Limit, pause or resume a queue."""


@queue.command()
@_name_argument
@click.argument("most", callback=_limit, metavar="N")
@url_option
def limit(name: str, most: int | None, url: str | None) -> None:
    """Lets at most N jobs of a queue run at once, over all workers; none lifts the limit.

    It holds until it is set anew. What runs already goes on.
    """
    _queue(name, url).limit(most)
    click.echo(f"{name}: {at_most(most)}")


@queue.command()
@_name_argument
@url_option
def pause(name: str, url: str | None) -> None:
    """Stops workers from taking jobs of a queue. What runs goes on, and jobs can be enqueued."""
    _queue(name, url).pause()
    click.echo(f"{name}: paused")


@queue.command()
@_name_argument
@url_option
def resume(name: str, url: str | None) -> None:
    """Lets workers take jobs of a queue again."""
    _queue(name, url).resume()
    click.echo(f"{name}: resumed")


def _queue(name: str, url: str | None) -> Queue:
    return Queue.on(name, connect(url, create=False))
