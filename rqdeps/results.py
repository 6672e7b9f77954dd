"""How the attempts of a job ended, by RQ's names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from rqdeps.attempts import Attempt
from rqdeps.reading import attempts_of, return_value_of
from rqdeps.store import Conversation

if TYPE_CHECKING:
    from rqdeps.codec import Codec
    from rqdeps.job_record import JobRecord


class ResultType(Enum):
    """How an attempt ended; the numbers are RQ's."""

    SUCCESSFUL = 1
    FAILED = 2
    STOPPED = 3


_TYPES = {"failed": ResultType.FAILED, "lost": ResultType.FAILED, "stopped": ResultType.STOPPED}


@dataclass(frozen=True)
class Result:
    """How one attempt of a job ended.

    Attributes:
        job_id: the job.
        type: how: ``Result.Type.SUCCESSFUL``, ``FAILED`` or ``STOPPED``.
        created_at: when, by the server's clock.
        return_value: what the job returned; ``None`` if it did not, or its value is kept no longer.
        exc_string: the traceback from the worker; ``None`` if there is none.
        worker_name: the name of the worker.
        execution_started_at: when the worker took the job.
        execution_ended_at: when its outcome was reported.
    """

    Type = ResultType

    job_id: str
    type: ResultType
    created_at: datetime | None
    return_value: Any = None
    exc_string: str | None = None
    worker_name: str = ""
    execution_started_at: datetime | None = None
    execution_ended_at: datetime | None = None

    @classmethod
    def of_attempt(cls, job_id: str, attempt: Attempt) -> Result:
        """How an attempt ended that did not finish."""
        return cls(
            job_id,
            _TYPES[attempt.outcome],
            attempt.ended_at,
            exc_string=attempt.traceback or None,
            worker_name=attempt.worker,
            execution_started_at=attempt.started_at,
            execution_ended_at=attempt.ended_at,
        )


def results_of(job: JobRecord, codec: Codec) -> Conversation[list[Result]]:
    """How the last attempts of a job ended, the last first: up to 10 that did not finish, and the one that did.

    Args:
        job: the job, which must have been read.
        codec: how values are read.
    """
    attempts = yield from attempts_of(job.id)
    found = [Result.of_attempt(job.id, attempt) for attempt in reversed(attempts)]
    if job.is_finished:
        value = yield from return_value_of(job, codec)
        success = Result(
            job.id,
            ResultType.SUCCESSFUL,
            job.ended_at,
            return_value=value,
            worker_name=job.worker_name or "",
            execution_started_at=job.started_at,
            execution_ended_at=job.ended_at,
        )
        found.insert(0, success)
    return found
