"""A TCP port in front of a server's socket, with TLS or without: the servers of the tests were built without TLS."""

from __future__ import annotations

import asyncio
import ssl

from between import Between

#: How much is passed on at once, in bytes: four records of TLS.
_PIECE = 1 << 16


class Front(Between):
    """Passes on what clients and a server say, from a port of 127.0.0.1 that the system picks.

    Args:
        upstream: the path of the server's socket.
        tls: what to speak TLS with; ``None`` for plain TCP.

    Attributes:
        port: where clients connect.
        connections: how many clients have connected so far; over TLS, those whose handshake went well.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(upstream)
        self.port = 0
        self.connections = 0
        self._tls = tls

    async def listen(self) -> list[asyncio.Server]:
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return [server]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        from_server, to_server = await asyncio.open_unix_connection(self.upstream)
        both = [asyncio.create_task(_pass_on(reader, to_server)), asyncio.create_task(_pass_on(from_server, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.transport.abort()
            to_server.transport.abort()
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
