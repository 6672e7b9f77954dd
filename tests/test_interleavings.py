"""Small graphs, each step of a cascade a call of its own, and at every step whatever can happen just then.

Walks at random, always the same ones, through all that a few jobs can go through. After each step the model must be
able to follow, and once all news is delivered every job must be what its dependencies demand now.
"""

from __future__ import annotations

import random
from functools import partial
from unittest import mock

import pytest
from by_hand import LEASE_MS
from follower import Follower
from hypothesis import settings
from model import ModelJob
from redis import Redis

import rqdeps.store.store
from rqdeps.dependency import RULES
from rqdeps.errors import FallbackReleasedError, InvalidJobOperationError, UpstreamFailedError
from rqdeps.ordering import order_of
from rqdeps.store.calls import changes, claims, staging, upkeep
from rqdeps.store.calls.call import Argument
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup, NewJob, enqueue
from rqdeps.store.calls.staging import Spawner
from rqdeps.store.scripts import script

#: How many walks through each graph: 3 by default.
WALKS = settings().max_examples // 16
STEPS = 40
FALLBACK = "fallback"
SPAWNED = "spawned"
WORKFLOW = "workflow"
ANY = "any rule"

#: For each job what it waits for, and by which rule: jobs are numbered from 0. What is spawned names who spawns it, and
#: then what it waits for; a workflow its members.
GRAPHS: dict[str, list[tuple[list[int], str]]] = {
    "chain": [([], ""), ([0], ANY), ([1], ANY)],
    "join, then one below": [([], ""), ([], ""), ([0, 1], ANY), ([2], ANY)],
    "diamond": [([], ""), ([0], ANY), ([0], ANY), ([1, 2], ANY)],
    "two that fan out and join": [([], ""), ([], ""), ([0], ANY), ([0, 1], ANY), ([0, 1], ANY), ([3, 4], ANY)],
    "skips meet failures": [([], ""), ([], ""), ([0], "all_failed"), ([1, 2], ANY), ([3], ANY)],
    "job, fallback, dependent, below": [([], ""), ([0], FALLBACK), ([0], ANY), ([2], ANY)],
    "fallback in the middle": [([], ""), ([0], ANY), ([1], FALLBACK), ([2], ANY), ([1], "all_done")],
    "fallback of a fallback": [([], ""), ([0], FALLBACK), ([1], FALLBACK), ([0], ANY)],
    "fallback of a fallback in the middle": [([], ""), ([0], ANY), ([1], FALLBACK), ([2], FALLBACK), ([1, 2], ANY)],
    "spawner, below": [([], ""), ([0], SPAWNED), ([0], SPAWNED), ([0], ANY)],
    "spawned ones that wait": [([], ""), ([], ""), ([0, 1], SPAWNED), ([0, 2], SPAWNED), ([0], ANY)],
    "spawner of a spawner": [([], ""), ([0], SPAWNED), ([1], SPAWNED), ([0], ANY)],
    "fallback that spawns": [([], ""), ([0], FALLBACK), ([1], SPAWNED), ([0], ANY)],
    "spawner with a fallback": [([], ""), ([0], SPAWNED), ([0], FALLBACK), ([0], ANY)],
    "workflow, below": [([], ""), ([0], ANY), ([0, 1], WORKFLOW), ([2], ANY)],
    "member that spawns": [([], ""), ([0], SPAWNED), ([0], ANY), ([0, 2], WORKFLOW), ([3], ANY)],
}


