"""What a supervisor and a horse tell each other, as values and as bytes."""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator
from typing import NamedTuple

#: Before each frame: what only the two ends of its pipe know, the number of the task, and how many bytes follow.
HEADER = struct.Struct(">8sII")

#: How many bytes of a header only the two ends of a pipe know.
TOKEN_BYTES = 8

#: The number of what is about no task.
NO_TASK = 0

#: What a report begins with: its kind, how long the task ran and took in all, delay, pieces, wait status, what is true
#: of it, and the length of the value, which follows. After that come the names of errors.
_FACTS = struct.Struct(">BQQqIiBI")

#: The kinds of reports; a report names its own by the place here.
_KINDS = ("returned", "raised", "snoozed", "died", "followed", "ready", "unready")

#: What may be true of a report, as bits.
_MAY_RETRY, _GIVES, _IS_LAST = 1, 2, 4

#: Stands between names, and is in none.
_BETWEEN_NAMES = b"\n"

#: The outputs of a job that takes none.
_NO_OUTPUTS: dict[str, tuple[str, bytes]] = {}


class GarbledError(Exception):
    """Something else than frames came through a pipe."""


class Task(NamedTuple):
    """What a horse needs to run a job.

    Attributes:
        job_id: the job.
        queue: the name of its queue.
        function: the dotted path of its function.
        payload: its arguments, serialized.
        attempt: which attempt this is, from 1.
        fence: the fence of its claim.
        timeout_ms: how long it may run; -1 means no limit.
        outputs: status and serialized value of the jobs whose outputs it takes.
        signed_options: the options that the signature of its payload is over.
        callbacks: what is called when it has run, as ``Callbacks.decode`` reads it.
        ended: empty for a job that is to be run. One whose process died while it ran is handed over again for what
            follows its end: ``"failed"`` or ``"stopped"``.
        details: for such a one, what happened, as in a report.
    """

    job_id: str
    queue: str
    function: str
    payload: bytes
    attempt: int
    fence: int
    timeout_ms: int
    outputs: dict[str, tuple[str, bytes]] = _NO_OUTPUTS
    signed_options: str = ""
    callbacks: str = ""
    ended: str = ""
    details: bytes = b""

    def pack(self) -> bytes:
        """The task as bytes, for a process that was forked by this one."""
        return marshal.dumps(tuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Task:
        """The task that was packed."""
        return cls._make(marshal.loads(data))  # noqa: S302 - horses get tasks from nobody but their supervisor


class Report(NamedTuple):
    """How a task ended, or what a horse has to say about itself.

    Attributes:
        kind: ``"returned"``, ``"raised"`` or ``"snoozed"``; ``"died"`` where the process that a horse had forked for
            the task did; ``"followed"`` where the task was what follows a job's end. About no task: ``"ready"``, or
            ``"unready"`` for a horse that can't be set up.
        duration_ns: how long it ran, in nanoseconds.
        value: the result, serialized; or what happened, as JSON with ``type``, ``message`` and ``traceback``.
        delay_ms: for a snooze, how long to wait.
        error_names: dotted paths of the exception's class and its bases.
        may_retry: whether another attempt makes sense at all.
        pieces: in how many pieces what it spawned is staged; 0 if it spawned nothing.
        gives: whether the result holds outputs of what it spawned.
        wait_status: of what died, as ``os.waitpid`` tells it.
        is_last: whether the horse takes no further task, and ends.
        took_ns: for how long the horse had the task, with all that it does around it, in nanoseconds.
    """

    kind: str
    duration_ns: int = 0
    value: bytes = b""
    delay_ms: int = 0
    error_names: tuple[str, ...] = ()
    may_retry: bool = True
    pieces: int = 0
    gives: bool = False
    wait_status: int = 0
    is_last: bool = False
    took_ns: int = 0

    def pack(self, took_ns: int = 0) -> bytes:
        """The report as bytes, with how long the horse had the task."""
        is_true = self.may_retry * _MAY_RETRY | self.gives * _GIVES | self.is_last * _IS_LAST
        kind, size = _KINDS.index(self.kind), len(self.value)
        facts = _FACTS.pack(
            kind, self.duration_ns, took_ns, self.delay_ms, self.pieces, self.wait_status, is_true, size
        )
        if not self.error_names:  # as with nearly all
            return facts + self.value
        return b"".join((facts, self.value, _BETWEEN_NAMES.join(name.encode() for name in self.error_names)))

    @classmethod
    def unpack(cls, data: bytes) -> Report:
        """The report that was packed.

        Raises:
            ValueError: this is none.
        """
        try:
            kind, duration_ns, took_ns, delay_ms, pieces, wait_status, is_true, size = _FACTS.unpack_from(data)
            end = _FACTS.size + size
            names = data[end:].decode().split("\n") if len(data) > end else ()
            return cls(
                _KINDS[kind],
                duration_ns,
                data[_FACTS.size : end],
                delay_ms,
                tuple(names),
                bool(is_true & _MAY_RETRY),
                pieces,
                bool(is_true & _GIVES),
                wait_status,
                bool(is_true & _IS_LAST),
                took_ns,
            )
        except (struct.error, LookupError) as error:
            raise ValueError("these bytes are no report") from error


def frame(token: bytes, number: int, body: bytes) -> bytes:
    """A frame as it goes through the pipe."""
    return HEADER.pack(token, number, len(body)) + body


class Frames:
    """Puts the frames together that arrive in pieces.

    Args:
        token: what each of them begins with.
    """

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Takes what arrived, and yields each frame that is complete: its task's number and its body.

        Raises:
            GarbledError: what arrived is no frame, and nothing that follows can be told any more.
        """
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= HEADER.size:
                token, number, length = HEADER.unpack_from(self._buffer, at)
                if token != self._token:
                    raise GarbledError("something else than frames came through the pipe")
                begin = at + HEADER.size
                if len(self._buffer) < begin + length:
                    return
                at = begin + length
                yield number, bytes(self._buffer[begin:at])
        finally:
            del self._buffer[:at]
