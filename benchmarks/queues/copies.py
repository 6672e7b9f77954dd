"""Runs a worker in several processes, for queues whose own command runs one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable


def run_copies(worker: Callable[[], None], count: int) -> None:
    """Runs a worker in as many processes, this one among them.

    Args:
        worker: runs until it is told to stop by a signal. It is found by its module and name in the new processes.
        count: how many processes.
    """
    spawn = multiprocessing.get_context("spawn")
    for _ in range(count - 1):
        spawn.Process(target=worker, daemon=True).start()  # ended with this process, where that ends in order
    worker()
