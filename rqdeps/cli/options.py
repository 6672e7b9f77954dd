"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

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
    f"Default: ${URL_VARIABLE}, else {DEFAULT_URL}.",
)


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
