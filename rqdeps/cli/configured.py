"""What is configured here, where, and what of it counts, for ``rqdeps doctor``. What can't be is told, not raised."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import click
from click.core import ParameterSource

from rqdeps.allowance import ALLOW_VARIABLE
from rqdeps.cli.defaults import Entry, commands_of, entries_of, problems_at_the_top, table_name, variables_of
from rqdeps.cli.options import URL
from rqdeps.codec import LARGEST_MAX_PAYLOAD, MAX_PAYLOAD_VARIABLE, SERIALIZER_VARIABLE
from rqdeps.configuration import FILE_NAME, TABLE_NAME, Configuration, configuration, is_signing_key
from rqdeps.embedded.launch import IDLE_VARIABLE
from rqdeps.signatures import HINT_CUTOFF
from rqdeps.signing import KEYS_VARIABLE, Keyring
from rqdeps.sizes import to_bytes
from rqdeps.store.connection import URL_VARIABLE, display_url, meant_url
from rqdeps.text import printable

#: The variables that are for no single command.
GENERAL_VARIABLES: Final = (
    URL_VARIABLE,
    SERIALIZER_VARIABLE,
    MAX_PAYLOAD_VARIABLE,
    ALLOW_VARIABLE,
    KEYS_VARIABLE,
    IDLE_VARIABLE,
)

#: What is shown of a value that nobody shall see.
SET: Final = "set"


@dataclass(frozen=True)
class Setting:
    """Something that is configured.

    Attributes:
        name: what: ``url``, the name of a variable, or ``[tool.rqdeps.worker] processes``.
        value: to what, for people: without passwords, and ``set`` where it is a secret, or may be.
        source: where: ``--url``, ``environment``, the path of a file, or ``default``.
        overridden_by: what counts instead: ``--url``, ``$RQDEPS_URL``; empty if this counts.
        problem: what is wrong with it; empty if nothing is.
    """

    name: str
    value: str
    source: str
    overridden_by: str = ""
    problem: str = ""


def settings_in_effect(context: click.Context) -> list[Setting]:
    """All that is configured here: the URL that counts, then variables, then what stands in ``pyproject.toml``.

    Args:
        context: that of a command that takes ``--url``.
    """
    root = context.find_root().command
    parameters = _parameters(root)
    url = _url(context)
    settings = [url, *_variables(parameters, url)]
    try:
        found = configuration()
    except ValueError as error:
        return [*settings, Setting(f"[{TABLE_NAME}]", "", FILE_NAME, problem=printable(str(error)))]
    return settings if found is None else [*settings, *_of_file(found, root, url)]


def _parameters(root: click.Command) -> dict[str, click.Parameter]:
    """The options of all commands, by the variables that stand for them."""
    return {
        name: parameter
        for command, _ in commands_of(root, [])
        for parameter in command.params
        for name in variables_of(parameter)
    }


# The URL


def _url(context: click.Context) -> Setting:
    given: str | None = context.meta.get(URL)
    if given is not None:
        return Setting("url", _shown_url(given), _source_of_url(context))
    try:
        meant = meant_url()
    except ValueError as error:
        return Setting("url", "", FILE_NAME, problem=printable(str(error)))
    return Setting("url", _shown_url(meant.url), meant.source)


def _source_of_url(context: click.Context) -> str:
    source = context.get_parameter_source("url")
    if source is ParameterSource.ENVIRONMENT:
        option = next(each for each in context.command.params if each.name == "url")
        return next((f"${name}" for name in variables_of(option) if os.environ.get(name)), "environment")
    if source is ParameterSource.DEFAULT_MAP and (found := configuration()) is not None:
        return f"[{table_name([context.info_name or ''])}] in {found.path}"
    return "--url"


def _shown_url(url: str) -> str:
    return printable(display_url(url))


# Variables


def _variables(parameters: Mapping[str, click.Parameter], url: Setting) -> Iterator[Setting]:
    known = [*GENERAL_VARIABLES, *parameters]
    for name, value in sorted(os.environ.items()):
        if not name.startswith("RQDEPS_") or not value:
            continue
        if name not in known:
            yield Setting(printable(name), SET, "environment", problem=_unknown(name, known))
            continue
        shown = SET if name == KEYS_VARIABLE else _shown_url(value)
        overridden_by = url.source if name == URL_VARIABLE and url.source != f"${URL_VARIABLE}" else ""
        yield Setting(name, shown, "environment", overridden_by, _fault_of(name, value, parameters.get(name)))


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1, HINT_CUTOFF)
    return f"no variable of rqdeps: did you mean {near[0]}?" if near else "no variable of rqdeps"


def _fault_of(name: str, value: str, parameter: click.Parameter | None) -> str:
    try:
        if name == KEYS_VARIABLE:
            Keyring.of_environment()
        elif name == MAX_PAYLOAD_VARIABLE:
            to_bytes(value, name, most=LARGEST_MAX_PAYLOAD)
    except ValueError as error:
        return printable(str(error))
    if parameter is None:
        return ""
    context = click.Context(click.Command(None))
    return _refusal(parameter, parameter.value_from_envvar(context))


def _refusal(parameter: click.Parameter, value: Any) -> str:
    """Why an option does not take a value; empty if it does."""
    try:
        parameter.type_cast_value(click.Context(click.Command(None)), value)
    except click.BadParameter as error:
        return printable(error.message)
    return ""


# The file


def _of_file(found: Configuration, root: click.Command, url: Setting) -> Iterator[Setting]:
    source = str(found.path)
    if "url" in found.table:
        yield _url_in(found, url)
    names = root.list_commands(click.Context(root)) if isinstance(root, click.Group) else []
    for key, value, problem in problems_at_the_top(found, names):
        yield Setting(f"[{TABLE_NAME}] {printable(key)}", _shown(key, value), source, problem=printable(problem))
    for entry in _entries(found, root):
        name = f"[{table_name(entry.words)}] {printable(entry.key)}"
        overridden_by = f"${entry.overridden_by}" if entry.overridden_by else ""
        yield Setting(name, _shown(entry.key, entry.value), source, overridden_by, _problem_of(entry))


def _url_in(found: Configuration, url: Setting) -> Setting:
    """What ``[tool.rqdeps]`` says of the server."""
    name, source, written = f"[{TABLE_NAME}] url", str(found.path), found.table["url"]
    if not isinstance(written, str) or not written:
        return Setting(name, _shown("url", written), source, problem="it names no server: it is a text with a URL")
    counts = url.problem or url.source == f"[{TABLE_NAME}] in {found.path}"
    return Setting(name, _shown_url(written), source, "" if counts else url.source, _password_in(written))


def _entries(found: Configuration, root: click.Command) -> Iterator[Entry]:
    """What the tables of commands say."""
    for command, words in commands_of(root, []):
        for key, table in found.table.items():
            if words == [key.replace("_", "-")] and isinstance(table, Mapping):
                yield from entries_of(command, words, table, found.path.parent)


def _problem_of(entry: Entry) -> str:
    if entry.problem or entry.parameter is None:
        return printable(entry.problem)
    refusal = _refusal(entry.parameter, entry.typed)
    return refusal or (_password_in(str(entry.value)) if entry.parameter.name == "url" else "")


def _password_in(url: str) -> str:
    if display_url(url) == url:
        return ""
    return f"it holds a password, for all to see who see the file: set ${URL_VARIABLE} instead"


def _shown(key: str, value: Any) -> str:
    if is_signing_key(key):
        return SET
    if isinstance(value, Mapping):
        return "{…}"
    return _shown_url(" ".join(map(str, value)) if isinstance(value, list) else str(value))
