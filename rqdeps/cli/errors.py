"""How the command line says what went wrong: in a line or two, never with a traceback for a user's mistake."""

from __future__ import annotations

from typing import Any

import click
from redis.exceptions import RedisError

from rqdeps.errors import RqdepsError


class FriendlyGroup(click.Group):
    """A group of commands that turns errors made for people into messages.

    The exit code is 1, or 2 for values that can't be, such as a URL or the name of a queue.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (RqdepsError, RedisError) as error:
            raise click.ClickException(str(error)) from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error
