"""Questions before something is done to many."""

from __future__ import annotations

import sys

import click


def is_wanted(question: str, *, yes: bool) -> bool:
    """Whether somebody wants it.

    Args:
        question: what is asked.
        yes: whether that has been said already.

    Raises:
        click.ClickException: nobody is there to answer.
        KeyboardInterrupt: somebody has pressed Ctrl-C.
    """
    if yes:
        return True
    try:
        if sys.stdin is None:  # it was closed by who called the command
            raise click.Abort
        return click.confirm(question, err=True)
    except click.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        click.echo(err=True)
        raise click.ClickException(
            "nothing was changed, as nobody answered; --yes does it without a question"
        ) from None
