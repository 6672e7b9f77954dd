"""A job that does nothing, run so that the next one finds warm what it needs: in caches, and in memory of its own."""

from __future__ import annotations

from rqdeps.functions import resolve
from rqdeps.signing import seal_payload
from rqdeps.store import Store
from rqdeps.worker.execution import execute, nothing
from rqdeps.worker.messages import Report, Task

#: A call without arguments, as JSON.
_PAYLOAD = b"j[[],{}]"

_TASK = Task("rehearsal", "rehearsal", f"{nothing.__module__}.{nothing.__name__}", _PAYLOAD, 1, 1, 60_000)


def rehearse(store: Store) -> Report:
    """Runs a job that does nothing, calls no code of users, and is told to nobody. Returns what it would report.

    Args:
        store: the deployment.
    """
    payload = seal_payload(_PAYLOAD, _TASK.job_id, _TASK.queue, _TASK.function, _TASK.signed_options, ())
    return execute(_TASK._replace(payload=payload), store, find=lambda path, check: resolve(path)).report
