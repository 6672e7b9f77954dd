"""What a job tells people while it runs: how far it has come, and lines of its log."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from redis.exceptions import RedisError

from rqdeps.attempts import moment
from rqdeps.errors import InvalidJobOperationError, JobTimeoutError, NoSuchJobError, RqdepsError
from rqdeps.store import Call, Conversation, Store
from rqdeps.store.calls import telling
from rqdeps.store.calls.telling import KEPT_LINES, LINES_PER_CALL, PRESENT_ATTEMPT
from rqdeps.store.conversation import ask

#: How often a job that runs sends its progress at most, in seconds. What it ends with is sent in any case.
SECONDS_BETWEEN = 0.1

#: For how long a job that runs tells nothing after the server did not answer, in seconds.
SILENT_SECONDS = 5.0

#: Where a note on progress, and a line of a log, are cut, in characters.
LONGEST_NOTE = 1_000
LONGEST_LINE = 4_096

#: The largest number in a progress, so that any two can be divided.
_LARGEST: Final = 1e300


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        done: how much is done.
        total: of how much; ``None`` if that is not known.
        note: what the job says about it.
        attempt: which attempt says so, from 1; 0 where nobody has asked yet which one runs.
    """

    done: int | float
    total: int | float | None = None
    note: str = ""
    attempt: int = PRESENT_ATTEMPT

    @classmethod
    def of(cls, done: object, total: object, note: object, attempt: int = PRESENT_ATTEMPT) -> Progress:
        """What a job says of itself, checked.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``note`` no text.
            ValueError: a number is negative, infinite or none.
        """
        if not isinstance(note, str):
            raise TypeError(f"a note on progress is a str, not {type(note).__name__}")
        of = None if total is None else _amount(total, "total")
        return cls(_amount(done, "done"), of, " ".join(note.split())[:LONGEST_NOTE], attempt)

    @classmethod
    def read(cls, stored: str) -> Progress:
        """The progress that is stored."""
        attempt, done, total, note = stored.split(" ", 3)
        return cls(_number(done), None if total == "-" else _number(total), note, int(attempt))

    def call(self, job_id: str) -> Call[None]:
        """The call that stores it."""
        total = "-" if self.total is None else repr(self.total)
        return telling.progress(job_id, self.attempt, repr(self.done), total, self.note)

    @property
    def fraction(self) -> float | None:
        """Which part is done, from 0 to 1; ``None`` without a total."""
        if self.total is None:
            return None
        return min(1.0, self.done / self.total) if self.total else 1.0

    def __str__(self) -> str:
        """Such as ``40 of 100 done (40 %): what it says``."""
        amount = _shown(self.done)
        if self.total is not None:
            amount += f" of {_shown(self.total)}"
        percent = "" if self.fraction is None else f" ({math.floor(self.fraction * 100 + 1e-9)} %)"
        return f"{amount} done{percent}{': ' if self.note else ''}{self.note}"


def _amount(value: object, name: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is an int or a float, not {type(value).__name__}")
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"{name} is a number from 0 to {_LARGEST:g}, not {value}")
    return int(value) if isinstance(value, int) else float(value)  # also where the class is somebody's own


def _number(stored: str) -> int | float:
    return int(stored) if stored.isdigit() else float(stored)


def _shown(number: int | float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log.

    Attributes:
        at: when it reached the server.
        attempt: which attempt wrote it, from 1; 0 before the first.
        text: the line.
    """

    at: datetime
    attempt: int
    text: str


def lines_of(text: object) -> list[bytes]:
    """The lines of a text, as a log keeps them: the last 1,000, each cut where it is too long.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"what is logged is a str, not {type(text).__name__}")
    lines = text.splitlines() or [""]
    return [line[:LONGEST_LINE].encode(errors="backslashreplace") for line in lines[-KEPT_LINES:]]


def log(job_id: str, text: object) -> Conversation[None]:
    """Adds lines to the log of a job that runs elsewhere, or not at all.

    Raises:
        TypeError: what is to be added is no text.
        NoSuchJobError: there is no such job.
    """
    lines = lines_of(text)
    for i in range(0, len(lines), LINES_PER_CALL):
        yield from ask(telling.log(job_id, PRESENT_ATTEMPT, lines[i : i + LINES_PER_CALL]))


def log_lines(job_id: str, count: int) -> Conversation[list[LogLine]]:
    """The last lines of a job's log, oldest first.

    Args:
        job_id: the job.
        count: how many at most.

    Raises:
        TypeError: ``count`` is no number.
        ValueError: it is less than 1.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count is a number of lines, not {type(count).__name__}")
    if count < 1:
        raise ValueError(f"count is a number of lines from 1 up, not {count}")
    found = yield from ask(telling.log_lines(job_id, min(count, KEPT_LINES)))
    return [LogLine(moment(at_ms), attempt, text) for at_ms, attempt, text in found]


class Telling:
    """What one attempt tells people while it runs. Whatever becomes of that, the attempt goes on.

    Where the server does not answer, what was to be told waits for the next occasion, of which the last is the end.

    Args:
        job_id: the job that runs.
        attempt: which attempt it is, from 1.
        store: the deployment.
        hide: takes out of a text what nobody shall see.
    """

    def __init__(self, job_id: str, attempt: int, store: Store, hide: Callable[[str], str] = str) -> None:
        self._hide = hide
        self._job_id = job_id
        self._attempt = attempt
        self._store = store
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._lines: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._progress_at = 0.0
        self._silent_until = 0.0

    def progress(self, done: object, total: object, note: object) -> None:
        """The attempt has come so far. That is sent every 0.1 s at most.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``note`` no text.
            ValueError: a number is negative, infinite or none.
        """
        told = Progress.of(done, total, self._hide(note) if isinstance(note, str) else note, self._attempt)
        with self._lock:
            self._progress = told
            if time.monotonic() >= max(self._progress_at, self._silent_until):
                self._send_progress()

    def log(self, text: object) -> None:
        """The attempt writes lines to the job's log.

        Raises:
            TypeError: it is no text.
        """
        lines = lines_of(self._hide(text) if isinstance(text, str) else text)
        with self._lock:
            self._lines += lines
            if time.monotonic() >= self._silent_until:
                self._send_lines()

    @property
    def has_rest(self) -> bool:
        """Whether something has not been sent yet."""
        return bool(self._lines) or self._progress is not None

    def tell_rest(self) -> None:
        """The attempt is over: whatever has not been sent is sent now. Never raises."""
        with self._lock, contextlib.suppress(Exception):
            self._send_lines()
            self._send_progress()

    def _send_progress(self) -> None:
        if self._progress is not None and self._is_done(self._progress.call(self._job_id)):
            self._progress = None
            self._progress_at = time.monotonic() + SECONDS_BETWEEN

    def _send_lines(self) -> None:
        while self._lines:
            page = list(islice(self._lines, LINES_PER_CALL))
            if not self._is_done(telling.log(self._job_id, self._attempt, page)):
                return
            for _ in page:
                self._lines.popleft()

    def _is_done(self, call: Call[None]) -> bool:
        """Makes a call. Returns whether there is no use in making it again."""
        try:
            self._store.run(call)
        except JobTimeoutError:  # may come at any point, and is meant for the job
            raise
        except (NoSuchJobError, InvalidJobOperationError):  # the job is no longer this attempt's
            return True
        except (RqdepsError, RedisError):
            self._silent_until = time.monotonic() + SILENT_SECONDS
            return False
        return True