class Walk:
    """One way through what can happen to a graph."""

    def __init__(self, client: Redis, graph: list[tuple[list[int], str]], seed: str) -> None:
        self.follower = Follower(client)
        self.random = random.Random(seed)
        self.held: dict[str, Claimed] = {}
        self.changes_left = {"cancel": 2, "requeue": 3, "revive": 1, "force": 1, "delete": 1, "skip": 1}
        self.log: list[str] = []
        self.graph = graph
        self.ids: dict[int, str] = {}
        self.made = 0
        self.enqueue()

    @property
    def status(self) -> dict[str, str]:
        return {job.id: job.status for job in self.follower.model.visible()}

    def enqueue(self) -> None:
        jobs = [self.new_job(i) for i, (_, rule) in enumerate(self.graph) if rule != SPAWNED]
        self.follower.run(enqueue(jobs, new_queues=["default"]))
        self.follower.model.enqueue(jobs)
        self.follower.follow()

    def new_job(self, i: int) -> NewJob:
        above, rule = self.graph[i]
        self.made += rule == SPAWNED
        self.ids[i] = f"job-{i}-{self.made}" if rule == SPAWNED else f"job-{i}"
        fields: dict[str, Argument] = {"function": "samples.anything", "payload": b"jnull"}
        if rule == WORKFLOW:
            fields |= {"function": "", "joins": 1}
        elif rule == FALLBACK:
            fields["fallback_of"] = f"job-{above[0]}"
        elif rule == SPAWNED:
            fields["spawned_by"] = self.ids[above[0]]
        for other, (job, wanted) in enumerate(self.graph):
            if wanted == FALLBACK and job == [i]:
                fields["fallback"] = f"job-{other}"
            elif wanted == WORKFLOW and i in job:
                fields["workflow"] = f"job-{other}"
        wanted = rule if rule == FALLBACK else self.random.choice(RULES) if rule in (ANY, SPAWNED, WORKFLOW) else rule
        waits_for = above[1:] if rule == SPAWNED else above
        kinds: dict[str, EdgeKind] = {FALLBACK: "fallback", WORKFLOW: "spawn"}
        members = [(kinds.get(rule, "dependency"), self.ids[each]) for each in waits_for]
        self.log.append(f"{self.ids[i]}: {rule} {wanted} of {waits_for}")
        return NewJob(self.ids[i], "default", fields, groups=[NewGroup(wanted, members)] if members else [])

    def take(self, steps: int) -> None:
        for _ in range(steps):
            self.take_step()
        while self.follower.data.sorted_set("cascades") or self.follower.data.sorted_set("reopenings"):
            self.cascade()
        assert not self.follower.model.untold()

    def take_step(self) -> None:
        choices = [("claim", "")] * 2 + [("cascade", "")] * 4
        choices += [(what, job_id) for job_id in self.held for what in ("finish", "fail", "fail")]
        for what, left in self.changes_left.items():
            if left:
                choices += [(what, job.id) for job in self.follower.model.visible() if self.fits(what, job)]
        what, job_id = self.random.choice(choices)
        self.log.append(f"{what} {job_id}")
        if what in self.changes_left:
            self.change(what, job_id)
        elif what == "cascade":
            self.cascade()
        else:
            self.report(what, job_id)

    def fits(self, what: str, job: ModelJob) -> bool:
        return {
            "cancel": job.status in ("queued", "deferred", "joining"),
            "requeue": job.status in ("failed", "canceled") or job.has_run,
            "revive": job.has_ended,
            "force": job.status in ("finished", "failed", "upstream_failed", "skipped", "canceled"),
            "delete": True,
            "skip": job.status != "finished",
        }[what]

    def cascade(self) -> None:
        self.follower.run(upkeep.cascade())
        self.follower.follow()

    def report(self, what: str, job_id: str) -> None:
        model = self.follower.model
        outcomes = []
        if what != "claim":
            claim = self.held.pop(job_id)
            outcomes = [self.finish(claim) if what == "finish" else Outcome(claim, "failed", NO_RETRY, b"{}")]
        want = int(what == "claim")
        settled = self.follower.run(
            claims.settle(
                outcomes, holder="w.1", lease_ms=LEASE_MS, queues=["default"], want=want, begin=want, look=bool(want)
            )
        )
        assert settled.statuses == [model.settle(outcome) for outcome in outcomes]
        self.follower.follow([(claim, "w.1", True) for claim in settled.claimed])
        self.held.update({claim.id: claim for claim in settled.claimed})

    def finish(self, claim: Claimed) -> Outcome:
        """A job has run: before that is reported, what it has spawned is staged."""
        spawned = [
            i for i, (above, rule) in enumerate(self.graph) if rule == SPAWNED and self.ids.get(above[0]) == claim.id
        ]
        model = self.follower.model
        is_void = claim.id not in model.jobs or not model.jobs[claim.id].holds(claim)
        others = {each for i in spawned for each in self.graph[i][0][1:] if self.graph[each][1] != SPAWNED}
        if not spawned or is_void or not all(model.sees(self.ids[each]) for each in others):
            return Outcome(claim, "finished", value=b"{}")
        jobs = [self.new_job(i) for i in spawned]
        kind: EdgeKind = self.random.choice(["spawn", "output"])
        groups = [NewGroup(self.random.choice(RULES), [(kind, job.id) for job in jobs])]
        spawner = Spawner(claim.id, claim.fence, groups, depends_on_others=True)
        plan = staging.plan(jobs, order_of(jobs), spawner=spawner, budget=7)
        for number, piece in enumerate(plan.pieces, 1):
            self.follower.run(staging.stage(plan.gate, number, piece, new_queues=[], spawner=spawner))
            model.stage(plan.gate, piece, spawner)
        self.follower.follow()
        return Outcome(claim, "gives" if kind == "output" else "spawned", value=b"{}", pieces=len(plan.pieces))

    def change(self, what: str, job_id: str) -> None:
        self.changes_left[what] -= 1
        model = self.follower.model
        if what == "cancel":
            self.follower.run(changes.cancel([job_id]))
            model.cancel(job_id)
        elif what == "delete":
            policy = self.random.choice(["cancel", "release", "delete"])
            members = self.random.choice([True, False])
            self.follower.run(changes.delete([job_id], policy, members=members))
            model.delete(job_id, policy, members=members)
        elif what == "revive":
            self.follower.run(changes.revive([job_id]))
            model.revive([job_id])
        elif what == "skip":
            self.follower.run(changes.skip(job_id, b"jnull", ""))
            model.skip(job_id, b"jnull")
        else:
            self.requeue(job_id, force=what == "force")
        self.follower.follow()

    def requeue(self, job_id: str, *, force: bool) -> None:
        call = changes.requeue(job_id, force=force, at_front=False)
        try:
            self.follower.model.requeue(job_id, force=force)
        except (FallbackReleasedError, InvalidJobOperationError, UpstreamFailedError) as error:
            with pytest.raises(type(error)):
                self.follower.run(call)
        else:
            self.follower.run(call)


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("name", GRAPHS)
def test_whatever_happens_in_between_all_end_as_their_dependencies_demand(valkey: Redis, name: str, size: int):
    with mock.patch.object(rqdeps.store.store, "script", partial(script, budget=size)):
        for number in range(WALKS):
            walk = Walk(valkey, GRAPHS[name], f"{name} {number} {size}")
            try:
                walk.take(STEPS)
            except Exception:
                print(f"walk {number}:", *walk.log, sep="\n  ")
                raise
