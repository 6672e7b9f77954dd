"""The server of the chaos suite: it keeps what it has acknowledged, and is killed, stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import servers
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry


class ChaosServer:
    """A server with an append-only file.

    Args:
        folder: where it keeps its data; a short path.
        fsync: ``always``, with which even SIGKILL loses nothing that was acknowledged, or ``everysec``.

    Attributes:
        socket: where it listens.
        keeps_all: whether SIGKILL loses nothing.
    """

    def __init__(self, folder: Path, fsync: str) -> None:
        self.socket = folder / "socket"
        self.keeps_all = fsync == "always"
        self._folder = folder
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "daemonize": "no",
            "logfile": str(self._folder / "log"),
            "dir": str(self._folder),
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([str(servers.VALKEY_9.find()), *words], stdin=subprocess.DEVNULL)
        with self.connect() as client:
            client.ping()

    def connect(self) -> Redis:
        """A client that goes past the proxy, and waits for a server that starts."""
        patience = Retry(ConstantBackoff(0.01), 3000, supported_errors=(RedisConnectionError, BusyLoadingError))
        return Redis(unix_socket_path=str(self.socket), retry=patience)

    def end(self, number: signal.Signals) -> None:
        """Ends it, if it runs, by a signal: SIGKILL, or SIGTERM, after which it writes down what it has."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(number)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stops it in the middle of what it does."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
