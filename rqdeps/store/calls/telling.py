"""The calls by which a job tells people how far it has come, and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rqdeps.errors import InvalidJobOperationError, NoSuchJobError
from rqdeps.store.calls.call import Call, counted, text

#: In place of the number of an attempt: the one that runs, or began last.
PRESENT_ATTEMPT: Final = 0

#: How many lines of a job's log are kept.
KEPT_LINES: Final = 1_000

#: How many lines one call takes.
LINES_PER_CALL: Final = 500


def progress(job_id: str, attempt: int, done: str, total: str, note: str) -> Call[None]:
    """Notes how far a job that runs has come.

    Args:
        job_id: the job.
        attempt: the attempt that says so, or ``PRESENT_ATTEMPT``. What an earlier one says is passed over.
        done: how much is done.
        total: of how much; ``-`` if that is not known.
        note: what else to tell people.

    Raises:
        NoSuchJobError: there is no such job.
        InvalidJobOperationError: it does not run.
    """

    def read(reply: list[Any]) -> None:
        if reply[0] == b"unknown":
            raise NoSuchJobError(job_id)
        if reply[0] == b"refused":
            raise InvalidJobOperationError(
                f"job {job_id!r} is {text(reply[1])}, and does not run: only a job that runs makes progress"
            )

    return Call("progress", [job_id, attempt, done, total, note.encode(errors="backslashreplace")], read)


def log(job_id: str, attempt: int, lines: Sequence[bytes]) -> Call[None]:
    """Adds lines to what a job tells people. Sent again when a reply is lost, they may come twice.

    Args:
        job_id: the job.
        attempt: the attempt that says so, or ``PRESENT_ATTEMPT``.
        lines: the lines, at most ``LINES_PER_CALL``.

    Raises:
        NoSuchJobError: there is no such job.
    """

    def read(reply: int) -> None:
        if not reply:
            raise NoSuchJobError(job_id)

    return Call("log", [job_id, attempt, *counted(lines)], read)


def log_lines(job_id: str, count: int) -> Call[list[tuple[int, int, str]]]:
    """The last lines of a job's log: of each when it came, in ms of the server's clock, its attempt and its text."""

    def read(reply: list[bytes]) -> list[tuple[int, int, str]]:
        found = []
        for entry in reply:
            at_ms, attempt, line = entry.decode().split(" ", 2)
            found.append((int(at_ms), int(attempt), line))
        return found

    return Call("log_lines", [job_id, count], read, writes=False)
