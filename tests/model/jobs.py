"""A job as the model knows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rqdeps.store.calls.claims import Claimed
from rqdeps.store.invariants.rules import Group, joined, verdict

TERMINAL = {"finished", "failed", "stopped", "canceled", "upstream_failed", "skipped"}
DECIDED_BY_RULES = {"deferred", "upstream_failed", "skipped"}
DECIDED_BY_WHAT_IT_JOINS = {"joining", "upstream_failed", "skipped"}
UNRELEASED = {*DECIDED_BY_RULES, "created"}


@dataclass
class Edge:
    """What a job was told of a dependency: in which epoch, and how it ended; nothing while it waits."""

    kind: str
    group: int
    epoch: int
    outcome: str


@dataclass
class Spawned:
    """A graph that the attempt of a job has spawned: the claim, and what the job is to join of it."""

    job_id: str
    fence: int
    rules: list[str]
    edges: dict[str, Edge] = field(default_factory=dict)


@dataclass
class ModelJob:
    """One job.

    Attributes:
        rules: the rule of each group.
        edges: what it was told of each dependency, also of those that are gone.
        time_is_ahead: whether it has a time to run at that has not come.
        has_timer: whether its ttl may run out.
        makes_room: whether its queue had a limit since it was claimed last, so that its leaving may wake others.
        keeps_result: whether its result_ttl is more than nothing.
        was_linked: whether another ever depended on it.
        gate: the gate that it has yet to pass.
        place: its place there.
        policy: what becomes of dependents that wait, if it is being deleted.
        takes_members: whether the members of the workflow are deleted with it.
        was_open: whether it had not ended when its deletion began.
        stand_in: what its fallback came to before it was deleted.
        fence: that of its claim while it is started.
        is_old: whether its end was so long ago that its record need not be kept.
        may_go: whether it may go at any time, as its workflow has, which it was kept for.
        birth: tells it from others with its id.
        is_workflow: whether it is a workflow's own, which joins the members and runs nothing.
        has_run: whether what it joins decides on it, and what it waited for no more.
        rules_of_join: the rule of each group of what it joins.
        joined: what it was told of each job that it joins.
        gives: whether its result holds outputs of what it joins.
        spawning: the gate of what an attempt has spawned last and has not been accepted.
        spawned_by: the job that has spawned it.
        workflow: the workflow that it belongs to.
        entry: its place among the members.
        cleans_up: whether it runs though its workflow is being canceled.
    """

    id: str
    queue: str
    rules: list[str]
    retries: int
    time_is_ahead: bool
    has_ttl: bool
    keeps_result: bool
    goes_to_front: bool
    held: bool
    fallback: str | None
    fallback_of: str | None
    birth: int
    is_workflow: bool
    has_run: bool
    spawned_by: str | None
    workflow: str | None
    cleans_up: bool
    edges: dict[str, Edge] = field(default_factory=dict)
    status: str = ""
    epoch: int = 1
    has_timer: bool = False
    makes_room: bool = False
    was_linked: bool = False
    gate: str | None = None
    place: int = 0
    policy: str | None = None
    takes_members: bool = False
    was_open: bool = False
    stand_in: str | None = None
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    is_to_stop: bool = False
    fence: int | None = None
    highest_fence: int = 0
    holder: str = ""
    has_begun: bool = False
    result: bytes | None = None
    is_old: bool = False
    may_go: bool = False
    rules_of_join: list[str] = field(default_factory=list)
    joined: dict[str, Edge] = field(default_factory=dict)
    gives: bool = False
    spawning: str | None = None
    entry: int = 0

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def own_outcome(self) -> str:
        return self.status if self.has_ended and not self.was_open else ""

    @property
    def is_held(self) -> bool:
        return self.status == "created" and self.held

    def edge_to(self, job_id: str) -> Edge:
        """What it was told of a job that exists: where it joins that, it may have waited for another with that id."""
        return self.joined[job_id] if job_id in self.joined else self.edges[job_id]

    def verdict(self) -> str:
        """What its dependencies demand."""
        return verdict(_groups(self.rules, self.edges.values()))

    def verdict_of_join(self) -> str:
        """What it joins demands, once it has run."""
        wanted = joined(_groups(self.rules_of_join, self.joined.values()), is_stopped=self.is_to_stop)
        return "canceled" if wanted == "stopped" and self.is_workflow else wanted

    def holds(self, claim: Claimed) -> bool:
        return self.status == "started" and self.fence == claim.fence


def _groups(rules: list[str], edges: Iterable[Edge]) -> list[Group]:
    edges = list(edges)
    return [
        Group.of(rule, [edge.outcome for edge in edges if edge.group == number]) for number, rule in enumerate(rules)
    ]
