"""``rqdeps demo``: a pipeline on real text, run by a worker on an embedded server, and how it went."""

from __future__ import annotations

import inspect
import io
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.padding import Padding

from rqdeps import Job, Queue, RqdepsError
from rqdeps.cli.exits import INTERRUPTED
from rqdeps.cli.screen import show
from rqdeps.demo import pipeline
from rqdeps.demo.crash import LEASE, crash
from rqdeps.demo.running import Progress, WorkerCommand
from rqdeps.demo.show import Outcome, command, highlights, left_behind, section, way_out
from rqdeps.demo.steps import python_topics
from rqdeps.graph.terminal import tree

#: Where everything is written.
FOLDER = Path("rqdeps-demo")


def _text_of(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{file} is no text in UTF-8") from error
    if "\0" in text or not text.strip():
        raise click.BadParameter(f"{file} is {'no text' if text.strip() else 'empty'}")
    return text


@click.command()
@click.argument("texts", type=_text_of, nargs=-1, metavar="[FILE]...")
@click.option("--kill", is_flag=True, help="Kill the worker while jobs run, and count what becomes of them.")
@click.option("--url", default=pipeline.URL, show_default=True, metavar="URL", help="The server to use.")
def demo(texts: tuple[str, ...], kill: bool, url: str) -> None:
    """Runs a pipeline of jobs that summarise text.

    The text is that of FILEs, or else Python's own language reference. Everything that is written goes to
    ./rqdeps-demo, and the server is an embedded one in there, unless --url names another.
    """
    if kill and texts:
        raise click.UsageError("--kill has jobs of its own, and takes no FILE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # better a question mark than a traceback, where there is no UTF-8
    queue = Queue(f"demo-{secrets.token_hex(3)}", url=url)  # of its own: what an earlier run left does not disturb
    worker = WorkerCommand(queue, url, *(["--lease", str(LEASE)] if kill else []))
    try:
        if kill:
            crash(queue, worker, FOLDER)
        else:
            jobs = _run(queue, list(texts) or [python_topics()], worker)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. The jobs that have not run are still queued; this runs them:\n{worker}")
        sys.exit(INTERRUPTED)
    except OSError as error:
        if isinstance(error, RqdepsError) or error.filename is None:
            raise
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    if not kill:
        _tell(queue, jobs, url if url.startswith("embedded:") else queue.store.address)


def _run(queue: Queue, texts: list[str], worker: WorkerCommand) -> list[Job[Any]]:
    shutil.rmtree(FOLDER / "site", ignore_errors=True)  # where an earlier run was mended
    jobs = pipeline.enqueue_all(queue, texts, FOLDER.resolve())
    click.echo(f"{sum(queue.counts.values())} jobs are enqueued, and a worker runs them:\n{worker}\n")
    log = FOLDER / "worker.log"
    log.unlink(missing_ok=True)
    with worker.running(log) as process:
        Progress(queue).until_the_end_of(process, log)
    return jobs


def _tell(queue: Queue, jobs: Sequence[Job[Any]], url: str) -> None:
    """Shows the summary, the graph, the timing, what has failed, what is left behind, and the program."""
    overview, _, _, page, announced = jobs[-5:]
    outcome = Outcome(jobs, queue)
    failures = outcome.failures()
    is_missing_the_site = failures.pop(page, None) is not None
    if not failures:
        section("The summary", highlights(overview.result))
    section("The graph", ())
    show(Padding(tree(announced.graph(), folded=True, lines=None), (0, 0, 0, 2)))
    section("The timing", outcome.timing())
    if failures:
        click.echo()
        raise click.ClickException("\n".join(failures.values()))
    if is_missing_the_site:
        mending = [
            f"mkdir {FOLDER}/site",
            command("requeue", page.id, "--url", url),
            command("worker", queue.name, "--burst", "--url", url),
        ]
        section("Why announce has not run", way_out(page, announced, mending))
    program = inspect.getsource(pipeline)
    (FOLDER / "pipeline.py").write_text(program, encoding="utf-8")
    section("What is left", left_behind(FOLDER, url, announced))
    section(f"The program, to copy from here or from {FOLDER}/pipeline.py\n", ())
    for line in program.splitlines():
        click.secho(line, bold=line.endswith("# <--"))
