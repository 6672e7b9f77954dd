"""The connection to a folder's server for programs that run on asyncio: it finds or starts the server in a thread."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from rqdeps.embedded.paths import absolute
from rqdeps.embedded.server import start
from rqdeps.errors import EmbeddedServerError


class AsyncEmbeddedConnection(redis.asyncio.UnixDomainSocketConnection):
    """A connection to the server of a folder, as ``EmbeddedConnection`` is.

    Args:
        folder: the absolute path of the folder.
        create: whether a folder without data gets a server too.
        kwargs: those of ``redis.asyncio.UnixDomainSocketConnection``, apart from ``path``.
    """

    def __init__(self, *, folder: Path, create: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.create = create

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """What identifies the connection: the folder, not a socket that may change."""
        return [("folder", self.folder), ("db", self.db)]

    async def connect(self) -> None:
        """Connects.

        Raises:
            EmbeddedServerError: there is no server and none can be started.
        """
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except RedisConnectionError as error:
            if isinstance(error.__cause__, EmbeddedServerError):  # which redis-py has wrapped
                raise error.__cause__ from None
            raise

    async def _connect(self) -> None:
        """Called by redis-py to open the connection."""
        self.path = str(await asyncio.to_thread(start, self.folder, create=self.create))
        await super()._connect()  # type: ignore[no-untyped-call]

    def _host_error(self) -> str:
        """How redis-py names the server in its errors."""
        return f"the embedded server of {self.folder}"


def async_connection_pool(
    folder: str | os.PathLike[str], *, create: bool = True, **kwargs: Any
) -> redis.asyncio.ConnectionPool:
    """A pool of connections to the server of a folder; nothing is started before the first command.

    Args:
        folder: the folder, made absolute here.
        create: whether a folder that is missing or holds no data gets a server too. If not, the first command raises an
            ``EmbeddedServerError`` and nothing is created.
        kwargs: those of ``redis.asyncio.ConnectionPool``.
    """
    return redis.asyncio.ConnectionPool(
        connection_class=AsyncEmbeddedConnection, folder=absolute(folder), create=create, **kwargs
    )
