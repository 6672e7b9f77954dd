"""Attempts of jobs that did not finish, for people and for fallbacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from rqdeps.store.calls.reads import AttemptRecord
from rqdeps.text import error_line


@dataclass(frozen=True)
class Attempt:
    """An attempt of a job that did not finish.

    Attributes:
        number: which attempt it was, from 1.
        outcome: ``"failed"``; ``"lost"`` where the worker died; ``"stopped"`` where a person asked for it.
        started_at: when the worker took the job.
        ended_at: when the outcome was reported.
        worker: the worker's name.
        error_type: the class of the exception, as a dotted path; empty where there is none.
        message: what the exception said.
        traceback: the traceback from the worker.
    """

    number: int
    outcome: str
    started_at: datetime
    ended_at: datetime
    worker: str
    error_type: str
    message: str
    traceback: str

    @property
    def error(self) -> str:
        """The exception in short: its class and what it said; empty where there is none."""
        return error_line(self.error_type, self.message)

    @classmethod
    def read(cls, record: AttemptRecord) -> Attempt:
        """The attempt that a record tells of."""
        details = record.told
        return cls(
            number=record.attempt,
            outcome=record.outcome,
            started_at=moment(record.started_at_ms),
            ended_at=moment(record.ended_at_ms),
            worker=worker_of(record.holder),
            error_type=details["type"],
            message=details["message"],
            traceback=details["traceback"],
        )


@dataclass(frozen=True)
class FailedJob:
    """The job that a fallback stands in for, as the fallback sees it.

    Attributes:
        id: the job.
        last_attempt: its last attempt, which tells the error.
    """

    id: str
    last_attempt: Attempt | None

    @property
    def error_type(self) -> str:
        """The class of the exception, as a dotted path; empty where there is none."""
        return self.last_attempt.error_type if self.last_attempt else ""

    @property
    def message(self) -> str:
        """What the exception said."""
        return self.last_attempt.message if self.last_attempt else ""

    @property
    def exc_info(self) -> str:
        """The traceback from the worker."""
        return self.last_attempt.traceback if self.last_attempt else ""


def worker_of(holder: str) -> str:
    """The worker behind a holder of claims, whose name it is with a number."""
    return holder.rpartition(".")[0] or holder


def moment(at_ms: int) -> datetime:
    """Milliseconds of the server's clock as a moment."""
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc)


def stored_moment(value: str | bytes | None) -> datetime | None:
    """The moment that a field stands for, which a job may not have."""
    return None if value is None else moment(int(value))
