"""Checks of dependencies: both ends agree, and a job knows of each what it is, or somebody is on the way to tell it."""

from __future__ import annotations

from collections.abc import Iterator

from rqdeps.store.invariants.data import Data, Edges, StoredJob
from rqdeps.store.invariants.rules import verdict
from rqdeps.store.invariants.schema import CANCEL_PREFIXES, DECIDED_BY_RULES, GATE_PREFIX, RELEASED, TERMINAL


def check_groups(data: Data) -> Iterator[str]:
    """The counts of a group are those of its registers."""
    for edges in data.all_edges():
        job = data.jobs.get(edges.job_id)
        if job is not None and "unlinked" in job.fields:
            continue  # it goes piece by piece
        for text in edges.unreadable:
            yield f"{edges.key} has an unreadable field {text}"
        if sorted(edges.groups) != list(range(edges.count)) or edges.count == 0:
            yield f"{edges.key} counts {edges.count} groups, and has {sorted(edges.groups)}"
        for name, register in edges.registers.items():
            if register.group not in edges.groups:
                yield f"{edges.key}: {name} stands in group {register.group}, which does not exist"
        for number, (rule, counts) in edges.groups.items():
            group = edges.group(number)
            recount = [group.total, group.finished, group.failed, group.skipped]
            if counts != recount:
                yield f"{edges.key}: group {number} ({rule}) counts {counts}, its registers {recount}"
    for job in data.jobs.values():
        registers = data.edges.get(job.id, Edges()).registers.values()
        wanted = sum(register.kind != "dependency" for register in registers)
        if job.number("outputs") != wanted and "unlinked" not in job.fields:
            yield f"job {job.id}: counts {job.number('outputs')} outputs, its registers {wanted}"


def check_edges_agree(data: Data) -> Iterator[str]:
    """Who depends on a job, or joins it, stands among its dependents, in a place of its own."""
    for edges in data.all_edges():
        for dependency_id in edges.registers:
            if data.dependency(edges, dependency_id) and edges.job_id not in data.dependents(dependency_id):
                verb = "joins" if edges.are_joined else "depends on"
                yield f"job {edges.job_id} {verb} {dependency_id}, and is not in dependents:{dependency_id}"
    for dependency_id in data.of_job["dependents"]:
        orders = data.dependents(dependency_id)
        job = data.jobs.get(dependency_id)
        for job_id, order in orders.items():
            kinds = {
                edges.registers[dependency_id].kind
                for edges in data.edges_of(job_id)
                if dependency_id in edges.registers
            }
            # Who is run again joins no more what its last attempt had spawned, and leaves it alone.
            if not kinds and (job is None or job.fields.get("spawned_by") != job_id):
                yield f"dependents:{dependency_id} holds {job_id}, which does not depend on it"
            for kind in kinds:
                if (order == 0) != (kind == "fallback"):
                    yield f"dependents:{dependency_id} holds {job_id} at {order:g}, and it is its {kind}"
        if len(set(orders.values())) < len(orders) or min(orders.values()) < 0:
            yield f"dependents:{dependency_id}: its orders are not distinct whole numbers"
        if job is not None and job.number("linked") < max(orders.values()):
            yield f"job {dependency_id}: linked is {job.number('linked')}, below an order in its dependents"


def check_fallbacks(data: Data) -> Iterator[str]:
    """A job and its fallback know of each other."""
    for job in data.jobs.values():
        fallback_id = job.fields.get("fallback")
        if fallback_id is not None and not data.is_closed(job):
            fallback = data.jobs.get(fallback_id)
            if fallback is None or fallback.fields.get("fallback_of") != job.id:
                yield f"job {job.id}: its fallback is {fallback_id}, which is none or another's"
            elif data.edges.get(fallback_id, Edges()).registers.get(job.id) is None:
                yield f"job {job.id}: its fallback is {fallback_id}, which does not wait for it"
        above_id = job.fields.get("fallback_of")
        register = data.edges.get(job.id, Edges()).registers.get(above_id or "")
        if register is not None and register.kind != "fallback":
            yield f"job {job.id}: is the fallback of {above_id}, and waits for it like any other"
        stand_in = job.fields.get("stand_in")
        if stand_in is not None and (stand_in not in TERMINAL or job.status != "failed" or fallback_id is not None):
            yield f"job {job.id}: is {job.status}, and {stand_in} stands in for it beside {fallback_id}"


