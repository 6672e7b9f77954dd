"""A process for one task, forked before that is there: so no job waits for a fork."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import NoReturn

from rqdeps.worker.messages import TOKEN_BYTES, Frames, Task, frame

#: Waits for the task of this process; returns its number and itself, or ``None`` when the process is not needed.
WaitForTask = Callable[[], "tuple[int, Task] | None"]

#: What frames begin with where nobody else can write.
_TOKEN = bytes(TOKEN_BYTES)

#: How much is read at once, in bytes.
_PIECE = 1 << 18


class Spare:
    """A process that waits for its task, as the one sees it that has forked it.

    Only one waits at any time: whatever is forked later would hold its end open.

    Args:
        live: what the process does, with what it gets its task by.

    Attributes:
        pid: its process id.

    Raises:
        OSError: the system has no room for it.
    """

    def __init__(self, live: Callable[[WaitForTask], NoReturn]) -> None:
        self._end, its_end = socket.socketpair()
        with its_end:
            try:
                self.pid = os.fork()
            except OSError:
                self._end.close()
                raise
            if self.pid == 0:
                self._end.close()
                live(lambda: _task_from(its_end))

    def give(self, number: int, task: Task) -> None:
        """Gives it its task, and the number of that. Whether it was still alive, the board tells after its end."""
        with self._end, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._end.sendall(frame(_TOKEN, number, task.pack()))

    def wait(self) -> int:
        """Waits for its end, which comes at once where it has no task. Returns it as ``os.waitpid`` tells it."""
        self._end.close()
        return os.waitpid(self.pid, 0)[1]


def _task_from(end: socket.socket) -> tuple[int, Task] | None:
    frames = Frames(_TOKEN)
    with end:
        while data := end.recv(_PIECE):
            for number, body in frames.feed(data):
                return number, Task.unpack(body)
    return None
