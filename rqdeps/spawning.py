"""What a job spawns while it runs: collected here, staged when it returns, let go when its attempt is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rqdeps.dependency import Output, Rule, guarantees_success
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import DependencyCycleError, SerializationError
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup
from rqdeps.store.calls.staging import Spawner

#: The rule by which a job joins what it spawned: it has finished once all have ended, and none has failed.
DEFAULT_RULE: Rule = "none_failed"

#: The rule for those whose outputs it returns, which it can't do without.
RULE_FOR_OUTPUTS: Rule = "all_success"


class Draft(Protocol):
    """A job to be, in the hands of a program."""

    id: str
    draft: EnqueueData | None


@dataclass(frozen=True)
class SpawnedGraph:
    """What an attempt has spawned, ready to be staged.

    Attributes:
        datas: the jobs to be.
        spawner: the attempt, and what its job is to join.
        others: ids of the jobs outside of the graph that it depends on.
    """

    datas: list[EnqueueData]
    spawner: Spawner
    others: list[str]


class Spawning:
    """Collects what one attempt spawns.

    Args:
        job_id: the job that runs.
        fence: the fence of its claim.
        queue: its queue, where what it spawns goes unless it says otherwise.
    """

    def __init__(self, job_id: str, fence: int, queue: str) -> None:
        self.queue = queue
        self._job_id = job_id
        self._fence = fence
        self._spawned: dict[str, tuple[Draft, Rule | None]] = {}

    def __len__(self) -> int:
        return len(self._spawned)

    def add(self, job: Draft, rule: Rule | None) -> None:
        """Spawns a job.

        Args:
            job: the job to be.
            rule: the rule by which it is joined; ``None`` for the default.

        Raises:
            DependencyCycleError: it would wait for the job that spawns it, which waits for it.
            ValueError: another spawned job has its id.
        """
        if job.id in self._spawned:
            raise ValueError(f"two spawned jobs have the id {job.id!r}")
        self._refuse_spawner(job)
        self._spawned[job.id] = (job, rule)

    def _refuse_spawner(self, job: Draft) -> None:
        assert job.draft is not None
        for group in (group for each in job.draft.with_fallbacks() for group in each.groups):
            if any(job_id == self._job_id for _, job_id in group.members):
                raise DependencyCycleError(
                    f"job {job.id!r} would wait for {self._job_id!r}, which spawns it and so waits for it: "
                    f"what comes after both is enqueued with depends_on={self._job_id!r} by somebody else"
                )

    def graph(self, returned: Sequence[Output]) -> SpawnedGraph:
        """What was spawned.

        Args:
            returned: the outputs in what the job returned.

        Raises:
            DependencyCycleError: a job would wait for the one that spawns it.
            SerializationError: an output can't be returned.
        """
        for job, _ in self._spawned.values():
            self._refuse_spawner(job)  # dependencies may have been added since
        wanted = {output.job_id: output for output in returned}
        groups: dict[Rule, list[tuple[EdgeKind, str]]] = {}
        for job_id, (_, rule) in self._spawned.items():
            output = wanted.pop(job_id, None)
            joined_by = rule or (RULE_FOR_OUTPUTS if output is not None and output.is_required else DEFAULT_RULE)
            groups.setdefault(joined_by, []).append(("spawn" if output is None else "output", job_id))
        for job_id in wanted:
            raise SerializationError(
                f"the result holds the output of job {job_id!r}, which this job did not spawn: return its id, or pass "
                f"the output to a job that is enqueued or spawned"
            )
        self._refuse_uncertain(groups, returned)
        datas = [job.draft for job, _ in self._spawned.values() if job.draft is not None]
        others = self._others(datas)
        made = [NewGroup(rule, members) for rule, members in groups.items()]
        return SpawnedGraph(datas, Spawner(self._job_id, self._fence, made, bool(others)), others)

    def _refuse_uncertain(self, groups: dict[Rule, list[tuple[EdgeKind, str]]], returned: Sequence[Output]) -> None:
        required = {output.job_id for output in returned if output.is_required}
        for rule, members in groups.items():
            if guarantees_success(rule, len(members)):
                continue
            for _, job_id in members:
                if job_id in required:
                    raise SerializationError(
                        f"the result holds the output of job {job_id!r}, which is joined by the rule {rule!r}, so that "
                        f"it may not have finished: say what to return then with output_or(default)"
                    )

    def _others(self, datas: Sequence[EnqueueData]) -> list[str]:
        own = {each.id for data in datas for each in data.with_fallbacks()}
        found = {
            job_id: None
            for data in datas
            for each in data.with_fallbacks()
            for group in each.groups
            for _, job_id in group.members
            if job_id not in own
        }
        return list(found)
