"""Marks on RQ's server say how far a migration has come with each job, so that the next run can finish what it began.

A job without a mark is RQ's. One that is ``staged`` is held in rqdeps as well, and still RQ's. One that is
``discarding`` was staged, and is to be deleted in rqdeps. One that is ``taken`` is gone from RQ, and is to be let go in
rqdeps. The script that takes a job out of RQ does so only if its mark says ``staged`` by the same run; so whoever
changes that first can be sure that the job stays RQ's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass


def new_run() -> str:
    """The name of a run: the nonce of all jobs that it stages."""
    return secrets.token_hex(8)


def staged(run: str, gate: str) -> str:
    """The mark of a job that this run stages.

    Args:
        run: the run.
        gate: the gate behind which its graph is staged; empty if that takes one call.
    """
    return f"staged {run} {gate}"


def discarding(run: str, gate: str) -> str:
    """The mark of a job that was staged, and that is to be deleted in rqdeps. Takes what ``staged`` does."""
    return f"discarding {run} {gate}"


def taken(run: str, number: int, target: str) -> str:
    """The mark of a job that this run has taken out of RQ.

    Args:
        run: the run.
        number: its number in the order in which they are to be let go.
        target: where rqdeps has it, as people see it.
    """
    return f"taken {run} {number} {target}"


@dataclass(frozen=True)
class Mark:
    """A mark that was read.

    Attributes:
        job_id: the job's id in rqdeps.
        text: all of it.
        step: ``staged``, ``discarding`` or ``taken``.
        run: the run that has staged the job.
        gate: of one that was staged: the gate behind which its graph is, if any.
        number: of one that was taken: its number in the order in which they are to be let go.
        target: of one that was taken: where rqdeps has it.
    """

    job_id: str
    text: str
    step: str
    run: str
    gate: str = ""
    number: int = 0
    target: str = ""

    @classmethod
    def read(cls, job_id: str, text: str) -> Mark:
        """Takes a mark apart."""
        step, run, rest = text.split(" ", 2)
        if step != "taken":
            return cls(job_id, text, step, run, gate=rest)
        number, target = rest.split(" ", 1)
        return cls(job_id, text, step, run, number=int(number), target=target)
