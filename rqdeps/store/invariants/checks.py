"""The checks: each goes through the data and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from rqdeps.status import JobStatus
from rqdeps.store.invariants.data import (
    COUNTS_OF_QUEUE,
    DECIDED_BY_RULES,
    INLINE_BYTES,
    KEPT_ATTEMPTS,
    LONG_FIELDS,
    REGISTRIES,
    RELEASED,
    TERMINAL,
    Data,
)


def _check_keys(data: Data) -> Iterator[str]:
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
    for worker in data.of_worker["worker"]:
        if worker not in data.sorted_set("workers"):
            yield f"key worker:{worker} belongs to a worker that is not in workers, so nobody deletes it"


def _check_hashes_stay_small(data: Data) -> Iterator[str]:
    hashes = [
        (f"{kind}:{owner}", value) for kind in ("job", "dependencies") for owner, value in data.of_job[kind].items()
    ]
    hashes += [(f"queue-meta:{queue}", value) for queue, value in data.of_queue["queue-meta"].items()]
    hashes += [("beat", data.single.get("beat", {}))]
    for key, fields in hashes:
        for name, value in fields.items():
            if max(len(part.encode("utf-8", "surrogateescape")) for part in (name, value)) > INLINE_BYTES:
                yield f"{key} has a field {name} of more than {INLINE_BYTES} bytes"


def _check_long_fields(data: Data) -> Iterator[str]:
    for job in data.jobs.values():
        for name in LONG_FIELDS:
            is_elsewhere = job.fields.get(name) == "@"
            if is_elsewhere and job.id not in data.of_job[name]:
                yield f"job {job.id}: its {name} should have a key of its own, and has none"
            elif not is_elsewhere and job.id in data.of_job[name]:
                yield f"job {job.id}: there is a key {name}:{job.id} that its hash does not point to"


def _check_jobs(data: Data) -> Iterator[str]:
    statuses = {status.value for status in JobStatus}
    for job in data.jobs.values():
        if job.status not in statuses:
            yield f"job {job.id}: {job.status!r} is no status"
        if job.queue not in data.queues:
            yield f"job {job.id}: its queue {job.queue!r} is not in queues"
        if job.number("epoch") < 1:
            yield f"job {job.id}: its epoch is {job.fields.get('epoch')!r}"
        if job.number("failures") > job.number("retries") + 1:
            yield f"job {job.id}: {job.number('failures')} failures with {job.number('retries')} retries"
        if job.status in TERMINAL and job.number("ended_at") <= 0:
            yield f"job {job.id}: is {job.status}, and has no time of its end"
        if len(data.of_job["attempts"].get(job.id, [])) > KEPT_ATTEMPTS:
            yield f"job {job.id}: more than {KEPT_ATTEMPTS} attempts are kept"


def _check_registries(data: Data) -> Iterator[str]:
    for status in REGISTRIES:
        for queue, members in data.of_queue[status].items():
            for job_id in members:
                job = data.jobs.get(job_id)
                if job is None:
                    yield f"{status}:{queue} holds {job_id}, which does not exist"
                elif (job.status, job.queue) != (status, queue):
                    yield f"{status}:{queue} holds {job_id}, which is {job.status} in {job.queue}"
    for job in data.jobs.values():
        if job.status in REGISTRIES and job.id not in data.registry(job.status, job.queue):
            yield f"job {job.id}: is {job.status}, and not in {job.status}:{job.queue}"


def _check_queues(data: Data) -> Iterator[str]:
    for job in data.jobs.values():
        if job.status == "queued":
            entry = f"{job.id}:{job.fields.get('epoch')}"
            if entry not in data.of_queue["queue"].get(job.queue, []):
                yield f"job {job.id}: is queued, and has no entry in queue:{job.queue}"
    for queue in data.queues:
        entries = data.of_queue["queue"].get(queue, [])
        counted = data.of_queue["queue-meta"].get(queue, {})
        # Of several entries of one job one counts, whichever comes first; the others find the job started.
        stale = len(entries) - len(data.live_entries(queue))
        if int(counted.get("stale", 0)) != stale:
            yield f"queue-meta:{queue} counts {counted.get('stale', 0)} stale entries, and there are {stale}"
        retrying = [
            job_id
            for job_id in data.registry("scheduled", queue)
            if job_id in data.jobs and data.jobs[job_id].number("attempt") > 0
        ]
        if int(counted.get("retrying", 0)) != len(retrying):
            yield f"queue-meta:{queue} counts {counted.get('retrying', 0)} jobs that retry, and they are {retrying}"
        for name in counted.keys() - COUNTS_OF_QUEUE:
            yield f"queue-meta:{queue} has an unknown field {name}"


def _check_claims(data: Data) -> Iterator[str]:
    for job in data.jobs.values():
        if job.status == "started":
            for name in ("fence", "holder", "started_at"):
                if job.fields.get(name, "0") in ("", "0"):
                    yield f"job {job.id}: is started, and has no {name}"
            if job.fields.get("begun") not in ("0", "1"):
                yield f"job {job.id}: is started, and it is not said whether it has begun"
            if job.fields.get("begun") == "1" and job.number("attempt") < 1:
                yield f"job {job.id}: has begun, and counts no attempt"


def _check_groups(data: Data) -> Iterator[str]:
    for job_id, edges in data.edges.items():
        for text in edges.unreadable:
            yield f"dependencies:{job_id} has an unreadable field {text}"
        if sorted(edges.groups) != list(range(edges.count)) or edges.count == 0:
            yield f"dependencies:{job_id} counts {edges.count} groups, and has {sorted(edges.groups)}"
        for name, register in edges.registers.items():
            if register.group not in edges.groups:
                yield f"dependencies:{job_id}: {name} stands in group {register.group}, which does not exist"
        for number, (rule, counts) in edges.groups.items():
            group = edges.group(number)
            recount = [group.total, group.finished, group.failed, group.skipped]
            if counts != recount:
                yield f"dependencies:{job_id}: group {number} ({rule}) counts {counts}, its registers {recount}"
        wanted = sum(register.kind == "output" for register in edges.registers.values())
        job = data.jobs.get(job_id)
        if job is not None and job.number("outputs") != wanted:
            yield f"job {job_id}: counts {job.number('outputs')} outputs, its registers {wanted}"


def _check_edges_agree(data: Data) -> Iterator[str]:
    for job_id, edges in data.edges.items():
        for dependency_id in edges.registers:
            if data.dependency(job_id, dependency_id) and job_id not in data.dependents(dependency_id):
                yield f"job {job_id} depends on {dependency_id}, and is not in dependents:{dependency_id}"
    for dependency_id in data.of_job["dependents"]:
        orders = data.dependents(dependency_id)
        for job_id in orders:
            if job_id not in data.edges or dependency_id not in data.edges[job_id].registers:
                yield f"dependents:{dependency_id} holds {job_id}, which does not depend on it"
        if len(set(orders.values())) < len(orders) or min(orders.values()) < 1:
            yield f"dependents:{dependency_id}: its orders are not distinct whole numbers from 1"
        job = data.jobs.get(dependency_id)
        if job is not None and job.number("linked") < max(orders.values()):
            yield f"job {dependency_id}: linked is {job.number('linked')}, below an order in its dependents"


def _check_registers(data: Data) -> Iterator[str]:
    """A register tells what its dependency is now, unless the dependency's cascade has yet to come by."""
    cascades = data.sorted_set("cascades")
    for job_id, edges in data.edges.items():
        job = data.jobs.get(job_id)
        for dependency_id, register in edges.registers.items():
            dependency = data.dependency(job_id, dependency_id)
            if dependency is None:
                if job is not None and job.status != "finished":
                    yield f"job {job_id}: is {job.status}, and needs {dependency_id}, which does not exist any more"
                continue
            outcome = dependency.status if dependency.status in TERMINAL else ""
            if (register.epoch, register.outcome) == (dependency.number("epoch"), outcome):
                continue
            order = data.dependents(dependency_id).get(job_id, 0)
            is_news = register.epoch < dependency.number("epoch") or not register.outcome
            if not is_news or cascades.get(dependency_id, order) >= order:
                yield (
                    f"job {job_id}: knows {dependency_id} as {register.outcome or 'open'} in epoch {register.epoch}; "
                    f"it is {dependency.status} in epoch {dependency.number('epoch')}, and nobody is on the way"
                )


