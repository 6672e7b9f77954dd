"""What takes function calls as jobs: a queue at once, a workflow when it is committed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from rqdeps.codec import Codec
from rqdeps.dependency import Rule
from rqdeps.enqueue_data import EnqueueData, FunctionCall, reusable
from rqdeps.enqueueing import data_at, data_in
from rqdeps.here import codec_here
from rqdeps.job import Job
from rqdeps.mapping import chain_datas, map_data
from rqdeps.options import AllOptions, JobOptions, Options

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
R = TypeVar("R")


class Enqueuer(ABC):
    """Takes function calls as jobs."""

    @overload
    def enqueue(self, f: Callable[..., R], /, *args: Any, **kwargs: Any) -> Job[R]: ...

    @overload
    def enqueue(self, f: str, /, *args: Any, **kwargs: Any) -> Job[Any]: ...

    def enqueue(self, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueues a function call.

        Args:
            f: a function that workers can import, or its dotted path.
            *args: the function's arguments. ``job.output`` anywhere inside stands for that job's return value.
            **kwargs: the function's arguments by name, and options by the names of ``Options``. With ``args=`` or
                ``kwargs=``, these alone are the function's arguments.

        Returns:
            The job.

        Raises:
            NoSuchJobError: a job to wait for does not exist.
            DuplicateJobError: a job with the ``job_id`` exists already.
            UnsupportedFunctionError: a worker could not find the function.
            SerializationError: an argument can't be carried.
            TypeError: the arguments don't fit the function's signature.
            ValueError: an option makes no sense.
            ConnectionUnavailableError: the server did not answer.
        """
        return self._take_one(FunctionCall.split(f, args, kwargs).data(self.codec))

    def map(
        self,
        f: Callable[..., R],
        items: Iterable[Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        rule: Rule = "all_success",
    ) -> Job[list[R]]:
        """Enqueues a call for each item, where the items may be known only once another job has run.

        The map is a job: it spawns one for each item, and its return value is the list of theirs, in order. What
        options say of when it runs is for the map; ``retry``, ``timeout``, ``fallback`` and callbacks are for each
        element: ``q.options(retry=3).map(fn, parts.output)``. Requeueing the map runs those elements again that
        failed.

        Args:
            f: a function that workers can import. Its first argument is the item.
            items: a list of items, or the output of a job that returns one.
            args: further arguments of each call.
            kwargs: those by name.
            rule: the trigger rule by which the map joins its elements. By others than ``"all_success"``, those that did
                not finish are ``None`` in the list.

        Raises:
            TypeError: ``items`` is a text, a dictionary, or no list at all; or the arguments don't fit the function.
        """
        return self._take_one(map_data(f, items, args, kwargs, rule, JobOptions(), self.codec))

    def chain(
        self, *functions: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> list[Job[Any]]:
        """Enqueues functions that run one after the other; each gets what the one before it has returned.

        Args:
            *functions: the functions. The first gets ``args`` and ``kwargs``.
            args: the arguments of the first.
            kwargs: those by name.

        Returns:
            The jobs, in order.

        Raises:
            TypeError: there is no function, or the arguments don't fit.
        """
        return self._take(chain_datas(functions, args, kwargs, JobOptions(), self.codec))

    def enqueue_call(
        self,
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        timeout: int | float | str | timedelta | None = None,
        **options: Unpack[Options],
    ) -> Job[Any]:
        """Enqueues a function call whose arguments are given apart from the options.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``Options``.
        """
        named = JobOptions.named(options, job_timeout=timeout)
        return self._take_one(FunctionCall.apart(func, args, kwargs, JobOptions.read(named)).data(self.codec))

    def enqueue_at(self, datetime: datetime, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueues a function call that runs no earlier than at a moment.

        Args:
            datetime: the moment, with its time zone.
            f: a function that workers can import, or its dotted path.
            *args: as for ``enqueue``.
            **kwargs: as for ``enqueue``.

        Raises:
            ValueError: the moment has no time zone.
        """
        return self._take_one(data_at(datetime, f, args, kwargs, self.codec))

    def enqueue_in(
        self, time_delta: timedelta | int | float | str, f: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> Job[Any]:
        """Enqueues a function call that runs no earlier than after a while.

        Args:
            time_delta: how long, as a ``timedelta``, in seconds, or as a text such as ``"1h30m"``.
            f: a function that workers can import, or its dotted path.
            *args: as for ``enqueue``.
            **kwargs: as for ``enqueue``.
        """
        return self._take_one(data_in(time_delta, f, args, kwargs, self.codec))

    @staticmethod
    def prepare_data(
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        timeout: int | float | str | timedelta | None = None,
        **options: Unpack[AllOptions],
    ) -> EnqueueData:
        """Makes a job to be, for ``enqueue_many``. Others of the same call may depend on it or take its ``output``.

        It knows no queue: arguments are written by the serializer that the environment names, or in a job by the job's.

        Args:
            func: a function that workers can import, or its dotted path.
            args: the function's arguments.
            kwargs: the function's arguments by name.
            timeout: RQ's other name for ``job_timeout``.
            **options: see ``AllOptions``.
        """
        named = JobOptions.named(options, job_timeout=timeout)
        return reusable(FunctionCall.apart(func, args, kwargs, JobOptions.read(named)).data(codec_here()))

    def options(self, **options: Unpack[AllOptions]) -> WithOptions:
        """The same with options set, so that ``enqueue`` takes nothing but the function's own arguments.

        Type checkers then hold the arguments against the function's signature: ``q.options(retry=3).enqueue(fn, 1)``.
        """
        return WithOptions(self, JobOptions.read(options))

    def _take_one(self, data: EnqueueData) -> Job[Any]:
        return self._take([data])[0]

    @property
    @abstractmethod
    def codec(self) -> Codec:
        """How values are written and read."""

    @abstractmethod
    def _take(self, datas: list[EnqueueData]) -> list[Job[Any]]:
        """Takes jobs to be, all of them or none, and returns the jobs."""


class WithOptions:
    """A queue or a workflow with options set. Made by its ``options``."""

    def __init__(self, enqueuer: Enqueuer, options: JobOptions) -> None:
        self._enqueuer = enqueuer
        self._options = options

    def enqueue(self, f: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueues a function call with these options.

        Args:
            f: a function that workers can import.
            *args: the function's arguments.
            **kwargs: the function's arguments by name; no name is reserved.
        """
        return self._enqueuer._take_one(
            EnqueueData.make(f, args, kwargs, self._options, self._enqueuer.codec, kwargs_are_meant=True)
        )

    def map(
        self,
        f: Callable[..., R],
        items: Iterable[Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        rule: Rule = "all_success",
    ) -> Job[list[R]]:
        """Enqueues a call for each item; see ``Queue.map`` for what these options are for."""
        return self._enqueuer._take_one(map_data(f, items, args, kwargs, rule, self._options, self._enqueuer.codec))

    def chain(
        self, *functions: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> list[Job[Any]]:
        """Enqueues functions that run one after the other, each with these options; see ``Queue.chain``."""
        return self._enqueuer._take(chain_datas(functions, args, kwargs, self._options, self._enqueuer.codec))
