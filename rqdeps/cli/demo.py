"""``rqdeps demo``: a pipeline on real text, run by a worker on an embedded server, and how it went."""

from __future__ import annotations

import inspect
import io
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rqdeps import Job, JobFailedError, Queue, RqdepsError
from rqdeps.demo import pipeline
from rqdeps.demo.show import Outcome, highlights, left_behind, progress
from rqdeps.demo.steps import python_topics

#: Where everything is written.
FOLDER = Path("rqdeps-demo")

#: How often the counts are read while jobs run, in seconds: on a terminal, where they stay in one line, and elsewhere.
TICK_ON_TERMINAL, TICK = 0.1, 1.0

#: The exit code of what Ctrl-C has ended.
INTERRUPTED = 130


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
@click.option("--url", default=pipeline.URL, show_default=True, metavar="URL", help="The server to use.")
def demo(texts: tuple[str, ...], url: str) -> None:
    """Runs a pipeline of jobs that summarise text.

    The text is that of FILEs, or else Python's own language reference. Everything that is written goes to
    ./rqdeps-demo, and the server is an embedded one in there, unless --url names another.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # better a question mark than a traceback, where there is no UTF-8
    queue = Queue(f"demo-{secrets.token_hex(3)}", url=url)  # of its own: what an earlier run left does not disturb
    worker = ["rqdeps", "worker", queue.name, "--processes", "2", "--burst"]
    command = f"  {shlex.join(worker)} \\\n    --url {shlex.quote(queue.store.address)}"
    try:
        jobs = pipeline.enqueue_all(queue, list(texts) or [python_topics()], FOLDER.resolve())
        click.echo(f"{len(jobs)} jobs are enqueued, and a worker runs them:\n{command}\n")
        with _running([sys.executable, "-m", *worker, "--url", url]) as process:
            _watch(queue, jobs[-1], process)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. The jobs that have not run are still queued; this runs them:\n{command}")
        sys.exit(INTERRUPTED)
    except OSError as error:
        if isinstance(error, RqdepsError):
            raise
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    _tell(jobs, url if url.startswith("embedded:") else queue.store.address)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process beside this block, in a session of its own, so that Ctrl-C reaches it by way of the block only."""
    with (FOLDER / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603
    try:
        yield process
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()


def _watch(queue: Queue, last: Job[Any], worker: subprocess.Popen[bytes]) -> None:
    """Shows how many jobs have which status until the last one has ended."""
    in_place = sys.stdout.isatty()
    shown, has_ended = "", False
    while not has_ended:
        worker_has_ended = worker.poll() is not None
        try:
            last.wait(TICK_ON_TERMINAL if in_place else TICK)
            has_ended = True
        except JobFailedError:
            has_ended = True
        except TimeoutError as error:
            if worker_has_ended:
                raise click.ClickException(f"the worker ended before the jobs: see {FOLDER / 'worker.log'}") from error
        line = progress(queue.counts)
        if in_place:
            click.echo(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", nl=has_ended)
        elif line != shown:
            click.echo(line)
        shown = line


def _tell(jobs: Sequence[Job[Any]], url: str) -> None:
    """Shows the summary, the graph, the timing, what is left behind, and the program."""
    outcome = Outcome(jobs)
    failures = outcome.failures()
    if not failures:
        _section("The summary", highlights(jobs[-3].result))
    _section("The graph", outcome.graph())
    _section("The timing", outcome.timing())
    if failures:
        click.echo()
        raise click.ClickException("\n".join(failures))
    program = inspect.getsource(pipeline)
    (FOLDER / "pipeline.py").write_text(program, encoding="utf-8")
    _section("What is left", left_behind(FOLDER, url, jobs[0]))
    _section(f"The program, to copy from here or from {FOLDER}/pipeline.py\n", ())
    for line in program.splitlines():
        click.secho(line, bold=line.endswith("# <--"))


def _section(title: str, lines: Iterable[str]) -> None:
    click.secho(f"\n{title}", bold=True)
    for line in lines:
        click.echo(f"  {line}".rstrip())
