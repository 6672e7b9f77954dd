"""How a person changes their mind about a job: cancel, delete, requeue, skip, hold and release, wait for more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rqdeps.dependency import Dependency, JobRef, Rule
from rqdeps.enqueueing import carry_on_cascades, enqueue_datas
from rqdeps.errors import GraphTooLargeError, InvalidJobOperationError, NoSuchJobError, UpstreamFailedError
from rqdeps.job_facts import JobFacts
from rqdeps.lineage import culprits, refuse_circle
from rqdeps.serializers import dumps
from rqdeps.status import JobStatus
from rqdeps.store import Store
from rqdeps.store.calls import changes
from rqdeps.store.calls.changes import Policy
from rqdeps.store.calls.enqueue import NewGroup
from rqdeps.store.scripts import BUDGET

#: How many jobs to requeue an error names.
_NAMED = 3

_POLICIES = ("cancel", "release", "delete")

#: How many new dependencies one call takes.
_DEPENDENCIES_PER_CALL = BUDGET // 2


class JobChanges(JobFacts):
    """What can be changed about a job that exists."""

    def cancel(self) -> bool:
        """Ends the job before it runs. Its dependents count it as failed.

        A job that runs is asked to stop: its worker kills it within a second or two, and it ends as ``stopped``.

        Returns:
            Whether it is canceled or being stopped, be it since an earlier call: ``False`` if it had ended otherwise.

        Raises:
            NoSuchJobError: there is no such job.
        """
        self._check_saved()
        changed = self._store.run(changes.cancel([self.id]))
        carry_on_cascades(self._store, changed.cascades_left)
        (status,) = changed.found
        if not status:
            raise NoSuchJobError(self.id)
        return status in (JobStatus.CANCELED, JobStatus.STARTED)

    def delete(self, dependents: Policy = "cancel") -> None:
        """Deletes the job and all that is stored of it.

        What it came to, if it had ended, its dependents are told first. Those that still wait for it are canceled,
        released or deleted too. If it runs, its claim is void: what it does comes to nothing, and its worker kills it.

        Args:
            dependents: ``"cancel"`` those that still wait, ``"release"`` them, as if they had never depended on it, or
                ``"delete"`` them, and whatever waits for them.

        Raises:
            NoSuchJobError: there is no such job.
            ValueError: ``dependents`` is something else.
        """
        if dependents not in _POLICIES:
            raise ValueError(f"dependents= is one of {', '.join(map(repr, _POLICIES))}, not {dependents!r}")
        self._check_saved()
        changed = self._store.run(changes.delete([self.id], dependents))
        carry_on_cascades(self._store, changed.cascades_left)
        if changed.found == ["0"]:
            raise NoSuchJobError(self.id)

    def requeue(self, *, force: bool = False, at_front: bool = False) -> None:
        """Gives a job that has ended another life, with all its retries. What could not run because of it waits again.

        A job that was canceled before its dependencies had ended waits for them again.

        Args:
            force: run it also if it has finished, if its dependencies don't let it run, or if its fallback has begun to
                stand in for it. A fallback that has ended runs again if the job fails again; one that runs goes on, and
                counts for the next failure too.
            at_front: put it at the front of its queue.

        Raises:
            InvalidJobOperationError: it has not ended, or has finished.
            UpstreamFailedError: its dependencies don't let it run; the error names the jobs to requeue instead.
            FallbackReleasedError: its fallback has begun.
            NoSuchJobError: there is no such job.
        """
        self._check_saved()
        try:
            left = self._store.run(changes.requeue(self.id, force=force, at_front=at_front))
        except UpstreamFailedError as error:
            found = culprits(self.id, self._store, most=_NAMED)
            named = [(root.job_id, root.status or "deleted") for root in found.roots]
            raise UpstreamFailedError(
                self.id, error.status, named, more=found.more, is_canceled=error.is_canceled
            ) from None
        carry_on_cascades(self._store, left)

    def skip(self, output: Any = None) -> None:
        """Treats the job as finished with a value, to get on without it. If it runs, its claim is void.

        Args:
            output: what those that take its output get.

        Raises:
            InvalidJobOperationError: it has finished already.
            NoSuchJobError: there is no such job.
            SerializationError: the value can't be carried.
        """
        self._check_saved()
        value = dumps(output, where="output", with_outputs=False)
        left = self._store.run(changes.skip(self.id, value, "a person had it skipped, with this value as its output"))
        carry_on_cascades(self._store, left)

    def save(self) -> None:
        """Saves a job made by ``Job.create``: it is held until it is released. Of any other it stores ``meta``.

        Raises:
            NoSuchJobError: a job to wait for does not exist.
            DuplicateJobError: a job with this id exists already.
        """
        if self.draft is None:
            self.save_meta()
            return
        held = replace(self.draft, options=replace(self.draft.options, hold=True))
        enqueue_datas([held], self._store, "default")
        self.is_saved_in(self._store)

    def is_saved_in(self, store: Store) -> None:
        """The job is known to the server from now on."""
        self._store = store
        self.draft = self._loaded = None

    def release(self) -> None:
        """Lets the job go if it was held: to its queue, or to wait for its time or its dependencies.

        Raises:
            InvalidJobOperationError: it is not held.
            NoSuchJobError: there is no such job.
        """
        self._check_saved()
        carry_on_cascades(self._store, self._store.run(changes.release([self.id])))

    def _check_saved(self) -> None:
        if self.draft is not None:
            raise InvalidJobOperationError(f"job {self.id!r} is not saved yet: Queue.enqueue_job enqueues it")

    def add_dependency(self, jobs: JobRef | Iterable[JobRef] | Dependency, *, rule: Rule | None = None) -> None:
        """Lets the job wait for others too. It may be queued already, but not have run.

        Args:
            jobs: a job or several, or their ids, or a ``Dependency`` with a rule of its own.
            rule: the trigger rule for them; ``"all_success"`` by default.

        Raises:
            DependencyCycleError: they would wait for each other in a circle, which the error spells out.
            InvalidJobOperationError: the job has run.
            NoSuchJobError: one of the jobs does not exist.
            ValueError: it depends on one of them already.
            GraphTooLargeError: these are more than one call takes, and the job is not held.
        """
        if isinstance(jobs, Dependency) and rule is not None:
            raise ValueError(f"a Dependency has a rule of its own; drop rule={rule!r}")
        group = jobs if isinstance(jobs, Dependency) else Dependency(jobs, rule=rule)
        if self.draft is not None:
            new = NewGroup(group.rule, [("dependency", job_id) for job_id in group.job_ids])
            self.draft = self.draft.waiting_for(new)
            return
        size = _DEPENDENCIES_PER_CALL
        if len(group.job_ids) > size and not self.is_created:
            raise GraphTooLargeError(
                f"{len(group.job_ids)} dependencies are more than a job can get in one step, which is {size}: "
                f"hold the job, or give them in several calls"
            )
        for i in range(0, len(group.job_ids), size):
            self._add_some(group.job_ids[i : i + size], group.rule)

    def _add_some(self, job_ids: tuple[str, ...], rule: Rule) -> None:
        added = self._store.run(changes.add_dependency(self.id, job_ids, rule=rule))
        while added.search is not None:  # unless the graph changes while this looks, once
            refuse_circle(self.id, job_ids, self._store)
            added = self._store.run(changes.add_dependency(self.id, job_ids, rule=rule, state=added.search))
        carry_on_cascades(self._store, added.cascades_left)