def check_registers(data: Data) -> Iterator[str]:
    """A register tells what its dependency has come to, unless the dependency's cascade has yet to come by."""
    for edges in [*data.edges.values(), *data.joins.values()]:
        job_id = edges.job_id
        job = data.jobs.get(job_id)
        if job is None or job.is_being_deleted or data.is_given_up(job):
            continue
        for dependency_id, register in edges.registers.items():
            dependency = data.dependency(edges, dependency_id)
            if dependency is None:
                if register.outcome == "":
                    yield f"job {job_id}: is {job.status}, and waits for {dependency_id}, which does not exist any more"
                continue
            if _is_on_the_way(data, dependency_id, job_id):
                if register.epoch > dependency.epoch:
                    yield f"job {job_id}: knows {dependency_id} in epoch {register.epoch}, and that is yet to come"
                continue
            if dependency.is_being_deleted:
                if register.outcome == "":
                    yield f"job {job_id}: waits for {dependency_id}, which goes without having told it"
                continue
            outcome = data.outcome(dependency, register.kind)
            if (register.epoch, register.outcome) != (dependency.epoch, outcome):
                yield (
                    f"job {job_id}: knows {dependency_id} as {register.outcome or 'open'} in epoch {register.epoch}; "
                    f"it is {dependency.status} in epoch {dependency.epoch}"
                    f"{_stood_in(dependency, outcome)}, and nobody is on the way"
                )


def _is_on_the_way(data: Data, dependency_id: str, job_id: str) -> bool:
    """Whether a dependency's cascade has yet to come by a dependent."""
    if dependency_id in data.sorted_set("reopenings"):
        return True
    place = data.sorted_set("cascades").get(dependency_id)
    return place is not None and place < data.dependents(dependency_id).get(job_id, 0)


def _stood_in(dependency: StoredJob, outcome: str) -> str:
    return "" if outcome == dependency.own_outcome else f", and comes to {outcome or 'nothing yet'}"


def check_verdicts(data: Data) -> Iterator[str]:
    """A job that its dependencies decide on is what they make of it; one that was released had its rules met."""
    for job in data.jobs.values():
        edges = data.edges.get(job.id)
        is_decided = job.status in DECIDED_BY_RULES and not job.has_run
        if job.is_being_deleted or "unlinked" in job.fields:
            continue
        if edges is None:
            if is_decided:
                yield f"job {job.id}: is {job.status}, and has no dependencies"
            continue
        demanded = verdict(edges.all_groups())
        if is_decided and job.status != demanded:
            yield f"job {job.id}: is {job.status}, and its dependencies make it {demanded}"
        # What was met once may be reopened later, which is a new epoch; released is released. A person may have had a
        # job run in spite of its rules, which is a new epoch of the job, or treated it as finished.
        is_first_life = job.epoch == 1 and all(each.epoch == 1 for each in edges.registers.values())
        was_skipped = job.status == "finished" and job.number("attempt") == 0
        was_released = job.status in RELEASED or job.has_run
        if was_released and is_first_life and not was_skipped and demanded != "queued":
            yield f"job {job.id}: is {job.status}, and its dependencies never let it run ({demanded})"


def check_cascades(data: Data) -> Iterator[str]:
    """Cascades are of jobs that have something to tell; and what is being deleted goes with its cascade."""
    for name in ("cascades", "reopenings"):
        for job_id, place in data.sorted_set(name).items():
            if name == "cascades" and job_id.startswith((GATE_PREFIX, *CANCEL_PREFIXES)):
                continue
            job = data.jobs.get(job_id)
            if job is None:
                yield f"{name} holds {job_id}, which does not exist"
            elif name == "cascades" and job.status not in TERMINAL:
                yield f"cascades holds {job_id}, which is {job.status}"
            elif not -1 <= place <= job.number("linked"):
                yield f"{name} holds {job_id} at {place:g}, and the last of its dependents is {job.number('linked')}"
    reopenings = data.sorted_set("reopenings")
    for job in data.jobs.values():
        if ("reopening" in job.fields) != (job.id in reopenings):
            yield f"job {job.id}: is {'not ' * (job.id not in reopenings)}in reopenings, and its hash says otherwise"
        if job.id in reopenings and job.id in data.sorted_set("cascades"):
            yield f"job {job.id}: is in reopenings and in cascades"
        if job.is_being_deleted and job.id not in data.sorted_set("cascades") and job.id not in reopenings:
            yield f"job {job.id}: is being deleted, and not in cascades, so nobody does it"
