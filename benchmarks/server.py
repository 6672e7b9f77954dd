"""A server of the benchmarks' own, which keeps nothing on disk, and what it says of itself."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from rqdeps.embedded.binary import server_binary

#: Apart from where it listens, its defaults.
SETTINGS = {"save": "", "appendonly": "no"}

#: Calls that take longer are logged by the server, in microseconds.
SLOW = 100

#: What the benchmarks themselves ask of the server while they count commands.
OWN_COMMANDS = {"info"}

#: What they ask of it that may be slow, and does not count.
OWN_CALLS = (b"FLUSHALL", b"CONFIG", b"SLOWLOG", b"INFO")


class Server:
    """The server that queues are measured on.

    Args:
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        retry = Retry(ConstantBackoff(0.02), 250, supported_errors=(RedisConnectionError, RedisTimeoutError, OSError))
        self._client = Redis(port=port, decode_responses=True, retry=retry)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def ping(self) -> None:
        """Waits until it answers."""
        self._client.ping()

    def clear(self) -> None:
        """Leaves it as it was when it started, but for scripts that it has been given."""
        self._client.flushall()
        self._client.config_set("slowlog-log-slower-than", SLOW)
        self._client.slowlog_reset()

    def commands(self) -> int:
        """How many commands it has carried out since it started, those within scripts too, but not our own."""
        stats: dict[str, dict[str, int]] = self._info("commandstats")
        return sum(each["calls"] for name, each in stats.items() if name.removeprefix("cmdstat_") not in OWN_COMMANDS)

    def processor_seconds(self) -> float:
        """How long it has used the processor since it started."""
        used = self._info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def memory(self) -> int:
        """The bytes that it has in use, apart from those of connections."""
        said = self._info("memory")
        return int(said["used_memory"]) - int(said["mem_clients_normal"])

    def longest_call(self) -> float:
        """How long the longest call since ``clear`` took, in seconds; 0 if none was slow."""
        entries: Any = self._client.slowlog_get(128)
        slow = [each["duration"] for each in entries if not each["command"].upper().startswith(OWN_CALLS)]
        return max(slow, default=0) / 1e6

    def says(self) -> str:
        """Which server it is, with its settings, for people."""
        said = self._info("server")
        name = "Valkey" if "valkey_version" in said else "Redis"
        version = said.get("valkey_version", said["redis_version"])
        settings = ", ".join(
            f'{name} "{value}"' if not value else f"{name} {value}" for name, value in SETTINGS.items()
        )
        return f"{name} {version} on TCP 127.0.0.1, {settings}, otherwise its defaults"

    def close(self) -> None:
        """Lets go of the connection."""
        self._client.close()

    def _info(self, section: str) -> dict[str, Any]:
        info: Any = self._client.info(section)
        return dict(info)


@contextmanager
def running_server() -> Iterator[Server]:
    """Runs a server until the end of the ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="rqdeps-benchmarks-") as folder:
        port = free_port()
        settings = {
            "port": str(port),
            "bind": "127.0.0.1",
            "dir": folder,
            "logfile": str(Path(folder, "log")),
            **SETTINGS,
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = subprocess.Popen([str(server_binary()), *words], stdin=subprocess.DEVNULL, start_new_session=True)
        server = Server(port)
        try:
            server.ping()
            yield server
        finally:
            server.close()
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
