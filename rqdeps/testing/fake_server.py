"""A server in memory, by fakeredis, whose clock tests set ahead."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rqdeps.testing.errors import ExtraMissingError

if TYPE_CHECKING:
    import redis.asyncio
    from redis import Redis

_US_PER_SECOND = 1_000_000


class Clock:
    """A clock that is ahead of the system's.

    Attributes:
        ahead_ms: by how much, in milliseconds.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0

    def time(self) -> list[bytes]:
        """What a server answers to the command ``TIME``: seconds, and microseconds of the next."""
        now_us = time.time_ns() // 1_000 + self.ahead_ms * 1_000
        return [b"%d" % part for part in divmod(now_us, _US_PER_SECOND)]


class FakeServer:
    """A server in memory.

    Attributes:
        clock: its clock.

    Raises:
        ExtraMissingError: fakeredis is not installed, or not with what it needs for scripts.
    """

    def __init__(self) -> None:
        for package, name in (("fakeredis", "fakeredis"), ("lupa", "fakeredis[lua]")):
            if find_spec(package) is None:
                raise ExtraMissingError("a fake queue", name)
        self.clock = Clock()
        self._fakeredis = import_module("fakeredis")
        self._server = self._fakeredis.FakeServer()

    def client(self) -> Redis:
        """A new client of it."""
        client: Redis = self._fakeredis.FakeRedis(server=self._server)
        kind: Any = client.connection_pool.connection_class

        def connect(connection: Any) -> Any:
            socket = kind._connect(connection)
            socket.time = self.clock.time  # fakeredis finds what carries out a command by its name
            return socket

        client.connection_pool.connection_class = type("ClockedConnection", (kind,), {"_connect": connect})
        return client

    def async_client(self) -> redis.asyncio.Redis:
        """A new client of it for asyncio."""
        client: Any = self._fakeredis.FakeAsyncRedis(server=self._server)
        kind: Any = client.connection_pool.connection_class

        async def connect(connection: Any) -> None:
            await kind._connect(connection)
            connection._sock.time = self.clock.time

        client.connection_pool.connection_class = type("AsyncClockedConnection", (kind,), {"_connect": connect})
        fake: redis.asyncio.Redis = client
        return fake
