"""What a server's access control list (ACL) kept somebody from, in words: ``docs/security.md`` says who needs what."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from redis.exceptions import ResponseError

from rqdeps.store.connection import meant_url
from rqdeps.store.scripts import script, script_names

# What servers say, from Redis 6.2 on. What a script runs is refused in other words than what a client sends.
_REFUSED = re.compile(r"\bno permissions (to|for)\b|\buser executing the script can't\b", re.IGNORECASE)
_COMMAND = re.compile(r"to run the '([^']+)' command")
_USER = re.compile(r"\bUser (\S+) has no permissions")
_KEYS = re.compile(r"\baccess (a|one of the|at least one of the) keys?\b")
_CHANNELS = re.compile(r"\bchannels?\b")
_PLACE = re.compile(r"\(call to f_([0-9a-f]{40})\): @user_script:\s*(\d+)")
_CALL = re.compile(r"redis\.p?call\('([A-Z]+)'")


def missing_permission(error: Exception, url: str | None) -> str | None:
    """What a person is told whose user may not do what was asked; ``None`` if an error is about something else.

    Args:
        error: what the server said.
        url: where it is, by which redis-py found the user; ``None`` for the one that is meant where none is given.
    """
    text = str(error)
    if not isinstance(error, ResponseError) or not _REFUSED.search(text):
        return None
    named = _USER.search(text)
    user = named[1] if named else _user_in(url or meant_url().url)
    return (
        f"the server does not permit this: its user {user!r} may not {_what(text)} "
        f"(docs/security.md, Least privilege, says what each role may do)"
    )


def _what(text: str) -> str:
    if _KEYS.search(text):
        return "touch all the keys that this needs"
    if _CHANNELS.search(text):
        return "use the channel that this needs"
    command = _COMMAND.search(text)
    name = command[1] if command else _command_at(text)
    return f"run the command {name!r}" if name else "run a command that this needs"


def _command_at(text: str) -> str | None:
    """The command at the line of a script that an error names: Redis 6.2 says no more."""
    place = _PLACE.search(text)
    if place is None:
        return None
    body = next((each.body for each in map(script, script_names()) if each.sha == place[1]), "")
    lines = body.splitlines()[int(place[2]) - 1 :][:1]
    command = _CALL.search("".join(lines))
    return command[1].lower() if command else None


def _user_in(url: str) -> str:
    try:
        return unquote(urlsplit(url).username or "") or "default"
    except ValueError:
        return "default"
