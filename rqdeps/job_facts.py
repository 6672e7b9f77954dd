"""What a job knows of itself, which is read from the server when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from redis import Redis

from rqdeps.attempts import FailedJob
from rqdeps.callbacks import Callback
from rqdeps.codec import Codec
from rqdeps.functions import resolve
from rqdeps.job_record import JobRecord, call_of, describe, refresh
from rqdeps.spawning import Spawning
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.telling import Telling


class JobFacts(JobRecord):
    """What a job knows of itself. It is read when first asked for; ``refresh()`` reads it again.

    Attributes:
        id: the job's id.
    """

    def __init__(self, job_id: str, store: Store, fields: dict[str, bytes] | None = None) -> None:
        super().__init__(job_id, fields)
        self._store = store
        #: In the job itself: which attempt runs. The server may not know yet that it has begun.
        self.running_attempt: int | None = None
        #: In the job itself: what it has spawned so far.
        self.spawning: Spawning | None = None
        #: In the job itself: what it tells people.
        self.telling: Telling | None = None
        #: In a fallback while it runs: the job that failed, with its error.
        self.failed_job: FailedJob | None = None

    @property
    def codec(self) -> Codec:
        """How values are written and read."""
        return self._store.codec

    @property
    def connection(self) -> Redis:
        """A client of the server."""
        return self._store.client

    def refresh(self) -> None:
        """Reads the job again.

        Raises:
            NoSuchJobError: it has been deleted.
        """
        self._store.perform(refresh(self))

    def get_status(self, refresh: bool = True) -> JobStatus:
        """Where the job is in its life.

        Args:
            refresh: whether to ask the server anew.
        """
        if refresh:
            self.refresh()
        return self.loaded_status

    def _present_status(self) -> JobStatus:
        return self.get_status()

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments by position; outputs of other jobs appear as ``Output``."""
        return self._store.perform(call_of(self, self.codec))[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name; outputs of other jobs appear as ``Output``."""
        return self._store.perform(call_of(self, self.codec))[1]

    @property
    def description(self) -> str:
        """The text given for people, or else the call."""
        return self._store.perform(describe(self, self.codec))

    @property
    def func(self) -> Callable[..., Any]:
        """The job's function, which is imported here.

        Raises:
            FunctionImportError: it can't be.
        """
        return resolve(self.func_name, self.codec.allowed)

    @property
    def success_callback(self) -> Callable[..., Any] | None:
        """The function that is called when the job has succeeded, which is imported here; see ``callbacks``."""
        return self._callback(self.callbacks.on_success)

    @property
    def failure_callback(self) -> Callable[..., Any] | None:
        """The function that is called when the job has failed, which is imported here; see ``callbacks``."""
        return self._callback(self.callbacks.on_failure)

    @property
    def stopped_callback(self) -> Callable[..., Any] | None:
        """The function that is called when the job was stopped, which is imported here; see ``callbacks``."""
        return self._callback(self.callbacks.on_stopped)

    def _callback(self, callback: Callback | None) -> Callable[..., Any] | None:
        return None if callback is None else resolve(callback.name, self.codec.allowed)

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:
        """The dictionary that goes with the job. Change it, then call ``save_meta``.

        Args:
            refresh: whether to read the job anew, which forgets changes of ``meta`` that have not been saved.

        Raises:
            NoSuchJobError: it has been deleted.
        """
        if refresh:
            self.refresh()
        return self.meta

    def save_meta(self) -> None:
        """Stores ``meta``.

        Raises:
            SerializationError: it holds something that can't be stored.
            NoSuchJobError: the job has been deleted.
        """
        self._store.run(self._saving_of_meta())

    @property
    def attempt(self) -> int:
        """How many attempts have begun; inside the job, which one this is."""
        return super().attempt if self.running_attempt is None else self.running_attempt

    @property
    def _fields(self) -> dict[str, bytes]:
        if self._loaded is None:
            self.refresh()
        return cast("dict[str, bytes]", self._loaded)
