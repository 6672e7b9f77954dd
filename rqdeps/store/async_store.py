"""Runs calls on an asyncio loop: the same as ``Store``, whose rules it follows, with many calls under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import redis.asyncio
from redis.exceptions import NoScriptError, ResponseError

from rqdeps.store.calls.call import Call
from rqdeps.store.conversation import Conversation
from rqdeps.store.deployment import Deployment, address_of, check_options
from rqdeps.store.keys import Keys
from rqdeps.store.sentinel import asks_sentinels, pools_of
from rqdeps.store.states import raise_if_no_master
from rqdeps.store.store import (
    LOADINGS,
    LOST,
    Command,
    Loading,
    Sendings,
    command_of,
    packed,
    result_of,
    results_of,
    tries_again_by_itself,
)
from rqdeps.store.words import Words

T = TypeVar("T")

#: How many connections a store uses at once, beside the one on which it listens for word of jobs' ends.
CONNECTIONS = 16


class AsyncStore(Deployment):
    """The data of one deployment, reached through a ``redis.asyncio.Redis`` client's pool of connections.

    It belongs to the event loop in which it is first used, as its connections do, until it is closed.

    Args:
        client: the client; it must not decode responses.
        keys: the names of the deployment's keys.
        address: where the server is, for people.
        hint: what to tell a person when nothing answers.
        owns_client: whether closing the store closes the client.

    Raises:
        TypeError: if the client is none.
        ValueError: if the client decodes responses.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        keys: Keys | None = None,
        *,
        address: str = "",
        hint: str = "",
        owns_client: bool = False,
    ) -> None:
        _check_client(client)
        super().__init__(keys, address=address or address_of(client), hint=hint)
        self.client = client
        self.asks_sentinels = asks_sentinels(client)
        self._owns_client = owns_client
        self._here: _OnLoop | None = None

    async def run(self, call: Call[T], *, resend: bool = True) -> T:
        """Runs a call and returns what it results in.

        Args:
            call: the call.
            resend: whether to send it again when the connection breaks. A script that got the first sending already
                notices.

        Raises:
            ConnectionUnavailableError: the server did not answer.
            SchemaVersionError: the data on the server has a layout that this release does not know.
            RqdepsError: what the reply stands for.
        """
        if not self.schema_is_known:
            await self._check_schema(writing=call.writes)
        (reply,) = await self._until_answered([call], resend=resend)
        return result_of(call, reply)

    async def run_all(self, calls: Sequence[Call[T]]) -> list[T]:
        """Runs calls one after the other in one round trip. When the connection breaks, all are sent again.

        Raises:
            RqdepsError: what the first reply stands for that is an error. The later calls were made all the same.
        """
        if not self.schema_is_known:
            await self._check_schema(writing=any(call.writes for call in calls))
        return results_of(calls, await self._until_answered(calls, resend=True))

    async def perform(self, conversation: Conversation[T]) -> T:
        """Makes the calls of a conversation, one round trip after the other, and returns what it returns.

        Raises:
            ConnectionUnavailableError: the server did not answer.
            SchemaVersionError: the data on the server has a layout that this release does not know.
            RqdepsError: what the conversation raises.
        """
        try:
            asked = next(conversation)
            while True:
                try:
                    answer = await (self.run(asked) if isinstance(asked, Call) else self.run_all(asked))
                except BaseException as error:
                    asked = conversation.throw(error)
                else:
                    asked = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def open(self) -> None:
        """Makes sure that the server answers, and that its data has a layout that this release knows.

        Raises:
            ConnectionUnavailableError: the server did not answer.
            SchemaVersionError: the layout is another.
        """
        await self._check_schema(writing=True)

    async def aclose(self) -> None:
        """Closes the connections. Whoever waits for word of a job's end is told that the connection broke.

        A client that somebody else made is left open.
        """
        here, self._here = self._here, None
        if here is None:
            return
        if here.loop is not asyncio.get_running_loop():  # the connections have gone with it
            if self._owns_client:
                for pool in pools_of(self.client):
                    pool.reset()
            return
        await here.words.aclose()
        if self._owns_client:
            for pool in pools_of(self.client):
                await pool.disconnect()

    def word_of_end(self, job_id: str) -> AbstractAsyncContextManager[Callable[[float], Awaitable[bool]]]:
        """Listens for word of a job's end, which comes if ``watch`` asked for it.

        The context is a function that waits for word so many seconds at most. It returns ``False`` if the connection
        broke, so that word may have been missed.
        """
        return self._on_loop().words.of(self.keys.ended(job_id))

    async def _check_schema(self, *, writing: bool) -> None:
        check = self.schema_check(writing=writing)
        (reply,) = await self._until_answered([check], resend=True)
        result_of(check, reply)

    async def _until_answered(self, calls: Sequence[Call[Any]], *, resend: bool) -> list[Any]:
        here = self._on_loop()
        sendings = None
        while True:
            try:
                async with here.free_connections:
                    return await _cancellable(self._evaluate(calls))
            except LOST as error:
                sendings = sendings or Sendings(self, calls, resend=resend)
                await asyncio.sleep(sendings.pause_after(error))
                calls = sendings.calls

    def _on_loop(self) -> _OnLoop:
        """What there is on this loop; connections of another can't be used."""
        loop = asyncio.get_running_loop()
        if self._here is None:
            self._here = _OnLoop(loop, self.client)
        elif self._here.loop is not loop:
            raise RuntimeError(
                "this queue has its connections in another event loop: make one for each loop, as in "
                "`async with AsyncQueue(...) as q`, or close it with `await q.aclose()` before its loop ends"
            )
        return self._here

    async def _evaluate(self, calls: Sequence[Call[Any]]) -> list[Any]:
        connection = await self._connection()
        try:
            return await _evaluate(connection, calls, self.keys)
        except BaseException:  # also when the task is cancelled, which comes at any await
            await connection.disconnect(nowait=True)  # a reply may be under way: nobody else may read it as theirs
            raise
        finally:
            await self.client.connection_pool.release(connection)

    async def _connection(self) -> Any:
        pool: Any = self.client.connection_pool
        try:
            return await pool.get_connection()
        except LOST as error:
            if tries_again_by_itself(self.client):
                raise self.unavailable(error) from error
            raise


