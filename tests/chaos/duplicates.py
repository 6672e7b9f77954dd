"""Runs that came to nothing, or were one too many: each must have a cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest

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
    "cut off workers at work": "worker cut off for a while",
    "cut": "connections cut",
    "restart server": "server away",
    "pause server": "server away",
    "machine stalled": "machine stalled",
}

#: What a job whose time is over, or that kills its process, has to blame.
_ITSELF = "the job itself"

#: How long after it was over something that happened to all may still make a claim be lost: a worker that could not
#: connect makes pauses, and then a lease runs out. In nanoseconds.
_AFTERMATH = int(3e9)

#: How long after a run its outcome may wait to be reported, and how long a run may take that never ended.
_UNTIL_REPORTED = int(1e9)
_LONGEST = int(10e9)


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
        too_many: list[tuple[Run, str | None]] = []
        failed: list[tuple[Run, str | None]] = []
        for run, following in zip_longest(runs, runs[1:]):
            if run.run == accepted or (run.how == "returned" and following is None and accepted is None):
                continue
            cause = _cause(run, following, history, checker)
            if run.how == "raised":
                failed.append((run, cause))
            elif run.how != "snoozed":
                too_many.append((run, cause))
            if following is not None and run.how == "" and not any(history.changes_of(job_id)):
                _note_recovery(found, run, following, history)
        too_many += _beyond_retries(failed, history.enqueued.get(job_id, {}).get("retries"))
        for run, cause in too_many:
            found.causes[cause or "unexplained"] += 1
            if cause is None:
                how = run.how or "was cut off"
                found.unexplained.append(f"{run.run} of {job_id} {how}, and came to nothing without a cause")
    return found


def _beyond_retries(failed: list[tuple[Run, str | None]], retries: int | None) -> list[tuple[Run, str | None]]:
    """Of the runs that failed those that are too many: which these are can't be told, so those with a cause first."""
    if retries is None:
        return []
    by_cause = sorted(failed, key=lambda run: run[1] is None)
    return by_cause[: max(0, len(failed) - retries - 1)]


def _cause(run: Run, following: Run | None, history: History, checker: Checker) -> str | None:
    if run.do in DEADLY:
        return _ITSELF
    if run.supervisor in history.supervisors_killed_by_jobs:
        return "another job that killed the worker"
    if history.is_behind_rubbish(run):
        return "another job's rubbish"
    until = _latest_cause(run, following)
    events = [event for event in history.events_between(run.start - _LONGEST, until) if event.kind in _CAUSES]
    for event in events:
        if event.pids and _happened_to(event, run) and event.until + _UNTIL_REPORTED > run.start:
            return _CAUSES[event.kind]
    if not checker.is_undisturbed(run.job) or any(history.changes_of(run.job)):
        return "a person"
    for event in events:
        if not event.pids and event.until + _AFTERMATH > run.start:
            return _CAUSES[event.kind]
    return None


def _latest_cause(run: Run, following: Run | None) -> float:
    """Until when something may have kept a run from being reported."""
    latest = run.end + _UNTIL_REPORTED if run.how else run.start + _LONGEST
    # A worker that was stopped may begin what others have run meanwhile.
    return min(latest, following.start) if following is not None and following.start > run.start else latest


def _happened_to(event: Event, run: Run) -> bool:
    return not {run.pid, run.parent, run.supervisor}.isdisjoint(event.pids)


def _note_recovery(found: Duplicates, run: Run, following: Run, history: History) -> None:
    for event in history.events_between(run.start, following.start):
        is_kill = event.kind.startswith("kill") or event.kind.startswith("stop jobs")
        if is_kill and _happened_to(event, run):
            found.slowest_recovery = max(found.slowest_recovery, (following.start - event.at) / 1e9)
            return
