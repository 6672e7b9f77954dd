"""A redis-py connection that finds or starts the server of a folder whenever it connects."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from rqdeps.embedded.paths import absolute
from rqdeps.embedded.server import open_socket


class EmbeddedConnection(redis.UnixDomainSocketConnection):
    """A connection to the server of a folder.

    Each time it connects, first or again, it makes sure that a server answers there. So it survives a server that has
    stopped for want of clients, was stopped by a person, or was killed.

    Args:
        folder: the absolute path of the folder.
        create: whether a folder without data gets a server too.
        kwargs: those of ``redis.UnixDomainSocketConnection``, apart from ``path``.
    """

    def __init__(self, *, folder: Path, create: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.folder = folder
        self.create = create

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """What identifies the connection: the folder, not a socket that may change."""
        return [("folder", self.folder), ("db", self.db)]

    def _connect(self) -> socket.socket:
        """Called by redis-py for a connected socket; an ``EmbeddedServerError`` passes through it as it is."""
        server = open_socket(self.folder, create=self.create)
        server.settimeout(self.socket_timeout)
        return server

    def _host_error(self) -> str:
        """How redis-py names the server in its errors."""
        return f"the embedded server of {self.folder}"


def connection_pool(folder: str | os.PathLike[str], *, create: bool = True, **kwargs: Any) -> redis.ConnectionPool:
    """A pool of connections to the server of a folder; nothing is started before the first command.

    Commands are tried again when their connection breaks, since the next one starts the server again. As with every
    Redis client that tries again, a command whose reply was lost may then have been carried out twice; pass
    ``retry=Retry(NoBackoff(), 0)`` to decide for yourself.

    Args:
        folder: the folder, made absolute here.
        create: whether a folder that is missing or holds no data gets a server too. If not, the first command raises an
            ``EmbeddedServerError`` and nothing is created.
        kwargs: those of ``redis.ConnectionPool``.
    """
    kwargs.setdefault("retry", Retry(ExponentialBackoff(cap=0.5, base=0.01), 3))
    kwargs.setdefault("retry_on_error", [redis.ConnectionError])
    return redis.ConnectionPool(connection_class=EmbeddedConnection, folder=absolute(folder), create=create, **kwargs)
