"""The proxy that other tests cut connections with: what it passes on, and where it cuts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
import servers
from processes import eventually
from proxy import Cut, Frames, Proxy, Request
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from rqdeps import Queue

REPLIES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":12\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"$4\r\n\r\n*2\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n:1\r\n*1\r\n$1\r\nx\r\n",
    b"%1\r\n+a\r\n~2\r\n:1\r\n#t\r\n",
    b"|1\r\n+a\r\n:1\r\n:2\r\n",
    b"PING\r\n",
]


@pytest.fixture
def proxy(valkey_url: str) -> Iterator[Proxy]:
    with Proxy(valkey_url.removeprefix("unix://")) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Redis]:
    """Sends each command once."""
    with Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_replies_are_told_apart_in_whatever_pieces_they_arrive(size: int) -> None:
    frames, whole = Frames(), []
    stream = b"".join(REPLIES)
    for at in range(0, len(stream), size):
        whole += frames.feed(stream[at : at + size])
    assert whole == REPLIES


def test_commands_and_large_values_pass_both_ways(client: Redis, proxy: Proxy) -> None:
    large = b"\r\n*3\r\n" * 1_000_000
    with client.pipeline(transaction=True) as pipe:
        pipe.set("large", large).get("large").incr("count")
        assert pipe.execute() == [True, large, 1]
    assert proxy.seen["SET"] == proxy.seen["EXEC"] == 1
    assert not proxy.cuts


def test_it_can_be_reached_over_tcp(proxy: Proxy) -> None:
    with Redis.from_url(proxy.tcp_url) as client:
        assert client.ping()


def test_scripts_are_known_by_name(proxy: Proxy, valkey: Redis) -> None:
    valkey.script_flush()
    queue = Queue(url=proxy.url)
    queue.enqueue(samples.anything)
    queue.store.client.close()
    assert proxy.seen["enqueue_plain"] == 2  # the first time the server did not know it
    assert proxy.seen["SCRIPT"] == 2
    assert proxy.seen["EVALSHA"] == 0


@pytest.mark.parametrize(
    ("cut", "stored"),
    [(Cut.BEFORE_REQUEST, None), (Cut.IN_REQUEST, None), (Cut.BEFORE_REPLY, b"x" * 100), (Cut.IN_REPLY, b"x" * 100)],
)
def test_a_connection_is_cut_where_it_should_be(
    client: Redis, proxy: Proxy, valkey: Redis, cut: Cut, stored: bytes | None
) -> None:
    asked: list[Request] = []

    def choose(request: Request) -> Cut | None:
        asked.append(request)
        return cut if request.command == "SET" else None

    proxy.cut = choose
    assert client.get("key") is None
    with pytest.raises(RedisConnectionError):
        client.set("key", "x" * 100)
    assert valkey.get("key") == stored
    assert client.get("key") == stored
    assert proxy.cuts == {("SET", cut): 1}
    assert proxy.seen["SET"] == (stored is not None)
    assert [request.number for request in asked] == list(range(1, len(asked) + 1))
    assert asked[-1] == Request("GET", None, len(asked), asked[-1].pid)
    assert asked[-1].pid in {0, os.getpid()}


def test_half_a_reply_arrives(proxy: Proxy, valkey: Redis) -> None:
    valkey.set("key", "x" * 92)  # with the line above it and the end of the line, 100 bytes
    proxy.cut = lambda request: Cut.IN_REPLY
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(proxy.url.removeprefix("unix://"))
        raw.sendall(b"GET key\r\n")
        received = b"".join(iter(lambda: raw.recv(4096), b""))
    assert received == b"$92\r\n" + b"x" * 44


def test_of_several_requests_sent_at_once_the_one_that_was_meant_is_cut(proxy: Proxy, valkey: Redis) -> None:
    proxy.cut = lambda request: Cut.BEFORE_REPLY if request.command == "SET" else None
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(proxy.url.removeprefix("unix://"))
        raw.sendall(b"INCR count\r\nINCR count\r\nSET key value\r\nINCR count\r\n")
        assert b"".join(iter(lambda: raw.recv(4096), b"")) == b":1\r\n:2\r\n"
    assert valkey.get("key") == b"value"


def test_what_waits_on_the_server_is_passed_on_when_it_comes(client: Redis, proxy: Proxy, valkey: Redis) -> None:
    with client.pubsub() as channel:
        channel.subscribe("news")
        assert channel.get_message(timeout=5)["type"] == "subscribe"
        valkey.publish("news", "first")
        assert channel.get_message(timeout=5)["data"] == b"first"
        channel.ping()
        assert channel.get_message(timeout=5)["type"] == "pong"
    valkey.zadd("marks", {"one": 1})
    assert client.bzpopmin(["marks"], timeout=5) == (b"marks", b"one", 1.0)


def test_connections_can_be_broken_wherever_they_are(client: Redis, proxy: Proxy) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(proxy.url.removeprefix("unix://"))
        raw.sendall(b"BLPOP nothing 0\r\n")
        eventually(lambda: proxy.seen["BLPOP"] == 1)
        proxy.break_connections()
        assert raw.recv(10) == b""
    assert client.ping()


def test_a_server_that_goes_away_and_comes_back_is_found_again(tmp_path: Path) -> None:
    with servers.running(servers.VALKEY_9) as server:
        link = server.socket.parent.with_name(server.socket.parent.name + "l")
        link.symlink_to(server.socket)
        try:
            with Proxy(str(link)) as proxy, Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
                assert client.ping()
                with server.connect(retry=Retry(NoBackoff(), 0)) as last:
                    last.shutdown(nosave=True)
                for _ in range(2):  # the connection that there was, and a new one
                    with pytest.raises(RedisConnectionError):
                        client.ping()
                with servers.running(servers.VALKEY_9) as another:
                    link.unlink()
                    link.symlink_to(another.socket)
                    assert client.ping()
        finally:
            link.unlink()
