"""A relay between asyncio clients and a server, which tests break in the middle of a reply, or hold replies back in."""

from __future__ import annotations

import asyncio
import os
import tempfile
from types import TracebackType


class Relay:
    """Passes on what clients and the server say, over a socket of its own.

    Args:
        upstream: the path of the server's socket.

    Attributes:
        url: where clients connect.
        break_replies: how many of the next replies break off after their first byte, with the connection.
        replies: set while replies pass; cleared, it holds them back.
        arrived: how many pieces of replies have come from the server.
        connections: how many clients have connected so far.
    """

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.break_replies = 0
        self.replies = asyncio.Event()
        self.replies.set()
        self.arrived = 0
        self.connections = 0
        self._news = asyncio.Event()
        self._upstream = upstream
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="rqd", dir="/tmp")  # paths of sockets are short

    async def __aenter__(self) -> Relay:
        path = os.path.join(self._folder.name, "socket")
        self._server = await asyncio.start_unix_server(self._accept, path)
        self.url = f"unix://{path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._folder.cleanup()

    async def until_arrived(self, pieces: int) -> None:
        """Waits until so many pieces of replies have come from the server in all."""
        while self.arrived < pieces:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), timeout=10)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._upstream)
        both = [
            asyncio.create_task(self._pass_commands(reader, to_server)),
            asyncio.create_task(self._pass_replies(from_server, writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.close()
            to_server.close()
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _pass_commands(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            to_server.write(data)
            await to_server.drain()

    async def _pass_replies(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await from_server.read(1 << 16):
            self.arrived += 1
            self._news.set()
            await self.replies.wait()
            if self.break_replies:
                self.break_replies -= 1
                writer.write(data[:1])
                return
            writer.write(data)
            await writer.drain()
