"""What the supervisor and a horse tell each other, and the pipe it goes through.

A pipe has two channels. *Frames* carry tasks one way and reports the other. *Turns* carry the numbers of tasks, 4 bytes
each: a horse begins a task only once it has taken the task's number from there. The supervisor can read that channel
too, and whoever gets a number first has the task: so tasks that wait behind a long one are taken back without any race.

The *board* is memory that both see: which task the horse runs, and since when.
"""

from __future__ import annotations

import mmap
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_HEADER = struct.Struct(">II")  # number of the task, bytes that follow
_LENGTH = struct.Struct(">I")
_TURN = struct.Struct(">I")


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
        ]
        for job_id, (status, value) in self.outputs.items():
            fields += [job_id.encode(), status.encode(), value]
        return fields

    @classmethod
    def unpack(cls, fields: Sequence[bytes]) -> Task:
        """The task that the fields of a frame hold."""
        job_id, queue, function, payload, numbers, options, callbacks, *rest = fields
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
        )


@dataclass(frozen=True)
class Report:
    """How a task ended.

    Attributes:
        kind: ``"returned"``, ``"raised"`` or ``"snoozed"``.
        duration_ns: how long it ran, in nanoseconds.
        value: the result, serialized; or what happened, as JSON with ``type``, ``message`` and ``traceback``.
        delay_ms: for a snooze, how long to wait.
        error_names: dotted paths of the exception's class and its bases.
        may_retry: whether another attempt makes sense at all.
        pieces: in how many pieces what it spawned is staged; 0 if it spawned nothing.
        gives: whether the result holds outputs of what it spawned.
    """

    kind: str
    duration_ns: int = 0
    value: bytes = b""
    delay_ms: int = 0
    error_names: tuple[str, ...] = ()
    may_retry: bool = True
    pieces: int = 0
    gives: bool = False

    def pack(self) -> list[bytes]:
        """The report as fields of a frame."""
        return [
            self.kind.encode(),
            b"%d" % self.duration_ns,
            self.value,
            b"%d %d %d %d" % (self.delay_ms, self.may_retry, self.pieces, self.gives),
            *(name.encode() for name in self.error_names),
        ]

    @classmethod
    def unpack(cls, fields: Sequence[bytes]) -> Report:
        """The report that the fields of a frame hold."""
        kind, duration_ns, value, numbers, *names = fields
        delay_ms, may_retry, pieces, gives = map(int, numbers.split())
        return cls(
            kind=kind.decode(),
            duration_ns=int(duration_ns),
            value=value,
            delay_ms=delay_ms,
            error_names=tuple(name.decode() for name in names),
            may_retry=bool(may_retry),
            pieces=pieces,
            gives=bool(gives),
        )


def frame(number: int, fields: Sequence[bytes]) -> bytes:
    """A frame as it goes through the pipe."""
    parts = [b""]
    for value in fields:
        parts += [_LENGTH.pack(len(value)), value]
    body = b"".join(parts)
    return _HEADER.pack(number, len(body)) + body


class Frames:
    """Puts the frames together that arrive in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, list[bytes]]]:
        """Takes what arrived, and yields each frame that is complete: its task's number and its fields."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            number, length = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            yield number, _fields(body)


def _fields(body: bytes) -> list[bytes]:
    fields, position = [], 0
    while position < len(body):
        (length,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        fields.append(body[position : position + length])
        position += length
    return fields


class Board:
    """Memory that the supervisor and a horse share: which task runs, and since when.

    It is three words: the task's number, the time, and both combined. A reader that finds them at odds came in the
    middle of a change and looks again.
    """

    _LOOKS = 100

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 24)
        self._words = memoryview(self._memory).cast("Q")

    def begin(self, number: int) -> None:
        """The horse begins a task."""
        now = time.monotonic_ns()
        self._words[0] = number
        self._words[1] = now
        self._words[2] = number ^ now

    def end(self) -> None:
        """The horse has reported the task."""
        self._words[0] = self._words[1] = self._words[2] = 0

    def read(self) -> tuple[int, int]:
        """The number of the task that runs, or 0, and when it began, by the monotonic clock, in nanoseconds."""
        for _ in range(self._LOOKS):
            number, begun_at, both = self._words
            if number ^ begun_at == both:
                return number, begun_at
        return 0, 0  # the horse stopped in the middle of a change: it was between two tasks

    def close(self) -> None:
        """Gives the memory back."""
        self._words.release()
        self._memory.close()


