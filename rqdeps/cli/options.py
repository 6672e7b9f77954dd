"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rqdeps.durations import to_ms
from rqdeps.store.connection import DEFAULT_URL, URL_VARIABLE, display_url

F = TypeVar("F", bound=Callable[..., Any])

#: Where a context's ``meta`` holds the URL that was given.
URL = "rqdeps.url"


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    context.meta[URL] = value
    return value


#: Where the server is.
url_option = click.option(
    "--url",
    "-u",
    callback=_remember,
    metavar="URL",
    help="Server: redis://, rediss://, unix://, sentinel:// or embedded:FOLDER. "
    f"Default: ${URL_VARIABLE}, else that of pyproject.toml, else {DEFAULT_URL}.",
)

#: Whether to print JSON.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; durations in seconds.")

#: Whether to show it again and again.
watch_option = click.option("--watch", is_flag=True, help="Show it again as it changes, until Ctrl-C.")

#: Whether to do without a question.
yes_option = click.option("--yes", "-y", is_flag=True, help="Don't ask.")


def duration_ms(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Reads a duration that was typed, in milliseconds."""
    try:
        return to_ms(value, parameter.opts[0])
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def number_or_none(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """Reads a number from 1 up, or ``none`` for no limit."""
    if value == "none":
        return None
    if not (value.isascii() and value.isdecimal()) or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number from 1 up nor none")
    return int(value)


def dependents_option(words: str) -> Callable[[F], F]:
    """The option that says what becomes of dependents of what is deleted; see ``Job.delete``.

    Args:
        words: what the help says.
    """
    policies = click.Choice(["cancel", "release", "delete"])
    return click.option("--dependents", type=policies, default="cancel", show_default=True, help=words)


def url_words(url: str | None) -> list[str]:
    """The option as part of a command that is shown: without the password, which may be read by others there."""
    return ["--url", display_url(url)] if url else []
