"""What a supervisor and a horse tell each other, as values and as bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: Before each frame: what only the two ends of its pipe know, the number of the task, and how many bytes follow.
HEADER = struct.Struct(">8sII")

#: How many bytes of a header only the two ends of a pipe know.
TOKEN_BYTES = 8

#: The number of what is about no task.
NO_TASK = 0

_LENGTH = struct.Struct(">I")


class GarbledError(Exception):
    """Something else than frames came through a pipe."""


@dataclass(frozen=True)
class Task:
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
    outputs: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    signed_options: str = ""
    callbacks: str = ""
    ended: str = ""
    details: bytes = b""

    def pack(self) -> list[bytes]:
        """The task as fields of a frame."""
        fields = [
            self.job_id.encode(),
            self.queue.encode(),
            self.function.encode(),
            self.payload,
            b"%d %d %d" % (self.attempt, self.fence, self.timeout_ms),
            self.signed_options.encode(),
            self.callbacks.encode(),
            self.ended.encode(),
            self.details,
        ]
        for job_id, (status, value) in self.outputs.items():
            fields += [job_id.encode(), status.encode(), value]
        return fields

    @classmethod
    def unpack(cls, fields: Sequence[bytes]) -> Task:
        """The task that the fields of a frame hold."""
        job_id, queue, function, payload, numbers, options, callbacks, ended, details, *rest = fields
        outputs = {rest[i].decode(): (rest[i + 1].decode(), rest[i + 2]) for i in range(0, len(rest), 3)}
        attempt, fence, timeout_ms = map(int, numbers.split())
        return cls(
            job_id.decode(),
            queue.decode(),
            function.decode(),
            payload,
            attempt,
            fence,
            timeout_ms,
            outputs,
            options.decode(),
            callbacks.decode(),
            ended.decode(),
            details,
        )


@dataclass(frozen=True)
class Report:
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

    def pack(self) -> list[bytes]:
        """The report as fields of a frame."""
        numbers = (self.delay_ms, self.may_retry, self.pieces, self.gives, self.wait_status, self.is_last)
        return [
            self.kind.encode(),
            b"%d" % self.duration_ns,
            self.value,
            b"%d %d %d %d %d %d" % numbers,
            *(name.encode() for name in self.error_names),
        ]

    @classmethod
    def unpack(cls, fields: Sequence[bytes]) -> Report:
        """The report that the fields of a frame hold."""
        kind, duration_ns, value, numbers, *names = fields
        delay_ms, may_retry, pieces, gives, wait_status, is_last = map(int, numbers.split())
        return cls(
            kind=kind.decode(),
            duration_ns=int(duration_ns),
            value=value,
            delay_ms=delay_ms,
            error_names=tuple(name.decode() for name in names),
            may_retry=bool(may_retry),
            pieces=pieces,
            gives=bool(gives),
            wait_status=wait_status,
            is_last=bool(is_last),
        )


def frame(token: bytes, number: int, fields: Sequence[bytes]) -> bytes:
    """A frame as it goes through the pipe."""
    parts = [b""]
    for value in fields:
        parts += [_LENGTH.pack(len(value)), value]
    body = b"".join(parts)
    return HEADER.pack(token, number, len(body)) + body


class Frames:
    """Puts the frames together that arrive in pieces.

    Args:
        token: what each of them begins with.
    """

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, list[bytes]]]:
        """Takes what arrived, and yields each frame that is complete: its task's number and its fields.

        Raises:
            GarbledError: what arrived is no frame, and nothing that follows can be told any more.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            token, number, length = HEADER.unpack_from(self._buffer)
            if token != self._token:
                raise GarbledError("something else than frames came through the pipe")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield number, fields_of(body)


def fields_of(body: bytes) -> list[bytes]:
    """The fields of a frame, of which this is what follows the header."""
    fields, position = [], 0
    while position < len(body):
        (length,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        fields.append(body[position : position + length])
        position += length
    return fields
