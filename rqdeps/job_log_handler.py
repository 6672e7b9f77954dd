"""Brings what a job writes with the standard ``logging`` to its log on the server."""

from __future__ import annotations

import logging

from rqdeps.errors import JobTimeoutError
from rqdeps.job import get_current_job


class JobLogHandler(logging.Handler):
    """A handler that adds records to the log of the job that runs, where one does; elsewhere it does nothing.

    Attach it once, in a module that jobs are imported from: ``logging.getLogger("shop").addHandler(JobLogHandler())``.
    The lines then stand in ``job.log_lines()`` and ``rqdeps job ID --log``. Each record costs a round trip to the
    server, so give it a level that fits. Threads that a job starts have no current job of their own, unless they run in
    a copy of its context.

    Args:
        level: records below it are passed over; all are taken by default.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._emits = False

    def emit(self, record: logging.LogRecord) -> None:
        """Adds a record to the log of the job that runs."""
        job = get_current_job()
        if job is None or self._emits:  # what is written because of a record, such as by redis-py, is left out
            return
        self._emits = True
        try:
            job.log(self.format(record))
        except JobTimeoutError:  # may come at any point, and is meant for the job
            raise
        except Exception:  # as all handlers do
            self.handleError(record)
        finally:
            self._emits = False
