"""``rqdeps server``: start, stop and look at the embedded server of a folder."""

from __future__ import annotations

from pathlib import Path

import click

from rqdeps import embedded
from rqdeps.cli.exits import NOT_RUNNING
from rqdeps.errors import EmbeddedServerError
from rqdeps.text import many


def _folder(path: str) -> Path:
    """The absolute folder that a path or an ``embedded:`` URL names, which need not exist."""
    try:
        return embedded.folder_of(path) if embedded.is_embedded_url(path) else embedded.absolute(path)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def server() -> None:
    """Start, stop or look at the embedded server of a folder.

    PATH is the folder, or its URL: ./data and embedded:./data are the same. Workers and queues start the server by
    themselves; it stops some minutes after its last client has gone.
    """


@server.command()
@click.argument("folder", type=_folder, metavar="PATH")
def start(folder: Path) -> None:
    """Start the server of PATH unless it runs, and create PATH if it is missing."""
    try:
        socket = embedded.start(folder)
        found = embedded.status(folder)
    except EmbeddedServerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{folder}: running (process {found.pid}, socket {socket})")


@server.command()
@click.argument("folder", type=_folder, metavar="PATH")
def stop(folder: Path) -> None:
    """Stop the server of PATH and wait until it is gone; the data stays.

    A worker or program that still uses the server starts it again.
    """
    try:
        clients = embedded.status(folder).clients
        stopped = embedded.stop(folder)
    except EmbeddedServerError as error:
        raise click.ClickException(str(error)) from error
    if not stopped:
        click.echo(f"{folder}: no server is running")
    elif clients:
        click.echo(f"{folder}: stopped ({many(clients, 'connection')} cut; who still uses it starts it again)")
    else:
        click.echo(f"{folder}: stopped")


@server.command()
@click.argument("folder", type=_folder, metavar="PATH")
@click.pass_context
def status(context: click.Context, folder: Path) -> None:
    """Tell whether the server of PATH runs; exit code 0 if so, 3 if not. Nothing is started or created."""
    try:
        found = embedded.status(folder)
    except EmbeddedServerError as error:
        raise click.ClickException(str(error)) from error
    if not found.running:
        click.echo(f"{folder}: not running ({'it holds data' if found.has_data else 'no data'})")
        context.exit(NOT_RUNNING)
    if found.clients is None:
        click.echo(f"{folder}: running, but it does not answer (process {found.pid}, socket {found.socket})")
    else:
        keys = "still loading" if found.keys is None else many(found.keys, "key")
        clients = many(found.clients, "connection")
        click.echo(f"{folder}: running (process {found.pid}, {clients}, {keys}, socket {found.socket})")
