"""``rqdeps enqueue``: a job from a shell."""

from __future__ import annotations

import sys
from typing import Any

import click

from rqdeps.cli.exits import INTERRUPTED, REFUSED, TIMED_OUT
from rqdeps.cli.options import duration_ms, url_option
from rqdeps.cli.plain import is_json, parsed, show_json
from rqdeps.dependency import RULES, Dependency, Output
from rqdeps.errors import JobFailedError, WaitTimeoutError
from rqdeps.ids import check_queue_name
from rqdeps.job import Job
from rqdeps.queue import Queue
from rqdeps.store import connect
from rqdeps.text import printable

_SECOND_MS = 1000


def _json(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no JSON ({error}): text goes without a colon before it") from error


def _value(word: str) -> Any:
    """The value that a word stands for."""
    if word.startswith(":"):
        return _json(word[1:])
    if word.startswith("@"):
        return Output(word[1:])
    return word


def _call(words: tuple[str, ...]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments by position and by name that words stand for."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not (equals and name.isidentifier()):
            args.append(_value(word))
        elif name in kwargs:
            raise click.UsageError(f"{name}= is given twice")
        else:
            kwargs[name] = _json(value) if is_json else _value(value) if value.startswith("@") else value
    return args, kwargs


@click.command(short_help="Enqueues a call of a function.")
@click.argument("function", metavar="MODULE.FUNCTION")
@click.argument("words", metavar="[ARGUMENT]...", nargs=-1)
@click.option("--queue", "-q", "queue_name", default="default", show_default=True, metavar="NAME", help="Its queue.")
@click.option(
    "--depends-on", "-d", "dependencies", multiple=True, metavar="ID", help="A job to wait for; may be repeated."
)
@click.option("--rule", type=click.Choice(sorted(RULES)), metavar="RULE", help=f"By which rule: {', '.join(RULES)}.")
@click.option("--retry", type=click.IntRange(min=0), metavar="N", help="How often to try again after a failure.")
@click.option("--timeout", "job_timeout", metavar="TIME", help="How long an attempt may take: seconds, or 90s, 5m, 1h.")
@click.option("--in", "delay_ms", callback=duration_ms, metavar="TIME", help="When: so long from now.")
@click.option("--result-ttl", metavar="TIME", help="How long what it returns is kept; -1: for ever.")
@click.option("--failure-ttl", metavar="TIME", help="How long it is kept if it fails; -1: for ever.")
@click.option("--ttl", metavar="TIME", help="How long it may wait to be run.")
@click.option("--id", "job_id", metavar="ID", help="An id of your own.")
@click.option("--description", metavar="TEXT", help="Words for people, in place of the call.")
@click.option("--front", "at_front", is_flag=True, help="Put it at the front of its queue.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has ended, and print what it returned, as JSON.")
@click.option("--wait-timeout", "wait_ms", callback=duration_ms, metavar="TIME", help="With --wait: so long at most.")
@url_option
def enqueue(
    function: str,
    words: tuple[str, ...],
    queue_name: str,
    dependencies: tuple[str, ...],
    rule: Any,
    delay_ms: int | None,
    waits: bool,
    wait_ms: int | None,
    url: str | None,
    **options: Any,
) -> None:
    """Enqueues a call of a function, and prints the job's id.

    An ARGUMENT is text, or :JSON, or @ID for what the job of that id returns, which it then waits for; by name,
    NAME=TEXT, NAME:=JSON or NAME=@ID. What begins with - comes after -- .

    \b
        rqdeps enqueue steps.extract input.csv limit:=10
        rqdeps enqueue steps.load @ID --depends-on ID2 --retry 3

    With --wait, exits with 0 if it has finished, 1 if it ended otherwise, 124 if the time was over.
    """  # noqa: D301
    if rule is not None and not dependencies:
        raise click.UsageError("--rule is for --depends-on")
    if wait_ms is not None and not waits:
        raise click.UsageError("--wait-timeout is for --wait")
    args, kwargs = _call(words)
    given = {name: value for name, value in options.items() if value is not None}
    if dependencies:
        given["depends_on"] = Dependency(list(dependencies), rule=rule)
    queue = Queue.on(check_queue_name(queue_name), connect(url))
    if delay_ms is None:
        job = queue.enqueue(function, args=args, kwargs=kwargs, **given)
    else:
        job = queue.enqueue_in(delay_ms / _SECOND_MS, function, args=args, kwargs=kwargs, **given)
    click.echo(job.id, err=waits)  # what it returned is all that is printed then
    if waits:
        _wait(job, wait_ms)


def _wait(job: Job[Any], wait_ms: int | None) -> None:
    """Waits for a job, and exits with how it ended."""
    try:
        value = job.wait(None if wait_ms is None else wait_ms / _SECOND_MS)
    except WaitTimeoutError as error:
        click.ClickException(str(error)).show()
        sys.exit(TIMED_OUT)
    except JobFailedError as error:
        click.ClickException(str(error)).show()
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if is_json(value):
        show_json(value)
    else:  # as Python writes it
        click.echo(printable(repr(value)))
