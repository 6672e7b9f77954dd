"""What a supervisor and a horse talk through.

A pipe has two channels. *Frames* carry tasks one way and reports the other. *Turns* carry the numbers of tasks, 4 bytes
each: a horse begins a task only once it has taken the task's number from there. The supervisor can read that channel
too, and whoever gets a number first has the task: so tasks that wait behind a long one are taken back without any race.

The *board* is memory that both see: what the horse does, and since when. *Kept* is a report that outlives the process
that wrote it, for as long as something else may still end that.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence

from rqdeps.worker.board import Board
from rqdeps.worker.files import identities
from rqdeps.worker.messages import HEADER, TOKEN_BYTES, Frames, GarbledError, Report, Task, frame

_TURN = struct.Struct(">I")

#: How much is sent, or read, at once, in bytes.
_PIECE = 1 << 18


class Kept:
    """A report that a horse, or a process forked by it, keeps where others find it should it die.

    Args:
        token: what only the two ends of the pipe know.

    Attributes:
        holds_one: whether this process has put one there.
    """

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._file = _anonymous_file()
        self.holds_one = False

    def fileno(self) -> int:
        """The number of the file."""
        return self._file

    def put(self, number: int, report: Report) -> None:
        """Keeps the report of a task: all of it, or nothing, whenever the process ends."""
        data = frame(self._token, number, report.pack())
        _write(self._file, data[HEADER.size :], HEADER.size)
        _write(self._file, data[: HEADER.size], 0)
        self.holds_one = True

    def get(self, number: int) -> Report | None:
        """The report of a task, if one was kept."""
        head = os.pread(self._file, HEADER.size, 0)
        if len(head) < HEADER.size:
            return None
        token, found, length = HEADER.unpack(head)
        if token != self._token or found != number:
            return None
        return Report.unpack(_read(self._file, length, HEADER.size))

    def clear(self) -> None:
        """Keeps nothing any more."""
        os.ftruncate(self._file, 0)
        self.holds_one = False

    def close(self) -> None:
        """Closes the file, which is its end once all have."""
        os.close(self._file)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rqdeps", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


def _read(file: int, length: int, at: int) -> bytes:
    data = bytearray()
    while len(data) < length and (piece := os.pread(file, length - len(data), at + len(data))):
        data += piece
    return bytes(data)


class Pipe:
    """What is between a supervisor and one horse. Made before the horse is forked.

    Attributes:
        frames: where reports arrive at the supervisor.
        board: what the horse does.
        kept: a report that outlives it.
        has_hung_up: whether nothing more will arrive.
    """

    def __init__(self) -> None:
        self._token = os.urandom(TOKEN_BYTES)
        self.frames, self._horse_frames = socket.socketpair()
        self._turns, self._horse_turns = socket.socketpair()
        self.board = Board()
        self.kept = Kept(self._token)
        self._outgoing = bytearray()
        self._incoming, self._horse_incoming = Frames(self._token), Frames(self._token)
        self._horse_tasks: Iterator[tuple[int, bytes]] = iter(())
        self._turn_at_ns = time.monotonic_ns()
        self.frames.setblocking(False)
        self.has_hung_up = False

    # The supervisor's end

    def put(self, tasks: Sequence[tuple[int, Task]]) -> None:
        """Hands tasks over, to be run in this order."""
        for number, task in tasks:
            self._outgoing += frame(self._token, number, task.pack())
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
                sent = self.frames.send(memoryview(self._outgoing)[:_PIECE])
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
        """The reports that have arrived, each with its task's number.

        Raises:
            GarbledError: something else has arrived.
        """
        while True:
            try:
                data = self.frames.recv(_PIECE)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self.has_hung_up = True
                return
            for number, body in self._incoming.feed(data):
                try:
                    report = Report.unpack(body)
                except ValueError as error:
                    raise GarbledError("a frame came through the pipe that is no report") from error
                yield number, report
            if len(data) < _PIECE:  # that was all
                return

    def close(self) -> None:
        """Closes the pipe for the supervisor."""
        for end in (self.frames, self._turns, self._horse_frames, self._horse_turns, self.kept, self.board):
            end.close()

    def let_go(self) -> None:
        """Closes what only the horse needs, once it has been forked. Its turns stay, to be taken back from."""
        self._horse_frames.close()

    # The horse's end

    def become_horse(self) -> None:
        """Closes what only the supervisor needs. Called in the horse."""
        self.frames.close()
        self._turns.close()
        self._ends = (self._horse_frames.fileno(), self._horse_turns.fileno(), self.kept.fileno())
        self._own = identities(self._ends)

    def is_whole(self) -> bool:
        """Whether its descriptors are what they were; a job may have closed them, and used their numbers anew."""
        try:
            return identities(self._ends) == self._own
        except OSError:
            return False

    def next_task(self) -> tuple[int, Task] | None:
        """Waits for a turn, and returns the task that has it; ``None`` when the supervisor is gone."""
        turn = self._horse_turns.recv(_TURN.size, socket.MSG_WAITALL)
        if len(turn) < _TURN.size:
            return None
        self._turn_at_ns = time.monotonic_ns()
        (number,) = _TURN.unpack(turn)
        while True:
            for found, body in self._horse_tasks:
                if found == number:  # frames of tasks that were taken back are passed over
                    return number, Task.unpack(body)
            data = self._horse_frames.recv(_PIECE)
            if not data:
                return None
            self._horse_tasks = self._horse_incoming.feed(data)

    def report(self, number: int, report: Report) -> None:
        """Tells how a task ended, and how long it took since its turn had come."""
        took_ns = time.monotonic_ns() - self._turn_at_ns
        self._horse_frames.sendall(frame(self._token, number, report.pack(took_ns)))
