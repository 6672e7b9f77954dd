"""How long to wait for a job's end, and when to look again meanwhile."""

from __future__ import annotations

import math
import time

from rqdeps.errors import WaitTimeoutError
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask

#: How long to wait for word of a job's end before looking again, in seconds: a published message can be lost.
_LOOK_AGAIN = 15.0


class Patience:
    """How long somebody waits for a job, from now on.

    Args:
        job_id: the job, for errors.
        timeout: how long at most, in seconds; ``None`` for ever.

    Raises:
        TypeError: the timeout is no number.
        ValueError: it is not a number in floating point.
    """

    def __init__(self, job_id: str, timeout: float | None) -> None:
        self._job_id = job_id
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + _seconds(timeout)

    @property
    def until_next_look(self) -> float:
        """How long to listen for word of the end before looking again, in seconds; none if the time is over."""
        return _LOOK_AGAIN if self._deadline is None else min(_LOOK_AGAIN, self._deadline - time.monotonic())

    def check(self) -> None:
        """Makes sure that there is time left.

        Raises:
            WaitTimeoutError: there is none.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise WaitTimeoutError(f"job {self._job_id!r} has not ended after {self._timeout:g} s")


def has_ended(job_id: str) -> Conversation[bool]:
    """Whether a job has ended. If not, its end will be published.

    Raises:
        NoSuchJobError: there is no such job.
    """
    status = yield from ask(reads.watch(job_id))
    return JobStatus(status).is_terminal


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout is a number of seconds, not {type(timeout).__name__}")
    if math.isnan(timeout):
        raise ValueError("timeout is a number of seconds, not nan; leave it out to wait for ever")
    return timeout
