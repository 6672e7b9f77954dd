"""Counts what passes between a queue and the server: round trips and bytes. It runs in a process of its own.

A round trip is a request that a connection sends while no reply is owed to it: each time that somebody has to wait. A
pipeline is one, and so is a call that blocks until there is something to do.

``python -m benchmarks.proxy PORT`` passes on to this port, writes the port where it listens itself, and then for each
line that it reads its counts since the line before, in JSON.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import hiredis

from benchmarks.processes import ROOT

#: Bytes read at once.
PIECE = 1_048_576

#: After as many bytes at once, more may follow of the same pipeline, which clients send in several pieces: for so many
#: seconds it is waited for before anything is passed on.
LARGE_PIECE, PATIENCE = 4_096, 0.005

#: What a reader says when nothing is complete; ``False`` may be a reply.
NOTHING = object()


@dataclass(frozen=True)
class Traffic:
    """What has passed.

    Attributes:
        round_trips: how often somebody waited for the server.
        sent: bytes to the server.
        received: bytes from the server.
    """

    round_trips: int
    sent: int
    received: int


class Counter:
    """Sums over all connections; several threads count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._round_trips = self._sent = self._received = 0

    def add(self, *, round_trips: int = 0, sent: int = 0, received: int = 0) -> None:
        """Counts something."""
        with self._lock:
            self._round_trips += round_trips
            self._sent += sent
            self._received += received

    def take(self) -> Traffic:
        """What has been counted since this was called before."""
        with self._lock:
            traffic = Traffic(self._round_trips, self._sent, self._received)
            self._round_trips = self._sent = self._received = 0
        return traffic


class Link:
    """One connection that is passed on.

    Args:
        client: the connection from the queue.
        server: the connection to the server.
        counter: where to count.
    """

    def __init__(self, client: socket.socket, server: socket.socket, counter: Counter) -> None:
        self._client, self._server, self._counter = client, server, counter
        self._requests, self._replies = _reader(), _reader()
        self._lock = threading.Lock()
        self._owed = 0

    def start(self) -> None:
        """Passes on, in two threads, until either end closes."""
        ways = [(self._client, self._server, self._count_requests), (self._server, self._client, self._count_replies)]
        for way in ways:
            threading.Thread(target=_pass_on, args=way, daemon=True).start()

    def _count_requests(self, piece: bytes) -> None:
        is_continued = self._requests.has_data()  # who is in the middle of a request does not wait for replies
        requests = _messages(self._requests, piece)
        with self._lock:
            waits = int(requests > 0 and not self._owed and not is_continued)
            self._owed += requests
        self._counter.add(round_trips=waits, sent=len(piece))

    def _count_replies(self, piece: bytes) -> None:
        replies = _messages(self._replies, piece)
        with self._lock:
            self._owed = max(0, self._owed - replies)  # what is pushed was not asked for
        self._counter.add(received=len(piece))


def _pass_on(source: socket.socket, sink: socket.socket, count: Callable[[bytes], None]) -> None:
    """Counts, then passes on, what comes; when it ends, tells the other end so."""
    with contextlib.suppress(OSError):
        while piece := _piece(source):
            count(piece)
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _piece(source: socket.socket) -> bytes:
    """What comes next; nothing at the end."""
    piece = more = source.recv(PIECE)
    while len(more) >= LARGE_PIECE and select.select([source], [], [], PATIENCE)[0]:
        more = source.recv(PIECE)
        piece += more
    return piece


def _reader() -> hiredis.Reader:
    return hiredis.Reader(notEnoughData=NOTHING)


def _messages(reader: hiredis.Reader, piece: bytes) -> int:
    """How many requests or replies this piece completes."""
    reader.feed(piece)
    count = 0
    while reader.gets() is not NOTHING:
        count += 1
    return count


def serve(listening: socket.socket, port: int, counter: Counter) -> None:
    """Passes on each connection to a port of this machine."""
    while True:
        client, _ = listening.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Link(client, server, counter).start()


class Proxy:
    """A proxy that runs in a process of its own.

    Args:
        process: the process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.url = f"redis://127.0.0.1:{int(process.stdout.readline())}/0"

    def take(self) -> Traffic:
        """What has passed since this was called before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Traffic(**json.loads(self._process.stdout.readline()))


@contextmanager
def counting_proxy(port: int) -> Iterator[Proxy]:
    """Runs a proxy to a port of this machine until the end of the ``with`` block."""
    command = [sys.executable, "-m", "benchmarks.proxy", str(port)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Proxy(process)
        finally:
            process.kill()


def main() -> None:
    """Runs until standard input ends."""
    counter = Counter()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening, int(sys.argv[1]), counter), daemon=True).start()
        print(listening.getsockname()[1], flush=True)
        for _ in sys.stdin:
            print(json.dumps(asdict(counter.take())), flush=True)


if __name__ == "__main__":
    main()
