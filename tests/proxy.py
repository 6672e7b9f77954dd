"""A proxy between clients and a server, which understands enough of what they say to cut it off at a chosen place."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import os
import socket
import struct
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from between import Between

from rqdeps.store.scripts import script, script_names

#: What the system tells of who is at the other end: process, user, group.
_CREDENTIALS = struct.Struct("3i")

#: How much is read at once, in bytes.
_PIECE = 1 << 18

_SUBSCRIPTIONS = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}


class Cut(enum.Enum):
    """Where a connection is cut, both ways. What the client had asked for before is carried out all the same."""

    BEFORE_REQUEST = enum.auto()  # nothing of the request is passed on
    IN_REQUEST = enum.auto()  # half of its bytes are
    BEFORE_REPLY = enum.auto()  # it is carried out, and nobody is told
    IN_REPLY = enum.auto()  # it is carried out, and half of the reply's bytes are passed on


@dataclass(frozen=True)
class Request:
    """What a client asks for.

    Attributes:
        command: the command's name, in capitals.
        script: the script of rqdeps that the command runs, if it does.
        number: how many requests have come to the proxy, with this one.
        pid: the process that asks, where the system tells; else 0.
    """

    command: str
    script: str | None
    number: int
    pid: int = 0

    @property
    def name(self) -> str:
        """The script if there is one, else the command."""
        return self.script or self.command


class Frames:
    """Bytes that arrive in pieces, as whole requests or replies (RESP 2 and 3, and commands in a line)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start()

    def _start(self) -> None:
        self._at = 0  # how far it has been understood
        self._missing = 1  # how many values are still to come

    def feed(self, piece: bytes) -> list[bytes]:
        """Adds bytes. Returns what is whole now."""
        self._buffer += piece
        whole = []
        while self._understand():
            whole.append(bytes(self._buffer[: self._at]))
            del self._buffer[: self._at]
            self._start()
        return whole

    def _understand(self) -> bool:
        while self._missing:
            end = self._buffer.find(b"\r\n", self._at)
            if end < 0 or not self._take(self._buffer[self._at : end], end + 2):
                return False
        return True

    def _take(self, line: bytearray, after: int) -> bool:
        """Takes one value, or the head of one that holds others. Returns whether its bytes have come."""
        kind, rest, values = line[:1], line[1:], 0
        if kind in b"$=!" and int(rest) >= 0:
            after += int(rest) + 2
        elif kind in b"*~>":
            values = max(0, int(rest))
        elif kind in b"%|":
            values = 2 * int(rest) + (kind == b"|")  # an attribute stands before a value
        if after > len(self._buffer):
            return False
        self._at = after
        self._missing += values - 1
        return True


class Proxy(Between):
    """Passes on what clients ask for and what a server replies, from sockets of its own, in a thread of its own.

    Clients connect while the server is away, too, and are disconnected at once.

    Args:
        upstream: the path of the server's socket.

    Attributes:
        cut: asked for each request, in the proxy's thread, whether to cut the connection there.
        seen: how many requests were passed on as a whole, by their names.
        cuts: how many connections were cut, by the names of the requests and where.
        port: where clients connect over TCP, on 127.0.0.1.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.cut: Callable[[Request], Cut | None] = lambda request: None
        self.seen: Counter[str] = Counter()
        self.cuts: Counter[tuple[str, Cut]] = Counter()
        self.port = 0
        self._scripts = {script(name).sha: name for name in script_names()}
        self._requests = 0
        self._folder = tempfile.TemporaryDirectory(prefix="rqd", dir="/tmp")  # paths of sockets are short

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"unix://{os.path.join(self._folder.name, 'socket')}"

    @property
    def tcp_url(self) -> str:
        """Where clients connect over TCP."""
        return f"redis://127.0.0.1:{self.port}"

    async def listen(self) -> list[asyncio.Server]:
        path = self.url.removeprefix("unix://")
        servers = [await asyncio.start_unix_server(self.accept, path)]
        servers.append(await asyncio.start_server(self.accept, "127.0.0.1", 0))
        self.port = servers[1].sockets[0].getsockname()[1]
        return servers

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._folder.cleanup()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            return
        asked: deque[tuple[Request, Cut | None]] = deque()
        both = [
            asyncio.ensure_future(self._pass_requests(reader, to_server, asked, _peer_of(writer))),
            asyncio.ensure_future(self._pass_replies(from_server, writer, asked)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_server.close()  # once what was passed on has left
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _pass_requests(
        self,
        reader: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        asked: deque[tuple[Request, Cut | None]],
        pid: int,
    ) -> None:
        frames = Frames()
        while piece := await reader.read(_PIECE):
            for frame in frames.feed(piece):
                request = self._read(frame, pid)
                cut = self.cut(request)
                if cut is Cut.BEFORE_REQUEST or cut is Cut.IN_REQUEST:
                    self.cuts[request.name, cut] += 1
                    to_server.write(frame[: len(frame) // 2] if cut is Cut.IN_REQUEST else b"")
                    return
                self.seen[request.name] += 1
                asked.append((request, cut))
                to_server.write(frame)
            await to_server.drain()

    async def _pass_replies(
        self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: deque[tuple[Request, Cut | None]]
    ) -> None:
        frames = Frames()
        while piece := await from_server.read(_PIECE):
            for frame in frames.feed(piece):
                # What nobody asked for, such as a message to a subscriber, passes.
                request, cut = asked.popleft() if asked and not _is_message(frame, asked[0][0]) else (None, None)
                if request is not None and cut is not None:
                    self.cuts[request.name, cut] += 1
                    writer.write(frame[: len(frame) // 2] if cut is Cut.IN_REPLY else b"")
                    return
                writer.write(frame)
            await writer.drain()

    def _read(self, frame: bytes, pid: int) -> Request:
        self._requests += 1
        command, first = _words(frame)
        name = None
        if command in {"EVALSHA", "EVALSHA_RO"}:
            name = self._scripts.get(first.decode("utf-8", "replace").lower())
        elif command == "EVAL":
            name = self._scripts.get(hashlib.sha1(first, usedforsecurity=False).hexdigest())
        return Request(command, name, self._requests, pid)


def _peer_of(writer: asyncio.StreamWriter) -> int:
    """The process at the other end of a connection over a unix socket, where the system tells."""
    connected = writer.get_extra_info("socket")
    if connected.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return 0
    pid, _, _ = _CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)


def _is_message(frame: bytes, request: Request) -> bool:
    """Whether this came by itself, and is not what was asked for. Those who subscribe are told so by a message."""
    if frame[:1] == b">":
        return request.command not in _SUBSCRIPTIONS
    return frame.startswith((b"*3\r\n$7\r\nmessage\r\n", b"*4\r\n$8\r\npmessage\r\n", b"*3\r\n$8\r\nsmessage\r\n"))


def _words(frame: bytes) -> tuple[str, bytes]:
    """The name of a command, and its first argument if there is one."""
    if frame[:1] != b"*":
        words = frame.split(None, 2)
    else:
        words, at = [], frame.index(b"\r\n") + 2
        while at < len(frame) and len(words) < 2:
            start = frame.index(b"\r\n", at) + 2
            length = int(frame[at + 1 : start - 2])
            words.append(frame[start : start + length])
            at = start + length + 2
    return (words[0].decode("utf-8", "replace").upper() if words else ""), (words[1] if len(words) > 1 else b"")
