"""What can be changed about a job: cancel, delete, requeue, skip, save and hold, release, wait for more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rqdeps import changing
from rqdeps.dependency import Dependency, JobRef, Rule
from rqdeps.enqueueing import release, save_held
from rqdeps.job_facts import JobFacts
from rqdeps.store import Store
from rqdeps.store.calls.changes import Policy

if TYPE_CHECKING:
    from typing_extensions import Self


class JobChanges(JobFacts):
    """What can be changed about a job that exists."""

    def cancel(self, *, enqueue_dependents: bool = False) -> bool:
        """Ends the job before it runs. Its dependents count it as failed.

        A job that runs is asked to stop: its worker kills it within a second or two, and it ends as ``stopped``. So
        does one that joins others: these are canceled, and once they have ended, it has.

        Args:
            enqueue_dependents: what RQ has to let dependents run all the same; here that is done otherwise.

        Returns:
            Whether it is canceled or being stopped, be it since an earlier call; ``False`` if it had ended otherwise.
            Also of one that has finished and was to repeat whether that comes to nothing.

        Raises:
            NoSuchJobError: there is no such job.
            ValueError: dependents are to run all the same.
        """
        changing.refuse_to_enqueue_dependents(asked=enqueue_dependents)
        return self._store.perform(changing.cancel(self.saved_id))

    def delete(self, dependents: Policy = "cancel", *, delete_dependents: bool = False) -> None:
        """Deletes the job and all that is stored of it.

        What it came to, if it had ended, its dependents are told first. Those that still wait for it are canceled,
        released or deleted too. If it runs, its claim is void: what it does comes to nothing, and its worker kills it.
        What it has spawned goes on.

        Args:
            dependents: ``"cancel"`` those that still wait, ``"release"`` them, as if they had never depended on it, or
                ``"delete"`` them, and whatever waits for them.
            delete_dependents: RQ's way to say ``dependents="delete"``.

        Raises:
            NoSuchJobError: there is no such job.
            ValueError: ``dependents`` is something else.
        """
        if delete_dependents:
            dependents = "delete"
        self._store.perform(changing.delete(self.saved_id, dependents))

    def requeue(self, *, force: bool = False, at_front: bool = False) -> Self:
        """Gives a job that has ended another life, with all its retries. What could not run because of it waits again.

        A job that was canceled before its dependencies had ended waits for them again. One that has run, and joins
        others, does not run again: those of them do that failed.

        Args:
            force: run it also if it has finished, if its dependencies don't let it run, or if its fallback has begun to
                stand in for it. A fallback that has ended runs again if the job fails again; one that runs goes on, and
                counts for the next failure too.
            at_front: put it at the front of its queue.

        Returns:
            The job.

        Raises:
            InvalidJobOperationError: it has not ended, or has finished.
            UpstreamFailedError: its dependencies don't let it run; the error names the jobs to requeue instead.
            FallbackReleasedError: its fallback has begun.
            NoSuchJobError: there is no such job.
        """
        self._store.perform(changing.requeue(self.saved_id, force=force, at_front=at_front))
        return self

    def skip(self, output: Any = None) -> None:
        """Treats the job as finished with a value, to get on without it. If it runs, its claim is void.

        Args:
            output: what those that take its output get.

        Raises:
            InvalidJobOperationError: it has finished already.
            NoSuchJobError: there is no such job.
            SerializationError: the value can't be carried.
        """
        self._store.perform(changing.skip(self.saved_id, output, self.codec))

    def save(self) -> None:
        """Saves a job made by ``Job.create``: it is held until it is released. Of any other it stores ``meta``.

        Raises:
            NoSuchJobError: a job to wait for does not exist.
            DuplicateJobError: a job with this id exists already.
        """
        if self.draft is None:
            self.save_meta()
        else:
            self._store.perform(save_held(self.draft, self._store.registered))
            self.is_saved_in(self._store)

    def is_saved_in(self, store: Store) -> None:
        """The job is known to the server from now on."""
        self._store = store
        self._forget_draft()

    def release(self) -> None:
        """Lets the job go if it was held: to its queue, or to wait for its time or its dependencies.

        Raises:
            InvalidJobOperationError: it is not held.
            NoSuchJobError: there is no such job.
        """
        self._store.perform(release([self.saved_id]))

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
        self._store.perform(changing.add_dependency(self, jobs, rule))
