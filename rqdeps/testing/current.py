"""The queue that a test is about, where it doesn't say which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rqdeps.queue import Queue

_queues: list[Queue] = []


@contextmanager
def being_current(queue: Queue) -> Iterator[None]:
    """While entered, the test is about this queue."""
    _queues.append(queue)
    try:
        yield
    finally:
        _queues[:] = [each for each in _queues if each is not queue]  # queues of the same name count as equal


def current_queue() -> Queue:
    """The queue that the test is about.

    Raises:
        LookupError: there is none.
    """
    if not _queues:
        raise LookupError(
            "it isn't known in which deployment to look: use the fixture rqdeps_queue or rqdeps_server, "
            "`with FakeQueue() as q:`, or say it with queue=q"
        )
    return _queues[-1]
