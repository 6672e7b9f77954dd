"""A connection of one's own on which a reply can be awaited by a select loop."""

from __future__ import annotations

from typing import Any, TypeVar

from rqdeps.errors import EmbeddedServerError
from rqdeps.store.calls.call import Call
from rqdeps.store.store import LOST, Store, receive, send

T = TypeVar("T")


class WireLostError(Exception):
    """The connection broke. Whether what was sent has arrived is unknown."""


class Wire:
    """One connection to the server, with at most one request under way.

    Args:
        store: the deployment; the connection is made like those of its pool.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Any = store.pool.make_connection()
        self._call: Call[Any] | None = None

    def connect(self) -> None:
        """Connects.

        Raises:
            WireLostError: the server does not answer.
        """
        try:
            self._connection.connect()
        except (*LOST, OSError, EmbeddedServerError) as error:
            self.close()
            raise WireLostError(str(error)) from error

    def fileno(self) -> int:
        """The socket's number, for a select loop."""
        # redis-py has no public name for a connection's socket.
        return int(self._connection._sock.fileno())

    def send(self, call: Call[Any]) -> None:
        """Sends a call.

        Raises:
            WireLostError: the connection broke.
        """
        try:
            send(self._connection, call, self._store.keys)
        except LOST as error:
            raise self._lost(error) from error
        self._call = call

    def receive(self) -> Any:
        """Reads the reply to the call that was sent, and returns what it results in.

        Raises:
            WireLostError: the connection broke.
            RqdepsError: what the reply stands for.
        """
        call = self._call
        assert call is not None
        self._call = None
        try:
            reply = receive(self._connection, call, self._store.keys)
        except LOST as error:
            raise self._lost(error) from error
        return call.read(reply)

    def block_on_wake(self, queues: list[str], seconds: float) -> None:
        """Asks to be told when there may be jobs in one of the queues, or that there were none for some seconds.

        Raises:
            WireLostError: the connection broke.
        """
        keys = [self._store.keys.wake(queue) for queue in queues]
        try:
            self._connection.send_command("BZPOPMIN", *keys, seconds)
        except LOST as error:
            raise self._lost(error) from error

    def woken(self) -> bool:
        """Reads the reply to ``block_on_wake``: whether there may be jobs.

        Raises:
            WireLostError: the connection broke.
        """
        try:
            return self._connection.read_response(disable_decoding=True) is not None
        except LOST as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Closes the connection."""
        self._connection.disconnect()

    def _lost(self, error: Exception) -> WireLostError:
        self.close()
        return WireLostError(str(error))
