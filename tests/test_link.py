"""The supervisor's connections: what arrives in pieces, and what is left of one that broke."""

from __future__ import annotations

import os
import select
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from redis import Connection, Redis
from redis.exceptions import ResponseError

from rqdeps.store import Call, Store
from rqdeps.store.calls import reads
from rqdeps.store.calls.inbox import Message
from rqdeps.store.wire import Wire, WireLostError
from rqdeps.worker.link import Link, is_refusal
from rqdeps.worker.options import WorkerOptions

CALL: Call[Any] = Call("fetch", [0], lambda reply: reply)


class Half:
    """A connection whose other end the test holds."""

    def __init__(self, **options: Any) -> None:
        self._sock, self.other = socket.socketpair()
        self.pack_command = Connection().pack_command

    def connect(self) -> None:
        pass

    def disconnect(self) -> None:
        self._sock.close()


@pytest.fixture
def half_wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Wire, socket.socket]]:
    client = Redis()
    monkeypatch.setattr(client.connection_pool, "connection_class", Half)
    wire = Wire(Store(client))
    other = wire._connection.other
    wire.connect()
    yield wire, other
    wire.close()
    other.close()


def test_a_reply_that_arrives_in_pieces_is_not_waited_for(half_wire: tuple[Wire, socket.socket]) -> None:
    wire, server = half_wire
    wire.send(CALL)
    for piece in (b"*2\r\n$3\r\nab", b"c\r\n:"):
        server.sendall(piece)
        assert wire.receive() == []
    server.sendall(b"5\r\n")
    assert wire.receive() == [[b"abc", 5]]
    assert wire.receive() == []


def test_a_script_that_the_server_does_not_have_is_loaded_on_the_way(half_wire: tuple[Wire, socket.socket]) -> None:
    wire, server = half_wire
    wire.send(CALL)
    server.sendall(b"-NOSCRIPT No matching script\r\n")
    assert wire.receive() == []
    assert b"SCRIPT\r\n$4\r\nLOAD" in server.recv(1 << 20)
    server.sendall(b"$3\r\nsha\r\n*0\r\n")
    assert wire.receive() == [[]]


def test_what_the_server_does_not_read_yet_is_not_waited_for(half_wire: tuple[Wire, socket.socket]) -> None:
    wire, server = half_wire
    value = b"x" * 5_000_000
    wire.send(Call("fetch", [1, value], lambda reply: reply))
    received = bytearray()
    while wire.has_more_to_send:
        received += server.recv(1 << 20)
        wire.flush()
    server.settimeout(10)
    while not received.endswith(value + b"\r\n"):
        received += server.recv(1 << 20)


def test_errors_and_ends_are_told(half_wire: tuple[Wire, socket.socket]) -> None:
    wire, server = half_wire
    wire.send(CALL)
    server.sendall(b"-ERR no\r\n")
    with pytest.raises(ResponseError, match="ERR no"):
        wire.receive()
    wire.send(CALL)
    server.sendall(b"*0\r\n")
    server.shutdown(socket.SHUT_WR)
    assert wire.receive() == [[]]
    with pytest.raises(WireLostError, match="closed the connection"):
        wire.receive()


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("ERR Protocol error: invalid bulk length", True),
        ("WRONGTYPE Operation against a key script: f, on @user_script:3.", True),
        ("OOM command not allowed when used memory > 'maxmemory'. script: f, on @user_script:3.", False),
        ("ERR Error running script (call to f_1): @user_script:3: -MISCONF Redis is configured to save", False),
        ("ERR ACL failure in script: User w has no permissions to run the 'time' command script: f", False),
        ("ERR Error running script (call to f_1): @user_script:3: The user executing the script can't run this", False),
        ("LOADING Redis is loading the dataset in memory", False),
    ],
)
def test_an_error_of_the_server_s_state_refuses_nothing(message: str, refused: bool) -> None:
    assert is_refusal(ResponseError(message)) is refused


def test_connections_of_a_worker_do_not_count_among_those_of_the_pool(
    valkey: Redis, start_server: Callable[[servers.Kind], servers.Server]
) -> None:
    """A worker that had to connect again many times would reach the pool's limit."""
    with start_server(servers.VALKEY_9).connect(max_connections=1) as client:
        store = Store(client)
        for _ in range(3):
            wire = Wire(store)
            wire.connect()
            wire.close()


class Loop:
    """A select loop around a link."""

    def __init__(self, store: Store) -> None:
        self.selector = selectors.DefaultSelector()
        self.times_lost = 0
        self.heard: list[Message] = []
        options = WorkerOptions("worker", ["work"])
        self.link = Link(store, options, self.selector, self.note_loss, lambda error: None, self.heard.extend)

    def note_loss(self, *, cut: bool) -> None:
        self.times_lost += 1

    def run_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            self.link.connect()
            for key, _ in self.selector.select(0.02):
                key.data()

    def close(self) -> None:
        self.link.close()
        self.selector.close()


@pytest.fixture
def loop(valkey: Redis) -> Iterator[Loop]:
    loop = Loop(Store(valkey))
    yield loop
    loop.close()