def _check_verdicts(data: Data) -> Iterator[str]:
    for job in data.jobs.values():
        edges = data.edges.get(job.id)
        if edges is None:
            if job.status in DECIDED_BY_RULES:
                yield f"job {job.id}: is {job.status}, and has no dependencies"
            continue
        demanded = edges.verdict()
        if job.status in DECIDED_BY_RULES and job.status != demanded:
            yield f"job {job.id}: is {job.status}, and its dependencies make it {demanded}"
        # What was met once may be reopened later by a requeue, which is a new epoch; released is released.
        is_first_life = all(register.epoch == 1 for register in edges.registers.values())
        if job.status in RELEASED and is_first_life and demanded != "queued":
            yield f"job {job.id}: is {job.status}, and its dependencies never let it run ({demanded})"


def _check_timers(data: Data) -> Iterator[str]:
    timers = data.sorted_set("timers")
    for job_id in timers:
        job = data.jobs.get(job_id)
        if job is None:
            yield f"timers holds {job_id}, which does not exist"
        elif "ttl" not in job.fields or job.status not in ("created", "deferred", "scheduled", "queued"):
            yield f"timers holds {job_id}, which is {job.status} with ttl {job.fields.get('ttl')}"
        elif job.number("attempt") > 0:
            yield f"timers holds {job_id}, which has begun an attempt"
    for job in data.jobs.values():
        waits = job.status in ("deferred", "scheduled", "queued") and job.number("attempt") == 0
        if waits and "ttl" in job.fields and job.id not in timers:
            yield f"job {job.id}: waits with a ttl, and is not in timers"


def _check_cascades(data: Data) -> Iterator[str]:
    for job_id, place in data.sorted_set("cascades").items():
        job = data.jobs.get(job_id)
        if job is None:
            yield f"cascades holds {job_id}, which does not exist"
        elif job.status not in TERMINAL:
            yield f"cascades holds {job_id}, which is {job.status}"
        elif not 0 <= place <= job.number("linked"):
            yield f"cascades holds {job_id} at {place:g}, and the last of its dependents is {job.number('linked')}"


def check_wake_markers(data: Data) -> Iterator[str]:
    """Queues with jobs that no idle worker would be woken for."""
    for queue in data.queues:
        if data.live_entries(queue) and not data.of_queue["wake"].get(queue):
            yield f"queue {queue} has jobs to claim, and no wake marker"


CHECKS: Final[list[Callable[[Data], Iterator[str]]]] = [
    _check_keys,
    _check_hashes_stay_small,
    _check_long_fields,
    _check_jobs,
    _check_registries,
    _check_queues,
    _check_claims,
    _check_groups,
    _check_edges_agree,
    _check_registers,
    _check_verdicts,
    _check_timers,
    _check_cascades,
]
