"""Runs that came to nothing, or were one too many: each must have a cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chaos.checker import Checker
from chaos.history import Event, History, Run
from chaos.jobs import DEADLY
from chaos.stored import Stored

#: What an event means for a run that came to nothing.
_CAUSES = {
    "kill worker": "worker killed",
    "kill all workers": "worker killed",
    "stop jobs and kill worker": "worker killed",
    "end worker at once": "worker forced to end",
    "end worker": "worker forced to end",
    "kill horse": "its process killed",
    "pause worker": "worker stopped for a while",
    "pause worker and horses": "worker stopped for a while",
    "cut": "connections cut",
    "break connections": "connections cut",
    "restart server": "server away",
    "pause server": "server away",
    "machine stalled": "machine stalled",
}

#: What a job whose time is over, or that kills its process, has to blame.
_ITSELF = "the job itself"

#: How long after it was over something may still be the cause, in nanoseconds: a lease, and what comes after.
_AFTERMATH = int(5e9)


@dataclass
class Duplicates:
    """What was found.

    Attributes:
        causes: how many runs that came to nothing had which cause.
        unexplained: those that have none.
        slowest_recovery: how long it took at most until a job ran again whose process had been killed, in seconds.
    """

    causes: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    slowest_recovery: float = 0.0


def duplicates(history: History, stored: Stored, checker: Checker) -> Duplicates:
    """Looks at all runs."""
    found = Duplicates()
    for job_id, runs in history.runs_of.items():
        accepted = stored.accepted.get(job_id)
        for number, run in enumerate(runs):
            following = runs[number + 1] if number + 1 < len(runs) else None
            if run.run == accepted or (run.how == "returned" and following is None and accepted is None):
                continue
            if run.how in {"raised", "snoozed"} and not _is_beyond_retries(run, runs, history):
                continue
            cause = _cause(run, following, history, checker)
            found.causes[cause or "unexplained"] += 1
            if cause is None:
                what = f"{run.how or 'was cut off'}"
                found.unexplained.append(f"{run.run} of {job_id} {what}, and came to nothing without a cause")
            if following is not None and run.how == "":
                _note_recovery(found, run, following, history)
    return found


def _is_beyond_retries(run: Run, runs: list[Run], history: History) -> bool:
    """Whether a run that failed was one too many."""
    retries = history.enqueued.get(run.job, {}).get("retries")
    failed = [other for other in runs if other.how == "raised"]
    return run.how == "raised" and retries is not None and run in failed[retries + 1 :]


def _cause(run: Run, following: Run | None, history: History, checker: Checker) -> str | None:
    if run.do in DEADLY:
        return _ITSELF
    until = following.start if following is not None else None
    for event in history.events:
        if _is_cause(event, run, until):
            return _CAUSES[event.kind]
    if not checker.is_undisturbed(run.job) or any(history.changes_of(run.job)):
        return "a person"
    if run.supervisor in history.supervisors_killed_by_jobs:
        return "another job that killed the worker"
    return None


def _is_cause(event: Event, run: Run, until: int | None) -> bool:
    if event.kind not in _CAUSES:
        return False
    if event.pids and not _happened_to(event, run):
        return False
    began_before_it_ran_again = until is None or event.at < until
    was_not_over = event.until + _AFTERMATH > run.start if not event.pids else event.until > run.start
    ended = run.end if run.how else run.start
    return began_before_it_ran_again and was_not_over and event.at < ended + 10 * _AFTERMATH


def _happened_to(event: Event, run: Run) -> bool:
    return not {run.pid, run.parent, run.supervisor}.isdisjoint(event.pids)


def _note_recovery(found: Duplicates, run: Run, following: Run, history: History) -> None:
    for event in history.events:
        is_kill = event.kind.startswith("kill") or event.kind.startswith("stop jobs")
        if is_kill and _happened_to(event, run) and run.start < event.at < following.start:
            found.slowest_recovery = max(found.slowest_recovery, (following.start - event.at) / 1e9)
            return
