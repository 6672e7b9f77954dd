"""How a queue is cleared of its jobs."""

from __future__ import annotations

from rqdeps.changing import delete_all, limit_queue
from rqdeps.enqueueing import carry_on_cascades
from rqdeps.errors import InvalidJobOperationError
from rqdeps.job_record import JobRecord
from rqdeps.overview import counts_of, ids_in
from rqdeps.reading import fetch_fields
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import changes
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import JOBS_PER_CALL
from rqdeps.text import times


def clear(queue: str) -> Conversation[int]:
    """Deletes all jobs that are ready in a queue. What waits for them is canceled. Says how many there were."""
    count = 0
    while page := (yield from ids_in(queue, JobStatus.QUEUED, 0, JOBS_PER_CALL)):
        count += yield from delete_all(page, "cancel")
    return count


def remove(queue: str, job_id: str) -> Conversation[int]:
    """Cancels a job that is ready in a queue. Says how many these were."""
    ((_, fields),) = yield from fetch_fields([job_id])
    job = None if fields is None else JobRecord(job_id, fields)
    if job is None or (job.loaded_status, job.origin) != (JobStatus.QUEUED, queue):
        return 0
    changed = yield from ask(changes.cancel([job_id]))
    yield from carry_on_cascades(changed.cascades_left)
    return changed.found.count(JobStatus.CANCELED)


def delete_queue(queue: str, *, delete_jobs: bool) -> Conversation[None]:
    """Deletes the jobs that are ready in a queue, with its pause and its limit.

    Args:
        queue: the queue.
        delete_jobs: whether to delete jobs. Without, the queue must be empty.

    Raises:
        InvalidJobOperationError: jobs are ready, and are not to be deleted.
    """
    if delete_jobs:
        yield from clear(queue)
    elif count := (yield from counts_of(queue))[JobStatus.QUEUED]:
        raise InvalidJobOperationError(
            f"queue {queue!r} has {times(count, 'job')}, which nobody would run without it: delete them too, with "
            f"delete(), or pause() the queue"
        )
    yield from ask(changes.pause(queue, pauses=False))
    yield from limit_queue(queue, None)
