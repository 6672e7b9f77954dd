"""Runs calls on a connection, one after the other, and sends them again when a connection breaks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, TypeVar

import redis.asyncio
from hiredis import pack_command
from redis import Connection, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from rqdeps.store.calls.call import Argument, Call
from rqdeps.store.conversation import Conversation
from rqdeps.store.deployment import Deployment, address_of, check_options
from rqdeps.store.keys import Keys
from rqdeps.store.scripts import script
from rqdeps.store.sentinel import asks_sentinels, pools_of
from rqdeps.store.states import raise_if_no_master

T = TypeVar("T")

Command = list[Argument]

#: How often a call is sent before it counts as failed, and the longest pause in between, in seconds.
SENDINGS = 4
LONGEST_PAUSE = 0.5

#: How long calls are sent again where what they meet passes by itself, in seconds: a server that loads its data, or
#: sentinels that make another one the master.
PASSES_WITHIN = 20.0

#: How often scripts are loaded for one sending: somebody may have the server forget them at any time.
LOADINGS = 5

#: How long a subscription may take, in seconds.
SUBSCRIBED_WITHIN = 5.0

LOST = (RedisConnectionError, RedisTimeoutError)


class Store(Deployment):
    """The data of one deployment, reached through a ``redis.Redis`` client's pool of connections.

    Args:
        client: the client; it must not decode responses.
        keys: the names of the deployment's keys.
        address: where the server is, for people.
        hint: what to tell a person when nothing answers.

    Raises:
        TypeError: if the client is none.
        ValueError: if the client decodes responses.
    """

    def __init__(self, client: Redis, keys: Keys | None = None, *, address: str = "", hint: str = "") -> None:
        _check_client(client)
        super().__init__(keys, address=address or address_of(client), hint=hint)
        self.client = client
        self.asks_sentinels = asks_sentinels(client)

    @property
    def pool(self) -> ConnectionPool:
        """The client's pool of connections."""
        return self.client.connection_pool

    @property
    def is_fake(self) -> bool:
        """Whether the server is fakeredis, in this process."""
        return any(kind.__module__.startswith("fakeredis") for kind in type(self.client).__mro__)

    def hasty(self, seconds: float) -> Store:
        """The same deployment for who has no time: calls are sent once, over a connection of their own.

        Args:
            seconds: how long to wait at most until the server lets this client in, and then for each reply.
        """
        options = self.pool.connection_kwargs | connection_options(self.pool, seconds)
        hasty = copy(self)
        hasty.client = Redis(connection_pool=ConnectionPool(self.pool.connection_class, **options))
        hasty.is_hasty = True
        return hasty

    def forget_connections(self) -> None:
        """In a forked process: closes the copies of all connections, which leaves the connections as they are."""
        for pool in pools_of(self.client):
            pool.reset()

    def run(self, call: Call[T], *, resend: bool = True) -> T:
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
            self._check_schema(writing=call.writes)
        (reply,) = self._until_answered([call], resend=resend)
        return result_of(call, reply)

    def run_all(self, calls: Sequence[Call[T]]) -> list[T]:
        """Runs calls one after the other in one round trip. When the connection breaks, all are sent again.

        Raises:
            RqdepsError: what the first reply stands for that is an error. The later calls were made all the same.
        """
        if not self.schema_is_known:
            self._check_schema(writing=any(call.writes for call in calls))
        return results_of(calls, self._until_answered(calls, resend=True))

    def perform(self, conversation: Conversation[T]) -> T:
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
                    answer = self.run(asked) if isinstance(asked, Call) else self.run_all(asked)
                except BaseException as error:
                    asked = conversation.throw(error)
                else:
                    asked = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def open(self) -> None:
        """Makes sure that the server answers, and that its data has a layout that this release knows.

        Raises:
            ConnectionUnavailableError: the server did not answer.
            SchemaVersionError: the layout is another.
        """
        self._check_schema(writing=True)

    @contextmanager
    def word_of_end(self, job_id: str) -> Iterator[Callable[[float], bool]]:
        """Listens for word of a job's end, which comes if ``watch`` asked for it.

        Yields:
            A function that waits for word so many seconds at most. It returns ``False`` if the connection broke, so
            that word may have been missed.
        """
        client: Any = self.client
        with client.pubsub() as channel:

            def listen(seconds: float) -> bool:
                try:
                    channel.get_message(timeout=seconds)
                except LOST:
                    return False
                return True

            try:
                channel.subscribe(self.keys.ended(job_id))
                channel.get_message(timeout=SUBSCRIBED_WITHIN)  # from here on nothing can be missed
            except LOST:
                yield lambda seconds: False
            else:
                yield listen

    def _check_schema(self, *, writing: bool) -> None:
        check = self.schema_check(writing=writing)
        (reply,) = self._until_answered([check], resend=True)
        result_of(check, reply)

    def _until_answered(self, calls: Sequence[Call[Any]], *, resend: bool) -> list[Any]:
        sendings = None
        while True:
            try:
                return self._evaluate(calls)
            except LOST as error:
                sendings = sendings or Sendings(self, calls, resend=resend)
                time.sleep(sendings.pause_after(error))
                calls = sendings.calls

    def _evaluate(self, calls: Sequence[Call[Any]]) -> list[Any]:
        connection = self._connection()
        try:
            return evaluate(connection, calls, self.keys)
        except BaseException:  # also a job's timeout, which comes at any point
            connection.disconnect()  # a reply may still be under way: nobody else may read it as theirs
            raise
        finally:
            self.pool.release(connection)

    def _connection(self) -> Any:
        try:
            return self.pool.get_connection()
        except LOST as error:
            if tries_again_by_itself(self.client):
                raise self.unavailable(error) from error
            raise


