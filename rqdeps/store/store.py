"""Runs calls on a connection, one after the other, and sends them again when a connection breaks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from redis import ConnectionPool, Redis
from redis.exceptions import AuthenticationError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rqdeps.errors import ConnectionUnavailableError, SchemaVersionError
from rqdeps.store.calls.call import Argument, Call
from rqdeps.store.keys import Keys
from rqdeps.store.scripts import script

T = TypeVar("T")

#: The version of the layout of the data that this release reads and writes.
SCHEMA_VERSION = 1

#: How often a call is sent before it counts as failed, and the longest pause in between, in seconds.
SENDINGS = 4
LONGEST_PAUSE = 0.5

#: How long a subscription may take, in seconds.
SUBSCRIBED_WITHIN = 5.0

#: How long a queue's name counts as registered before it is registered again, in seconds.
REGISTERED_FOR = 60.0

LOST = (RedisConnectionError, RedisTimeoutError)


class Store:
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
        self.client = client
        self.keys = keys or Keys()
        self.address = address or _address_of(client)
        self.hint = hint
        self._schema_is_known = False
        self._registered: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def pool(self) -> ConnectionPool:
        """The client's pool of connections."""
        return self.client.connection_pool

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
        if not self._schema_is_known:
            self._check_schema(writing=call.writes)
        return call.read(self._send(call, resend=resend))

    def run_all(self, calls: Sequence[Call[T]]) -> list[T]:
        """Runs calls one after the other in one round trip. When the connection breaks, all are sent again.

        Raises:
            RqdepsError: what the first reply stands for that is an error. The later calls were made all the same.
        """
        if not self._schema_is_known:
            self._check_schema(writing=any(call.writes for call in calls))
        replies = self._until_answered(calls, resend=True)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [call.read(reply) for call, reply in zip(calls, replies, strict=True)]

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

    def new_queues(self, names: Iterable[str]) -> list[str]:
        """Those of the names that this process has not registered lately."""
        now = time.monotonic()
        return [name for name in dict.fromkeys(names) if self._registered.get(name, 0.0) < now]

    def remember_queues(self, names: Iterable[str]) -> None:
        """Notes that names of queues have been registered."""
        until = time.monotonic() + REGISTERED_FOR
        with self._lock:
            self._registered.update(dict.fromkeys(names, until))

    def unavailable(self, error: Exception) -> ConnectionUnavailableError:
        """The error for people when the server does not answer."""
        message = f"no answer from the server{self._at}: {error}"
        return ConnectionUnavailableError(f"{message}\n{self.hint}" if self.hint else message)

    @property
    def _at(self) -> str:
        return f" at {self.address}" if self.address else ""

    def _send(self, call: Call[Any], *, resend: bool) -> Any:
        (reply,) = self._until_answered([call], resend=resend)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _until_answered(self, calls: Sequence[Call[Any]], *, resend: bool) -> list[Any]:
        sendings = SENDINGS if resend else 1
        for sending in range(1, sendings + 1):
            try:
                return self._evaluate(calls)
            except AuthenticationError as error:  # among redis-py's errors of the connection, but it will not pass
                raise ConnectionUnavailableError(f"the server{self._at} refuses this client: {error}") from error
            except LOST as error:
                if sending == sendings:
                    raise self.unavailable(error) from error
                calls = [call.again() for call in calls]
                time.sleep(LONGEST_PAUSE * random.random() * sending / sendings)  # noqa: S311
        raise AssertionError("unreachable")

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
            retry = self.pool.connection_kwargs.get("retry")
            if getattr(retry, "_retries", 0):  # the client has tried again by itself, as it was told to
                raise self.unavailable(error) from error
            raise

    def _check_schema(self, *, writing: bool) -> None:
        check: Call[bytes | None] = Call("schema", [int(writing), SCHEMA_VERSION], lambda reply: reply)
        version = self._send(check, resend=True)
        if version is None:
            return
        if version != str(SCHEMA_VERSION).encode():
            found = version.decode(errors="replace")
            raise SchemaVersionError(
                f"the data on the server has layout {found}, and this rqdeps knows layout {SCHEMA_VERSION}: "
                f"install the release that wrote the data, or use another server, database or namespace"
            )
        self._schema_is_known = True


def _check_client(client: object) -> None:
    if not isinstance(client, Redis):
        kind = type(client)
        raise TypeError(
            f"a connection is a redis.Redis client, not {kind.__module__}.{kind.__qualname__}; a URL is given as url="
        )
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError(
            "rqdeps stores bytes, and this connection decodes all responses as text: "
            "make it without decode_responses=True"
        )


def _address_of(client: Redis) -> str:
    facts = client.connection_pool.connection_kwargs
    if path := facts.get("path"):
        return f"unix://{path}"
    return f"redis://{facts['host']}:{facts.get('port', 6379)}" if facts.get("host") else ""


def command_of(call: Call[Any], keys: Keys) -> list[Argument]:
    """The command that makes a call."""
    key = keys.schema if call.script == "schema" else keys.prefix
    return ["EVALSHA", script(call.script).sha, 1, key, *call.args]


def send(connection: Any, call: Call[Any], keys: Keys) -> None:
    """Sends a call over a connection, without waiting for the reply."""
    connection.send_command(*command_of(call, keys))


def evaluate(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
    """Sends calls over a connection and reads their replies, or the errors that came in place of them."""
    for call in calls:
        send(connection, call, keys)
    replies: list[Any] = []
    unknown = False
    for _ in calls:
        try:
            replies.append(connection.read_response(disable_decoding=True))
        except ResponseError as error:
            unknown = unknown or isinstance(error, NoScriptError)
            replies.append(error)
    if not unknown:
        return replies
    for name in dict.fromkeys(call.script for call in calls):
        connection.send_command("SCRIPT", "LOAD", script(name).body)
        connection.read_response()
    for i, call in enumerate(calls):
        if isinstance(replies[i], NoScriptError):
            replies[i] = receive_one(connection, call, keys)
    return replies


def receive_one(connection: Any, call: Call[Any], keys: Keys) -> Any:
    """Sends a call and reads the reply, or the error that came in place of it."""
    send(connection, call, keys)
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
