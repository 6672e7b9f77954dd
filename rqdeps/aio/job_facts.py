"""What is known of a job, with ``await`` for what has to be read from the server."""

from __future__ import annotations

from typing import Any

from rqdeps.codec import Codec
from rqdeps.job_record import JobRecord, call_of, describe, refresh
from rqdeps.status import JobStatus
from rqdeps.store import AsyncStore


class AsyncJobFacts(JobRecord):
    """What is known of a job. Its properties tell what was last read, and raise ``NotLoadedError`` before.

    Attributes:
        id: the job's id.
    """

    def __init__(self, job_id: str, store: AsyncStore, fields: dict[str, bytes] | None = None) -> None:
        super().__init__(job_id, fields)
        self._store = store

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._store.codec

    async def refresh(self) -> None:
        """Reads the job again.

        Raises:
            NoSuchJobError: it has been deleted.
        """
        await self._store.perform(refresh(self))

    async def get_status(self, refresh: bool = True) -> JobStatus:
        """Where the job is in its life.

        Args:
            refresh: whether to read the job anew.

        Raises:
            NoSuchJobError: it has been deleted.
            NotLoadedError: it has never been read, and is not to be.
        """
        if refresh:
            await self.refresh()
        return self.loaded_status

    async def get_meta(self, refresh: bool = True) -> dict[str, Any]:
        """The dictionary that goes with the job. Change it, then call ``save_meta``.

        Args:
            refresh: whether to read the job anew, which forgets changes of ``meta`` that have not been saved.

        Raises:
            NoSuchJobError: it has been deleted.
            NotLoadedError: it has never been read, and is not to be.
        """
        if refresh:
            await self.refresh()
        return self.meta

    async def save_meta(self) -> None:
        """Stores ``meta``.

        Raises:
            SerializationError: it holds something that can't be stored.
            NoSuchJobError: the job has been deleted.
            NotLoadedError: the job has never been read.
        """
        await self._store.run(self._saving_of_meta())

    async def get_args(self) -> tuple[Any, ...]:
        """The arguments by position; outputs of other jobs appear as ``Output``."""
        return (await self._store.perform(call_of(self, self.codec)))[0]

    async def get_kwargs(self) -> dict[str, Any]:
        """The arguments by name; outputs of other jobs appear as ``Output``."""
        return (await self._store.perform(call_of(self, self.codec)))[1]

    async def get_description(self) -> str:
        """The text given for people, or else the call."""
        await self.refresh()
        return await self._store.perform(describe(self, self.codec))

    async def aclose(self) -> None:
        """Closes the connections, which the job shares with all that came by the same queue or the same ``fetch``.

        Made for jobs that were fetched by a URL: those of a queue are closed with ``AsyncQueue.aclose``.
        """
        await self._store.aclose()
