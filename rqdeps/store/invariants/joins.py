"""Checks of what jobs spawn: it is joined by who has run, and staged for who still runs."""

from __future__ import annotations

from collections.abc import Iterator

from rqdeps.store.invariants.data import Data, Edges, StoredJob
from rqdeps.store.invariants.rules import joined
from rqdeps.store.invariants.schema import TERMINAL

#: Statuses of jobs that have run and join others.
_HAVE_RUN = frozenset({"joining", *TERMINAL} - {"failed"})


def check_joins(data: Data) -> Iterator[str]:
    """Only who has run joins others; and whoever waits for what it joins does join something."""
    for job_id in data.joins:
        job = data.jobs.get(job_id)
        if job is None:
            yield f"key joins:{job_id} belongs neither to a job nor to what one is about to spawn"
        elif not job.has_run:
            yield f"job {job_id}: there is a key joins:{job_id}, and its hash does not say that it has run"
    for job in data.jobs.values():
        if not job.has_run:
            if job.status == "joining":
                yield f"job {job.id}: is joining, and its hash does not say that it has run"
            if "gives" in job.fields:
                yield f"job {job.id}: gives what it joins, and its hash does not say that it has run"
            continue
        if job.id not in data.joins and not job.is_workflow:
            yield f"job {job.id}: has run and joins others, and there are none"
        if job.status not in _HAVE_RUN and not (job.is_workflow and job.status == "created"):
            yield f"job {job.id}: is {job.status}, and its hash says that it has run"
        if "spawning" in job.fields:
            yield f"job {job.id}: joins what it has spawned, and its hash says that it has yet to"


def check_joined(data: Data) -> Iterator[str]:
    """A job that what it joins decides on is what that makes of it. What has finished, or was stopped, stays so."""
    for job in data.jobs.values():
        if not job.has_run or job.is_being_deleted or "unlinked" in job.fields or data.is_given_up(job):
            continue
        demanded = joined(data.joins.get(job.id, Edges()).all_groups(), is_stopped="stop" in job.fields)
        if job.status in ("joining", "upstream_failed", "skipped") and job.status != demanded:
            yield f"job {job.id}: is {job.status}, and what it joins makes it {demanded}"
        if job.status == ("stopped" if job.is_workflow else "canceled"):
            yield f"job {job.id}: is {job.status}, and has run and joins others"
        if job.status in ("stopped", "canceled") and "stop" not in job.fields:
            yield f"job {job.id}: is {job.status}, and nobody has stopped it"


def check_spawned(data: Data) -> Iterator[str]:
    """What is about to be spawned waits behind a gate; whoever spawns it knows the gate, as long as it runs."""
    closed = data.sorted_set("gates")
    for gate, edges in data.spawned.items():
        if gate not in closed:
            yield f"{edges.key} belongs to gate {gate}, which is not closed"
        job = data.jobs.get(edges.job_id)
        if job is None or not data.holds(job.id, edges.fence):
            continue  # that attempt has come to nothing, and the graph is given up in time
        if job.fields.get("spawning") != gate:
            yield f"job {job.id}: spawns behind gate {gate}, and its hash does not say so"
        for spawned_id, register in edges.registers.items():
            spawned = data.jobs.get(spawned_id)
            if not data.of_gate["gate"].get(gate, {}).get("#"):
                continue  # it is given up
            if spawned is None or spawned.gate != gate:
                yield f"{edges.key} holds {spawned_id}, which does not stand behind that gate"
            elif (register.epoch, register.outcome) != (1, ""):
                yield f"{edges.key} holds {spawned_id} as {register.outcome or 'open'} in epoch {register.epoch}"
    for job in data.jobs.values():
        own = data.spawned.get(job.fields.get("spawning", ""))
        if own is not None and own.job_id != job.id:
            yield f"job {job.id}: spawns behind gate {job.fields['spawning']}, which is another's"


def check_outputs_are_kept(data: Data) -> Iterator[str]:
    """While a job has a result that holds outputs of what it joins, these have theirs."""
    for job in data.jobs.values():
        if "gives" not in job.fields or "result" not in job.fields or job.is_being_deleted:
            continue
        edges = data.joins.get(job.id, Edges())
        for joined_id, register in edges.registers.items():
            source = _source(data, data.dependency(edges, joined_id)) if register.kind == "output" else None
            if source is not None and source.status == "finished" and "result" not in source.fields:
                yield f"job {job.id}: its result holds the output of {joined_id}, and {source.id} has lost it"


def _source(data: Data, job: StoredJob | None) -> StoredJob | None:
    """The job whose output is that of another: its fallback's, if that stands in for it."""
    while job is not None and job.status == "failed" and "fallback" in job.fields:
        job = data.jobs.get(job.fields["fallback"])
    return None if job is None or job.is_being_deleted else job
