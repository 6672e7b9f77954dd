"""What the measured jobs do. Every queue runs these functions; they need the standard library alone."""

from __future__ import annotations

import os
import time


def nothing() -> None:
    """Does nothing, so that what is measured is the queue."""


def note(path: str, label: str) -> None:
    """Writes down that this ran, and when: one line, by one write, so that several processes may do so at once."""
    line = f"{time.time():.6f} {label}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def work(path: str, label: str, seconds: float) -> None:
    """Takes a while, and writes down when it began and ended."""
    note(path, f"begun {label}")
    time.sleep(seconds)
    note(path, f"ended {label}")


def pause(seconds: float) -> None:
    """Takes a while."""
    time.sleep(seconds)
