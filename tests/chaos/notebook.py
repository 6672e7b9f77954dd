"""What is written down outside of the server, a line for each event, and reading it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any


class Notebook:
    """A file of lines that several threads write.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def note(self, **facts: Any) -> None:
        """Writes a line, with the time."""
        with self._lock:
            self._file.write(json.dumps({"at": time.time_ns(), **facts}) + "\n")

    def __enter__(self) -> Notebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a file, in order."""
    with path.open() as file:
        for line in file:
            yield json.loads(line)
