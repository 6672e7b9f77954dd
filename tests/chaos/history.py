"""What happened, as it was written down outside of the server."""

from __future__ import annotations

import math
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos.notebook import read_lines

#: What is done to a job to run it whatever its rules say.
FORCED = "requeue by force"

#: Within what time what a job has written to its worker is heard there, in nanoseconds.
_UNTIL_HEARD = int(1e9)

#: What is done to a job, or a workflow, after which it may live again, end otherwise, or be gone.
DISTURBING = {"requeue", FORCED, "delete", "skip", "retry workflow", "delete workflow"}


@dataclass
class Run:
    """One time that a job ran. Times are nanoseconds since 1970.

    Attributes:
        run: its name.
        do: what the job does.
        job: the job.
        attempt: which attempt it was, as it was told.
        fence: of its claim.
        pid: where it ran.
        parent: the process that had forked this one.
        supervisor: the worker's own.
        start: when it began.
        inputs: the runs whose outputs it was given.
        place: the map that it is an element of, and its place there.
        end: when it ended; infinite if it was killed.
        how: how: it returned, raised or snoozed; empty if it was killed.
        children: what it spawned.
    """

    run: str
    do: str
    job: str
    attempt: int
    fence: int
    pid: int
    parent: int
    supervisor: int
    start: int
    inputs: list[str]
    place: tuple[str, str] | None
    end: float = math.inf
    how: str = ""
    children: list[str] = field(default_factory=list)

    @property
    def horse(self) -> int:
        """The process that its worker had given the job to: the one that ran it, or one that had forked that."""
        return self.pid if self.parent == self.supervisor else self.parent


@dataclass(frozen=True)
class Change:
    """What was done to a job or a workflow, or tried: then nobody knows whether it was done.

    Attributes:
        op: what.
        name: to which.
        began: when.
        done: when it was known to be done; infinite if it never was.
        result: what the call returned.
    """

    op: str
    name: str
    began: int
    done: float
    result: object


@dataclass(frozen=True)
class Event:
    """Something that went wrong.

    Attributes:
        kind: what.
        at: when.
        until: when it was over.
        pids: the processes that it happened to; empty if it happened to all.
    """

    kind: str
    at: int
    until: int
    pids: list[int]


class History:
    """All that was written down.

    Args:
        folder: where.

    Attributes:
        runs: by their names.
        enqueued: what was said of each job that somebody tried to enqueue, and when: ``at``.
        certain: those of which it is known that they were enqueued.
        changes: what was done to jobs and workflows.
        events: what went wrong.
        refused: what was refused, and why.
    """

    def __init__(self, folder: Path) -> None:
        self.runs: dict[str, Run] = {}
        self.enqueued: dict[str, dict[str, Any]] = {}
        self.certain: set[str] = set()
        self.changes: list[Change] = []
        self.events: list[Event] = []
        self.refused: list[str] = []
        for path in sorted(folder.glob("producer-*.log")):
            self._read_producer(path)
        self._read_jobs(folder / "jobs.log")
        for line in read_lines(folder / "disturbances.log"):
            until = line["at"] + int(line["seconds"] * 1e9)
            self.events.append(Event(line["what"], line["at"], until, line["pids"]))

    def _read_producer(self, path: Path) -> None:
        tried: dict[str, Any] | None = None
        for line in read_lines(path):
            if line["what"] == "enqueue":
                self.enqueued |= {fact["id"]: fact | {"at": line["at"]} for fact in line["jobs"]}
            elif line["what"] == "enqueued":
                self.certain.update(line["ids"])
            else:
                if line["what"] == "refused":
                    self.refused.append(line["error"])
                if tried is not None and line["what"] == "done":
                    self._add_change(tried, line["at"], line["result"])
                elif tried is not None and line["what"] != "refused":
                    self._add_change(tried, math.inf, None)
                tried = line if line["what"] == "try" else None
        if tried is not None:
            self._add_change(tried, math.inf, None)

    def _add_change(self, tried: dict[str, Any], done: float, result: object) -> None:
        self.changes.append(Change(tried["op"], tried["name"], tried["at"], done, result))

    def _read_jobs(self, path: Path) -> None:
        for line in read_lines(path):
            if line["what"] == "start":
                facts = {name: value for name, value in line.items() if name not in {"at", "what"}}
                facts["place"] = tuple(facts["place"]) if facts["place"] else None
                self.runs[line["run"]] = Run(start=line["at"], **facts)
                continue
            run = self.runs[line["run"]]
            if line["what"] == "end":
                run.end, run.how = line["at"], line["how"]
            else:
                run.children = line["children"]

    @cached_property
    def runs_of(self) -> dict[str, list[Run]]:
        """The runs of each job, in the order of their claims."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(self.runs.values(), key=lambda run: (run.fence, run.start)):
            found[run.job].append(run)
        return found

    @cached_property
    def spawners(self) -> dict[str, Run]:
        """By the id of each job that was spawned, as far as that is written down, the run that did it."""
        return {child: run for run in self.runs.values() for child in run.children}

    def changes_of(self, job_id: str, *ops: str) -> Iterator[Change]:
        """What was done to a job or its workflow, or tried."""
        workflow = self.enqueued.get(job_id, {}).get("workflow")
        for name in (job_id, workflow):
            for change in self._changes_by_name.get(name, []) if name else []:
                if not ops or change.op in ops:
                    yield change

    @cached_property
    def _changes_by_name(self) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = defaultdict(list)
        for change in self.changes:
            found[change.name].append(change)
        return found

    def events_between(self, begin: float, end: float) -> list[Event]:
        """What began to go wrong in that time."""
        first, last = (bisect(self.events, at, key=lambda event: event.at) for at in (begin, end))
        return self.events[first:last]

    @cached_property
    def supervisors_killed_by_jobs(self) -> set[int]:
        """The workers that were killed by a job that they ran."""
        return {run.supervisor for run in self.runs.values() if run.do == "kill supervisor" and not run.how}

    @cached_property
    def _rubbish(self) -> dict[int, list[int]]:
        """When jobs of a horse wrote rubbish, by the horse."""
        found: dict[int, list[int]] = {}
        for run in self.runs.values():
            if run.do == "write rubbish":
                found.setdefault(run.horse, []).append(run.start)
        return found

    def is_behind_rubbish(self, run: Run) -> bool:
        """Whether a job just before it, of the same horse, wrote rubbish: the horse is killed once that is heard."""
        return any(0 < run.start - start < _UNTIL_HEARD for start in self._rubbish.get(run.horse, ()))