def _check_client(client: object) -> None:
    if not isinstance(client, Redis):
        kind = type(client)
        hint = "AsyncQueue takes this one; " if isinstance(client, redis.asyncio.Redis) else ""
        raise TypeError(
            f"a connection is a redis.Redis client, not {kind.__module__}.{kind.__qualname__}; "
            f"{hint}a URL is given as url="
        )
    check_options(client)


def connection_options(pool: ConnectionPool, seconds: float) -> dict[str, Any]:
    """Options of a connection like those of a pool which does not try again, and waits only so long for the server."""
    options: dict[str, Any] = {"socket_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
    if issubclass(pool.connection_class, Connection):  # over TCP
        options["socket_connect_timeout"] = seconds
    return options


def tries_again_by_itself(client: Any) -> bool:
    """Whether a client that can't connect has tried more than once already, as it was told to."""
    return bool(getattr(client.connection_pool.connection_kwargs.get("retry"), "_retries", 0))


class Sendings:
    """Calls that are sent again when the connection broke before their replies had come. Made when it first did.

    Args:
        deployment: where they are sent, for errors.
        calls: the calls.
        resend: whether they are sent more than once.

    Attributes:
        calls: what to send next.
    """

    def __init__(self, deployment: Deployment, calls: Sequence[Call[Any]], *, resend: bool) -> None:
        self.calls = calls
        self._deployment = deployment
        self._sending = 1
        self._until = time.monotonic() + PASSES_WITHIN
        self._most = SENDINGS if resend and not deployment.is_hasty else 1

    def pause_after(self, error: Exception) -> float:
        """How long to pause before they are sent again, in seconds, given how the last sending was lost.

        Raises:
            ConnectionUnavailableError: there is no point in another.
        """
        if isinstance(error, AuthenticationError):  # among redis-py's errors of the connection, but it will not pass
            raise self._deployment.refusing(error) from error
        if self._sending >= self._most and not self._passes(error):
            raise self._deployment.unavailable(error) from error
        self.calls = [call.again() for call in self.calls]
        pause = LONGEST_PAUSE * random.random() * min(1, self._sending / self._most)  # noqa: S311
        self._sending += 1
        return pause

    def _passes(self, error: Exception) -> bool:
        """Whether there is a point in waiting for longer."""
        is_known = self._deployment.asks_sentinels and self._deployment.schema_is_known  # else it may be no such master
        return self._most > 1 and time.monotonic() < self._until and (is_known or isinstance(error, BusyLoadingError))


def result_of(call: Call[T], reply: Any) -> T:
    """What a call results in, given its reply, or the error that came in place of it.

    Raises:
        RqdepsError: what the reply stands for.
    """
    if isinstance(reply, Exception):
        raise reply
    return call.read(reply)


def results_of(calls: Sequence[Call[T]], replies: Sequence[Any]) -> list[T]:
    """What calls result in, given their replies, or the errors that came in place of them.

    Raises:
        RqdepsError: what the first reply stands for that is an error.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return [call.read(reply) for call, reply in zip(calls, replies, strict=True)]


def command_of(call: Call[Any], keys: Keys) -> Command:
    """The command that makes a call."""
    key = keys.schema if call.script == "schema" else keys.prefix
    return ["EVALSHA", script(call.script).sha, 1, key, *call.args]


def packed(command: Sequence[Argument]) -> bytes:
    """A command as it goes over a connection."""
    data: bytes = pack_command(tuple(command))  # type: ignore[arg-type]  # which hiredis says is a tuple of one
    return data


def evaluate(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
    """Sends calls over a connection and reads their replies, or the errors that came in place of them."""
    replies = _replies(connection, (command_of(call, keys) for call in calls))
    for _ in range(LOADINGS):
        if NoScriptError not in map(type, replies):
            break
        loading = Loading(calls, replies, keys)
        loading.take(_replies(connection, loading.commands))
    return replies


class Loading:
    """The loading of scripts that the server did not know, after which their calls are made again.

    Args:
        calls: the calls that were made.
        replies: the replies to them, which are put right.
        keys: the names of the deployment's keys.

    Attributes:
        commands: what to send, all at once, so that the server has no occasion to forget a script before its call.
    """

    def __init__(self, calls: Sequence[Call[Any]], replies: list[Any], keys: Keys) -> None:
        self._replies = replies
        self._unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        names = list(dict.fromkeys(calls[i].script for i in self._unknown))
        self._loads: list[Command] = [["SCRIPT", "LOAD", script(name).body] for name in names]
        self.commands = [*self._loads, *[command_of(calls[i], keys) for i in self._unknown]]

    def take(self, replies: Sequence[Any]) -> None:
        """Takes the replies to the commands. Raises what came in place of one if a script can't be loaded."""
        for reply in replies[: len(self._loads)]:
            if isinstance(reply, Exception):
                raise reply
        for i, reply in zip(self._unknown, replies[len(self._loads) :], strict=True):
            self._replies[i] = reply


def _replies(connection: Any, commands: Iterable[Command]) -> list[Any]:
    sent = 0
    for command in commands:  # the server is at work on one while the next is made
        connection.send_packed_command([packed(command)])
        sent += 1
    return [_reply(connection) for _ in range(sent)]


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        raise_if_no_master(error)
        return error
