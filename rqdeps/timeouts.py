"""The error of a job that ran for too long, by RQ's name."""

from rqdeps.errors import JobTimeoutError

#: Raised inside a job whose time is over.
JobTimeoutException = JobTimeoutError

__all__ = ["JobTimeoutException"]
