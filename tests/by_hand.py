"""A worker whose every move a test makes: it claims jobs, and reports of each what the test says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rqdeps.ordering import order_of
from rqdeps.store import Store
from rqdeps.store.calls import claims, reads, staging, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome
from rqdeps.store.calls.enqueue import NewGroup, NewJob
from rqdeps.store.calls.staging import Spawner
from rqdeps.store.scripts import BUDGET

#: So long that no claim runs out during a test.
LEASE_MS = 3_600_000


class HandWorker:
    """Holds claims by the ids of their jobs."""

    def __init__(self, store: Store, queues: Sequence[str] = ("default",), name: str = "hand") -> None:
        self.store = store
        self.queues = queues
        self.holder = f"{name}.1"
        self.held: dict[str, Claimed] = {}

    def claim(self, want: int = 1_000) -> list[str]:
        """Claims jobs, which begin at once. Returns their ids."""
        claimed = self.store.run(self._settle([], want)).claimed
        self.held.update({claim.id: claim for claim in claimed})
        return [claim.id for claim in claimed]

    def finish(self, job_id: str, value: bytes = b"null") -> list[str]:
        """Reports a job as finished. Returns the ids of the jobs that this released at once."""
        return self._report(Outcome(self.held.pop(job_id), "finished", value=value))

    def finish_all(self, job_ids: Iterable[str]) -> None:
        """Reports jobs as finished in one call."""
        outcomes = [Outcome(self.held.pop(job_id), "finished", value=b"jnull") for job_id in job_ids]
        left = self.store.run(self._settle(outcomes, want=0)).cascades_left
        while left:
            left = self.store.run(upkeep.cascade())

    def fail(self, job_id: str, *, retry_in_ms: int = NO_RETRY) -> list[str]:
        """Reports a job as failed; without another attempt, unless told after which delay."""
        return self._report(Outcome(self.held.pop(job_id), "failed", retry_in_ms, b'{"message": "no"}'))

    def stage(
        self, job_id: str, jobs: Sequence[NewJob], groups: Sequence[NewGroup], *, most: int = BUDGET
    ) -> staging.Plan:
        """Stages what a job spawns, in pieces of at most this cost.

        Args:
            job_id: the job.
            jobs: what it spawns.
            groups: what it is to join of that.
            most: what one piece may cost.
        """
        spawner = Spawner(job_id, self.held[job_id].fence, groups, depends_on_others=True)
        plan = staging.plan(jobs, order_of(jobs), spawner=spawner, budget=most)
        for number, piece in enumerate(plan.pieces, 1):
            self.store.run(staging.stage(plan.gate, number, piece, new_queues=self.queues, spawner=spawner))
        return plan

    def spawn(
        self, job_id: str, jobs: Sequence[NewJob], groups: Sequence[NewGroup], *, value: bytes = b"jnull"
    ) -> list[str]:
        """Reports that a job has run and spawned others; its result holds their outputs where it joins these.

        Returns:
            The ids of the jobs that this released at once.
        """
        plan = self.stage(job_id, jobs, groups)
        gives = any(kind == "output" for group in groups for kind, _ in group.members)
        claim = self.held.pop(job_id)
        return self._report(Outcome(claim, "gives" if gives else "spawned", value=value, pieces=len(plan.pieces)))

    def _report(self, outcome: Outcome) -> list[str]:
        settled = self.store.run(self._settle([outcome], want=0))
        assert settled.statuses != ["stale"]
        left = settled.cascades_left
        while left:
            left = self.store.run(upkeep.cascade())
        return [job_id for job_id, _ in settled.released]

    def _settle(self, outcomes: list[Outcome], want: int) -> claims.Call[claims.Settled]:
        return claims.settle(
            outcomes, holder=self.holder, lease_ms=LEASE_MS, queues=self.queues, want=want, begin=want, look=want > 0
        )


def statuses(store: Store, job_ids: Iterable[str]) -> list[str | None]:
    """The status of each job; ``None`` where there is none."""
    found = store.run(reads.fetch(list(job_ids)))
    return [None if fields is None else fields["status"].decode() for fields in found]
