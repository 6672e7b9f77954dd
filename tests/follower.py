"""Lets the model follow the store: after every call there must be steps of cascades that lead to what is stored."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from model import Model, ModelJob
from model.jobs import Edge
from redis import Redis

from rqdeps.store import Call, Store
from rqdeps.store.calls.claims import Claimed
from rqdeps.store.invariants import violations
from rqdeps.store.invariants.data import Data, Edges, Register, read

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

    @property
    def tasks(self) -> set[str]:
        """What is left to do beside telling: gates that are being opened, workflows that are being canceled."""
        return {name for name in self.data.sorted_set("cascades") if ":" in name}

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
                left = {name for edges in self.data.edges_of(job.id) for name in edges.registers}
                for dependency_id in {*job.edges, *job.joined} - left:
                    self.model.lose(job, dependency_id)
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
        names = [*self.model.jobs, *self.model.gates, *self.model.canceling]
        for name in [*self.model.news, *(name for name in names if name not in self.model.news)]:
            if name in self.model.gates:
                yield from self._steps_of_gate(name)
            elif name in self.model.canceling:
                yield from self._steps_of_cancellation(name)
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

        kept = self.model.kept.get(gate)
        if kept and self.model.gates[gate] == "open" and kept[0].id in self.data.jobs:
            yield lambda model: _let_in(model, gate)

    def _steps_of_cancellation(self, task: str) -> Iterator[Step]:
        """The next member of a workflow that is being canceled, if its turn has come; at last, that nobody is left."""
        place = self.data.sorted_set("cascades").get(task)
        left = [job for job in self.model.members(task.partition(":")[2]) if job.entry > self.model.canceling[task]]
        if left and (place is None or left[0].entry <= place):
            yield lambda model: _cancel_member(model, task, left[0].id)
        elif not left and place is None:
            yield lambda model: _end_cancellation(model, task)

    def _steps_of_member(self, job: ModelJob) -> Iterator[Step]:
        """While a workflow is being canceled, a member may be canceled at any time: when it is claimed, for one."""
        stored = self.data.jobs.get(job.id)
        if stored is None or job.has_ended or job.is_to_stop or not self.model.is_being_canceled(job):
            return
        if stored.status == "canceled" or "stop" in stored.fields:
            yield lambda model: _cancel(model, job.id)

    def _steps_of_workflow(self, own: ModelJob) -> Iterator[Step]:
        """The members of a workflow that goes, one by one; and what was kept for it alone."""
        for job in self.model.members(own.id) if own.policy is not None else ():
            stored = self.data.jobs.get(job.id)
            if stored is None or stored.fields.get("workflow") != own.id:
                yield lambda model, job_id=job.id: _disband(model, own.id, job_id)

    def _steps_of_job(self, dependency: ModelJob) -> Iterator[Step]:
        yield from self._steps_of_member(dependency)
        yield from self._steps_of_workflow(dependency)
        if dependency.may_go and dependency.is_old and self._is_gone(dependency):
            yield lambda model: model.expire(model.jobs[dependency.id])
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
        registers = self._registers(job, dependency)
        if registers is None:
            return self.model.is_news(job, dependency)
        register = registers.get(dependency.id)
        edge = job.edge_to(dependency.id)
        return register is None or (register.epoch, register.outcome) != (edge.epoch, edge.outcome)

    def _registers(self, job: ModelJob, dependency: ModelJob) -> dict[str, Register] | None:
        """What is stored of what a job depends on, or joins, according to which of both the dependency is."""
        edges = (self.data.joins if dependency.id in job.joined else self.data.edges).get(job.id)
        return None if edges is None else edges.registers

    def _follows_policy(self, job: ModelJob, dependency: ModelJob) -> bool:
        if job.edge_to(dependency.id).outcome or job.policy is not None:
            return False
        if job.id not in self.data.jobs or self._is_gone(dependency):
            return True
        register = (self._registers(job, dependency) or {}).get(dependency.id)
        is_deleted = self.data.jobs[job.id].is_being_deleted
        return is_deleted or register is None or register.outcome != ""

    # Comparison

    def _differences(self) -> Iterator[str]:
        model, data = self.model, self.data
        for job_id in data.jobs.keys() - model.jobs.keys():
            yield f"{job_id} exists"
        tasks = {name for name in data.sorted_set("cascades") if name.startswith("cancel")}
        if tasks != model.canceling.keys():
            yield f"{tasks} are being canceled, and it should be {set(model.canceling)}"
        for job in model.jobs.values():
            stored = data.jobs.get(job.id)
            if stored is None:
                yield f"{job.id} does not exist, and should be {job.status}"
                continue
            wanted = (job.status, job.epoch, job.attempt, job.failures, job.deaths, job.policy, job.gate, job.queue)
            found = (
                stored.status,
                stored.epoch,
                *(stored.number(name) for name in ("attempt", "failures", "deaths")),
                stored.fields["deleting"].partition(":")[0] if "deleting" in stored.fields else None,
                stored.fields.get("gate"),
                stored.queue,
            )
            if wanted != found:
                yield f"{job.id} is {found}, and should be {wanted}"
            stands_in = (stored.fields.get("fallback"), stored.fields.get("stand_in"))
            if stands_in != (job.fallback, job.stand_in):
                yield f"{job.id} has {stands_in} to stand in for it, and should have {(job.fallback, job.stand_in)}"
            if not model.is_given_up(job):
                belongs = (job.has_run, job.gives, job.is_to_stop, job.workflow, job.takes_members)
                stored_belongs = (
                    *(name in stored.fields for name in ("joins", "gives", "stop")),
                    stored.fields.get("workflow"),
                    stored.fields.get("deleting", "").endswith(":members"),
                )
                if belongs != stored_belongs:
                    yield f"{job.id} belongs as {stored_belongs}, and should as {belongs}"
            if job.policy is None and not self._goes_in_pieces(job):
                yield from self._differing_edges(job, data.edges, job.edges)
                yield from self._differing_edges(job, data.joins, job.joined)

    def _differing_edges(self, job: ModelJob, stored: dict[str, Edges], edges: dict[str, Edge]) -> Iterator[str]:
        registers = stored[job.id].registers if job.id in stored else {}
        found = {name: (each.kind, each.group, each.epoch, each.outcome) for name, each in registers.items()}
        wanted = {name: (each.kind, each.group, each.epoch, each.outcome) for name, each in edges.items()}
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


def _let_in(model: Model, gate: str) -> bool:
    model.let_in(gate)
    return True


def _cancel(model: Model, job_id: str) -> bool:
    model.cancel_job(model.jobs[job_id])
    return True


def _cancel_member(model: Model, task: str, job_id: str) -> bool:
    model.cancel_member(task, model.jobs[job_id])
    return True


def _end_cancellation(model: Model, task: str) -> bool:
    del model.canceling[task]
    return True


def _disband(model: Model, workflow_id: str, job_id: str) -> bool:
    model.disband(model.jobs[workflow_id], model.jobs[job_id])
    return True


def _remove(model: Model, job_id: str) -> bool:
    model.remove(model.jobs[job_id])
    return True
