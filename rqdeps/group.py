"""Groups of jobs under a name, by RQ's names: for looking at them together. To wait for them, use a ``Workflow``."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redis import Redis

from rqdeps.errors import NoSuchGroupError
from rqdeps.here import store_of
from rqdeps.ids import check_id
from rqdeps.job import Job, fetch_jobs
from rqdeps.queue import Queue
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import groups
from rqdeps.store.conversation import ask

if TYPE_CHECKING:
    from rqdeps.enqueue_data import EnqueueData


class Group:
    """Jobs under a name. It is there as long as any of them is.

    Args:
        connection: a client of the server.
        name: its name, which can be what an id can be; by default a new one.
        url: where the server is, instead of a connection.

    Attributes:
        name: its name.

    Raises:
        ValueError: a name that can't be.
    """

    def __init__(self, connection: Redis | None = None, name: str | None = None, *, url: str | None = None) -> None:
        self.name = check_id(name, "a group's name") if name else secrets.token_hex(16)
        self._store = store_of(connection, url)

    @classmethod
    def create(cls, connection: Redis | None = None, name: str | None = None, *, url: str | None = None) -> Group:
        """A group to be filled. It is there once it has a job."""
        return cls(connection, name, url=url)

    @classmethod
    def fetch(cls, name: str, connection: Redis | None = None, *, url: str | None = None) -> Group:
        """The group of this name.

        Raises:
            NoSuchGroupError: there is none.
        """
        group = cls(connection, name, url=url)
        if not group._store.run(groups.members(name)):
            raise NoSuchGroupError(name)
        return group

    @classmethod
    def all(cls, connection: Redis | None = None, *, url: str | None = None) -> list[Group]:
        """All groups there are, by name."""
        store = store_of(connection, url, create=False)
        return [cls._on(name, store) for name in store.perform(_names())]

    @classmethod
    def _on(cls, name: str, store: Store) -> Group:
        group = cls.__new__(cls)
        group.name, group._store = name, store
        return group

    def __repr__(self) -> str:
        return f"Group({self.name!r})"

    @property
    def connection(self) -> Redis:
        """A client of the server."""
        return self._store.client

    def enqueue_many(self, queue: Queue, job_datas: Iterable[EnqueueData | Job[Any]]) -> list[Job[Any]]:
        """Enqueues jobs that belong to it, all of them or none; see ``Queue.enqueue_many``.

        Args:
            queue: where to.
            job_datas: jobs made by ``Queue.prepare_data`` or ``Job.create``.
        """
        return queue.enqueue_many(job_datas, group_id=self.name)

    def get_jobs(self) -> list[Job[Any]]:
        """Its jobs, in the order in which they were enqueued."""
        jobs = fetch_jobs(self._store.perform(_ids_in(self.name)), self._store)
        return [job for job in jobs if job is not None]

    def delete_job(self, job_id: str) -> None:
        """Takes a job out of the group, and leaves it otherwise as it is."""
        self._store.run(groups.leave(self.name, job_id))

    def cleanup(self) -> None:
        """Has no effect: a job that is deleted leaves its group at once."""


def _ids_in(name: str) -> Conversation[list[str]]:
    found: list[str] = []
    page = yield from ask(groups.members(name))
    while page:
        found += [job_id for job_id, _ in page]
        page = yield from ask(groups.members(name, page[-1][1]))
    return found


def _names() -> Conversation[list[str]]:
    found: list[str] = []
    page = yield from ask(groups.names())
    while page:
        found += page
        page = yield from ask(groups.names(page[-1]))
    return found
