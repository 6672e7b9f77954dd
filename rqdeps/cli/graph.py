"""``rqdeps graph ID``: a workflow, or all jobs that are connected with one, as a tree or in another form."""

from __future__ import annotations

import sys
import time

import click
from rich.live import Live

from rqdeps.cli.group import INTERRUPTED
from rqdeps.cli.options import url_option
from rqdeps.cli.path import path_table
from rqdeps.cli.screen import console, lines_of, show, show_json
from rqdeps.graph.graph import Graph
from rqdeps.graph.mermaid import MOST_EDGES
from rqdeps.graph.plain import plain_path
from rqdeps.graph.reading import DEFAULT_MOST
from rqdeps.graph.terminal import tree
from rqdeps.job import Job

#: How long a picture stays before the next look, in seconds; at least twice as long as the look took.
_LOOK_SECONDS = 0.5


@click.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "dot", "json"]),
    default="tree",
    show_default=True,
    help="What to print.",
)
@click.option("--watch", is_flag=True, help="Show the tree again as it changes, until all jobs have ended.")
@click.option("--critical-path", is_flag=True, help="Which jobs made it take as long as it took, and their waiting.")
@click.option(
    "--fold/--full",
    "folded",
    default=None,
    help="Show jobs that are alike as one, or each by itself. Default: the tree is folded, mermaid and dot are full.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=DEFAULT_MOST,
    show_default=True,
    metavar="N",
    help="Read at most so many jobs, the nearest first.",
)
@url_option
def graph(
    job_id: str, form: str, watch: bool, critical_path: bool, folded: bool | None, most: int, url: str | None
) -> None:
    """Shows a workflow, or all jobs that are connected with a job: what waits for what, status, times, attempts.

    Jobs with the same function and the same neighbours are shown as one, with how many of them have which status.
    """
    if watch and (form != "tree" or critical_path):
        raise click.UsageError("--watch shows the tree: leave --format and --critical-path out")
    if critical_path and form not in ("tree", "json"):
        raise click.UsageError(f"--critical-path is shown as text or json, not as {form}")
    if folded is not None and (form == "json" or critical_path):
        raise click.UsageError("--fold and --full are for trees, mermaid and dot")
    job = Job.fetch(job_id, url=url)
    if watch:
        try:
            _watch(job, most, folded=folded is not False)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        return
    found = job.graph(most)
    if critical_path and form == "json":
        show_json(plain_path(found.critical_path()))
    elif critical_path:
        on = console()
        show(path_table(found, lines_of(on)), on)
    elif form == "tree":
        _show_tree(found, folded=folded is not False)
    elif form == "json":
        show_json(found.to_dict())
    else:
        click.echo(_exported(found, form, folded=bool(folded)), nl=False)
    if not found.is_whole:
        click.echo(f"These are the nearest {len(found.nodes)} jobs: --most shows more.", err=True)


def _show_tree(found: Graph, *, folded: bool) -> None:
    on = console()
    show(tree(found, folded=folded, lines=lines_of(on)), on)


def _exported(found: Graph, form: str, *, folded: bool) -> str:
    if form == "dot":
        return found.to_dot(folded=folded)
    if len(found.edges) > MOST_EDGES and not folded:
        click.echo(f"Mermaid draws at most {MOST_EDGES} arrows, and here are {len(found.edges)}: try --fold", err=True)
    return found.to_mermaid(folded=folded)


def _watch(job: Job[object], most: int, *, folded: bool) -> None:
    """Shows the tree until all has ended: in place on a terminal, else again below whenever a status has changed."""
    on = console()
    with Live(console=on, auto_refresh=False, transient=False) as live:
        shown = None
        while True:
            began = time.monotonic()
            found = job.graph(most)
            picture = tree(found, folded=folded, lines=lines_of(on))
            if on.is_terminal:
                live.update(picture, refresh=True)
            elif shown != (now := [(node.status, node.attempt) for node in found.nodes.values()]):
                show(picture, on)
                shown = now
            if found.has_ended:
                return
            time.sleep(max(_LOOK_SECONDS, 2 * (time.monotonic() - began)))
