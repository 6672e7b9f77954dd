"""A job, as a program that runs on asyncio holds it in its hands."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from redis.asyncio import Redis

from rqdeps.aio.job_changes import AsyncJobChanges
from rqdeps.attempts import Attempt
from rqdeps.dependency import Output
from rqdeps.enqueueing import draft_of
from rqdeps.errors import NoSuchJobError
from rqdeps.explain import explain
from rqdeps.graph import graph_of
from rqdeps.here import patience_for
from rqdeps.lineage import dependents_of, spawned_by
from rqdeps.options import AllOptions, JobOptions
from rqdeps.reading import (
    JobDependency,
    attempts_of,
    dependencies_of,
    fetch_fields,
    last_traceback,
    result_of,
    return_value_of,
)
from rqdeps.store import AsyncStore, connect_async
from rqdeps.telling import LogLine, Progress, log, log_lines
from rqdeps.waiting import Patience, has_ended

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rqdeps.codec import SerializerChoice
    from rqdeps.graph import Graph
    from rqdeps.options import Duration

R = TypeVar("R")
D = TypeVar("D")


class AsyncJob(AsyncJobChanges, Generic[R]):
    """A function call that a worker makes, now or later, here or elsewhere. Made by ``AsyncQueue.enqueue``.

    Its properties tell what was last read of it: by ``fetch``, ``refresh()``, ``get_status()`` or ``get_meta()``.
    """

    __rqdeps_job__ = True

    # Making and finding jobs

    @classmethod
    def create(
        cls,
        func: Callable[..., R] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        connection: Redis | None = None,
        *,
        url: str | None = None,
        id: str | None = None,  # noqa: A002 - RQ's name
        timeout: Duration | None = None,
        origin: str | None = None,
        serializer: SerializerChoice | None = None,
        **options: Unpack[AllOptions],
    ) -> AsyncJob[R]:
        """Makes a job that nobody knows of yet: ``await job.save()`` holds it on the server.

        ``AsyncQueue.enqueue_job`` and ``enqueue_many`` enqueue it.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            connection: a client of the server.
            url: where the server is, instead of a connection.
            id: RQ's other name for ``job_id``.
            timeout: RQ's other name for ``job_timeout``.
            origin: RQ's other name for ``queue``.
            serializer: how arguments and result are written; see ``AsyncQueue``.
            **options: see ``AllOptions``.

        Raises:
            UnsupportedFunctionError: a worker could not find the function.
            SerializationError: an argument can't be carried.
            TypeError: the arguments don't fit the function's signature.
            ValueError: an option makes no sense.
        """
        named = JobOptions.named(options, job_id=id, job_timeout=timeout, queue=origin)
        store = async_store_of(connection, url).with_serializer(serializer)
        draft = draft_of(func, args, kwargs, named, store.codec)
        job: AsyncJob[R] = cls(draft.id, store)
        job.draft = draft
        return job

    @classmethod
    async def fetch(
        cls,
        id: str,  # noqa: A002 - RQ's name
        connection: Redis | None = None,
        serializer: SerializerChoice | None = None,
        *,
        url: str | None = None,
    ) -> AsyncJob[Any]:
        """The job with this id.

        Args:
            id: the id.
            connection: a client of the server.
            serializer: how its arguments and result are read; see ``AsyncQueue``.
            url: where the server is, instead of a connection; ``await job.aclose()`` closes the connections.

        Raises:
            NoSuchJobError: it expired or never existed.
        """
        job = (await cls.fetch_many([id], connection, serializer, url=url))[0]
        if job is None:
            raise NoSuchJobError(id)
        return job

    @classmethod
    async def fetch_many(
        cls,
        job_ids: Iterable[str],
        connection: Redis | None = None,
        serializer: SerializerChoice | None = None,
        *,
        url: str | None = None,
    ) -> list[AsyncJob[Any] | None]:
        """The jobs with these ids, in their order; ``None`` for each that does not exist; see ``fetch``."""
        store = async_store_of(connection, url, create=False).with_serializer(serializer)
        found: list[AsyncJob[Any] | None] = []
        try:
            found = await fetch_async_jobs(job_ids, store)
        finally:
            if not any(found):  # nobody is left who could close it
                await store.aclose()
        return found

    @classmethod
    async def exists(cls, job_id: str, connection: Redis | None = None, *, url: str | None = None) -> bool:
        """Whether there is a job with this id."""
        store = async_store_of(connection, url, create=False)
        try:
            return (await fetch_async_jobs([job_id], store))[0] is not None
        finally:
            await store.aclose()

    # Outputs

    @property
    def output(self) -> R:
        """Stands for the job's return value in the arguments of another job, which then waits for this one."""
        return cast(R, Output(self.id))

    def output_or(self, default: D) -> R | D:
        """Like ``output``, with a value to pass where this job has not finished."""
        return cast("R | D", Output(self.id, default))

    # What happened to it

    async def get_result(self) -> R:
        """What the job returned.

        Raises:
            JobNotEndedError: it has not ended yet.
            JobFailedError: it has ended, but not finished.
            ResultExpiredError: it finished longer than its ``result_ttl`` ago.
        """
        return cast(R, await self._store.perform(result_of(self, self.codec)))

    async def return_value(self, refresh: bool = False) -> R | None:
        """What the job returned, or ``None`` if it has not finished or its value is kept no longer, as in RQ.

        Args:
            refresh: has no effect: the server is always asked.
        """
        return cast("R | None", await self._store.perform(return_value_of(self, self.codec)))

    async def attempts(self) -> list[Attempt]:
        """The last 10 attempts that did not finish, oldest first."""
        return await self._store.perform(attempts_of(self.id))

    async def get_exc_info(self) -> str | None:
        """The traceback of the last attempt that failed, or ``None``."""
        return await self._store.perform(last_traceback(self.id))

    async def wait(self, timeout: float | None = None) -> R:
        """Waits for the job's end, woken by the server, and returns what it returned.

        Many tasks that wait at once share one connection. Cancelling a wait does nothing to the job.

        Args:
            timeout: how long to wait at most, in seconds; without one, for ever.

        Raises:
            JobFailedError: it ended, but did not finish; with the traceback from the worker.
            WaitTimeoutError: it has not ended in time.
            DeadlockError: called inside a job, where it could wait for itself. Use ``depends_on``.
            ConnectionUnavailableError: the server did not answer.
        """
        patience = patience_for(self, timeout)
        while not await self.has_ended_within(patience):
            patience.check()
        return await self.get_result()

    async def has_ended_within(
        self, patience: Patience, look: Callable[[], Awaitable[None]] | None = None, *, every: float = math.inf
    ) -> bool:
        """Listens for word of the job's end, until that comes, time is over or the connection breaks.

        Args:
            patience: how long to wait.
            look: called before each wait.
            every: how often to call it at least, in seconds.
        """
        async with self._store.word_of_end(self.id) as listen:
            while not await self._store.perform(has_ended(self.id)):
                if look is not None:
                    await look()
                left = min(patience.until_next_look, every)
                if left <= 0 or not await listen(left):
                    return False
        return True

    # What it tells people

    async def progress(self, done: int | float, total: int | float | None = None, note: str = "") -> None:
        """Says how far the job has come, on its behalf. Inside the job, ``get_current_job().progress`` does that.

        Args:
            done: how much is done, in whatever unit.
            total: of how much; without it, that is not known.
            note: what else to tell people, in one line; cut at 1,000 characters.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``note`` no text.
            ValueError: a number is negative, infinite or none.
            InvalidJobOperationError: the job does not run.
            NoSuchJobError: the job has been deleted.
        """
        await self._store.run(Progress.of(done, total, note).call(self.saved_id))

    async def get_progress(self, refresh: bool = True) -> Progress | None:
        """How far the job has come, by its own account; ``None`` if it has not said.

        Args:
            refresh: whether to read the job anew.
        """
        if refresh:
            await self.refresh()
        return self.loaded_progress

    async def log(self, text: str) -> None:
        """Adds lines to the job's log. The last 1,000 are kept with the job.

        Args:
            text: one line or several, each cut at 4,096 characters.

        Raises:
            TypeError: it is no text.
            NoSuchJobError: the job has been deleted.
        """
        await self._store.perform(log(self.saved_id, text))

    async def log_lines(self, count: int = 1_000) -> list[LogLine]:
        """The last lines of the job's log, oldest first.

        Args:
            count: how many at most.

        Raises:
            TypeError: ``count`` is no number.
            ValueError: it is less than 1.
        """
        return await self._store.perform(log_lines(self.id, count))

    # Its neighbours

    async def dependencies(self) -> list[JobDependency]:
        """The jobs that this one depends on, group by group."""
        return await self._store.perform(dependencies_of(self))

    async def dependency_ids(self) -> list[str]:
        """The ids of the jobs that this one depends on."""
        return [dependency.id for dependency in await self.dependencies()]

    async def dependent_ids(self) -> list[str]:
        """The ids of the jobs that depend on this one: its fallback first, then in the order of their linking."""
        return await self._store.perform(dependents_of(self.id))

    async def spawned_ids(self) -> list[str]:
        """The ids of the jobs that this one has spawned, once it has returned; of a workflow's own job, its members."""
        return await self._store.perform(spawned_by(self.id))

    async def graph(self, most: int | None = None) -> Graph:
        """The graph around the job: whatever is connected with it, above and below, with status, rules and times.

        Args:
            most: how many jobs to read at most; the nearest come first. Without it, 20,000.

        Raises:
            NoSuchJobError: the job has been deleted.
            InvalidJobOperationError: the job is not saved yet.
        """
        return await self._store.perform(graph_of(self.saved_id, most))

    async def explain(self) -> str:
        """One sentence for people on where the job stands: why it does not run, or how it ended."""
        return await self._store.perform(explain(self))


def async_store_of(connection: Redis | None, url: str | None, *, create: bool = True) -> AsyncStore:
    """The data behind a connection or a URL, of which at most one is given.

    Raises:
        TypeError: both are given.
    """
    if connection is not None and url is not None:
        raise TypeError("give a connection or a url, not both")
    return AsyncStore(connection) if connection is not None else connect_async(url, create=create)


async def fetch_async_jobs(job_ids: Iterable[str], store: AsyncStore) -> list[AsyncJob[Any] | None]:
    """The jobs with these ids, in their order; ``None`` for each that does not exist.

    Raises:
        TypeError: one of them is no text, or text was given in place of a list.
    """
    found = await store.perform(fetch_fields(job_ids))
    return [None if fields is None else AsyncJob(job_id, store, fields) for job_id, fields in found]
