"""How fast one connection is: raw, by redis-py, and with a script that does the least that a queue has to."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable

import hiredis
from redis import Redis

from benchmarks.server import Server

#: The least that settles one job and claims the next: nothing about dependencies, retries or fences.
SETTLE_AND_CLAIM = """
local ended = redis.call('ZPOPMIN', KEYS[1])[1]
if ended then
  redis.call('HSET', 'job:' .. ended, 'status', 'finished')
end
local following = redis.call('RPOPLPUSH', KEYS[2], KEYS[2])
redis.call('ZADD', KEYS[1], ARGV[1], following)
redis.call('HSET', 'job:' .. following, 'status', 'started')
return following
"""

TRIVIAL = "return 1"

#: How many requests go together in a pipeline.
PIPELINE = 32

#: How many calls are made between two looks at the clock.
ROUND = 200


class RawConnection:
    """A socket that sends what was put together before.

    Args:
        server: the server.
    """

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def exchange(self, request: bytes, replies: int = 1) -> object:
        """Sends a request, or several in one; returns the last reply."""
        self._socket.sendall(request)
        reply: object = False
        while replies:
            reply = self._reader.gets()
            if reply is False:
                self._reader.feed(self._socket.recv(65_536))
            else:
                replies -= 1
        return reply

    def close(self) -> None:
        """Closes it."""
        self._socket.close()


def pack(*words: str) -> bytes:
    """A request as it goes over the wire."""
    packed = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        packed.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(packed)


def times_a_second(call: Callable[[], object], seconds: float) -> float:
    """How often something can be done in a second."""
    count, begun = 0, time.perf_counter()
    while (now := time.perf_counter()) < begun + seconds:
        for _ in range(ROUND):
            call()
        count += ROUND
    return count / (now - begun)


def connection_limits(server: Server, seconds: float) -> dict[str, float]:
    """What can be done in a second, by its title.

    Args:
        server: a server without data.
        seconds: how long to try each.
    """
    raw = RawConnection(server)
    client = Redis(port=server.port)
    names = {source: _load(raw, source) for source in (TRIVIAL, SETTLE_AND_CLAIM)}
    raw.exchange(pack("LPUSH", "queue", *(str(number) for number in range(1_000))))
    trivial = pack("EVALSHA", names[TRIVIAL], "0")
    settle = pack("EVALSHA", names[SETTLE_AND_CLAIM], "2", "started", "queue", "1")
    ping = pack("PING")
    script = client.register_script(TRIVIAL)
    pipeline = settle * PIPELINE
    found = {
        "raw connection: PING": times_a_second(lambda: raw.exchange(ping), seconds),
        "raw connection: EVALSHA of a script that does nothing": times_a_second(lambda: raw.exchange(trivial), seconds),
        "redis-py: PING": times_a_second(client.ping, seconds),
        "redis-py: a registered script that does nothing": times_a_second(script, seconds),
        "raw connection: minimal settle-and-claim script": times_a_second(lambda: raw.exchange(settle), seconds),
        f"the same, {PIPELINE} in a pipeline": PIPELINE
        * times_a_second(lambda: raw.exchange(pipeline, PIPELINE), seconds),
    }
    raw.close()
    client.close()
    return found


def _load(raw: RawConnection, source: str) -> str:
    raw.exchange(pack("SCRIPT", "LOAD", source))
    return hashlib.sha1(source.encode()).hexdigest()  # noqa: S324 - what the server calls it
