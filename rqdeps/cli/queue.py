"""``rqdeps queue``: list, limit, pause, resume and empty queues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import click

from rqdeps.cli.asking import is_wanted
from rqdeps.cli.options import F, json_option, number_or_none, url_option, watch_option, yes_option
from rqdeps.cli.queues import at_most, queue_states, queues_table
from rqdeps.cli.watching import View, present
from rqdeps.ids import check_queue_name
from rqdeps.overview import counts_per_queue
from rqdeps.queue import Queue
from rqdeps.status import JobStatus
from rqdeps.store import Store, connect
from rqdeps.text import times


def _names_argument(command: F) -> F:
    command = click.option("--all", "-a", "everything", is_flag=True, help="All queues.")(command)
    return click.argument("names", metavar="NAME...", nargs=-1)(command)


def _names(names: Sequence[str], store: Store, *, everything: bool) -> list[str]:
    """The queues that are meant.

    Raises:
        click.UsageError: none was named, or some and all.
    """
    if bool(names) == everything:
        raise click.UsageError("name queues, or say --all" + ("; not both" if names else ""))
    if everything:
        return list(store.perform(counts_per_queue()))
    return [check_queue_name(name) for name in dict.fromkeys(names)]


def _change_named(names: Sequence[str], url: str | None, *, everything: bool, change: Callable[[Queue], str]) -> None:
    store = connect(url, create=False)
    meant = _names(names, store, everything=everything)
    _change_each(meant, store, change)
    if not meant:
        click.echo("No queues yet.", err=True)


def _change_each(names: Iterable[str], store: Store, change: Callable[[Queue], str]) -> None:
    for name in names:
        click.echo(f"{name}: {change(Queue.on(name, store))}")


@click.command(short_help="Stops workers from taking jobs of queues.")
@_names_argument
@url_option
def pause(names: tuple[str, ...], everything: bool, url: str | None) -> None:
    """Stops workers from taking jobs of queues. What runs goes on, and jobs can be enqueued."""

    def change(queue: Queue) -> str:
        queue.pause()
        return "paused"

    _change_named(names, url, everything=everything, change=change)


@click.command()
@_names_argument
@url_option
def resume(names: tuple[str, ...], everything: bool, url: str | None) -> None:
    """Lets workers take jobs of queues again."""

    def change(queue: Queue) -> str:
        queue.resume()
        return "resumed"

    _change_named(names, url, everything=everything, change=change)


@click.command()
@_names_argument
@yes_option
@url_option
def empty(names: tuple[str, ...], everything: bool, yes: bool, url: str | None) -> None:
    """Deletes all jobs that are ready in queues. Jobs that wait for them are canceled.

    Jobs that run, wait for others or for a time, or have ended, stay: `rqdeps delete --queue NAME` deletes all.
    """
    store = connect(url, create=False)
    meant = _names(names, store, everything=everything)
    counts = store.perform(counts_per_queue())
    full = {name: counts[name][JobStatus.QUEUED] for name in meant if name in counts and counts[name][JobStatus.QUEUED]}
    if not full:
        click.echo("Nothing is ready there.")
        return
    count = times(sum(full.values()), "job")
    where = ", ".join(f"{name} ({number:,})" for name, number in full.items())
    if not is_wanted(f"Delete {count} that {'is' if count == '1 job' else 'are'} ready: {where}?", yes=yes):
        click.echo("left as it is")
        return
    _change_each(full, store, lambda queue: f"{times(queue.empty(), 'job')} deleted")


@click.group()
def queue() -> None:
    """List, limit, pause, resume or empty queues."""


@queue.command(name="list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@watch_option
@url_option
def list_queues(names: tuple[str, ...], as_json: bool, watch: bool, url: str | None) -> None:
    """Lists queues: jobs per status, how long the next has been ready, what has been set."""
    store = connect(url, create=False)

    def look() -> View:
        found = store.perform(queue_states(names))
        return View(
            lambda: [each.plain() for each in found],
            lambda on: queues_table(found, on),
            state=[each.state for each in found],
        )

    present(look, as_json=as_json, watch=watch)


def _limit(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    if value == "0":
        raise click.BadParameter("0 would let none run: that is what rqdeps pause does")
    return number_or_none(context, parameter, value)


@queue.command()
@click.argument("name", metavar="NAME")
@click.argument("most", callback=_limit, metavar="N|none")
@url_option
def limit(name: str, most: int | None, url: str | None) -> None:
    """Lets at most N jobs of a queue run at once, over all workers; none lifts the limit.

    It holds until it is set anew. What runs already goes on.
    """
    Queue.on(name, connect(url, create=False)).limit(most)
    click.echo(f"{name}: {at_most(most)}")


for command in (pause, resume, empty):
    queue.add_command(command)
