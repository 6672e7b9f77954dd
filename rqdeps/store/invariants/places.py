"""Checks of places: every job is where its status says that it is, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

from rqdeps.store.invariants.data import Data
from rqdeps.store.invariants.schema import GATE_PREFIX, REGISTRIES


def check_registries(data: Data) -> Iterator[str]:
    """A job stands in the registry that its status names; what has yet to pass a gate, in that gate alone."""
    for status in REGISTRIES:
        for queue, members in data.of_queue[status].items():
            for job_id in members:
                job = data.jobs.get(job_id)
                if job is None:
                    yield f"{status}:{queue} holds {job_id}, which does not exist"
                elif (job.status, job.queue) != (status, queue):
                    yield f"{status}:{queue} holds {job_id}, which is {job.status} in {job.queue}"
                elif job.gate:
                    yield f"{status}:{queue} holds {job_id}, which stands behind gate {job.gate}"
    for job in data.jobs.values():
        if job.gate:
            if job.status != "created":
                yield f"job {job.id}: is {job.status}, and stands behind gate {job.gate}"
            if job.id not in data.of_gate["gate"].get(job.gate, {}):
                yield f"job {job.id}: should stand in gate:{job.gate}, and does not"
            continue
        if job.status in REGISTRIES and job.id not in data.registry(job.status, job.queue):
            yield f"job {job.id}: is {job.status}, and not in {job.status}:{job.queue}"
        if job.status == "created" and "held" not in job.fields:
            yield f"job {job.id}: is created, and neither held nor behind a gate"


def check_queues(data: Data) -> Iterator[str]:
    """A queued job has an entry, and the entries that no longer count are counted."""
    entries_of = {queue: set(entries) for queue, entries in data.of_queue["queue"].items()}
    for job in data.jobs.values():
        if job.status == "queued":
            entry = f"{job.id}:{job.epoch}"
            if entry not in entries_of.get(job.queue, ()):
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


def check_wake_markers(data: Data) -> Iterator[str]:
    """An idle worker is woken for every job that it may claim."""
    for queue in data.queues:
        settings = data.of_queue["queue-meta"].get(queue, {})
        is_full = len(data.registry("started", queue)) >= float(settings.get("limit", "inf"))
        may_claim = data.live_entries(queue) and "paused" not in settings and not is_full
        if may_claim and not data.of_queue["wake"].get(queue):
            yield f"queue {queue} has jobs to claim, and no wake marker"


def check_claims(data: Data) -> Iterator[str]:
    """A started job says who holds it, and under which fence."""
    for job in data.jobs.values():
        if job.status == "started":
            for name in ("fence", "holder", "started_at"):
                if job.fields.get(name, "0") in ("", "0"):
                    yield f"job {job.id}: is started, and has no {name}"
            if job.fields.get("begun", "0") not in ("0", "1"):
                yield f"job {job.id}: is started, and what it says of whether it has begun makes no sense"
            if job.fields.get("begun") == "1" and job.number("attempt") < 1:
                yield f"job {job.id}: has begun, and counts no attempt"


def check_timers(data: Data) -> Iterator[str]:
    """The ttl runs for jobs that wait and have never run, and for no others; those that repeat await their time."""
    timers = data.sorted_set("timers")
    for job_id in timers:
        job = data.jobs.get(job_id)
        if job is None:
            yield f"timers holds {job_id}, which does not exist"
        elif "repeat_due" in job.fields:
            if job.status != "finished":
                yield f"timers holds {job_id}, which is to repeat, and is {job.status}"
            if job.number("repeated") >= job.number("repeats"):
                yield f"timers holds {job_id}, which has repeated as often as it should"
        elif "ttl" not in job.fields or job.status not in ("deferred", "scheduled", "queued"):
            yield f"timers holds {job_id}, which is {job.status} with ttl {job.fields.get('ttl')}"
        elif job.number("attempt") > 0:
            yield f"timers holds {job_id}, which has begun an attempt"
    for job in data.jobs.values():
        waits = job.status in ("deferred", "scheduled", "queued") and job.number("attempt") == 0
        if waits and "ttl" in job.fields and job.id not in timers:
            yield f"job {job.id}: waits with a ttl, and is not in timers"
        has_more = job.number("repeated") < job.number("repeats")
        rests = "stop" in job.fields or job.is_being_deleted or not has_more
        if job.status == "finished" and rests == ("repeat_due" in job.fields):
            yield f"job {job.id}: is {'not ' * rests}to repeat, and waits for {'a' if rests else 'no'} time to"
        if "repeat_due" in job.fields and job.id not in timers:
            yield f"job {job.id}: is to repeat, and is not in timers"


def check_groups(data: Data) -> Iterator[str]:
    """A group holds the jobs that name it, and no others; without any, it is not there."""
    groups = data.sorted_set("groups").keys()
    for group in groups ^ data.of_group["group"].keys():
        yield f"group {group}: stands in {'groups alone' if group in groups else 'no list of groups'}"
    for group, members in data.of_group["group"].items():
        for job_id in members:
            job = data.jobs.get(job_id)
            if job is None or job.fields.get("group") != group:
                yield f"group {group}: holds {job_id}, which {'does not exist' if job is None else 'is in another'}"
    for job in data.jobs.values():
        group = job.fields.get("group", "")
        if group and job.id not in data.of_group["group"].get(group, {}):
            yield f"job {job.id}: is not in its group {group}"


def check_gates(data: Data) -> Iterator[str]:
    """A gate is closed, and will be opened or given up; or it is open, and somebody lets its jobs through."""
    closed = data.sorted_set("gates")
    opened = {
        member.removeprefix(GATE_PREFIX) for member in data.sorted_set("cascades") if member.startswith(GATE_PREFIX)
    }
    for gate in {*closed, *opened}:
        if gate not in data.of_gate["gate"]:
            yield f"{'gates' if gate in closed else 'cascades'} holds gate {gate}, which does not exist"
    for gate, members in data.of_gate["gate"].items():
        if (gate in closed) == (gate in opened):
            where = "both" if gate in closed else "neither"
            yield f"gate {gate}: stands in {where} of gates, for those that are closed, and cascades, for the others"
        pieces = members.get("#", 0)
        if not (pieces < 0 or ("#" in members and pieces == 0 and gate in closed)):
            yield f"gate {gate}: counts {-pieces:g} pieces"
        places = [place for job_id, place in members.items() if job_id != "#"]
        if len(set(places)) < len(places) or min(places, default=1) < 1:
            yield f"gate {gate}: its places are not distinct whole numbers from 1"
        for job_id in members.keys() - {"#"}:
            job = data.jobs.get(job_id)
            if job is None:
                yield f"gate {gate}: holds {job_id}, which does not exist"
            elif (job.status, job.gate) != ("created", gate):
                yield f"gate {gate}: holds {job_id}, which is {job.status} behind gate {job.gate or 'none'}"


def check_plain_jobs(data: Data) -> Iterator[str]:
    """Plain jobs behind a gate are kept whole, and nothing else is behind that gate."""
    for gate, parts in data.of_gate["plain"].items():
        if data.of_gate["gate"].get(gate, {}).keys() != {"#"}:
            yield f"plain:{gate}: belongs to no gate that holds plain jobs alone"
        at = 0
        while at < len(parts):
            count = parts[at + 3] if at + 3 < len(parts) else ""
            at += 4 + int(count) if count.isdecimal() else len(parts) + 1
        if at > len(parts):
            yield f"plain:{gate}: does not end where a job does"
