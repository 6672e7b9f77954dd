"""What deferred jobs wait for in the end: up the graph, from each to what has to happen first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rqdeps.store import Conversation
from rqdeps.store.calls import checkups
from rqdeps.store.calls.checkups import JOBS_PER_CALL, Awaited
from rqdeps.store.conversation import ask

#: How many calls this takes at most; what is farther away stays unknown.
MOST_CALLS: Final = 50


@dataclass
class Roots:
    """What jobs wait for in the end.

    Attributes:
        above: for each job, the one that waits for nothing else; ``None`` where that is too far away.
        facts: what is known of each job on the way.
    """

    above: dict[str, str | None] = field(default_factory=dict)
    facts: dict[str, Awaited] = field(default_factory=dict)

    def waiting_for(self, status: str, queue: str | None = None) -> list[str]:
        """Those of the jobs that wait in the end for a job with this status, in this queue if one is named."""
        return [
            job_id
            for job_id, root in self.above.items()
            if root is not None
            and self.facts[root].status == status
            and self.facts[root].does == ""
            and (queue is None or self.facts[root].queue == queue)
        ]

    def forgotten(self) -> list[str]:
        """The jobs, among these and above them, whom nobody has told that they wait for nothing any more."""
        return sorted(job_id for job_id, facts in self.facts.items() if facts.does in ("untold", "decided"))


def roots_of(job_ids: Sequence[str]) -> Conversation[Roots]:
    """Follows jobs up to what they wait for in the end; of several, to one."""
    roots = Roots()
    waiting = list(dict.fromkeys(job_ids))
    for _ in range(MOST_CALLS):
        if not waiting:
            break
        found = yield from ask(checkups.awaited(waiting[:JOBS_PER_CALL]))
        roots.facts.update(found)
        above = [facts.other for facts in found.values() if facts.does == "waits"]
        waiting = [job_id for job_id in dict.fromkeys([*waiting, *above]) if job_id not in roots.facts]
    roots.above = {job_id: _root(roots.facts, job_id) for job_id in job_ids}
    return roots


def _root(facts: dict[str, Awaited], job_id: str) -> str | None:
    seen = set()
    while job_id in facts and job_id not in seen:
        if facts[job_id].does != "waits":
            return job_id
        seen.add(job_id)
        job_id = facts[job_id].other
    return None
