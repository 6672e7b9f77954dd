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
from redis import Redis

import rqdeps.store.store
from rqdeps.dependency import RULES
from rqdeps.errors import FallbackReleasedError, UpstreamFailedError
from rqdeps.store.calls import changes, claims, upkeep
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome
from rqdeps.store.calls.enqueue import EdgeKind, NewGroup, NewJob, enqueue
from rqdeps.store.scripts import script

#: How many walks through each graph: 6 by default.
WALKS = settings().max_examples // 16
STEPS = 40
FALLBACK = "fallback"
ANY = "any rule"

#: For each job what it waits for, and by which rule: jobs are numbered from 0.
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
}


class Walk:
    """One way through what can happen to a graph."""

    def __init__(self, client: Redis, graph: list[tuple[list[int], str]], seed: str) -> None:
        self.follower = Follower(client)
        self.random = random.Random(seed)
        self.held: dict[str, Claimed] = {}
        self.changes_left = {"cancel": 2, "requeue": 3, "force": 1, "delete": 1, "skip": 1}
        self.log: list[str] = []
        self.enqueue(graph)

    @property
    def status(self) -> dict[str, str]:
        return {job.id: job.status for job in self.follower.model.visible()}

    def enqueue(self, graph: list[tuple[list[int], str]]) -> None:
        jobs = []
        stands_in = {f"job-{above[0]}": f"job-{i}" for i, (above, rule) in enumerate(graph) if rule == FALLBACK}
        for i, (above, rule) in enumerate(graph):
            kind: EdgeKind = "fallback" if rule == FALLBACK else "dependency"
            wanted = self.random.choice(RULES) if rule == ANY else rule
            fields: dict[str, object] = {"function": "samples.anything", "payload": b"jnull"}
            if f"job-{i}" in stands_in:
                fields["fallback"] = stands_in[f"job-{i}"]
            if rule == FALLBACK:
                fields["fallback_of"] = f"job-{above[0]}"
            groups = [NewGroup(wanted, [(kind, f"job-{each}") for each in above])] if above else []
            jobs.append(NewJob(f"job-{i}", "default", fields, groups=groups))
            self.log.append(f"job-{i}: {wanted} of {above}")
        self.follower.run(enqueue(jobs, new_queues=["default"]))
        self.follower.model.enqueue(jobs)
        self.follower.follow()

    def take(self, steps: int) -> None:
        for _ in range(steps):
            self.take_step()
        while self.follower.data.sorted_set("cascades") or self.follower.data.sorted_set("reopenings"):
            self.cascade()
        assert not self.follower.model.untold()

    def take_step(self) -> None:
        status = self.status
        choices = [("claim", "")] * 2 + [("cascade", "")] * 4
        choices += [(what, job_id) for job_id in self.held for what in ("finish", "fail", "fail")]
        for what, left in self.changes_left.items():
            if left:
                choices += [(what, job_id) for job_id, each in status.items() if self.fits(what, each)]
        what, job_id = self.random.choice(choices)
        self.log.append(f"{what} {job_id}")
        if what in self.changes_left:
            self.change(what, job_id)
        elif what == "cascade":
            self.cascade()
        else:
            self.report(what, job_id)

    def fits(self, what: str, status: str) -> bool:
        return {
            "cancel": status in ("queued", "deferred"),
            "requeue": status in ("failed", "canceled"),
            "force": status in ("finished", "failed", "upstream_failed", "skipped", "canceled"),
            "delete": True,
            "skip": status != "finished",
        }[what]

    def cascade(self) -> None:
        self.follower.run(upkeep.cascade())
        self.follower.follow()

    def report(self, what: str, job_id: str) -> None:
        model = self.follower.model
        outcomes = []
        if what != "claim":
            kind = "finished" if what == "finish" else "failed"
            outcomes = [Outcome(self.held.pop(job_id), kind, NO_RETRY, b"{}")]
        want = int(what == "claim")
        settled = self.follower.run(
            claims.settle(
                outcomes, holder="w.1", lease_ms=LEASE_MS, queues=["default"], want=want, begin=want, look=bool(want)
            )
        )
        assert settled.statuses == [model.settle(outcome) for outcome in outcomes]
        self.follower.follow([(claim, "w.1", True) for claim in settled.claimed])
        self.held.update({claim.id: claim for claim in settled.claimed})

    def change(self, what: str, job_id: str) -> None:
        self.changes_left[what] -= 1
        model = self.follower.model
        if what == "cancel":
            self.follower.run(changes.cancel([job_id]))
            model.cancel(job_id)
        elif what == "delete":
            policy = self.random.choice(["cancel", "release", "delete"])
            self.follower.run(changes.delete([job_id], policy))
            model.delete(job_id, policy)
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
        except (FallbackReleasedError, UpstreamFailedError) as error:
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
