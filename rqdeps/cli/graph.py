"""``rqdeps graph ID``: a workflow, or all jobs that are connected with one, as a tree or in another form."""

from __future__ import annotations

import click
from rich.console import RenderableType

from rqdeps.cli.options import url_option
from rqdeps.cli.path import path_table
from rqdeps.cli.screen import lines_of
from rqdeps.cli.watching import View, present
from rqdeps.graph.graph import Graph
from rqdeps.graph.mermaid import MOST_EDGES
from rqdeps.graph.plain import plain_path
from rqdeps.graph.reading import DEFAULT_MOST
from rqdeps.graph.terminal import tree
from rqdeps.job import Job


@click.command(short_help="Shows what waits for what.")
@click.argument("job_id", metavar="ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "dot", "json"]),
    default="tree",
    show_default=True,
    help="What to print.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--watch", is_flag=True, help="Show it again as it changes, until all jobs have ended.")
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
    if watch and form not in ("tree", "json"):
        raise click.UsageError(f"--watch shows text or json, not {form}")
    if critical_path and form not in ("tree", "json"):
        raise click.UsageError(f"--critical-path is shown as text or json, not as {form}")
    if folded is not None and (form == "json" or critical_path):
        raise click.UsageError("--fold and --full are for trees, mermaid and dot")
    job = Job.fetch(job_id, url=url)
    if form in ("mermaid", "dot"):
        found = job.graph(most)
        click.echo(_exported(found, form, folded=bool(folded)), nl=False)
        if note := _note(found):
            click.echo(note, err=True)
        return

    def look() -> View:
        found = job.graph(most)
        return View(
            lambda: plain_path(found.critical_path()) if critical_path else found.to_dict(),
            lambda on: _picture(found, lines_of(on), critical_path=critical_path, folded=folded is not False),
            state=[(node.status, node.attempt) for node in found.nodes.values()],
            note=_note(found),
            has_ended=found.has_ended,
        )

    present(look, as_json=form == "json", watch=watch)


def _picture(found: Graph, lines: int, *, critical_path: bool, folded: bool) -> RenderableType:
    return path_table(found, lines) if critical_path else tree(found, folded=folded, lines=lines)


def _note(found: Graph) -> str:
    return "" if found.is_whole else f"These are the nearest {len(found.nodes)} jobs: --most shows more."


def _exported(found: Graph, form: str, *, folded: bool) -> str:
    if form == "dot":
        return found.to_dot(folded=folded)
    if len(found.edges) > MOST_EDGES and not folded:
        click.echo(f"Mermaid draws at most {MOST_EDGES} arrows, and here are {len(found.edges)}: try --fold", err=True)
    return found.to_mermaid(folded=folded)
