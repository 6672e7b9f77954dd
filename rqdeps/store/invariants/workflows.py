"""Checks of workflows: they count their members, and their own jobs join them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rqdeps.status import JobStatus
from rqdeps.store.invariants.data import Data, StoredJob
from rqdeps.store.invariants.schema import (
    CANCEL_PREFIXES,
    FIELDS_OF_WORKFLOW,
    FUNCTION_PREFIX,
    QUEUE_PREFIX,
    TERMINAL,
)

_STATUSES = frozenset(status.value for status in JobStatus)
#: A workflow's own job has nothing to run.
_NEVER = frozenset({"deferred", "scheduled", "queued", "started", "failed", "stopped"})


def check_own_jobs(data: Data) -> Iterator[str]:
    """A workflow's own job has no function and never runs; and all of them can be found."""
    found = data.sorted_set("workflows")
    for workflow_id in found:
        job = data.jobs.get(workflow_id)
        if job is None or not job.is_workflow:
            yield f"workflows holds {workflow_id}, which is no workflow"
    for job in data.jobs.values():
        is_going = job.is_being_deleted or data.is_given_up(job)
        if not job.is_workflow:
            if "function" not in job.fields:
                yield f"job {job.id}: has no function"
            if job.fields.get("deleting", "").endswith(":members"):
                yield f"job {job.id}: is deleted with its members, and is no workflow"
            continue
        if not job.has_run:
            yield f"job {job.id}: is a workflow's own, and its hash does not say that it joins the members"
        if job.status in _NEVER:
            yield f"job {job.id}: is {job.status}, and has no function"
        if "workflow" in job.fields:
            yield f"job {job.id}: is a workflow's own, and belongs to {job.fields['workflow']}"
        if job.id not in found and not is_going:
            yield f"job {job.id}: is a workflow's own, and not in workflows"


def check_members(data: Data) -> Iterator[str]:
    """Who belongs to a workflow stands among its members, each in a place of its own; and nobody else does."""
    for job in data.jobs.values():
        workflow_id = job.fields.get("workflow")
        if workflow_id is None:
            continue
        if job.id not in data.of_workflow["workflow-jobs"].get(workflow_id, {}):
            yield f"job {job.id}: belongs to workflow {workflow_id}, and is not in workflow-jobs:{workflow_id}"
        own = data.jobs.get(workflow_id)
        if own is None and not data.is_closed(job):  # it comes last of its graph
            yield f"job {job.id}: belongs to workflow {workflow_id}, which does not exist"
        elif own is not None and not own.is_workflow:
            yield f"job {job.id}: belongs to workflow {workflow_id}, which is a job like others"
    for workflow_id, members in data.of_workflow["workflow-jobs"].items():
        for job_id in members:
            member = data.jobs.get(job_id)
            if member is None or member.fields.get("workflow") != workflow_id:
                yield f"workflow-jobs:{workflow_id} holds {job_id}, which does not belong to it"
        entered = int(data.of_workflow["workflow"].get(workflow_id, {}).get("entered", 0))
        places = members.values()
        if len(set(places)) < len(members) or min(places) < 1 or max(places) > entered:
            yield f"workflow-jobs:{workflow_id}: its places are not distinct whole numbers up to {entered}"


def check_counts(data: Data) -> Iterator[str]:
    """A workflow counts its members by status, and calls yet to run by function; and it knows their queues."""
    members: dict[str, list[StoredJob]] = {}
    for job in data.jobs.values():
        if "workflow" in job.fields:
            members.setdefault(job.fields["workflow"], []).append(job)
    for workflow_id in members.keys() | data.of_workflow["workflow"].keys():
        if workflow_id not in members and workflow_id not in data.sorted_set("workflows"):
            yield f"key workflow:{workflow_id} belongs to no workflow"
        stored = data.of_workflow["workflow"].get(workflow_id, {})
        queues = {name.removeprefix(QUEUE_PREFIX) for name in stored if name.startswith(QUEUE_PREFIX)}
        counts: dict[str, int] = {}
        for name, text in stored.items():
            if name in _STATUSES or name.startswith(FUNCTION_PREFIX):
                counts[name] = int(text) if text.removeprefix("-").isdigit() else -1
            elif name not in FIELDS_OF_WORKFLOW and not name.startswith(QUEUE_PREFIX):
                yield f"workflow:{workflow_id} has an unknown field {name}"
        recount: Counter[str] = Counter()
        for job in members.get(workflow_id, []):
            recount[job.status] += 1
            if job.status not in (*TERMINAL, "joining") and "fallback_of" not in job.fields:
                recount[FUNCTION_PREFIX + _function(data, job)] += 1
            if job.queue not in queues:
                yield f"workflow:{workflow_id} does not know queue {job.queue}, where {job.id} is"
        for name in sorted(recount.keys() | counts.keys()):
            if counts.get(name, 0) != recount[name]:
                yield f"workflow:{workflow_id} counts {counts.get(name, 0)} of {name}, and there are {recount[name]}"


def _function(data: Data, job: StoredJob) -> str:
    path = job.fields.get("function", "")
    return str(data.of_job["function"].get(job.id, "")) if path == "@" else path


def check_cancellations(data: Data) -> Iterator[str]:
    """Only workflows are canceled in many steps, and no step goes beyond the last of the members."""
    for task, place in data.sorted_set("cascades").items():
        if task.startswith(CANCEL_PREFIXES):
            workflow_id = task.partition(":")[2]
            entered = int(data.of_workflow["workflow"].get(workflow_id, {}).get("entered", 0))
            if workflow_id not in data.sorted_set("workflows"):
                yield f"cascades holds {task}, and there is no such workflow"
            elif not 0 <= place <= entered:
                yield f"cascades holds {task} at {place:g}, and the last of its members came as {entered}"


def check_durations(data: Data) -> Iterator[str]:
    """Of each function it is known how often calls of it were timed, and how long these took together."""
    for function, text in data.single.get("durations", {}).items():
        count, colon, total_ms = text.partition(":")
        if not (colon and count.isdigit() and total_ms.isdigit() and int(count) > 0):
            yield f"durations holds {text!r} of {function}"
