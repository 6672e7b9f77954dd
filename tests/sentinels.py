"""A master, a replica and a sentinel that watches them, as processes of their own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import servers
from processes import eventually
from redis import Redis
from redis.exceptions import RedisError

from rqdeps import Queue
from rqdeps.store.sentinel import pools_of

SERVICE = "jobs"


@dataclass(frozen=True)
class Watched:
    """Two servers, of which a sentinel says which one is the master.

    Attributes:
        url: the URL of whoever is the master.
        sentinel: a client of the sentinel.
        processes: the servers, by their ports.
    """

    url: str
    sentinel: Any
    processes: dict[int, subprocess.Popen[bytes]]

    @property
    def master_port(self) -> int:
        """The port of the master, as the sentinel has it."""
        address: tuple[str, int] = self.sentinel.sentinel_get_master_addr_by_name(SERVICE)
        return int(address[1])

    @contextmanager
    def queue(self) -> Iterator[Queue]:
        """A queue whose connections end with the ``with`` block."""
        queue = Queue("work", url=self.url)
        try:
            yield queue
        finally:
            for pool in pools_of(queue.store.client):
                pool.disconnect()

    @contextmanager
    def client_of(self, port: int) -> Iterator[Redis]:
        """A client of one of the servers."""
        with Redis(port=port) as client:
            yield client

    def fail_over(self) -> None:
        """Has the sentinel make the other one the master, in agreement with both, so that nothing is lost."""
        before = self.master_port
        eventually(lambda: self.master_port != before or not self._ask_to_fail_over(), 30)
        eventually(self.has_replica, 20)

    def _ask_to_fail_over(self) -> bool:
        """Has an effect only while no failover is going on; one may come to nothing, and is then asked for again."""
        with contextlib.suppress(RedisError):  # it has not heard enough of the replica yet, or is at it
            self.sentinel.execute_command("SENTINEL FAILOVER", SERVICE, "COORDINATED")
        return True

    def kill_master(self) -> None:
        """Kills the master, once the replica has all that it has."""
        port = self.master_port
        with self.client_of(port) as client:
            assert client.wait(1, 10_000) == 1
        self.sentinel.sentinel_set(SERVICE, "down-after-milliseconds", 200)
        self.processes[port].kill()
        self.processes[port].wait()

    def has_replica(self) -> bool:
        """Whether the master has a replica that keeps up with it."""
        try:
            with self.client_of(self.master_port) as client:
                facts = client.info("replication")
        except RedisError:
            return False
        return facts["role"] == "master" and facts.get("slave0", {}).get("state") == "online"


@contextmanager
def watched() -> Iterator[Watched]:
    """Runs them until the end of the ``with`` block.

    Raises:
        ServerMissingError: the package of the servers is not installed.
    """
    program = servers.VALKEY_9.find()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rqd", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        first, second, asked = free_ports(3)
        common = ["--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
        processes = {}
        for port, own in ((first, []), (second, ["--replicaof", "127.0.0.1", str(first)])):
            processes[port] = _start(stack, folder / str(port), [str(program), "--port", str(port), *common, *own])
            _await(stack, port)
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {asked}\nsentinel monitor {SERVICE} 127.0.0.1 {first} 1\n"
            # Nobody counts as down until the test has killed one, however loaded the machine is.
            f"sentinel down-after-milliseconds {SERVICE} 60000\nsentinel failover-timeout {SERVICE} 3000\n"
        )
        known = Watched(f"sentinel://127.0.0.1:1,127.0.0.1:{asked}/{SERVICE}", None, processes)
        with known.client_of(first) as client:
            eventually(lambda: client.info("replication").get("slave0", {}).get("state") == "online")
        _start(stack, folder / "sentinel", [str(program), str(settings), "--sentinel"])
        sentinel = _await(stack, asked)
        eventually(lambda: len(sentinel.sentinel_slaves(SERVICE)) == 1)
        yield Watched(known.url, sentinel, processes)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened at just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start(stack: ExitStack, folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    folder.mkdir()
    log = stack.enter_context((folder / "log").open("wb"))
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _await(stack: ExitStack, port: int) -> Any:
    """A client of a server, once that answers."""
    retry = servers.patience()
    client: Any = stack.enter_context(Redis(port=port, retry=retry))
    client.ping()
    return client
