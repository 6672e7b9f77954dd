"""What ran when: by the account of a fake queue, or by what a server has stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.job import Job


@dataclass(frozen=True)
class Run:
    """An attempt that was made.

    Attributes:
        job_id: the job.
        function: the dotted path of its function.
        status: the job's status after it.
        began: when it began: any number that others are compared with.
        ended: when it ended, likewise.
    """

    job_id: str
    function: str
    status: str
    began: float
    ended: float


def stored_runs(jobs: Iterable[Job[Any]]) -> list[Run]:
    """The last attempt of each job that has ended, as the server tells of it, in the order in which they began."""
    runs = []
    for job in jobs:
        ended_at = job.returned_at or job.ended_at
        if job.attempt and job.started_at is not None and ended_at is not None:
            began, ended = job.started_at.timestamp(), ended_at.timestamp()
            runs.append(Run(job.id, job.func_name, str(job.loaded_status), began, ended))
    return sorted(runs, key=lambda run: run.began)


def told(runs: Sequence[Run], marked: Sequence[Run] = ()) -> str:
    """What ran, a line each, in order; with an arrow before those that are meant."""
    lines = [
        f"  {'→' if run in marked else ' '} {number}. {run.function}  {run.status}  (job {run.job_id})"
        for number, run in enumerate(runs, 1)
    ]
    return "\n".join(lines) or "    nothing has run"
