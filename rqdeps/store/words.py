"""Word of jobs' ends for many tasks at once, which all listen on one connection."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from rqdeps.store.store import LONGEST_PAUSE, LOST, SUBSCRIBED_WITHIN

#: How long the connection stays when nobody listens any more, in seconds.
LINGERS_FOR = 5.0


class Words:
    """Messages of channels, for whoever listens. The connection is made when the first one does.

    Args:
        client: it says how to connect; the connection does not count among those of its pool.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._line: _Line | None = None

    @asynccontextmanager
    async def of(self, channel: str) -> AsyncIterator[Callable[[float], Awaitable[bool]]]:
        """Listens to a channel.

        Yields:
            A function that waits for a message so many seconds at most. It returns ``False`` if the connection broke.
        """
        if self._line is None or self._line.is_over:
            self._line = _Line(self._client)
        line = self._line
        listener = await line.join(channel)
        try:
            yield listener.listen
        finally:
            line.leave(listener)

    async def aclose(self) -> None:
        """Closes the connection."""
        if self._line is not None:
            await self._line.aclose()


class _Line:
    """A connection on which many listen, from when it is made until it breaks or nobody needs it.

    What is sent goes out in tasks of its own, which are not cancelled when a listener is: a command that went out in
    part would break the line for all others.
    """

    def __init__(self, client: Redis) -> None:
        pool = client.connection_pool
        options = pool.connection_kwargs | {"retry": Retry(NoBackoff(), 0)}  # a new connection is a new line
        self._connection: Any = pool.connection_class(**options)
        self._listeners: dict[str, set[_Listener]] = {}
        self._unconfirmed: deque[asyncio.Future[bool]] = deque()  # in the order in which they were sent
        self._connected: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sending: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self.is_over = False
        self._reader = asyncio.create_task(self._read())

    async def join(self, channel: str) -> _Listener:
        """Listens to a channel. From here on nothing is missed, unless the line is over.

        Raises:
            RedisError: the server refuses to let anyone listen.
        """
        listener = _Listener(self, channel)
        self._listeners.setdefault(channel, set()).add(listener)
        try:
            await asyncio.shield(self._connected)
            if not self.is_over:
                confirmed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self._unconfirmed.append(confirmed)
                self._send("SUBSCRIBE", channel)
                if not await _within(SUBSCRIBED_WITHIN, confirmed):
                    self._hang_up()
            if self._error is not None:
                raise self._error
        except BaseException:
            self.leave(listener)
            raise
        return listener

    def leave(self, listener: _Listener) -> None:
        """Stops listening."""
        others = self._listeners[listener.channel]
        others.discard(listener)
        if not others:
            del self._listeners[listener.channel]
            if self._connected.done() and not self.is_over:
                self._send("UNSUBSCRIBE", listener.channel)

    async def aclose(self) -> None:
        """Ends the line."""
        self._reader.cancel()
        await asyncio.gather(self._reader, *self._sending, return_exceptions=True)

    def _send(self, *command: str) -> None:
        task = asyncio.create_task(self._sent(command))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _sent(self, command: tuple[str, ...]) -> None:
        if self.is_over:
            return
        try:
            await self._connection.send_command(*command, check_health=False)
        except Exception as error:
            self._hang_up(error)

    async def _read(self) -> None:
        """Takes messages as long as the connection holds, and for a while when nobody listens."""
        try:
            await self._connection.connect()
            _settle(self._connected, True)
            while True:
                message = await self._connection.read_response(
                    disable_decoding=True, timeout=LINGERS_FOR, disconnect_on_error=False, push_request=True
                )
                if message is not None:
                    self._take(message)
                elif not self._listeners:
                    return
        except Exception as error:
            self._hang_up(error)
        finally:
            self._hang_up()
            await self._connection.disconnect(nowait=True)

    def _take(self, message: Any) -> None:
        kind, channel = message[:2]
        if kind == b"subscribe":
            _settle(self._unconfirmed.popleft(), True)
        elif kind == b"message":
            for listener in self._listeners.get(channel.decode(), ()):
                listener.notify()

    def _hang_up(self, error: Exception | None = None) -> None:
        """Tells all that nothing more will come."""
        if self.is_over:
            return
        self.is_over = True
        self._error = None if isinstance(error, LOST) else error
        if asyncio.current_task() is not self._reader:
            self._reader.cancel()
        _settle(self._connected, False)
        for confirmed in self._unconfirmed:
            _settle(confirmed, False)
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.notify()


class _Listener:
    """One who listens to a channel."""

    def __init__(self, line: _Line, channel: str) -> None:
        self.channel = channel
        self._line = line
        self._is_notified = False
        self._waiting: asyncio.Future[bool] | None = None

    def notify(self) -> None:
        """Wakes the listener up, or keeps it from waiting next."""
        self._is_notified = True
        if self._waiting is not None:
            _settle(self._waiting, True)

    async def listen(self, seconds: float) -> bool:
        """Waits for a message so many seconds at most. Returns ``False`` if the line is over."""
        if self._line.is_over:  # who could not connect shall not try again and again without a pause
            await asyncio.sleep(min(seconds, LONGEST_PAUSE * random.random()))  # noqa: S311
        elif not self._is_notified:
            self._waiting = asyncio.get_running_loop().create_future()
            await _within(seconds, self._waiting)
        self._is_notified = False
        return not self._line.is_over


def _settle(future: asyncio.Future[bool], result: bool) -> None:
    if not future.done():
        future.set_result(result)


async def _within(seconds: float, future: asyncio.Future[bool]) -> bool:
    """Waits for a future, which becomes ``False`` after so many seconds."""
    timer = asyncio.get_running_loop().call_later(seconds, _settle, future, False)
    try:
        return await future
    finally:
        timer.cancel()
