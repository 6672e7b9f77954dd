"""For tests of programs that enqueue jobs: a queue without a server, a real server and worker, and assertions.

Knows nothing of pytest, whose fixtures are in ``rqdeps.testing.plugin``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rqdeps.testing.assertions import (
        assert_enqueued,
        assert_failed,
        assert_finished,
        assert_not_enqueued,
        assert_ran_before,
    )
    from rqdeps.testing.errors import EndlessDrainError, ExtraMissingError
    from rqdeps.testing.fake_queue import FakeQueue
    from rqdeps.testing.server import RealServer
    from rqdeps.testing.worker_process import WorkerProcess

#: Where each name comes from; it is imported when somebody asks for it, as whoever runs pytest imports this package.
_HOMES = {
    "EndlessDrainError": "errors",
    "FakeQueue": "fake_queue",
    "RealServer": "server",
    "ExtraMissingError": "errors",
    "WorkerProcess": "worker_process",
    "assert_enqueued": "assertions",
    "assert_failed": "assertions",
    "assert_finished": "assertions",
    "assert_not_enqueued": "assertions",
    "assert_ran_before": "assertions",
}


if not TYPE_CHECKING:  # else a name that does not exist would be known as anything

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "EndlessDrainError",
    "ExtraMissingError",
    "FakeQueue",
    "RealServer",
    "WorkerProcess",
    "assert_enqueued",
    "assert_failed",
    "assert_finished",
    "assert_not_enqueued",
    "assert_ran_before",
]
