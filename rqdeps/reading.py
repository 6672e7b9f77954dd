"""What is read of jobs: many at once, what they came to, their attempts and what they depend on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rqdeps.attempts import Attempt
from rqdeps.codec import Codec
from rqdeps.errors import JobFailedError, JobNotEndedError, NoSuchJobError, ResultExpiredError
from rqdeps.explain import explain
from rqdeps.job_record import JobRecord, refresh
from rqdeps.lineage import edges_of
from rqdeps.outputs import OutputValues
from rqdeps.signing import unseal_result
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import reads
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import BUDGET


@dataclass(frozen=True)
class JobDependency:
    """One job that a job depends on.

    Attributes:
        id: the job waited for.
        group: the number of the group it stands in, from 0.
        rule: that group's trigger rule.
        outcome: how it ended, as far as the dependent has been told; ``None`` while that is open.
        status: its status now; ``None`` if it has been deleted, or nobody has asked, as this job is not saved yet.
        wants_output: whether its return value is passed on.
    """

    id: str
    group: int
    rule: str
    outcome: JobStatus | None
    status: JobStatus | None
    wants_output: bool


def fetch_fields(job_ids: Iterable[str]) -> Conversation[list[tuple[str, dict[str, bytes] | None]]]:
    """Reads jobs: the id of each, in the order given, and its fields, ``None`` where there is no such job.

    Raises:
        TypeError: one of them is no text, or text was given in place of a list.
    """
    if isinstance(job_ids, (str, bytes)) or not isinstance(job_ids, Iterable):
        raise TypeError(f"a list of ids is wanted here, not {type(job_ids).__name__}")
    ids = list(job_ids)
    for job_id in ids:
        if not isinstance(job_id, str):
            raise TypeError(f"a job's id is a str, not {type(job_id).__name__}")
    found: list[tuple[str, dict[str, bytes] | None]] = []
    for i in range(0, len(ids), BUDGET):
        page = ids[i : i + BUDGET]
        fields = yield from ask(reads.fetch(page))
        found += zip(page, fields, strict=True)
    return found


def result_of(job: JobRecord, codec: Codec) -> Conversation[Any]:
    """What a job returned.

    Args:
        job: the job; if it has ended otherwise, it is read anew.
        codec: how values are read.

    Raises:
        JobNotEndedError: it has not ended yet.
        JobFailedError: it has ended, but not finished.
        ResultExpiredError: it finished longer than its ``result_ttl`` ago.
        NoSuchJobError: it has been deleted.
        SerializationError: it can't be read here.
    """
    if job.draft is not None:
        raise JobNotEndedError(f"job {job.id!r} is not saved yet: Queue.enqueue_job enqueues it")
    status, value = yield from ask(reads.read_part(job.id, "result"))
    if status is None:
        raise NoSuchJobError(job.id)
    if not JobStatus(status).is_terminal:
        raise JobNotEndedError(f"job {job.id!r} is {status}; wait for it with job.wait()")
    if status != JobStatus.FINISHED:
        yield from refresh(job)
        traceback = yield from last_traceback(job.id)
        reason = job.reason
        if not reason and (status in (JobStatus.UPSTREAM_FAILED, JobStatus.SKIPPED) or job.fallback_id):
            reason = yield from explain(job)  # which names the dependencies to blame, or what stands in for it
        raise JobFailedError(job.id, status, traceback, reason)
    if value is None:
        raise ResultExpiredError(f"job {job.id!r} finished, but its result is kept no longer (result_ttl)")
    return (yield from _whole(job.id, unseal_result(value, job.id), codec))


def _whole(job_id: str, value: bytes, codec: Codec) -> Conversation[Any]:
    """Reads a result; what it holds are outputs of jobs that its own has joined, whose values are fetched."""
    if not codec.outputs_in(value):
        return codec.loads(value)
    records: dict[str, tuple[str, bytes]] = {}
    sources = deque([job_id])
    while sources:
        source, cursor = sources.popleft(), b""
        while cursor != b"0":
            cursor, found = yield from ask(reads.outputs(source, cursor or b"0", joined=True))
            for record in found:
                if record.giver and record.job_id not in records:
                    sources.append(record.giver)
                records[record.job_id] = (record.status, record.value)
    return OutputValues(records, codec).loads(value)


def return_value_of(job: JobRecord, codec: Codec) -> Conversation[Any]:
    """What a job returned, or ``None`` if it has not finished or its value is kept no longer."""
    try:
        return (yield from result_of(job, codec))
    except (JobNotEndedError, JobFailedError, ResultExpiredError):
        return None


def attempts_of(job_id: str) -> Conversation[list[Attempt]]:
    """The last attempts of a job that did not finish, oldest first."""
    records = yield from ask(reads.attempts(job_id))
    return [Attempt.read(record) for record in records]


def last_traceback(job_id: str) -> Conversation[str | None]:
    """The traceback of a job's last attempt that failed, or ``None``."""
    attempts = yield from attempts_of(job_id)
    tracebacks = [attempt.traceback for attempt in attempts if attempt.traceback]
    return tracebacks[-1] if tracebacks else None


def dependencies_of(job: JobRecord) -> Conversation[list[JobDependency]]:
    """The jobs that a job depends on, group by group."""
    found = (yield from edges_of(job.id)) if job.draft is None else job.draft.edges()
    edges = sorted(found, key=lambda edge: (edge.group, edge.dependency_id))
    return [
        JobDependency(
            id=edge.dependency_id,
            group=edge.group,
            rule=edge.rule,
            outcome=JobStatus(edge.outcome) if edge.outcome else None,
            status=JobStatus(edge.status) if edge.status else None,
            wants_output=edge.kind == "output",
        )
        for edge in edges
    ]
