"""A queue without a server, whose jobs run when a test says so, and whose time passes when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from rqdeps.codec import SerializerChoice
from rqdeps.durations import to_ms
from rqdeps.functions import path_of
from rqdeps.ids import check_queue_name
from rqdeps.job import Job
from rqdeps.queue import Queue
from rqdeps.store import Store, connect
from rqdeps.store.connection import stand_ins
from rqdeps.testing.calls import check_there
from rqdeps.testing.current import being_current
from rqdeps.testing.drain import Drain, Stage, look_after_all
from rqdeps.testing.fake_server import FakeServer
from rqdeps.testing.history import Run
from rqdeps.testing.take_over import Place, take_over
from rqdeps.worker.following import Handler

if TYPE_CHECKING:
    from typing_extensions import Self

    from rqdeps.options import Duration

#: How many attempts one ``drain`` makes at most, unless told otherwise: fewer than make a test slow.
MAX_JOBS = 1_000


class FakeQueue(Queue):
    """A queue on fakeredis, with all that a queue can do. No worker runs its jobs, but ``drain`` does, in this process.

    As a context manager it also stands in for the server that ``Queue()`` means without a connection or URL, and is
    where assertions look::

        with FakeQueue() as q:
            place_order(5)
            assert_enqueued(send_invoice, args=(5,))
            q.drain()

    Args:
        name: the queue's name.
        default_timeout: the ``job_timeout`` of jobs that have none of their own.
        serializer: how arguments and results are written; see ``Queue``.

    Raises:
        ExtraMissingError: fakeredis is not installed.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        default_timeout: Duration | None = None,
        serializer: SerializerChoice | None = None,
    ) -> None:
        self._server = FakeServer()
        super().__init__(name, self._server.client(), default_timeout, serializer=serializer)
        self._stage = Stage(self._server.clock)
        self._undo = ExitStack()

    @classmethod
    def on(cls, name: str, store: Store) -> Queue:
        """The plain queue of this name in a store that is open already."""
        return Queue.on(name, store)

    def __enter__(self) -> Self:
        self._undo.enter_context(being_current(self))
        self.take_over(None)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Undoes what was taken over."""
        self._undo.close()
        self._store.client.close()

    def queue(self, name: str) -> FakeQueue:
        """Another queue of the same deployment: ``drain`` and ``advance`` of either are for both."""
        other = FakeQueue.__new__(FakeQueue)
        other.__dict__.update(self.__dict__)
        other.name = check_queue_name(name)
        return other

    def take_over(self, *places: Place) -> None:
        """Has programs under test come here that were made for a server, until ``close``.

        Args:
            *places: queues that a module has made, ``take_over(app.queue)``; ``redis.Redis`` clients that queues are
                made with while the test runs; URLs, for whatever is made with ``url=`` while the test runs,
                ``AsyncQueue`` too; ``None`` for what is made without a connection or URL.
        """
        take_over(places, self._store, self._server.async_client, self._undo)

    # Running jobs

    @property
    def runs(self) -> list[Run]:
        """All attempts that were made, in order."""
        return self._stage.runs

    def drain(
        self,
        *queues: str | Queue,
        raises: bool = True,
        max_jobs: int = MAX_JOBS,
        exception_handlers: Iterable[Handler] = (),
    ) -> list[Job[Any]]:
        """Runs all that is ready, in order, in this process, with what it enqueues and releases, until nothing is.

        It never waits: what is delayed, and retries that are not due, stay scheduled until ``advance``. Attempts run
        as with a worker: with outputs, callbacks, fallbacks, spawned jobs and retries.

        Args:
            *queues: which queues, in order of preference. By default this one, then all others by name.
            raises: whether to raise the exception of a job that has failed for good, the very object that its function
                raised. Jobs that have a retry left have not, nor have those with a fallback, whose own failure is
                raised. What is ready besides runs with the next ``drain``.
            max_jobs: how many attempts to make at most.
            exception_handlers: functions that are called when an attempt fails, as those of workers.

        Returns:
            The jobs in the order of their attempts.

        Raises:
            EndlessDrainError: there is more to do after ``max_jobs`` attempts.
        """
        __tracebackhide__ = True
        names = [queue.name if isinstance(queue, Queue) else queue for queue in queues]
        drain = Drain(self._store_of_jobs, self._stage, names or [self.name, None], tuple(exception_handlers))
        runs = drain.run_ready(raises=raises, most=max_jobs)
        return [Job(run.job_id, self._store) for run in runs]

    @property
    def _store_of_jobs(self) -> Store:
        """The deployment as jobs get it. What they make of it and keep then goes on to the next test, as it would."""
        here = connect() if None in stand_ins else self._store
        return here.with_codec(self.codec) if here.pool is self._store.pool else self._store

    # Time

    def advance(self, by: float | str | timedelta | None = None) -> timedelta:
        """Sets the server's clock ahead. What has come due is then ready for ``drain``, has expired, or is gone.

        Called while a job runs, by what runs in place of its function, that much of its time passes: where this exceeds
        its ``job_timeout``, ``JobTimeoutError`` is raised in it.

        Args:
            by: how long: seconds, a text such as ``"1h30m"``, or a ``timedelta``. By default until the next job is due:
                a delay, a retry, a ``ttl``.

        Returns:
            How long that was.

        Raises:
            JobTimeoutError: a job runs, and that exceeds its ``job_timeout``.
            ValueError: none is given, and nothing waits for a time, or a job runs.
        """
        ms = to_ms(by, "by")
        if ms is None and self._stage.is_running:
            raise ValueError("while a job runs, say how much of its time passes: advance(seconds)")
        if ms is None:
            ms = self._until_next_ms()
        self._stage.pass_time(ms)
        if not self._stage.is_running:
            self._store.perform(look_after_all())
        return timedelta(milliseconds=ms)

    def _until_next_ms(self) -> int:
        ms = self._store.perform(look_after_all())
        if ms is None:
            raise ValueError("nothing waits for a time: no delay, no retry, no ttl")
        return ms

    # What runs in place of functions

    def fail(
        self,
        function: Callable[..., Any] | str,
        error: BaseException | type[BaseException] | None = None,
        *,
        times: int | None = 1,
    ) -> None:
        """Has attempts of a function raise an exception instead of running it.

        Args:
            function: the function of jobs, or its dotted path.
            error: what is raised; by default a ``RuntimeError``.
            times: in how many attempts, from the next on; ``None`` for all.

        Raises:
            TypeError: ``error`` is no exception.
            ValueError: there is no such function in a module that there is.
        """
        if error is not None and not isinstance(error, BaseException) and not _is_exception_class(error):
            raise TypeError(f"what is raised is an exception, or a class of exceptions, not {error!r}")

        def raises(*args: Any, **kwargs: Any) -> NoReturn:
            if error is None:
                raise RuntimeError(f"{path_of(function)} was made to fail by a test")
            raise error.with_traceback(None) if isinstance(error, BaseException) else error

        self.replace(function, raises, times=times)

    def time_out(self, function: Callable[..., Any] | str, *, times: int | None = 1) -> None:
        """Has attempts of a function take longer than their ``job_timeout``, without anybody waiting.

        Args:
            function: the function of jobs, or its dotted path.
            times: in how many attempts, from the next on; ``None`` for all.
        """

        def runs_out_of_time(*args: Any, **kwargs: Any) -> None:
            self._stage.run_out_of_time()

        self.replace(function, runs_out_of_time, times=times)

    def replace(
        self, function: Callable[..., Any] | str, stand_in: Callable[..., Any], *, times: int | None = None
    ) -> None:
        """Has jobs run something else than their function. What was said last counts.

        Args:
            function: the function of jobs, or its dotted path.
            stand_in: what is called with their arguments: any callable, such as a mock or an ``async def``.
            times: in how many attempts, from the next on; ``None`` for all.

        Raises:
            ValueError: ``times`` is less than 1, or there is no such function in a module that there is.
        """
        check_there(function)
        self._stage.substitutes.put(path_of(function), stand_in, times)


def _is_exception_class(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, BaseException)
