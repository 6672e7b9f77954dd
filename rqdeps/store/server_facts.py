"""What a server tells of itself: its kind, memory, persistence and replication, how quickly it answers, and its keys.

These commands are sent as they are, and not by scripts: what they tell is no deployment's. Many users may send only
some of them. What is refused is noted, and not raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from rqdeps.store.calls.call import text
from rqdeps.store.store import Store, command_of

T = TypeVar("T")

#: How often the server is asked to see how quickly it answers, and for how many seconds at most.
ASKED_TIMES = 50
ASKED_SECONDS = 0.5

#: How many places one ``SCAN`` looks at.
PLACES_PER_SCAN = 500

#: Which settings are asked for; a server without one of them says nothing of it.
_SETTINGS = ("appendfsync", "maxclients", "min-replicas-to-write", "save", "timeout")

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Quickness:
    """How quickly something was answered, in milliseconds: usually, and by the slowest of a hundred."""

    median_ms: float
    slow_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Quickness:
        """That of answers which took so many seconds each."""
        ordered = sorted(seconds)
        slow = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(median(ordered) * 1000, slow * 1000)


@dataclass(frozen=True)
class SlowCommand:
    """A command that has kept the server busy: its name, for how long, and how long ago that was."""

    name: str
    took_ms: float
    ago_s: float


@dataclass
class ServerFacts:
    """What a server tells of itself.

    Attributes:
        info: the fields of ``INFO``; empty if that is refused.
        settings: those of the settings that it tells.
        keys: how many keys its database holds; ``None`` if it does not tell.
        behind_ms: by how much its clock is behind this machine's, below 0 if it is ahead; ``None`` if it does not tell.
        ping: how quickly it answers.
        script: how quickly it runs a script that does nothing.
        slow: the commands that have kept it busy for long.
        refused: the commands that it refused.
    """

    info: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    keys: int | None = None
    behind_ms: float | None = None
    ping: Quickness | None = None
    script: Quickness | None = None
    slow: list[SlowCommand] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def number(self, name: str) -> float | None:
        """A field of ``INFO`` as a number; ``None`` where the server tells none."""
        value = self.info.get(name)
        return value if isinstance(value, (int, float)) else None

    def setting(self, name: str) -> str | None:
        """A setting; ``None`` if it is not known."""
        return self.settings.get(name)


def server_facts(store: Store) -> ServerFacts:
    """Asks a server about itself.

    Args:
        store: the deployment, of which a script has been called before, so that the connection is there.

    Raises:
        RedisError: the connection broke.
    """
    facts = ServerFacts()
    client: Any = store.client

    def asked(command: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except ResponseError:
            facts.refused.append(command)
            return None

    facts.info = asked("info", client.info) or {}
    for name in _SETTINGS:
        found = asked("config|get", lambda name=name: client.config_get(name))  # type: ignore[misc]
        if found is None:
            break
        facts.settings.update({text(key): text(value) for key, value in found.items()})
    facts.keys = asked("dbsize", client.dbsize)
    facts.behind_ms = asked("time", lambda: _behind(client))
    facts.ping = asked("ping", lambda: _quickness(client.ping))
    facts.script = asked("evalsha", lambda: _quickness_of_scripts(store))
    facts.slow = asked("slowlog|get", lambda: _slow_commands(client)) or []
    return facts


def _behind(client: Any) -> float:
    """By how much the server's clock is behind, taking it that the answer took as long to come as the question."""
    asked_at = time.time()
    seconds, microseconds = client.time()
    here = (asked_at + time.time()) / 2
    there = float(seconds + microseconds / _MICROSECONDS)
    return (here - there) * 1000


def _quickness(ask: Callable[[], object]) -> Quickness:
    took: list[float] = []
    until = time.perf_counter() + ASKED_SECONDS
    while len(took) < ASKED_TIMES and (not took or time.perf_counter() < until):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return Quickness.of(took)


def _quickness_of_scripts(store: Store) -> Quickness:
    client: Any = store.client
    command = command_of(store.schema_check(writing=False), store.keys)  # it reads one key, and has been called before
    return _quickness(lambda: client.execute_command(*command))


def _slow_commands(client: Any) -> list[SlowCommand]:
    now = time.time()
    return [
        SlowCommand(_name_of(entry["command"]), entry["duration"] / 1000, now - entry["start_time"])
        for entry in client.slowlog_get(32)
    ]


def _name_of(command: bytes | str) -> str:
    """The name of a command alone: its arguments may be somebody's secrets."""
    words = text(command if isinstance(command, str) else command.decode(errors="replace")).split()
    return words[0].upper() if words else "?"


def scanned_keys(store: Store) -> Iterator[list[str]]:
    """The names of the deployment's keys, without the prefix, a page at a time, in no order.

    Raises:
        RedisError: the user may not look through all keys, or the connection broke.
    """
    client: Any = store.client
    prefix, cursor = store.keys.prefix, 0
    while True:
        cursor, names = client.scan(cursor, match=f"{prefix}*", count=PLACES_PER_SCAN)
        yield [name.decode(errors="surrogateescape").removeprefix(prefix) for name in names]
        if cursor == 0:
            return
