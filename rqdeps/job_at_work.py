"""What a job does besides its work while it runs: it spawns others, and tells people how it gets on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rqdeps.dependency import Rule
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import InvalidJobOperationError
from rqdeps.job_changes import JobChanges
from rqdeps.mapping import map_data
from rqdeps.options import AllOptions, JobOptions
from rqdeps.telling import LogLine, Progress, log, log_lines

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rqdeps.job import Job

P = ParamSpec("P")
R = TypeVar("R")
R2 = TypeVar("R2")


class JobAtWork(JobChanges):
    """What a job can do while it runs."""

    # What it spawns

    def options(self, **options: Unpack[AllOptions]) -> SpawnOptions:
        """Options for what the job spawns: ``get_current_job().options(retry=3).spawn(fn, 1)``.

        Of ``depends_on``, jobs that it spawns too can be named, and others that don't wait for it. ``rule`` says how it
        joins the new job.
        """
        return SpawnOptions(self, JobOptions.read(options, spawns=True))

    def spawn(self, f: Callable[P, R2], /, *args: P.args, **kwargs: P.kwargs) -> Job[R2]:
        """Enqueues a function call as part of this job, which runs: ``get_current_job().spawn(fn, 1)``.

        It is enqueued once this attempt has succeeded, together with all else that the attempt spawned, and comes to
        nothing otherwise. The job then waits for it, ``joining``, and finishes once all have ended; if one has failed,
        it ends as ``upstream_failed``. What it returns may hold outputs of jobs that it spawned.

        Args:
            f: a function that workers can import.
            *args: the function's arguments.
            **kwargs: the function's arguments by name; no name is reserved.

        Raises:
            InvalidJobOperationError: this is not the job that runs here.
        """
        return self.options().spawn(f, *args, **kwargs)

    def map(
        self,
        f: Callable[..., R2],
        items: Iterable[Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        rule: Rule = "all_success",
    ) -> Job[list[R2]]:
        """Enqueues a call for each item as part of this job; see ``Queue.map`` and ``spawn``."""
        return self.options().map(f, items, args=args, kwargs=kwargs, rule=rule)

    def spawn_data(self, data: EnqueueData, rule: Rule | None = None) -> Job[Any]:
        """Enqueues a job to be as part of this job; see ``spawn``.

        Args:
            data: what ``Queue.prepare_data`` made.
            rule: the trigger rule by which this job joins it; ``"none_failed"`` by default.
        """
        if self.spawning is None:
            raise InvalidJobOperationError(
                f"job {self.id!r} does not run here: only a job itself can spawn others, with get_current_job().spawn"
            )
        job: Job[Any] = type(self)(data.id, self._store)  # type: ignore[assignment]  # only jobs are made
        job.draft = replace(data.spawned(self.id), queue=data.queue or self.spawning.queue)
        self.spawning.add(job, rule)
        return job

    # What it tells people

    def progress(self, done: int | float, total: int | float | None = None, note: str = "") -> None:
        """Says how far the job has come: ``get_current_job().progress(40, 100, "reading")``.

        Inside the job it may be called as often as one likes: it is sent every 0.1 s at most, and at the end. It never
        makes the job fail: while the server does not answer, it waits. Once a worker takes the job for another attempt,
        it is forgotten.

        Args:
            done: how much is done, in whatever unit.
            total: of how much; without it, that is not known.
            note: what else to tell people, in one line; cut at 1,000 characters.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``note`` no text.
            ValueError: a number is negative, infinite or none.
            InvalidJobOperationError: called from elsewhere, and the job does not run.
            NoSuchJobError: called from elsewhere, and the job has been deleted.
        """
        if self.telling is not None:
            self.telling.progress(done, total, note)
        else:
            self._store.run(Progress.of(done, total, note).call(self.saved_id))

    def get_progress(self, refresh: bool = True) -> Progress | None:
        """How far the job has come, by its own account; ``None`` if it has not said.

        Args:
            refresh: whether to ask the server anew.
        """
        if refresh:
            self.refresh()
        return self.loaded_progress

    def log(self, text: str) -> None:
        """Adds lines to the job's log: ``get_current_job().log("begun")``. The last 1,000 are kept with the job.

        Inside the job it never makes that fail: while the server does not answer, lines wait. ``JobLogHandler`` brings
        there what a program writes with ``logging``.

        Args:
            text: one line or several, each cut at 4,096 characters.

        Raises:
            TypeError: it is no text.
            NoSuchJobError: called from elsewhere, and the job has been deleted.
        """
        if self.telling is not None:
            self.telling.log(text)
        else:
            self._store.perform(log(self.saved_id, text))

    def log_lines(self, count: int = 1_000) -> list[LogLine]:
        """The last lines of the job's log, oldest first.

        Args:
            count: how many at most.

        Raises:
            TypeError: ``count`` is no number.
            ValueError: it is less than 1.
        """
        return self._store.perform(log_lines(self.id, count))


class SpawnOptions:
    """Options for what a job spawns while it runs. Made by ``Job.options``."""

    def __init__(self, job: JobAtWork, options: JobOptions) -> None:
        self._job = job
        self._options = options

    def spawn(self, f: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueues a function call with these options as part of the job; see ``Job.spawn``."""
        data = EnqueueData.make(f, args, kwargs, self._options, self._job.codec, kwargs_are_meant=True)
        return self._job.spawn_data(data, self._options.rule)

    def map(
        self,
        f: Callable[..., R],
        items: Iterable[Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        rule: Rule = "all_success",
    ) -> Job[list[R]]:
        """Enqueues a call for each item as part of the job; see ``Queue.map``."""
        data = map_data(f, items, args, kwargs, rule, self._options, self._job.codec)
        return self._job.spawn_data(data, self._options.rule)