def test_a_message_comes_after_what_was_told_of_the_claim_that_it_is_about(valkey: Redis, loop: Loop) -> None:
    loop.run_until(lambda: loop.link.is_free)
    heard_before_reply: list[bool] = []
    loop.link.request(reads.fetch(["none"]), lambda reply: heard_before_reply.append(bool(loop.heard)))
    valkey.rpush("{rqdeps}:inbox:worker", "stop some:1")
    inbox = loop.link._inbox
    assert inbox is not None
    select.select([inbox], [], [], 10)
    loop.link._on_inbox_ready()
    assert not loop.heard
    loop.run_until(lambda: bool(loop.heard))
    assert heard_before_reply == [False]
    assert loop.heard == [Message("stop", "some:1")]


def test_messages_are_heard_one_after_the_other_and_after_a_break(valkey: Redis, loop: Loop) -> None:
    loop.run_until(lambda: loop.link.is_free)
    for times_lost in (0, 1):
        loop.heard.clear()
        valkey.rpush("{rqdeps}:inbox:worker", "a 1", "b", "c 3")
        loop.run_until(lambda: len(loop.heard) == 3)
        assert [message.word for message in loop.heard] == ["a", "b", "c"]
        assert loop.times_lost == times_lost
        valkey.client_kill_filter(_type="normal", skipme=True)
        loop.run_until(lambda expected=times_lost + 1: loop.times_lost == expected and loop.link.is_free)


def test_a_reply_is_waited_for_until_it_comes_or_the_time_is_over(valkey: Redis, loop: Loop) -> None:
    loop.run_until(lambda: loop.link.is_free)
    replies: list[Any] = []
    loop.link.request(reads.fetch(["none"]), replies.append)
    began_at = time.monotonic()
    loop.link.wait_for_reply(10)
    assert time.monotonic() - began_at < 5
    loop.run_until(lambda: bool(replies))
    began_at = time.monotonic()
    loop.link.wait_for_reply(0.05)  # nothing was asked
    assert 0.04 < time.monotonic() - began_at < 5


class Silence:
    """A server that takes connections, and answers once the test has it do so."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        self._listening.listen()
        self._listening.settimeout(10)
        self._accepted: list[socket.socket] = []

    def accept(self) -> socket.socket:
        self._accepted.append(self._listening.accept()[0])
        return self._accepted[-1]

    def close(self) -> None:
        for each in (self._listening, *self._accepted):
            each.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    with tempfile.TemporaryDirectory(prefix="rqd", dir="/tmp") as folder:  # paths of sockets are short
        silence = Silence(Path(folder))
        yield silence
        silence.close()


@pytest.fixture
def waiting_loop(silence: Silence) -> Iterator[Loop]:
    """A loop whose link is connecting to a server that has said nothing yet."""
    with Redis(unix_socket_path=silence.path, protocol=3) as client:
        loop = Loop(Store(client))
        loop.link.connect()
        yield loop
        loop.close()


def test_the_loop_goes_on_while_a_server_does_not_answer(silence: Silence, waiting_loop: Loop) -> None:
    loop, heard = waiting_loop, []
    accepted = silence.accept()
    ours, other = socket.socketpair()
    with ours, other:
        loop.selector.register(ours, selectors.EVENT_READ, lambda: heard.append(ours.recv(1)))
        other.send(b"x")
        loop.run_until(lambda: bool(heard))
    assert loop.link.is_connecting
    assert not loop.link.is_up
    accepted.close()
    loop.run_until(lambda: not loop.link.is_connecting)
    assert loop.link.retry_at is not None


def test_connections_being_made_are_given_up_at_the_end(silence: Silence, waiting_loop: Loop) -> None:
    accepted = silence.accept()
    waiting_loop.link.close()
    assert not waiting_loop.link.is_connecting
    (thread,) = [each for each in threading.enumerate() if each.name == "rqdeps-connect"]
    assert thread.is_alive()
    accepted.settimeout(10)
    accepted.sendall(b"-ERR go away\r\n")
    thread.join(timeout=10)
    assert not thread.is_alive()
    while accepted.recv(1 << 16):
        pass


def test_once_connected_no_thread_is_left(loop: Loop) -> None:
    """A process may be forked then."""
    loop.run_until(lambda: loop.link.is_free)
    assert not loop.link.is_connecting
    assert not [each for each in threading.enumerate() if each.name == "rqdeps-connect"]


def test_nothing_is_heard_of_a_broken_connection_of_which_a_fork_has_a_copy(valkey: Redis, loop: Loop) -> None:
    """Such a socket is not gone when it is closed: epoll reports it for ever, by a number that is soon another's."""
    loop.run_until(lambda: loop.link.is_free)
    end, own_end = os.pipe()
    if (child := os.fork()) == 0:
        os.close(own_end)
        os.read(end, 1)
        os._exit(0)
    try:
        for times_lost in (1, 2):
            loop.link.listen(lambda marked: None)
            valkey.client_kill_filter(_type="normal", skipme=True)
            loop.run_until(lambda expected=times_lost: loop.times_lost == expected and loop.link.is_free)
        assert loop.selector.select(0.1) == []
        replies: list[Any] = []
        loop.link.request(reads.fetch(["none"]), replies.append)
        loop.run_until(lambda: bool(replies))
        assert replies == [[None]]
        assert loop.times_lost == 2
    finally:
        os.close(own_end)
        os.close(end)
        os.waitpid(child, 0)