class Pipe:
    """The two channels and the board between a supervisor and one horse. Made before the horse is forked."""

    def __init__(self) -> None:
        self.frames, self._horse_frames = socket.socketpair()
        self._turns, self._horse_turns = socket.socketpair()
        self.board = Board()
        self._outgoing = bytearray()
        self._incoming = Frames()
        self.frames.setblocking(False)

    # The supervisor's end

    def put(self, tasks: Sequence[tuple[int, Task]]) -> None:
        """Hands tasks over, to be run in this order."""
        for number, task in tasks:
            self._outgoing += frame(number, task.pack())
        self.flush()
        self._turns.sendall(b"".join(_TURN.pack(number) for number, _ in tasks))

    @property
    def has_more_to_send(self) -> bool:
        """Whether something waits until the horse has read more."""
        return bool(self._outgoing)

    def flush(self) -> None:
        """Sends what the pipe takes without waiting."""
        while self._outgoing:
            try:
                sent = self.frames.send(memoryview(self._outgoing)[: 1 << 18])
            except BlockingIOError:
                return
            except OSError:  # the horse is gone, as its end will show
                self._outgoing.clear()
                return
            del self._outgoing[:sent]

    def take_back(self) -> list[int]:
        """Takes back all tasks that the horse has not begun, and returns their numbers."""
        numbers: list[int] = []
        while True:
            try:
                data = self._horse_turns.recv(_TURN.size * 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return numbers
            numbers += [number for (number,) in _TURN.iter_unpack(data)]
            if not data:
                return numbers

    def reports(self) -> Iterator[tuple[int, Report]]:
        """The reports that have arrived, each with its task's number."""
        while True:
            try:
                data = self.frames.recv(1 << 18)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            for number, fields in self._incoming.feed(data):
                yield number, Report.unpack(fields)

    def close(self) -> None:
        """Closes the pipe for the supervisor."""
        for end in (self.frames, self._turns, self._horse_frames, self._horse_turns):
            end.close()
        self.board.close()

    def let_go(self) -> None:
        """Closes what only the horse needs, once it has been forked. Its turns stay, to be taken back from."""
        self._horse_frames.close()

    # The horse's end

    def become_horse(self) -> None:
        """Closes what only the supervisor needs. Called in the horse."""
        self.frames.close()
        self._turns.close()

    def next_task(self) -> tuple[int, Task] | None:
        """Waits for a turn, and returns the task that has it; ``None`` when the supervisor is gone."""
        turn = self._horse_turns.recv(_TURN.size, socket.MSG_WAITALL)
        if len(turn) < _TURN.size:
            return None
        (number,) = _TURN.unpack(turn)
        while True:  # frames of tasks that were taken back are passed over
            head = self._read(_HEADER.size)
            if head is None:
                return None
            found, length = _HEADER.unpack(head)
            body = self._read(length)
            if body is None:
                return None
            if found == number:
                return number, Task.unpack(_fields(body))

    def report(self, number: int, report: Report) -> None:
        """Tells how a task ended."""
        self._horse_frames.sendall(frame(number, report.pack()))

    def _read(self, length: int) -> bytes | None:
        data = bytearray()
        while len(data) < length:
            piece = self._horse_frames.recv(min(length - len(data), 1 << 20))
            if not piece:
                return None
            data += piece
        return bytes(data)
