"""How the command line says what went wrong: in a line or two, never with a traceback for a user's mistake."""

from __future__ import annotations

from typing import Any

import click
from redis.exceptions import RedisError

from rqdeps.errors import RqdepsError


class FriendlyGroup(click.Group):
    """A group of commands that turns errors made for people into messages, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (RqdepsError, RedisError, ValueError) as error:
            raise click.ClickException(str(error)) from error