class _OnLoop:
    """What belongs to one event loop.

    Attributes:
        loop: the loop.
        free_connections: lets only so many calls through at once.
        words: word of jobs' ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, client: redis.asyncio.Redis) -> None:
        self.loop = loop
        most = client.connection_pool.max_connections
        self.free_connections = asyncio.Semaphore(max(1, min(CONNECTIONS, most)))
        self.words = Words(client)


def _check_client(client: object) -> None:
    if not isinstance(client, redis.asyncio.Redis):
        kind = type(client)
        hint = "Queue takes this one; " if isinstance(client, redis.Redis) else ""
        raise TypeError(
            f"a connection is a redis.asyncio.Redis client here, not {kind.__module__}.{kind.__qualname__}; "
            f"{hint}a URL is given as url="
        )
    check_options(client)


async def _cancellable(coroutine: Coroutine[Any, Any, T]) -> T:
    """Waits for a coroutine, and cancels it if the one who waits is cancelled, who then learns of it in any case.

    redis-py sends by ``asyncio.wait_for``, which before Python 3.12 keeps a cancellation to itself that comes just when
    all was sent. ``asyncio.wait`` never does.
    """
    task = asyncio.create_task(coroutine)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return task.result()


async def _evaluate(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
    """Sends calls over a connection and reads their replies, or the errors that came in place of them."""
    replies = await _replies(connection, [command_of(call, keys) for call in calls])
    for _ in range(LOADINGS):
        if NoScriptError not in map(type, replies):
            break
        loading = Loading(calls, replies, keys)
        loading.take(await _replies(connection, loading.commands))
    return replies


async def _replies(connection: Any, commands: Sequence[Command]) -> list[Any]:
    await connection.send_packed_command(b"".join(map(packed, commands)))
    return [await _reply(connection) for _ in commands]


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        raise_if_no_master(error)
        return error
