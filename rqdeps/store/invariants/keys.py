"""Checks of keys and fields: each belongs to somebody, and holds what it may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rqdeps.status import JobStatus
from rqdeps.store.invariants.data import Data
from rqdeps.store.invariants.schema import (
    FIELDS_OF_AN_END,
    FIELDS_OF_JOB,
    FIELDS_OF_QUEUE,
    INLINE_BYTES,
    KEPT_ATTEMPTS,
    KEPT_LINES,
    LONG_FIELDS,
    POLICIES,
    TERMINAL,
)

_DELETING: Final = re.compile(rf"({'|'.join(POLICIES)})(:open)?(:members)?")


def check_keys(data: Data) -> Iterator[str]:
    """Every key belongs to the deployment, or to a job, queue, worker or gate that somebody looks after."""
    for name in data.unknown:
        yield f"key {name} is not part of the schema"
    for kind, by_job in data.of_job.items():
        for job_id in by_job:
            if job_id not in data.jobs:
                yield f"key {kind}:{job_id} belongs to no job"
    for kind, by_queue in data.of_queue.items():
        for queue in by_queue:
            if queue not in data.queues:
                yield f"key {kind}:{queue} belongs to a queue that is not in queues"
    for kind, by_worker in data.of_worker.items():
        for worker in by_worker:
            if worker not in data.sorted_set("workers"):
                yield f"key {kind}:{worker} belongs to a worker that is not in workers, so nobody deletes it"


def check_hashes_stay_small(data: Data) -> Iterator[str]:
    """No field of a hash is so long that the hash would be stored as a table."""
    hashes = [
        (f"{kind}:{owner}", value) for kind in ("job", "dependencies") for owner, value in data.of_job[kind].items()
    ]
    hashes += [(f"joins:{job_id}", data.of_join["joins"][job_id]) for job_id in data.joins]
    hashes += [(f"queue-meta:{queue}", value) for queue, value in data.of_queue["queue-meta"].items()]
    hashes += [("beat", data.single.get("beat", {}))]
    for key, fields in hashes:
        for name, value in fields.items():
            if max(len(part.encode("utf-8", "surrogateescape")) for part in (name, value)) > INLINE_BYTES:
                yield f"{key} has a field {name} of more than {INLINE_BYTES} bytes"


def check_long_fields(data: Data) -> Iterator[str]:
    """A long value has a key of its own, and its job's hash says so."""
    for job in data.jobs.values():
        for name in LONG_FIELDS:
            is_elsewhere = job.fields.get(name) == "@"
            if is_elsewhere and job.id not in data.of_job[name]:
                yield f"job {job.id}: its {name} should have a key of its own, and has none"
            elif not is_elsewhere and job.id in data.of_job[name]:
                yield f"job {job.id}: there is a key {name}:{job.id} that its hash does not point to"


def check_fields(data: Data) -> Iterator[str]:
    """The hashes of queues and jobs hold known fields, and what fits a job's status."""
    for queue, fields in data.of_queue["queue-meta"].items():
        for name in fields.keys() - FIELDS_OF_QUEUE:
            yield f"queue-meta:{queue} has an unknown field {name}"
    for job in data.jobs.values():
        for name in job.fields.keys() - FIELDS_OF_JOB:
            yield f"job {job.id}: has an unknown field {name}"
        if job.status not in TERMINAL:
            for name in job.fields.keys() & FIELDS_OF_AN_END:
                yield f"job {job.id}: is {job.status}, and has {name}, which belongs to an end"
        if "result" in job.fields and job.status != "finished" and not job.has_run:
            yield f"job {job.id}: is {job.status}, and has a result"
        if "stop" in job.fields and job.status not in {"started", "joining", *TERMINAL}:
            yield f"job {job.id}: is {job.status}, and is still to be stopped"
        if not _DELETING.fullmatch(job.fields.get("deleting", "cancel")):
            yield f"job {job.id}: is deleted in an unknown way, {job.fields['deleting']!r}"


def check_jobs(data: Data) -> Iterator[str]:
    """A job's own numbers agree with each other."""
    statuses = {status.value for status in JobStatus}
    for job in data.jobs.values():
        if job.status not in statuses:
            yield f"job {job.id}: {job.status!r} is no status"
        if job.queue not in data.queues:
            yield f"job {job.id}: its queue {job.queue!r} is not in queues"
        if job.epoch < 1:
            yield f"job {job.id}: its epoch is {job.fields.get('epoch')!r}"
        if job.created_at <= 0:
            yield f"job {job.id}: nothing says when it was created"
        if job.number("failures") > job.number("retries") + 1:
            yield f"job {job.id}: {job.number('failures')} failures with {job.number('retries')} retries"
        if job.status in TERMINAL and job.number("ended_at") <= 0:
            yield f"job {job.id}: is {job.status}, and has no time of its end"
        if len(data.of_job["attempts"].get(job.id, [])) > KEPT_ATTEMPTS:
            yield f"job {job.id}: more than {KEPT_ATTEMPTS} attempts are kept"
        if len(data.of_job["log"].get(job.id, [])) > KEPT_LINES:
            yield f"job {job.id}: more than {KEPT_LINES} lines of its log are kept"
