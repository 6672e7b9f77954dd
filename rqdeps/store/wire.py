"""A connection of one's own for a select loop: once it is made, nothing here waits for the server."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import hiredis
from redis.exceptions import RedisError, ResponseError

from rqdeps.errors import EmbeddedServerError
from rqdeps.store.calls.call import Argument, Call
from rqdeps.store.calls.inbox import read_message
from rqdeps.store.scripts import script
from rqdeps.store.store import LOST, Store, command_of, connection_options, packed

T = TypeVar("T")

#: How long connecting may take, in seconds, where the connection's own options name no time.
CONNECT_SECONDS = 5.0

#: How much is read at once, in bytes.
_PIECE = 1 << 16

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WireLostError(Exception):
    """The connection broke. Whether what was sent has arrived is unknown."""


class Wire:
    """One connection to the server, with at most one request under way.

    It closes itself never, also not when it breaks: a socket has to be taken out of the select loop before.

    Args:
        store: the deployment; the connection is made like those of its pool, and does not count among them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        options = connection_options(store.pool, CONNECT_SECONDS)
        own = {name: value for name, value in store.pool.connection_kwargs.items() if value is not None}
        # When to try again is the select loop's business.
        self._connection: Any = store.pool.connection_class(**(options | own | {"retry": options["retry"]}))
        self._reader: Any = None
        self._outgoing: deque[memoryview] = deque()
        self._call: Call[Any] | None = None
        self._read_reply: Callable[[Any], Any] = bool
        self._replies_to_skip = 0

    def connect(self) -> None:
        """Connects. This alone may take a while: ``CONNECT_SECONDS``, or what it takes to start an embedded server.

        Raises:
            WireLostError: the server does not answer.
            RedisError: it refuses this client.
        """
        try:
            self._connection.connect()
        except (*LOST, OSError, EmbeddedServerError) as error:
            raise WireLostError(str(error)) from error
        self._socket.setblocking(False)
        self._reader = hiredis.Reader(protocolError=RedisError, replyError=ResponseError)

    @property
    def _socket(self) -> socket.socket:
        # redis-py has no public name for a connection's socket.
        connected = self._connection._sock
        if connected is None:
            raise WireLostError("it is closed")
        assert isinstance(connected, socket.socket)
        return connected

    def fileno(self) -> int:
        """The socket's number, for a select loop."""
        return self._socket.fileno()

    # Sending

    def send(self, call: Call[Any]) -> None:
        """Sends a call, as far as the connection takes it without waiting.

        Raises:
            WireLostError: the connection broke.
        """
        self._call, self._read_reply = call, call.read
        self._send(*command_of(call, self._store.keys))

    def block_on_wake(self, queues: list[str], seconds: float) -> None:
        """Asks to be told when there may be jobs in one of the queues, or that there were none for some seconds.

        The result is whether there may be jobs.

        Raises:
            WireLostError: the connection broke.
        """
        keys = [self._store.keys.wake(queue) for queue in queues]
        self._call, self._read_reply = None, lambda reply: reply is not None
        self._send("BZPOPMIN", *keys, seconds)

    def block_on_inbox(self, worker: str, seconds: float) -> None:
        """Asks for the next message to a worker, or to be told that none came for some seconds.

        The result is a list of that message, or an empty one.

        Raises:
            WireLostError: the connection broke.
        """
        self._call, self._read_reply = None, lambda reply: [] if reply is None else [read_message(reply[1])]
        self._send("BLPOP", self._store.keys.inbox(worker), seconds)

    @property
    def has_more_to_send(self) -> bool:
        """Whether something waits until the server has read more."""
        return bool(self._outgoing)

    def flush(self) -> None:
        """Sends what the connection takes without waiting.

        Raises:
            WireLostError: the connection broke.
        """
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing[0])
            except _WOULD_BLOCK:
                return
            except OSError as error:
                raise WireLostError(str(error)) from error
            if sent < len(self._outgoing[0]):
                self._outgoing[0] = self._outgoing[0][sent:]
            else:
                self._outgoing.popleft()

    def _send(self, *command: Argument) -> None:
        self._outgoing.append(memoryview(packed(command)))
        self.flush()

    # Receiving

    def receive(self) -> list[Any]:
        """What has arrived: the result of the call that was sent, or nothing if its reply has not come whole.

        Raises:
            WireLostError: the connection broke.
            RedisError: the server refused the call.
            RqdepsError: what the reply stands for.
        """
        lost = self._read()
        results = []
        while (reply := self._next_reply()) is not None:
            results.append(self._read_reply(*reply))
        if lost is not None and not results:
            raise lost
        return results

    def _read(self) -> WireLostError | None:
        """Reads what has arrived. Returns how the connection broke, if it did."""
        while True:
            try:
                data = self._socket.recv(_PIECE)
            except _WOULD_BLOCK:
                return None
            except OSError as error:
                return WireLostError(str(error))
            if not data:
                return WireLostError("the server closed the connection")
            self._reader.feed(data)
            if len(data) < _PIECE and not isinstance(self._socket, ssl.SSLSocket):  # that was all
                return None

    def _next_reply(self) -> tuple[Any] | None:
        """The next reply, if it is there as a whole."""
        nothing = False  # which is what hiredis gives, and no reply of a script is
        while (reply := self._reader.gets()) is not nothing:
            if isinstance(reply, hiredis.PushNotification):
                continue  # nobody asked for it
            if isinstance(reply, ResponseError) and str(reply).startswith("NOSCRIPT") and self._call is not None:
                self._replies_to_skip += 1
                self._send("SCRIPT", "LOAD", script(self._call.script).body)
                self._send(*command_of(self._call, self._store.keys))
                continue
            if isinstance(reply, Exception):
                raise reply
            if self._replies_to_skip:
                self._replies_to_skip -= 1
                continue
            return (reply,)
        return None

    # Ending

    def close(self) -> None:
        """Closes the connection."""
        self._outgoing.clear()
        self._connection.disconnect()

    def let_go(self) -> None:
        """Closes a copy of the connection that a fork made, which leaves the connection as it is."""
        self._socket.close()
