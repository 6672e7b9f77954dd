"""The embedded server: one real Valkey server for each folder, found or started by whoever needs it.

``Queue(url="embedded:./data")`` is to queues what SQLite is to databases: the folder is all there is to name. The first
process that opens it starts a server, every other one finds that server, and some minutes after the last client has
gone a small keeper process stops it. The jobs stay in the folder.

What lies in the folder: ``appendonlydir/`` (the data), ``server.json`` (where the server is found), ``server.log``, and
three empty lock files.
"""

from __future__ import annotations

from rqdeps.embedded.async_connection import AsyncEmbeddedConnection, async_connection_pool
from rqdeps.embedded.connection import EmbeddedConnection, connection_pool
from rqdeps.embedded.paths import absolute, anchored, folder_of, is_embedded_url
from rqdeps.embedded.server import clear, start, stop
from rqdeps.embedded.server_status import ServerStatus, status

__all__ = [
    "AsyncEmbeddedConnection",
    "EmbeddedConnection",
    "ServerStatus",
    "absolute",
    "anchored",
    "async_connection_pool",
    "clear",
    "connection_pool",
    "folder_of",
    "is_embedded_url",
    "start",
    "status",
    "stop",
]
