"""The group of all commands: it imports one when it is called, and says in a line or two what went wrong."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Container, Mapping
from importlib import import_module
from typing import Any, Final

import click
from redis.exceptions import InvalidResponse, RedisError

from rqdeps.cli.defaults import asks_for_help, defaults_for, name_variables, origin_of
from rqdeps.cli.exits import INTERRUPTED
from rqdeps.cli.options import URL
from rqdeps.errors import RqdepsError, UnsupportedFunctionError
from rqdeps.store.permissions import missing_permission
from rqdeps.store.states import state_in_words

#: Why standard output can't be written. Where its reader has gone is not among these: click ends quietly then.
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF)


class FriendlyGroup(click.Group):
    """A group of commands that turns errors made for people into messages, without a traceback.

    The exit code is 1, or 2 for values that can't be, such as a URL or the name of a queue.

    Options that are not given are taken from variables, ``RQDEPS_WORKER_PROCESSES``, and then from the project's
    ``pyproject.toml``.

    Args:
        *args: see ``click.Group``.
        commands_at: the names of commands in the order of the help, and where each is: ``module:name``.
        lenient: commands that also run where ``pyproject.toml`` says what can't be, and then without it.
        **kwargs: see ``click.Group``.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], lenient: Container[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at
        self._lenient = lenient

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
        name_variables(command, [cmd_name])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; it is given what the project says for it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None and not ctx.resilient_parsing:
            try:
                ctx.default_map = defaults_for(command, name, self._commands_at)
            except ValueError:
                if name not in self._lenient and not asks_for_help(command, rest, ctx):
                    raise
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for."""
        try:
            return self._invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            sys.exit(INTERRUPTED)
        except UnsupportedFunctionError as error:  # a path that somebody has typed
            raise click.UsageError(str(error)) from error
        except click.BadParameter as error:
            origin = origin_of(error)
            if origin is None:
                raise
            raise click.UsageError(f"{origin}: {error.format_message()}") from error  # whose usage nobody typed
        except (RqdepsError, RedisError) as error:
            raise click.ClickException(message_of(error)) from error
        except UnicodeEncodeError as error:  # what Python made of bytes that are no text
            raise click.UsageError(f"{error.object!r} is no text in the encoding of this shell") from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    def _invoke(self, ctx: click.Context) -> Any:
        """Runs it, and has all that it printed written while errors can still be told."""
        sys.stdout = sys.stdout or _Nowhere()  # it may have been closed by who called it
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # what its encoding does not have is no reason to stop
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
            sys.stdout = _Nowhere()  # what is left in it can't be written at the end either
            raise click.ClickException(f"standard output can't be written: {error.strerror}") from error


class _Nowhere(io.TextIOBase):
    """Where what is printed goes once nothing can be written any more."""

    def write(self, text: str) -> int:
        """Forgets it."""
        return len(text)


def message_of(error: Exception) -> str:
    """What a person is told of an error in the command that runs."""
    state = state_in_words(error)
    if state is not None:
        return f"the server can't do this now: {state}"
    if isinstance(error, InvalidResponse):
        return f"what answers there is neither Redis nor Valkey: {error}"
    return missing_permission(error, click.get_current_context().meta.get(URL)) or str(error)
