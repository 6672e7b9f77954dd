"""A workflow for programs that run on asyncio: ``Workflow``, with ``await``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from rqdeps import workflow_changes
from rqdeps.aio.enqueuer import AsyncEnqueuer
from rqdeps.aio.job import AsyncJob, async_store_of, fetch_async_jobs
from rqdeps.aio.queue import AsyncQueue
from rqdeps.codec import Codec
from rqdeps.enqueue_data import EnqueueData
from rqdeps.graph import workflow_graph
from rqdeps.here import patience_for
from rqdeps.progress_line import LOOK_SECONDS, ProgressLine
from rqdeps.status import JobStatus
from rqdeps.store import AsyncStore
from rqdeps.store.calls.changes import Policy
from rqdeps.workflow_draft import WorkflowDraft
from rqdeps.workflow_facts import WorkflowFacts, eta_of, facts_of, how_far

if TYPE_CHECKING:
    from rqdeps.graph import Graph
    from rqdeps.options import Duration


class AsyncWorkflow(AsyncEnqueuer):
    """A named set of jobs, for programs that run on asyncio; see ``Workflow`` for what its methods do.

    For example::

        async with AsyncWorkflow("nightly", queue=q) as nightly:
            rows = await nightly.enqueue(extract, "orders.csv")
            await nightly.options(queue="reports").enqueue(report, rows.output)
        await nightly.wait()

    What is enqueued in the block is committed at its end, all of it at once, and nothing if the block raises.

    Args:
        name: what people call it.
        queue: the queue of those of its jobs that name none; ``default`` if it is left out.
        id: an id of one's own, which is that of the workflow's own job too; a second workflow with it is refused.
        connection: a ``redis.asyncio.Redis`` client of the server, instead of a queue.
        url: where the server is, instead of a queue or a connection; ``aclose()`` closes the connections.
        exist_ok: whether nothing is done if a workflow with this id exists already, instead of refusing this one.
        result_ttl: how long the workflow is kept, and with it all its jobs, once it has finished (default 10 minutes).
        failure_ttl: how long it is kept if it has failed or was canceled (default one year).
        meta: a dictionary that goes with it.

    Raises:
        TypeError: a queue and a connection or URL are given.
        ValueError: a name or id that can't be.
    """

    def __init__(
        self,
        name: str = "",
        queue: AsyncQueue | None = None,
        *,
        id: str | None = None,  # noqa: A002 - what a job's is called too
        connection: Redis | None = None,
        url: str | None = None,
        exist_ok: bool = False,
        result_ttl: Duration | None = None,
        failure_ttl: Duration | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        if queue is not None and (connection is not None or url is not None):
            raise TypeError("give a queue, or a connection or url, not both")
        if queue is not None and not isinstance(queue, AsyncQueue):
            raise TypeError(
                f"queue= is an AsyncQueue, not {type(queue).__name__}: AsyncQueue(name, connection=...) makes one"
            )
        self._draft = WorkflowDraft(
            name, id, exist_ok=exist_ok, result_ttl=result_ttl, failure_ttl=failure_ttl, meta=meta
        )
        self.id = self._draft.id
        self._queue = queue or AsyncQueue.on("default", async_store_of(connection, url))

    @classmethod
    async def fetch(cls, workflow_id: str, connection: Redis | None = None, *, url: str | None = None) -> AsyncWorkflow:
        """The workflow with this id.

        Args:
            workflow_id: the id.
            connection: a client of the server.
            url: where the server is, instead of a connection.

        Raises:
            NoSuchWorkflowError: it expired or never existed.
        """
        store = async_store_of(connection, url, create=False)
        try:
            facts = await store.perform(facts_of(workflow_id))
        except BaseException:
            await store.aclose()  # nobody else could
            raise
        return cls._on(store, facts.id, facts.name)

    @classmethod
    async def all(
        cls, connection: Redis | None = None, *, url: str | None = None, most: int = 1000
    ) -> list[AsyncWorkflow]:
        """The workflows there are, the latest first. They share their connections: closing one closes them for all.

        Args:
            connection: a client of the server.
            url: where the server is, instead of a connection.
            most: how many at most.
        """
        store = async_store_of(connection, url, create=False)
        found: list[AsyncWorkflow] = []
        try:
            own_jobs = await fetch_async_jobs(await store.perform(workflow_changes.workflow_ids(most)), store)
            found = [cls._on(store, job.id, job.given_description) for job in own_jobs if job is not None]
        finally:
            if not found:  # nobody is left who could close it
                await store.aclose()
        return found

    @classmethod
    def _on(cls, store: AsyncStore, workflow_id: str, name: str) -> AsyncWorkflow:
        """A workflow that was committed before."""
        workflow = cls("", AsyncQueue.on("default", store), id=workflow_id)
        workflow._draft.was_committed(name)
        return workflow

    def __repr__(self) -> str:
        return f"AsyncWorkflow({self.name!r}, id={self.id!r})" if self.name else f"AsyncWorkflow(id={self.id!r})"

    @property
    def name(self) -> str:
        """What people call it."""
        return self._draft.name

    @property
    def job(self) -> AsyncJob[None]:
        """Its own job, which has no function and ends with the workflow."""
        return AsyncJob(self.id, self._queue.store)

    async def aclose(self) -> None:
        """Closes the connections of the workflow, its queue and its jobs. They are made again if they are needed."""
        await self._queue.aclose()

    # Filling it

    async def __aenter__(self) -> AsyncWorkflow:
        self._draft.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            await self.commit()

    async def commit(self) -> None:
        """Enqueues all jobs of the workflow at once. The end of an ``async with`` block does it.

        Raises:
            InvalidJobOperationError: it is committed already.
            DuplicateWorkflowError: a workflow or job with its id exists already.
            DuplicateJobError: one with the id of one of its jobs does.
            NoSuchJobError: a job to wait for neither exists nor belongs to it.
            DependencyCycleError: its jobs would wait for each other in a circle.
        """
        store = self._queue.store
        for job in await store.perform(self._draft.commit(self._queue.name, store.registered)):
            assert isinstance(job, AsyncJob)
            job.is_saved_in(store)

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._queue.codec

    async def _take(self, datas: list[EnqueueData]) -> list[AsyncJob[Any]]:
        self._draft.check_open()
        jobs: list[AsyncJob[Any]] = [AsyncJob(data.id, self._queue.store) for data in datas]
        for job, data in zip(jobs, datas, strict=True):
            self._draft.add(job, data)
        return jobs

    async def on_finished(self, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> AsyncJob[Any]:
        """Enqueues a function call that runs once the workflow has finished. It does not belong to it.

        Args:
            f: a function that workers can import, or its dotted path.
            *args: its arguments.
            **kwargs: its arguments by name, and options as for ``enqueue``; all but ``depends_on``.
        """
        return await self._enqueue_after(self._draft.data_after("all_success", f, args, kwargs, self.codec))

    async def on_failed(self, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> AsyncJob[Any]:
        """Enqueues a function call that runs once the workflow has failed or was canceled. It does not belong to it."""
        return await self._enqueue_after(self._draft.data_after("all_failed", f, args, kwargs, self.codec))

    async def _enqueue_after(self, data: EnqueueData) -> AsyncJob[Any]:
        if self._draft.is_committed:
            return (await self._queue.enqueue_many([data]))[0]
        job: AsyncJob[Any] = AsyncJob(data.id, self._queue.store)
        self._draft.add_after(job, data)
        return job

    # Looking at it

    async def facts(self) -> WorkflowFacts:
        """Its counts and status, read at once, whatever its size.

        Raises:
            InvalidJobOperationError: it is not committed yet.
            NoSuchWorkflowError: it expired or never existed.
        """
        return await self._queue.store.perform(facts_of(self._draft.committed_id))

    async def jobs(self) -> list[AsyncJob[Any]]:
        """Its jobs, in the order in which they came, those that were spawned and fallbacks included."""
        if not self._draft.is_committed:
            return [job for job in self._draft.members if isinstance(job, AsyncJob)]
        found = await fetch_async_jobs(await self.job_ids(), self._queue.store)
        return [job for job in found if job is not None]

    async def job_ids(self, *statuses: JobStatus | str) -> list[str]:
        """The ids of its jobs, in the order in which they came; only those with these statuses, if any is named."""
        return await self._queue.store.perform(self._draft.member_ids(statuses))

    async def get_counts(self) -> Mapping[JobStatus, int]:
        """How many of its jobs have each status. Takes the same time whatever its size."""
        return (await self.facts()).counts

    async def get_progress(self) -> float:
        """How many of its jobs have ended, from 0 to 1. Jobs that are spawned later can make it less again."""
        return (await self.facts()).progress

    async def get_status(self) -> JobStatus:
        """Where it is: ``created``, then ``joining`` while it runs, then ``finished``, ``failed`` or ``canceled``."""
        return (await self.facts()).status if self._draft.is_committed else JobStatus.CREATED

    async def get_eta(self) -> timedelta | None:
        """How long it will probably take from now on; ``None`` if that can't be told; see ``Workflow.eta``."""
        return await self._queue.store.perform(eta_of(self._draft.committed_id))

    async def graph(self, most: int | None = None) -> Graph:
        """Its jobs, those outside that they wait for or that wait for them, and what leads from one to the other.

        Args:
            most: how many jobs to read at most. Without it, 20,000.

        Raises:
            InvalidJobOperationError: it is not committed yet.
            NoSuchWorkflowError: it expired or never existed.
        """
        return await self._queue.store.perform(workflow_graph(self._draft.committed_id, most))

    async def wait(self, timeout: float | None = None, *, progress: bool = False) -> JobStatus:
        """Waits until all its jobs have ended.

        Args:
            timeout: how long to wait at most, in seconds; without one, for ever.
            progress: whether to show on standard error how far it has come.

        Returns:
            How it ended, as ``finished``, ``failed`` or ``canceled``.

        Raises:
            WaitTimeoutError: it has not ended in time.
            InvalidJobOperationError: it is not committed yet.
            NoSuchJobError: it expired or never existed.
            DeadlockError: called inside a job.
        """
        self._draft.check_committed()
        patience = patience_for(self.job, timeout)
        with ProgressLine() as line:

            async def show() -> None:
                line.show(await self._queue.store.perform(how_far(self.id)))

            look, every = (show, LOOK_SECONDS) if progress else (None, math.inf)
            while not await self.job.has_ended_within(patience, look, every=every):
                patience.check()
            if progress:
                line.show(await self._queue.store.perform(how_far(self.id)), is_last=True)
        return await self.get_status()

    # Changing it

    async def cancel(self, *, clean_up: bool = True) -> bool:
        """Cancels what has not run, and stops what runs. From the moment that this begins, nothing more of it starts.

        Args:
            clean_up: whether those jobs run all the same that wait for others however these end (``all_done``).

        Returns:
            Whether it is being canceled, or was before; ``False`` if it had ended otherwise.

        Raises:
            NoSuchWorkflowError: it expired or never existed.
        """
        return await self._queue.store.perform(workflow_changes.cancel(self._draft.committed_id, clean_up=clean_up))

    async def retry_failed(self) -> int:
        """Resumes it: runs those jobs again that failed, or were canceled or stopped, and then what waits for them.

        Returns:
            How many jobs were given another life.

        Raises:
            NoSuchWorkflowError: it expired or never existed.
        """
        return await self._queue.store.perform(workflow_changes.retry_failed(self._draft.committed_id))

    async def delete(self, dependents: Policy = "cancel") -> None:
        """Deletes it with all its jobs. What runs comes to nothing.

        Args:
            dependents: what becomes of jobs outside of it that still wait for it or for one of its jobs; see
                ``Job.delete``.

        Raises:
            NoSuchWorkflowError: it expired or never existed.
        """
        await self._queue.store.perform(workflow_changes.delete(self._draft.committed_id, dependents))
