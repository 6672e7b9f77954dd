"""Lets the model follow the store: after every call there must be steps of cascades that lead to what is stored."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from model import Model, ModelJob
from redis import Redis

from rqdeps.store import Call, Store
from rqdeps.store.calls.claims import Claimed
from rqdeps.store.invariants import violations
from rqdeps.store.invariants.data import Data, read

T = TypeVar("T")

#: In how many orders of steps to look for what is stored: first as they come, then at random.
ORDERS = 300

Step = Callable[[Model], bool]


class Follower:
    """A store and the model of it.

    Attributes:
        model: what must be stored.
        data: what is stored.
        released: the jobs that cascades released during the last call.
        tellings: how often they told a job something.
    """

    def __init__(self, client: Redis) -> None:
        self.client: Any = client
        client.flushall()
        self.store = Store(client)
        self.model = Model()
        self.data = Data()
        self.released: list[str] = []
        self.tellings = 0

    def run(self, call: Call[T]) -> T:
        """Makes a call. What it does to the model is up to the caller, who then calls ``follow``."""
        return self.store.run(call)

    def follow(self, claimed: list[tuple[Claimed, str, bool]] | None = None) -> None:
        """Takes the steps that lead to what is stored.

        Args:
            claimed: what was claimed after them: the claim, its holder, and whether it begins.
        """
        self.data = read(self.client, self.store.keys)
        wrong = violations(self.data, quiet=True)
        assert not wrong, "\n".join(["the stored data contradicts itself:", *wrong])
        before = pickle.dumps(self.model)
        differences: list[str] = []
        for attempt in range(ORDERS):
            try:
                self._take_steps(attempt)
                for claim, holder, begins in claimed or []:
                    self.model.claim(claim, holder=holder, begins=begins)
                found = list(self._differences())
            except AssertionError as error:  # a claim of what is not queued
                found = [str(error)]
            if not found:
                break
            differences = differences or found
            self.model = pickle.loads(before)
        else:
            raise AssertionError("\n".join(["no order of steps leads to what is stored:", *differences]))
        for job in self.model.jobs.values():
            if self._goes_in_pieces(job):
                left = self.data.edges[job.id].registers if job.id in self.data.edges else {}
                for dependency_id in job.edges.keys() - left.keys():
                    self.model.unlink(job, dependency_id)
        self.released, self.tellings = self.model.released, self.model.tellings
        self.model.news, self.model.released, self.model.tellings = {}, [], 0
        if not self.data.sorted_set("cascades") and not self.data.sorted_set("reopenings"):
            assert not self.model.untold(), "cascades are at their end, and somebody has not been told"

    # Steps

    def _take_steps(self, attempt: int) -> None:
        shuffle = random.Random(attempt).shuffle if attempt else None
        while True:
            steps = list(self._steps())
            if shuffle is not None:
                shuffle(steps)
            if not any(step(self.model) for step in steps):  # the first that does something
                return

    def _steps(self) -> Iterator[Step]:
        """The steps that may lead to what is stored, those first whose turn it is."""
        others = [name for name in [*self.model.jobs, *self.model.gates] if name not in self.model.news]
        for name in [*self.model.news, *others]:
            if name in self.model.gates:
                yield from self._steps_of_gate(name)
            elif name in self.model.jobs:
                yield from self._steps_of_job(self.model.jobs[name])

    def _steps_of_gate(self, gate: str) -> Iterator[Step]:
        behind = sorted((job.place, job.id) for job in self.model.jobs.values() if job.gate == gate)
        for _, job_id in behind:
            stored = self.data.jobs.get(job_id)
            if self.model.gates[gate] == "given up" and stored is None:
                yield lambda model, job_id=job_id: _remove(model, job_id)
            elif self.model.gates[gate] == "open" and (stored is None or not stored.gate):
                yield lambda model, job_id=job_id: _let_through(model, job_id)

    def _steps_of_job(self, dependency: ModelJob) -> Iterator[Step]:
        is_told_all = True
        for job_id in self.model.dependents[dependency.id]:
            job = self.model.jobs[job_id]
            if self._was_told(job, dependency):
                is_told_all = False
                yield lambda model, pair=(job_id, dependency.id): _tell(model, *pair)
            if dependency.policy is not None and self._follows_policy(job, dependency):
                is_told_all = False
                yield lambda model, pair=(job_id, dependency.id): _apply_policy(model, *pair)
        if is_told_all and dependency.policy is not None and self._is_gone(dependency):
            yield lambda model: _remove(model, dependency.id)

    def _goes_in_pieces(self, job: ModelJob) -> bool:
        """Whether a job is being deleted that has lost some of its dependencies already."""
        return job.id in self.data.jobs and "unlinked" in self.data.jobs[job.id].fields

    def _is_gone(self, job: ModelJob) -> bool:
        return job.id not in self.data.jobs

    def _was_told(self, job: ModelJob, dependency: ModelJob) -> bool:
        """Whether something is stored of a dependency that the model's job does not know."""
        if job.policy is not None or self._goes_in_pieces(job):
            return False
        if job.id not in self.data.edges:
            return self.model.is_news(job, dependency)
        register = self.data.edges[job.id].registers.get(dependency.id)
        edge = job.edges[dependency.id]
        return register is None or (register.epoch, register.outcome) != (edge.epoch, edge.outcome)

    def _follows_policy(self, job: ModelJob, dependency: ModelJob) -> bool:
        if job.edges[dependency.id].outcome or job.policy is not None:
            return False
        if job.id not in self.data.jobs or self._is_gone(dependency):
            return True
        register = self.data.edges[job.id].registers.get(dependency.id)
        is_deleted = self.data.jobs[job.id].is_being_deleted and dependency.policy == "delete"
        return is_deleted or register is None or register.outcome != ""

    # Comparison

    def _differences(self) -> Iterator[str]:
        model, data = self.model, self.data
        for job_id in data.jobs.keys() - model.jobs.keys():
            yield f"{job_id} exists"
        for job in model.jobs.values():
            stored = data.jobs.get(job.id)
            if stored is None:
                yield f"{job.id} does not exist, and should be {job.status}"
                continue
            wanted = (job.status, job.epoch, job.attempt, job.failures, job.deaths, job.policy, job.gate, job.queue)
            found = (
                stored.status,
                *(stored.number(name) for name in ("epoch", "attempt", "failures", "deaths")),
                stored.fields["deleting"].removesuffix(":open") if "deleting" in stored.fields else None,
                stored.fields.get("gate"),
                stored.queue,
            )
            if wanted != found:
                yield f"{job.id} is {found}, and should be {wanted}"
            stands_in = (stored.fields.get("fallback"), stored.fields.get("stand_in"))
            if stands_in != (job.fallback, job.stand_in):
                yield f"{job.id} has {stands_in} to stand in for it, and should have {(job.fallback, job.stand_in)}"
            if job.policy is None and not self._goes_in_pieces(job):
                yield from self._differing_edges(job)

    def _differing_edges(self, job: ModelJob) -> Iterator[str]:
        registers = self.data.edges[job.id].registers if job.id in self.data.edges else {}
        found = {name: (each.kind, each.group, each.epoch, each.outcome) for name, each in registers.items()}
        wanted = {name: (each.kind, each.group, each.epoch, each.outcome) for name, each in job.edges.items()}
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                yield f"{job.id} knows {name} as {found.get(name)}, and should as {wanted.get(name)}"


def _tell(model: Model, job_id: str, dependency_id: str) -> bool:
    return model.tell(model.jobs[job_id], model.jobs[dependency_id])


def _apply_policy(model: Model, job_id: str, dependency_id: str) -> bool:
    job, dependency = model.jobs[job_id], model.jobs[dependency_id]
    return not model.is_news(job, dependency) and model.apply_policy(job, dependency)


def _let_through(model: Model, job_id: str) -> bool:
    model.let_through(model.jobs[job_id])
    return True


def _remove(model: Model, job_id: str) -> bool:
    model.remove(model.jobs[job_id])
    return True
