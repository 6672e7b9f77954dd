"""The command line: measure, find the limits, make a table again."""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.bench import NORMAL, QUICK, SCALES
from benchmarks.catalogue import catalogue
from benchmarks.catalogue import choose as choose_queues
from benchmarks.figures import choose as choose_measurements
from benchmarks.limits.report import limits as find_limits
from benchmarks.plot import svg
from benchmarks.results import Results
from benchmarks.running import Run
from benchmarks.server import running_server
from benchmarks.table import markdown

RESULTS = Path(__file__).parent / "results"

#: How often each measurement is made.
REPETITIONS = 5


@click.group(name="benchmarks", invoke_without_command=True)
@click.option("--peers", default="", metavar="NAME,…", help="Other queues to measure beside rqdeps, or: all.")
@click.option("--figures", default="", metavar="NAME,…", help="Measure these only; * stands for anything.")
@click.option("--repetitions", type=click.IntRange(1), help=f"Default: {REPETITIONS}, or 1 with --scale quick.")
@click.option(
    "--scale",
    type=click.Choice(list(SCALES)),
    default=NORMAL.name,
    show_default=True,
    help="quick: a look in a minute or so; full: recovery of lost workers' jobs too, which takes long.",
)
@click.option("--fresh", is_flag=True, help="Make the peers' environments anew, with today's newest releases.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder for table and plot."
)
@click.pass_context
def main(
    context: click.Context, peers: str, figures: str, repetitions: int | None, scale: str, fresh: bool, output: Path
) -> None:
    """Measures rqdeps, and other queues beside it, on a server of its own."""
    if context.invoked_subcommand:
        return
    try:
        listings = choose_queues(peers, catalogue())
        measurements = choose_measurements(SCALES[scale], figures)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    repetitions = repetitions or (1 if scale == QUICK.name else REPETITIONS)
    path = output / f"{datetime.now(timezone.utc):%Y-%m-%d-%H%M%S}.json"
    with running_server() as server, tempfile.TemporaryDirectory(prefix="rqdeps-benchmarks-") as folder:
        run = Run(
            server,
            SCALES[scale],
            measurements,
            repetitions,
            Path(folder),
            _progress,
            lambda found: found.write(path),
        )
        results = run.measure(listings, fresh=fresh)
    results.write(path)
    _present(results, path)


@main.command()
@click.option("--seconds", type=float, default=2.0, show_default=True, help="How long to try each.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder for the table."
)
def limits(seconds: float, output: Path) -> None:
    """Measures what bounds every queue on this machine."""
    with running_server() as server:
        about = f"{machine.now()}; {machine.machine()}; {machine.python()}; {server.says()}."
        rows = [f"| {title} | {value} |" for title, value in find_limits(server, seconds)]
    text = "\n".join(["# Limits", "", about, "", "| | |", "| --- | --- |", *rows, ""])
    output.mkdir(parents=True, exist_ok=True)
    (output / "limits.md").write_text(text)
    click.echo(text)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def table(file: Path) -> None:
    """Makes table and plot again from the FILE of a run."""
    _present(Results.read(file), file)


def _present(results: Results, path: Path) -> None:
    path.with_suffix(".md").write_text(markdown(results))
    path.with_suffix(".svg").write_text(svg(results))
    click.echo(markdown(results))
    _progress(f"{path}, and .md and .svg beside it\n")


def _progress(text: str) -> None:
    """One line that changes on a terminal, one after the other elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
    else:
        click.echo(text, err=True)
