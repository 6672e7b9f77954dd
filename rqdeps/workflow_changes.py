"""What can be done with a workflow: commit it, cancel it, resume it after a failure, delete it."""

from __future__ import annotations

from collections.abc import Sequence

from rqdeps.changing import revive
from rqdeps.dependency import Rule
from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import carry_on_cascades, enqueue_datas
from rqdeps.errors import DuplicateJobError, DuplicateWorkflowError, NoSuchWorkflowError
from rqdeps.options import JobOptions
from rqdeps.status import JobStatus
from rqdeps.store import Conversation, RegisteredQueues
from rqdeps.store.calls import changes, workflows
from rqdeps.store.calls.changes import Policy
from rqdeps.store.conversation import ask

#: By this rule the workflow's own job joins the members: all have ended, and none has failed.
_RULE: Rule = "none_failed"

#: Members that ended in these ways are given another life when a workflow is resumed.
_TO_REVIVE = (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


def commit(
    workflow_id: str,
    options: JobOptions,
    members: Sequence[EnqueueData],
    after: Sequence[EnqueueData],
    queue: str,
    registered: RegisteredQueues,
    *,
    nonce: str,
) -> Conversation[None]:
    """Enqueues a workflow, all of it or nothing.

    Args:
        workflow_id: its id.
        options: those of its own job; the description is its name.
        members: its jobs.
        after: jobs that wait for the workflow.
        queue: the queue of those that name none.
        registered: the queues that the server knows.
        nonce: tells a second call for this workflow, after one whose reply was lost, from one for another.

    Raises:
        DuplicateWorkflowError: its id is in use.
        DuplicateJobError: that of a member is.
        NoSuchJobError: a job to wait for neither exists nor is among them.
        DependencyCycleError: they would wait for each other in a circle.
    """
    own = EnqueueData.joining(workflow_id, members, _RULE, options, nonce=nonce)
    datas = [*(member.belonging_to(workflow_id) for member in members), own, *after]
    try:
        yield from enqueue_datas(datas, queue, registered)
    except DuplicateJobError as error:
        # Members with ids of one's own, made for the same workflow before, come first.
        if error.job_id == workflow_id or (yield from _exists(workflow_id)):
            raise DuplicateWorkflowError(workflow_id) from None
        raise


def _exists(workflow_id: str) -> Conversation[bool]:
    try:
        yield from ask(workflows.workflow(workflow_id))
    except NoSuchWorkflowError:
        return False
    return True


def member_ids(workflow_id: str, statuses: Sequence[JobStatus] = ()) -> Conversation[list[str]]:
    """The ids of a workflow's members, in the order in which they came; of those with these statuses, if any is named.

    There are none if there is no such workflow.
    """
    found: list[str] = []
    after = "0"
    while after != "-1":
        after, ids = yield from ask(workflows.members(workflow_id, after, statuses=[each.value for each in statuses]))
        found += ids
    return found


def workflow_ids(most: int) -> Conversation[list[str]]:
    """The ids of the workflows there are, the latest first, so many at most."""
    found: list[str] = []
    offset = 0
    while offset >= 0 and len(found) < most:
        offset, ids = yield from ask(workflows.workflows(offset=offset, count=most - len(found)))
        found += ids
    return found


def cancel(workflow_id: str, *, clean_up: bool) -> Conversation[bool]:
    """Cancels a workflow. Says whether it had not ended, or had been canceled before.

    Args:
        workflow_id: the workflow.
        clean_up: whether those of its jobs run all the same that wait for the end of others, however they end.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    changed = yield from ask(changes.cancel([workflow_id], clean_up=clean_up))
    yield from carry_on_cascades(changed.cascades_left)
    (status,) = changed.found
    if not status:
        raise NoSuchWorkflowError(workflow_id)
    return status in (JobStatus.JOINING, JobStatus.CANCELED)


def retry_failed(workflow_id: str) -> Conversation[int]:
    """Gives those members another life that failed or were ended by a person, and that nothing stands in for.

    Says how many were. What could not run because of them waits for them again.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    record = yield from ask(workflows.workflow(workflow_id))
    if record.fields["status"] == JobStatus.FINISHED.value.encode():  # what failed was not needed
        return 0
    yield from carry_on_cascades(1)  # should it still be in the middle of being canceled
    failed = yield from member_ids(workflow_id, _TO_REVIVE)
    revived = yield from revive([*failed, workflow_id])
    return revived.count("revived")


def delete(workflow_id: str, dependents: Policy) -> Conversation[None]:
    """Deletes a workflow with all its jobs.

    Args:
        workflow_id: the workflow.
        dependents: what becomes of jobs outside of it that still wait for it, or for one of its jobs.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """
    changed = yield from ask(changes.delete([workflow_id], dependents, members=True))
    yield from carry_on_cascades(changed.cascades_left)
    if changed.found == ["0"]:
        raise NoSuchWorkflowError(workflow_id)
