"""What is shown once, or again as it changes; as a picture, or as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rqdeps.cli.exits import INTERRUPTED
from rqdeps.cli.plain import show_json, show_json_line
from rqdeps.cli.screen import console, show
from rqdeps.errors import ConnectionUnavailableError

#: How long a picture stays before the next look, in seconds; at least twice as long as the look took.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class View:
    """What there is to see at a moment.

    Attributes:
        plain: gives it as plain values, for JSON.
        picture: draws it for where it is shown.
        state: what it is shown again for when it has changed, where nothing can be overwritten.
        note: what is said besides, where it is shown once.
        has_ended: whether it changes no more.
    """

    plain: Callable[[], Any]
    picture: Callable[[Console], RenderableType]
    state: Any
    note: str = ""
    has_ended: bool = False


def present(look: Callable[[], View], *, as_json: bool, watch: bool) -> None:
    """Shows something.

    Args:
        look: reads it.
        as_json: whether as JSON.
        watch: whether again and again, until it has ended or somebody presses Ctrl-C: in place on a terminal, elsewhere
            below whenever it has changed, as JSON in one line each.
    """
    if watch:
        try:
            _watch(look, as_json=as_json)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        return
    view = look()
    if as_json:
        show_json(view.plain())
    else:
        on = console()
        show(view.picture(on), on)
    if view.note:
        click.echo(view.note, err=True)


def _watch(look: Callable[[], View], *, as_json: bool) -> None:
    on = console()
    if not on.is_terminal or as_json:
        _follow(look, lambda view, before: _show_below(view, before, on, as_json=as_json))
        return
    with Live(console=on, auto_refresh=False, vertical_overflow="crop") as live:

        def show_in_place(view: View, before: View | None, said: str = "") -> None:
            picture = view.picture(on)
            live.update(Group(Text(said, "bold red"), picture) if said else picture, refresh=True)

        _follow(look, show_in_place, tell=lambda view, said: show_in_place(view, view, said))


def _follow(
    look: Callable[[], View],
    show_it: Callable[[View, View | None], None],
    tell: Callable[[View, str], None] = lambda view, said: None,
) -> None:
    """Looks again and again, until it has ended. A server that was there, and is away, is waited for.

    Args:
        look: reads it.
        show_it: shows what is seen, given what was seen before.
        tell: says why nothing new is seen.
    """
    seen: View | None = None
    while True:
        began = time.monotonic()
        try:
            view = look()
        except ConnectionUnavailableError as error:
            if seen is None:
                raise
            tell(seen, str(error).partition("\n")[0])
        else:
            show_it(view, seen)
            if view.has_ended:
                return
            seen = view
        time.sleep(max(_LOOK_SECONDS, 2 * (time.monotonic() - began)))


def _show_below(view: View, before: View | None, on: Console, *, as_json: bool) -> None:
    if before is not None and before.state == view.state:
        return
    if as_json:
        show_json_line(view.plain())
        return
    show(view.picture(on), on)
