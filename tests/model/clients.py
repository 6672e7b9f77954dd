"""What clients do to a model: they bring jobs, all at once or piece by piece; and so do jobs that spawn others."""

from __future__ import annotations

from collections.abc import Iterable

from model.graph import Graph
from model.jobs import Edge, ModelJob, Spawned
from rqdeps import DuplicateJobError
from rqdeps.store.calls.enqueue import NewJob
from rqdeps.store.calls.staging import Piece, Spawner


class Clients(Graph):
    def enqueue(self, new_jobs: Iterable[NewJob]) -> None:
        new_jobs = list(new_jobs)
        for new in new_jobs:
            if new.id in self.jobs:
                raise DuplicateJobError(new.id)
            self._save(new)
        jobs = [self._link_all(new) for new in new_jobs]
        for job in [job for job in jobs if not job.goes_to_front] + [job for job in jobs[::-1] if job.goes_to_front]:
            self.place_job(job)

    def stage(self, gate: str, piece: Piece, spawner: Spawner | None = None) -> None:
        self.gates[gate] = "closed"
        self.pieces[gate] = self.pieces.get(gate, 0) + 1
        if piece.is_plain:
            self.kept.setdefault(gate, []).extend(piece.jobs)
            return
        by = None if spawner is None else self.jobs[spawner.id]
        if spawner is not None and by is not None and by.spawning != gate:
            by.spawning = gate
            self.spawned[gate] = Spawned(by.id, spawner.fence, [group.rule for group in spawner.groups])
        for new in piece.jobs:
            self._save(new, by)
        for new, place in zip(piece.jobs, piece.places, strict=True):
            job = self._link_all(new)
            job.status, job.gate, job.place = "created", gate, place
        for job_id, edges in piece.further.items():
            for group, kind, dependency_id in edges:
                if job_id == gate:
                    self.spawned[gate].edges[dependency_id] = Edge(kind, group, 1, "")
                    self.jobs[dependency_id].was_linked = True
                else:
                    self._link(self.jobs[job_id], dependency_id, kind, group)

    def open(self, gate: str) -> None:
        self.gates[gate] = "open"
        self.news[gate] = None

    def let_in(self, gate: str) -> None:
        """The first of the plain jobs that are kept behind a gate is made."""
        self.place_job(self._save(self.kept[gate].pop(0)))

    def is_awaited(self, gate: str) -> bool:
        """Whether what stands behind a gate may yet be let through by the report of the attempt that has spawned it."""
        spawned = self.spawned.get(gate)
        job = self.jobs.get(spawned.job_id) if spawned is not None else None
        return spawned is not None and job is not None and job.status == "started" and job.fence == spawned.fence

    def _save(self, new: NewJob, spawner: ModelJob | None = None) -> ModelJob:
        self.births += 1
        is_workflow = new.fields.get("function") == ""
        workflow = str(new.fields["workflow"]) if "workflow" in new.fields else None
        inherits_clean_up = False
        if spawner is not None and spawner.workflow is not None:  # what is spawned belongs where its spawner does
            workflow, inherits_clean_up = spawner.workflow, spawner.cleans_up
        rules = [group.rule for group in new.groups]
        job = ModelJob(
            id=new.id,
            queue=new.queue,
            rules=[] if is_workflow else rules,
            rules_of_join=rules if is_workflow else [],
            retries=int(new.fields.get("retries", 0)),
            time_is_ahead=bool(new.delay_ms),
            has_ttl="ttl" in new.fields,
            keeps_result=new.fields.get("result_ttl") != 0,
            goes_to_front=new.goes_to_front,
            held="held" in new.fields,
            fallback=str(new.fields["fallback"]) if "fallback" in new.fields else None,
            fallback_of=str(new.fields["fallback_of"]) if "fallback_of" in new.fields else None,
            birth=self.births,
            is_workflow=is_workflow,
            has_run=is_workflow,
            spawned_by=str(new.fields["spawned_by"]) if "spawned_by" in new.fields else None,
            workflow=workflow,
            cleans_up="cleans_up" in new.fields or inherits_clean_up,
        )
        if job.workflow is not None:
            self.entered[job.workflow] = self.entered.get(job.workflow, 0) + 1
            job.entry = self.entered[job.workflow]
        self.jobs[job.id] = job
        self.dependents[job.id] = []
        return job

    def _link_all(self, new: NewJob) -> ModelJob:
        job = self.jobs[new.id]
        for number, group in enumerate(new.groups):
            for kind, dependency_id in group.members:
                self._link(job, dependency_id, kind, number)
        return job

    def _link(self, job: ModelJob, dependency_id: str, kind: str, group: int) -> None:
        dependency = self.jobs[dependency_id]
        edges = job.joined if job.is_workflow else job.edges
        edges[dependency_id] = Edge(kind, group, dependency.epoch, self.outcome(kind, dependency))
        if kind == "fallback":
            self.dependents[dependency_id].insert(0, job.id)
        else:
            self.dependents[dependency_id].append(job.id)
            dependency.was_linked = True
