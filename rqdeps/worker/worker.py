"""A worker, as a program starts it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from redis import Redis

from rqdeps.allowance import ALLOW_VARIABLE, Allowance
from rqdeps.codec import SerializerChoice
from rqdeps.durations import to_ms
from rqdeps.functions import path_of
from rqdeps.here import store_of
from rqdeps.ids import check_queue_name
from rqdeps.pickling import PickleFormat
from rqdeps.queue import Queue
from rqdeps.signing import KEYS_VARIABLE, Keyring
from rqdeps.sizes import to_bytes
from rqdeps.store import Store
from rqdeps.worker.journal import show_log
from rqdeps.worker.options import (
    DEFAULT_LEASE_MS,
    DEFAULT_MAX_JOBS_PER_PROCESS,
    ISOLATIONS,
    Function,
    HorseOptions,
    Isolation,
    WorkerOptions,
)
from rqdeps.worker.simple import Loop
from rqdeps.worker.supervisor import Supervisor
from rqdeps.worker_info import WorkerInfo, alive_workers

log = logging.getLogger("rqdeps.worker")

#: The shortest lease that makes sense: beats come four times in it, over a network.
SHORTEST_LEASE_MS = 100

#: The largest memory that a limit can be set to, in bytes: 1 PiB.
_MOST_MEMORY = 1 << 50

#: More processes than one select loop should look after.
MOST_PROCESSES = 1024


class Worker:
    """Runs the jobs of queues in processes that it forks.

    Args:
        queues: a queue or several, or their names, in order of preference.
        name: a name that no other worker has; by default made of host, process id and chance.
        connection: a ``redis.Redis`` client of the server.
        url: where the server is, instead of a connection.
        processes: how many jobs to run at once.
        lease: how long a job stays claimed when this worker is not heard of any more, in seconds.
        serializer: what is read besides JSON: ``"pickle"``, or a ``Serializer`` of your own or its dotted path. By
            default that of the queue given, or of the environment variable ``RQDEPS_SERIALIZER``. Whoever can write to
            the server can run any code here if it is ``"pickle"``.
        max_payload: how large a result may be, and the arguments of what jobs spawn or enqueue, in bytes or as a text
            such as ``"32M"``; by default that of the environment variable ``RQDEPS_MAX_PAYLOAD``, else 16 MiB. What is
            larger fails its job without another attempt.
        isolation: what keeps jobs apart: with ``"process"`` they run in processes that are used again; with ``"job"``
            each runs in a process of its own, forked from one that has imported what jobs need. The latter takes some
            milliseconds a job.
        max_jobs_per_process: after how many jobs a process is replaced by a new one; ``None`` for never. From 1,000 on
            a process is not replaced for that in its first second.
        max_memory: with how much memory in use a process is replaced after a job, in bytes or as a text such as
            ``"500M"``; by default with any.
        shutdown_timeout: how long what runs has to end once the worker was asked to end, in seconds; then it is killed
            and goes back to its queue, as with a second signal. By default as long as it likes.
        preload: names of modules to import before the first job, in each process.
        init: a function, or its dotted path, to be called in each process that runs jobs, before the first: for
            connections, Django, Sentry. With ``isolation="job"`` that is before each job.
        exception_handlers: functions, or their dotted paths, to be called when an attempt fails, with the job, and
            type, value and traceback of the exception. One that returns ``False`` is the last that is called.
        allow: the packages whose functions and classes may be imported and run, and nothing else; see ``Allowance``. By
            default those of the environment variable ``RQDEPS_ALLOW``, with commas or blanks between them; without
            that, all.

    Raises:
        UnsupportedFunctionError: ``init`` or an exception handler is no dotted path.
        ValueError: for names, numbers, sizes, times or a serializer that make no sense; or if pickles are to be read
            with ``allow``, which could not keep them from running what they like, and without a signing key.
    """

    def __init__(
        self,
        queues: str | Queue | Iterable[str | Queue],
        name: str | None = None,
        *,
        connection: Redis | None = None,
        url: str | None = None,
        processes: int = 1,
        lease: float | timedelta = DEFAULT_LEASE_MS / 1000,
        serializer: SerializerChoice | None = None,
        max_payload: int | str | None = None,
        isolation: Isolation = "process",
        max_jobs_per_process: int | None = DEFAULT_MAX_JOBS_PER_PROCESS,
        max_memory: int | str | None = None,
        shutdown_timeout: float | str | timedelta | None = None,
        preload: str | Iterable[str] = (),
        init: Function | None = None,
        exception_handlers: Function | Iterable[Function] = (),
        allow: str | Iterable[str] | None = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a worker's name is a str, not {type(name).__name__}; a client is given as connection=")
        several = [queues] if isinstance(queues, (str, Queue)) else list(queues)
        if not several:
            raise ValueError("a worker needs at least one queue")
        if not 1 <= processes <= MOST_PROCESSES:
            raise ValueError(f"a worker needs at least one process and has at most {MOST_PROCESSES}, not {processes}")
        self.queue_names = list(dict.fromkeys(check_queue_name(getattr(queue, "name", queue)) for queue in several))
        self.name = _check_name(name) if name else f"{_host()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.processes = processes
        self.lease_ms = _lease_ms(lease)
        self.shutdown_timeout_ms = to_ms(shutdown_timeout, "shutdown_timeout")
        self.horse_options = HorseOptions(
            isolation=_isolation(isolation),
            max_jobs=_max_jobs_per_process(max_jobs_per_process),
            max_memory=None if max_memory is None else to_bytes(max_memory, "max_memory", most=_MOST_MEMORY),
            preload=tuple(_module_name(name) for name in _several(preload)),
            init=None if init is None else _function(init),
            exception_handlers=tuple(_function(handler) for handler in _several(exception_handlers)),
        )
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

    @classmethod
    def all(
        cls, connection: Redis | None = None, *, queue: Queue | None = None, url: str | None = None
    ) -> list[WorkerInfo]:
        """The workers that are alive.

        Args:
            connection: a client of the server.
            queue: list only those that serve this queue.
            url: where the server is, instead of a connection.
        """
        store = store_of(connection, url, create=False) if queue is None else queue.store
        return store.perform(alive_workers(None if queue is None else queue.name))

    @classmethod
    def count(cls, connection: Redis | None = None, *, queue: Queue | None = None, url: str | None = None) -> int:
        """How many workers are alive; see ``all``."""
        return len(cls.all(connection, queue=queue, url=url))

    @property
    def address(self) -> str:
        """Where the server is, for people."""
        return self._store.address

    def work(
        self,
        burst: bool = False,
        logging_level: str | int | None = None,
        *,
        max_jobs: int | None = None,
        max_idle_time: float | str | timedelta | None = None,
        with_scheduler: bool = True,
    ) -> bool:
        """Works until told to end by SIGTERM or SIGINT.

        Args:
            burst: end once nothing is queued, running or waiting for another attempt.
            logging_level: from which level on what workers log is shown, such as ``"INFO"``; by default that is left
                as the program has it.
            max_jobs: end after so many jobs.
            max_idle_time: end after so long without a job: seconds, a ``timedelta``, or a text such as ``"5m"``.
            with_scheduler: has no effect: every worker looks after what is scheduled.

        Returns:
            Whether any job was run.

        Raises:
            ConnectionUnavailableError: the server does not answer at the start.
            ValueError: the server is fakeredis, which no other process could reach.
            SchemaVersionError: its data has a layout that this release does not know.
            SetUpError: what it was told to load can't be, or what it was told to call raised something.
        """
        if logging_level is not None:
            show_log(logging_level)
        runner = self._runner(self._options(burst, max_jobs, to_ms(max_idle_time, "max_idle_time")))
        self.exit_code = runner.run()
        return runner.jobs_done > 0

    #: How the last ``work`` ended, for a process to exit with: 1 if it was forced to end.
    exit_code = 0

    def _options(self, burst: bool, max_jobs: int | None, max_idle_ms: int | None) -> WorkerOptions:
        if max_jobs is not None and max_jobs < 1:
            raise ValueError(f"max_jobs is at least 1, not {max_jobs}")
        self._store.open()
        return WorkerOptions(
            self.name,
            self.queue_names,
            self.processes,
            self.lease_ms,
            burst,
            max_jobs,
            max_idle_ms,
            self.shutdown_timeout_ms,
            self.horse_options,
        )

    def _runner(self, options: WorkerOptions) -> Supervisor | Loop:
        if self._store.is_fake:
            raise ValueError(
                "there is no server that other processes could reach, but fakeredis in this one: SimpleWorker runs its "
                "jobs, and so does rqdeps.testing"
            )
        return Supervisor(self._store, options)


class SimpleWorker(Worker):
    """Runs jobs in its own process, one at a time. A job that kills its process ends this worker too.

    Works without fork, under a debugger, and on fakeredis.
    """

    def _runner(self, options: WorkerOptions) -> Supervisor | Loop:
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


def _several(given: Any) -> Iterable[Any]:
    return (given,) if isinstance(given, str) or callable(given) else tuple(given)


def _isolation(isolation: Isolation) -> Isolation:
    if isolation not in ISOLATIONS:
        raise ValueError(f"isolation is one of {', '.join(map(repr, ISOLATIONS))}, not {isolation!r}")
    return isolation


def _max_jobs_per_process(number: int | None) -> int | None:
    if number is not None and number < 1:
        raise ValueError(f"max_jobs_per_process is at least 1, or None for no limit, not {number}")
    return number


def _module_name(name: str) -> str:
    if not all(map(str.isidentifier, name.split("."))):
        raise ValueError(f"{name!r} is no name of a module")
    return name


def _function(given: Function) -> Function:
    """A function, or its dotted path, of which the last dot may be a colon."""
    return path_of(given.replace(":", ".")) if isinstance(given, str) else given


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
