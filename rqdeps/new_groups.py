"""The groups of dependencies of a job to be: those that were named, and those that its outputs imply."""

from __future__ import annotations

from collections.abc import Sequence, Set

from rqdeps.dependency import MOST_GROUPS, Output
from rqdeps.options import JobOptions
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup


def groups_of_options(options: JobOptions, outputs: Sequence[Output]) -> tuple[NewGroup, ...]:
    """The groups that were named, with the outputs marked; outputs of other jobs form groups of their own."""
    wanted = {output.job_id: output for output in outputs}
    groups = []
    for dependency in options.groups:
        if not wanted:  # as of most jobs
            groups.append(NewGroup(dependency.rule, [("dependency", job_id) for job_id in dependency.job_ids]))
            continue
        members: list[tuple[EdgeKind, str]] = []
        for job_id in dependency.job_ids:
            output = wanted.pop(job_id, None)
            if output is not None and output.is_required and not dependency.guarantees_success():
                raise ValueError(
                    f"the job may run without job {job_id!r} having finished (rule {dependency.rule!r}), so there "
                    f"may be no output to pass: say what to pass instead with output_or(default)"
                )
            members.append(("dependency" if output is None else "output", job_id))
        groups.append(NewGroup(dependency.rule, members))
    for rule, required in (("all_success", True), ("all_done", False)):
        implied = [output.job_id for output in wanted.values() if output.is_required is required]
        if implied:
            groups.append(NewGroup(rule, [("output", job_id) for job_id in implied]))
    return tuple(groups)


def few_enough(groups: tuple[NewGroup, ...]) -> tuple[NewGroup, ...]:
    """The groups, unless they are too many: each end of a dependency looks at all groups of a dependent."""
    if len(groups) > MOST_GROUPS:
        raise ValueError(
            f"{len(groups)} groups of dependencies are more than the {MOST_GROUPS} that a job can have: put jobs with "
            f"the same rule into one group, or let jobs in between wait for some of the groups each"
        )
    return groups


def groups_of_fallback(job_id: str, outputs: Sequence[Output], finished: Set[str]) -> tuple[NewGroup, ...]:
    """A fallback waits for its job, and until the outputs it takes are known, but they never keep it from running.

    So it can only count on those of jobs that have finished whenever its job runs.
    """
    wanted = {output.job_id: output for output in outputs}
    if job_id in wanted:
        raise ValueError("a fallback runs because its job has failed, so it can't take the job's output")
    for output in wanted.values():
        if output.is_required and output.job_id not in finished:
            raise ValueError(
                f"the fallback may run without job {output.job_id!r} having finished, so there may be no output to "
                f"pass: say what to pass instead with output_or(default)"
            )
    groups = [NewGroup("fallback", [("fallback", job_id)])]
    if wanted:
        groups.append(NewGroup("all_done", [("output", wanted_id) for wanted_id in wanted]))
    return tuple(groups)
