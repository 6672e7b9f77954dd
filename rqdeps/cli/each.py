"""Commands that take several ids: a line for each says what has become of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import click

from rqdeps.errors import InvalidJobOperationError, NoSuchJobError, NoSuchWorkflowError


def change_each(ids: Iterable[str], change: Callable[[str], str]) -> None:
    """Changes one after the other, and says what has become of it. Exits with 1 if one was refused.

    Args:
        ids: of what is to be changed.
        change: does it, and returns what is to be said.
    """
    exit_code = 0
    for each in dict.fromkeys(ids):
        try:
            click.echo(f"{each}: {change(each)}")
        except (NoSuchJobError, NoSuchWorkflowError, InvalidJobOperationError) as error:
            click.ClickException(str(error)).show()
            exit_code = 1
    sys.exit(exit_code)
