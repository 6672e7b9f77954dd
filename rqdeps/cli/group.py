"""The group of all commands: it imports one when it is called, and says in a line or two what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from redis.exceptions import RedisError

from rqdeps.cli.options import URL
from rqdeps.errors import RqdepsError, UnsupportedFunctionError
from rqdeps.store.permissions import missing_permission
from rqdeps.store.states import state_in_words

#: The exit code of what Ctrl-C has ended.
INTERRUPTED = 130


class FriendlyGroup(click.Group):
    """A group of commands that turns errors made for people into messages, without a traceback.

    The exit code is 1, or 2 for values that can't be, such as a URL or the name of a queue.

    Args:
        *args: see ``click.Group``.
        commands_at: the names of commands in the order of the help, and where each is: ``module:name``.
        **kwargs: see ``click.Group``.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        where = self._commands_at.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except UnsupportedFunctionError as error:  # a path that somebody has typed
            raise click.UsageError(str(error)) from error
        except (RqdepsError, RedisError) as error:
            raise click.ClickException(message_of(error)) from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error


def message_of(error: Exception) -> str:
    """What a person is told of an error in the command that runs."""
    state = state_in_words(error)
    if state is not None:
        return f"the server can't do this now: {state}"
    return missing_permission(error, click.get_current_context().meta.get(URL)) or str(error)
