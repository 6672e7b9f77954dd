"""What must be true of every history, checked on what was written down and on what is stored."""

from __future__ import annotations

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

from chaos.history import DISTURBING, FORCED, History, Run
from chaos.jobs import DEADLY
from chaos.stored import Stored
from chaos.workers import Ended
from rqdeps.store.invariants.rules import Group
from rqdeps.store.invariants.schema import TERMINAL

#: How long the record of a job that nobody needs is kept, in seconds; those whose results are kept for a moment only
#: may be gone after that.
_KEPT_SECONDS = 600

#: How long after a run its outcome may wait to be reported, in nanoseconds: what it spawned is staged before.
_UNTIL_REPORTED = int(5e9)

#: Errors that say that nothing was done, since what was asked for could not be.
_FAIR_REFUSALS = (
    "NoSuchJobError",
    "NoSuchWorkflowError",
    "InvalidJobOperationError",
    "UpstreamFailedError",
    "FallbackReleasedError",
    "JobFailedError",
    "WaitTimeoutError",
    "ResultExpiredError",
)


class Checker:
    """Looks for what must not be.

    Args:
        history: what was written down.
        stored: what is stored.
        workers: the workers that have ended.
    """

    def __init__(self, history: History, stored: Stored, workers: list[Ended]) -> None:
        self._history = history
        self._stored = stored
        self._workers = workers
        self._names_disturbed = {change.name for change in history.changes if change.op in DISTURBING}
        self.is_undisturbed = cache(self._is_undisturbed)

    # What was done to a job, or to any job above it, decides how much can be said of it

    def _is_undisturbed(self, job_id: str) -> bool:
        """Whether a job, and all above it, has lived once and been left to itself, so that its end is its only one."""
        seen, waiting = set(), [job_id]
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            fact = self._history.enqueued.get(each, {})
            if self._names_disturbed.intersection((each, fact.get("workflow"))):
                return False
            waiting += [member for _, members in fact.get("groups", []) for member in members]
            waiting += [name for name in self._above(each) if name]
        return True

    def _above(self, job_id: str) -> list[str]:
        fact = self._history.enqueued.get(job_id, {})
        spawner = self._history.spawners.get(job_id)
        return [*self._stored.above(job_id), fact.get("fallback_of", ""), spawner.job if spawner else ""]

    def may_be_gone(self, job_id: str) -> bool:
        """Whether a job may have been deleted: by somebody, or because it was due."""
        ops = {change.op for name in (job_id, *self._above(job_id)) for change in self._history.changes_of(name)}
        if ops & {"delete", "delete workflow"}:
            return True
        fact, runs = self._history.enqueued.get(job_id, {}), self._history.runs_of.get(job_id, [])
        returned = [run.end for run in runs if run.how == "returned"]
        if not bool(fact.get("short", True)) or (runs and not returned):
            return False  # that of a job that failed is kept for a year
        last = max([fact.get("at", 0), *returned])  # one that was skipped never ran
        return bool(time.time() - last / 1e9 > _KEPT_SECONDS)

    # Findings

    def lost(self) -> Iterator[str]:
        """Every job that was enqueued for certain is there, and has ended."""
        for job_id in self._history.certain:
            job = self._stored.jobs.get(job_id)
            if job is None and not self.may_be_gone(job_id):
                yield f"job {job_id} was enqueued, and is gone"
        for job in self._stored.jobs.values():
            if job.status not in TERMINAL and not self._stored.data.is_closed(job):
                yield f"job {job.id} is {job.status}, and nothing goes on"

    def unexpected(self) -> Iterator[str]:
        """Nothing ran that was not enqueued, or spawned by an attempt that was accepted."""
        for job_id, runs in self._history.runs_of.items():
            spawner = self._history.spawners.get(job_id)
            if job_id in self._history.enqueued:
                continue
            if runs[0].place is not None:
                if runs[0].place[0] not in self._history.enqueued:
                    yield f"job {job_id} ran as an element of a map that nobody enqueued"
            elif spawner is None:
                yield f"job {job_id} ran, and nobody enqueued it"
            elif self.is_undisturbed(spawner.job) and self._accepted_run(spawner.job) not in {None, spawner.run}:
                yield f"job {job_id} ran, spawned by {spawner.run} of {spawner.job}, which was not accepted"
        elements: dict[tuple[str, str], set[str]] = defaultdict(set)
        for run in self._history.runs.values():
            if run.place is not None and self.is_undisturbed(run.place[0]):
                elements[run.place].add(run.job)
        for (map_id, place), ids in elements.items():
            if len(ids) > 1:
                yield f"map {map_id} has several jobs at place {place}: {', '.join(sorted(ids))}"

    def _accepted_run(self, job_id: str) -> str | None:
        """The run that was accepted; empty if none was; ``None`` if that can't be told."""
        job = self._stored.jobs.get(job_id)
        if job is None:
            return None
        if job_id in self._stored.accepted:
            return self._stored.accepted[job_id]
        return "" if job.status == "failed" else None

    def early(self) -> Iterator[str]:
        """No job began before its rules were met."""
        for job_id, fact in self._history.enqueued.items():
            for run in self._history.runs_of.get(job_id, []):
                if self.is_undisturbed(job_id):
                    yield from self._early_by_what_is_stored(run, fact.get("groups", []), fact.get("fallback_of"))
                elif not any(self._history.changes_of(job_id, FORCED)):
                    yield from self._early_by_what_was_written(run, fact.get("groups", []))

    def _early_by_what_is_stored(
        self, run: Run, groups: list[tuple[str, list[str]]], stands_for: str | None
    ) -> Iterator[str]:
        for rule, members in groups:
            if any(member not in self._stored.jobs for member in members):
                continue
            ends = {member: self._stored.end_of(member) for member in members}
            outcomes = [status if at <= run.start / 1e6 else "" for status, at in ends.values()]
            if not Group.of(rule, outcomes).is_met:
                yield f"{run.run} of {run.job} began before {rule} of {ends} was met"
        failed = self._stored.jobs.get(stands_for or "")
        if failed is not None and (failed.status != "failed" or failed.number("ended_at") > run.start / 1e6):
            yield f"{run.run} of {run.job} began before {failed.id} had failed, for which it stands in"

    def _early_by_what_was_written(self, run: Run, groups: list[tuple[str, list[str]]]) -> Iterator[str]:
        """Of jobs that live again, at least what ended well must have been written down before."""
        for rule, members in groups:
            for member in members if rule == "all_success" else []:
                fact = self._history.enqueued.get(member, {})
                if any(self._history.changes_of(member, "skip", "delete", "delete workflow")) or fact.get("is_map"):
                    continue
                by = [member, fact.get("fallback") or ""]
                while (further := self._history.enqueued.get(by[-1], {}).get("fallback")) is not None:
                    by.append(further)
                ends = [other for name in by for other in self._history.runs_of.get(name, [])]
                if fact and not any(other.how == "returned" and other.end <= run.start for other in ends):
                    yield f"{run.run} of {run.job} began before {member} had returned"

    def doubly_accepted(self) -> Iterator[str]:
        """Each claim has one run, and the accepted outcome is that of the last claim, which all have seen alike."""
        for (job_id, fence), count in Counter((run.job, run.fence) for run in self._history.runs.values()).items():
            if count > 1:
                yield f"job {job_id} ran {count} times under one claim, {fence}"
        for job_id, name in self._stored.accepted.items():
            job, run = self._stored.jobs[job_id], self._history.runs.get(name)
            if run is None or run.job != job_id:
                yield f"job {job_id} has a result of {name}, which is no run of it"
                continue
            ended_at = job.number("returned_at") or job.number("ended_at")
            if run.how != "returned" or run.end / 1e6 > ended_at + 1:
                yield f"job {job_id} has the result of {name}, which had not returned then"
            if str(run.fence) != job.fields.get("fence"):
                yield f"job {job_id} has the result of {name}, whose claim was lost: the last was {job.fields['fence']}"
        for run in self._history.runs.values():
            for name in run.inputs:
                giver = self._history.runs.get(name)
                accepted = self._stored.accepted.get(giver.job) if giver else None
                if giver and accepted and accepted != name and self.is_undisturbed(giver.job):
                    yield f"{run.run} of {run.job} was given {name}, and {accepted} is the accepted run of {giver.job}"

    def not_stopped(self) -> Iterator[str]:
        """No job is claimed once it is known to be canceled, unless it was given another life."""
        for change in self._history.changes:
            if change.op != "cancel" or change.result is not True:
                continue
            if not self.is_undisturbed(change.name):
                continue
            for run in self._history.runs_of.get(change.name, []):
                if run.fence * 1000 > change.done:
                    yield f"{run.run} of {run.job} was claimed after the job had been canceled"

    def too_early_forgotten(self) -> Iterator[str]:
        """Results are kept as long as somebody needs them."""
        for job_id, fact in self._history.enqueued.items():
            is_certain = fact.get("outputs") or fact.get("is_map")
            if is_certain and self.is_undisturbed(job_id) and self._stored.missed_an_output(job_id):
                yield f"job {job_id} failed because the output of another was gone"

    def wrongly_failed(self) -> Iterator[str]:
        """No job failed all of whose attempts went well."""
        for job_id in self._history.enqueued:
            job, runs = self._stored.jobs.get(job_id), self._history.runs_of.get(job_id, [])
            if job is None or job.status != "failed" or not self.is_undisturbed(job_id):
                continue
            went_well = [run.how == "returned" and run.do not in DEADLY and not self._died_later(run) for run in runs]
            if runs and all(went_well):
                attempts = self._stored.data.of_job["attempts"].get(job_id, [])
                yield f"job {job_id} failed, though each of its {len(runs)} attempts returned: {attempts}"

    def _died_later(self, run: Run) -> bool:
        """Whether the process of a run that had returned was killed before that could be reported."""
        events = self._history.events_between(run.end, run.end + _UNTIL_REPORTED)
        return any(event.kind == "kill horse" and run.pid in event.pids for event in events)

    def unfair_refusals(self) -> Iterator[str]:
        """Nothing is refused but what can't be done."""
        for error in self._history.refused:
            if not error.startswith(_FAIR_REFUSALS):
                yield f"refused: {error}"

    def fallen_workers(self) -> Iterator[str]:
        """No worker ended but by a signal, or by a job that killed it."""
        for worker in self._workers:
            # One that has said goodbye already, or has only just begun, does not listen any more, or yet.
            if signal.SIGTERM in worker.signals and worker.code in {0, 1, -signal.SIGTERM}:
                continue
            if worker.code == -signal.SIGKILL and signal.SIGKILL in worker.signals:
                continue
            if worker.code == -signal.SIGKILL and worker.pid in self._history.supervisors_killed_by_jobs:
                continue
            said = worker.log.read_text(errors="replace")[-2000:]
            if worker.code == 1 and "Error: no answer from the server" in said:
                continue  # it could not start
            yield f"worker {worker.pid} ended with code {worker.code}, signals {worker.signals}; it said: {said}"
