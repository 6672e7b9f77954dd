"""A decorator by which functions enqueue themselves, by RQ's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast

from redis import Redis

from rqdeps.job import Job
from rqdeps.options import JobOptions
from rqdeps.queue import Queue

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rqdeps.options import Duration, Options

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class JobFunction(Protocol, Generic[P, R_co]):
    """A function that can be called, and enqueued."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function, here and now."""
        ...

    def enqueue(self, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueues a call of the function.

        Args:
            *args: the function's arguments.
            **kwargs: the function's arguments by name; and ``depends_on``, ``job_id`` and ``at_front``, which are
                options and come before those of the decorator.

        Returns:
            The job.
        """
        ...

    def delay(self, *args: Any, **kwargs: Any) -> Job[Any]:
        """The same as ``enqueue``, by its older name."""
        ...


#: The options that a call may have of its own.
_OF_A_CALL = ("depends_on", "job_id", "at_front")


class job:  # noqa: N801 - RQ's name
    """Gives a function the methods ``enqueue`` and ``delay``, which enqueue a call of it.

    For example::

        @job("reports", connection=redis, retry=3)
        def report(day: str) -> str: ...

        report.enqueue("2026-01-31", depends_on=extract)

    Args:
        queue: the queue, or its name.
        connection: a client of the server, for a queue that is named; a queue goes by its own.
        timeout: RQ's other name for ``job_timeout``.
        url: where the server is, instead of a connection.
        **options: for each job; see ``Options``.

    Raises:
        TypeError: an option does not exist.
        ValueError: an option makes no sense.
    """

    def __init__(
        self,
        queue: Queue | str,
        connection: Redis | None = None,
        timeout: Duration | None = None,
        *,
        url: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        if isinstance(queue, Queue) and url is not None:
            raise TypeError("a queue knows where its server is; give that, or the queue's name")
        self._queue = queue
        self._connection = connection
        self._url = url
        self._options = JobOptions.named(options, job_timeout=timeout)
        JobOptions.read(self._options)

    def __call__(self, function: Callable[P, R]) -> JobFunction[P, R]:
        """Decorates a function."""

        def enqueue(*args: Any, **kwargs: Any) -> Job[Any]:
            own = {name: kwargs.pop(name) for name in _OF_A_CALL if kwargs.get(name) is not None}
            for name in _OF_A_CALL:
                kwargs.pop(name, None)
            return self._open().enqueue_call(function, args, kwargs, **{**self._options, **own})

        decorated = cast("JobFunction[P, R]", function)
        decorated.enqueue = decorated.delay = enqueue  # type: ignore[method-assign]
        return decorated

    def _open(self) -> Queue:
        if isinstance(self._queue, str):  # only now, as a module with tasks is imported before there is a server
            self._queue = Queue(self._queue, connection=self._connection, url=self._url)
        return self._queue
