"""What stands in for a job that has failed for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rqdeps.options import JobOptions

#: How many fallbacks may stand behind each other.
MOST_IN_A_ROW = 10

#: What to say of a function that can't take the arguments of the job that it is to stand in for.
WAY_OUT = "as a fallback it gets the arguments of the job: Fallback(function, ...) gives it others"


class Fallback:
    """A call that is made once a job has failed for good: its end is the job's for all that waits for it.

    Args:
        func: a function that workers can import, or its dotted path.
        *args: its arguments.
        **kwargs: its arguments by name, and its options by the names that ``Queue.enqueue`` knows; all but
            ``depends_on``, since it waits for the job.

    Raises:
        TypeError: ``func`` is no function, or ``depends_on`` is given.
    """

    __slots__ = ("args", "func", "kwargs", "options", "takes_arguments_of_job")

    def __init__(self, func: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        if not callable(func) and not isinstance(func, str):
            raise TypeError(f"a fallback is a function, its dotted path, or a Fallback, not {type(func).__name__}")
        for name in ("depends_on", "run_after_failure", "allow_partial_dependencies", "hold"):
            if kwargs.get(name) is not None:
                raise TypeError(f"a fallback waits for its job, and for nothing else: {name} can't be given")
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.takes_arguments_of_job = False
        #: Its options, where these were read before: then ``kwargs`` holds none.
        self.options: JobOptions | None = None

    def __repr__(self) -> str:
        return f"Fallback({getattr(self.func, '__qualname__', self.func)})"

    @classmethod
    def of(cls, value: object) -> Fallback | None:
        """Reads the option ``fallback``: a function alone gets the arguments of its job."""
        if value is None or isinstance(value, Fallback):
            return value
        fallback = cls(value)  # type: ignore[arg-type]  # checked there
        fallback.takes_arguments_of_job = True
        return fallback
