"""A worker, as a program starts it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterable
from datetime import timedelta

from redis import Redis

from rqdeps.allowance import ALLOW_VARIABLE, Allowance
from rqdeps.codec import SerializerChoice
from rqdeps.durations import to_ms
from rqdeps.ids import check_queue_name
from rqdeps.job import store_of
from rqdeps.pickling import PickleFormat
from rqdeps.queue import Queue
from rqdeps.signing import KEYS_VARIABLE, Keyring
from rqdeps.store import Store
from rqdeps.worker.options import DEFAULT_LEASE_MS, WorkerOptions
from rqdeps.worker.simple import Loop
from rqdeps.worker.supervisor import Supervisor

log = logging.getLogger("rqdeps.worker")

#: The shortest lease that makes sense: beats come four times in it, over a network.
SHORTEST_LEASE_MS = 100


#: More processes than one select loop should look after.
MOST_PROCESSES = 1024


class Worker:
    """Runs the jobs of queues in processes that it forks.

    Args:
        queues: a queue or several, or their names, in order of preference.
        connection: a ``redis.Redis`` client of the server.
        url: where the server is, instead of a connection.
        name: a name that no other worker has; by default made of host, process id and chance.
        processes: how many jobs to run at once.
        lease: how long a job stays claimed when this worker is not heard of any more, in seconds.
        serializer: what is read besides JSON: ``"pickle"``, or a ``Serializer`` of your own or its dotted path. By
            default that of the queue given, or of the environment variable ``RQDEPS_SERIALIZER``. Whoever can write to
            the server can run any code here if it is ``"pickle"``.
        max_payload: how large a result may be, and the arguments of what jobs spawn or enqueue, in bytes or as a text
            such as ``"32M"``; by default that of the environment variable ``RQDEPS_MAX_PAYLOAD``, else 16 MiB. What is
            larger fails its job without another attempt.
        allow: the packages whose functions and classes may be imported and run, and nothing else; see ``Allowance``. By
            default those of the environment variable ``RQDEPS_ALLOW``, with commas or blanks between them; without
            that, all.

    Raises:
        ValueError: for names, numbers, sizes, a lease or a serializer that make no sense; or if pickles are to be read
            with ``allow``, which could not keep them from running what they like, and without a signing key.
    """

    def __init__(
        self,
        queues: str | Queue | Iterable[str | Queue],
        connection: Redis | None = None,
        *,
        url: str | None = None,
        name: str | None = None,
        processes: int = 1,
        lease: float | timedelta = DEFAULT_LEASE_MS / 1000,
        serializer: SerializerChoice | None = None,
        max_payload: int | str | None = None,
        allow: str | Iterable[str] | None = None,
    ) -> None:
        several = [queues] if isinstance(queues, (str, Queue)) else list(queues)
        if not several:
            raise ValueError("a worker needs at least one queue")
        if not 1 <= processes <= MOST_PROCESSES:
            raise ValueError(f"a worker needs at least one process and has at most {MOST_PROCESSES}, not {processes}")
        self.queue_names = list(dict.fromkeys(check_queue_name(getattr(queue, "name", queue)) for queue in several))
        self.name = _check_name(name) if name else f"{_host()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.processes = processes
        self.lease_ms = _lease_ms(lease)
        store = _store_for(several, connection, url)
        codec = store.codec.changed(serializer, max_payload)
        self.allowance = _allowance(allow)
        is_signed = Keyring.of_environment().signs
        if self.allowance is not None and isinstance(codec.reads, PickleFormat) and not is_signed:
            raise ValueError(
                f"what a pickle runs can't be limited by allow: use another serializer, leave allow out, or set "
                f"{KEYS_VARIABLE}, so that only those with the key can write pickles"
            )
        self._store = store.with_codec(codec.for_worker(None if self.allowance is None else self.allowance.check))

    @property
    def address(self) -> str:
        """Where the server is, for people."""
        return self._store.address

    def work(self, burst: bool = False, max_jobs: int | None = None) -> bool:
        """Works until told to end by SIGTERM or SIGINT.

        Args:
            burst: end once nothing is queued, running or waiting for another attempt.
            max_jobs: end after so many jobs.

        Returns:
            Whether any job was run.

        Raises:
            ConnectionUnavailableError: the server does not answer at the start.
            SchemaVersionError: its data has a layout that this release does not know.
        """
        runner = self._runner(self._options(burst, max_jobs))
        self.exit_code = runner.run()
        return runner.jobs_done > 0

    #: How the last ``work`` ended, for a process to exit with: 1 if it was forced to end.
    exit_code = 0

    def _options(self, burst: bool, max_jobs: int | None) -> WorkerOptions:
        if max_jobs is not None and max_jobs < 1:
            raise ValueError(f"max_jobs is at least 1, not {max_jobs}")
        self._store.open()
        return WorkerOptions(self.name, self.queue_names, self.processes, self.lease_ms, burst, max_jobs)

    def _runner(self, options: WorkerOptions) -> Supervisor | Loop:
        return Supervisor(self._store, options)


class SimpleWorker(Worker):
    """Runs jobs in its own process, one at a time. A job that kills its process ends this worker too.

    Works without fork, under a debugger, and on fakeredis.
    """

    def _runner(self, options: WorkerOptions) -> Supervisor | Loop:
        self._store.codec.load()
        return Loop(self._store, options)


def _store_for(queues: list[str | Queue], connection: Redis | None, url: str | None) -> Store:
    if connection is None and url is None:
        for queue in queues:
            if isinstance(queue, Queue):
                return queue.store
    return store_of(connection, url)


def _allowance(packages: str | Iterable[str] | None) -> Allowance | None:
    if packages is None:
        packages = os.environ.get(ALLOW_VARIABLE, "")
        if not packages.strip():
            return None
    return Allowance(re.split(r"[\s,]+", packages.strip()) if isinstance(packages, str) else packages)


def _lease_ms(lease: float | timedelta) -> int:
    lease_ms = to_ms(lease, "lease")
    if lease_ms is None or lease_ms < SHORTEST_LEASE_MS:
        raise ValueError(f"a lease is at least {SHORTEST_LEASE_MS / 1000:g} s, not {lease}")
    return lease_ms


def _check_name(name: str) -> str:
    if not name.isprintable() or " " in name or len(name) > 50:  # noqa: PLR2004 - a holder's name stays within 64 bytes
        raise ValueError(f"{name!r} can't be a worker's name: names are up to 50 characters without white space")
    return name


def _host() -> str:
    return "".join(char if char.isalnum() or char in "-." else "-" for char in socket.gethostname())[:30] or "host"
