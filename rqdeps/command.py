"""Words to workers, by RQ's names: stop a job, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis import Redis

from rqdeps.errors import InvalidJobOperationError, RqdepsError
from rqdeps.here import store_of
from rqdeps.job import Job
from rqdeps.status import JobStatus
from rqdeps.store.calls import inbox

if TYPE_CHECKING:
    from rqdeps.codec import SerializerChoice


def send_stop_job_command(
    connection: Redis | None, job_id: str, serializer: SerializerChoice | None = None, *, url: str | None = None
) -> None:
    """Has a job stopped that runs: its worker kills its process, and it ends as ``stopped``.

    Args:
        connection: a client of the server.
        job_id: the job.
        serializer: has no effect: nothing of the job is read.
        url: where the server is, instead of a connection.

    Raises:
        InvalidJobOperationError: it does not run.
        NoSuchJobError: there is no such job.
    """
    job = Job.fetch(job_id, connection, url=url)
    if job.loaded_status is not JobStatus.STARTED:
        raise InvalidJobOperationError(f"job {job_id!r} is {job.loaded_status}, and does not run: cancel() ends it")
    job.cancel()


def send_shutdown_command(connection: Redis | None, worker_name: str, *, url: str | None = None) -> None:
    """Asks a worker to end once what it runs has ended, as SIGTERM does.

    Args:
        connection: a client of the server.
        worker_name: the worker's name.
        url: where the server is, instead of a connection.

    Raises:
        RqdepsError: no worker of this name is alive.
    """
    if not store_of(connection, url).run(inbox.tell(worker_name, inbox.SHUTDOWN)):
        raise RqdepsError(f"no worker is called {worker_name!r}: Worker.all() lists those that are alive")
