"""Finishes what an earlier run has begun, as its marks on RQ's server say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rqdeps.errors import RqdepsError
from rqdeps.from_rq.marks import Mark
from rqdeps.from_rq.moving import Observer, discard, let_go
from rqdeps.from_rq.report import Report
from rqdeps.from_rq.server import RqServer, pages_of
from rqdeps.from_rq.target import Standing, Target

#: How a job stands in rqdeps that another deployment has, if any.
_NOT_HERE = (Standing.ABSENT, Standing.FOREIGN)


def note_unfinished(rq: RqServer, report: Report) -> None:
    """Counts what would be finished."""
    found = _read(rq)
    report.released += sum(mark.step == "taken" for mark in found)
    report.discarded += sum(mark.step != "taken" for mark in found)


def finish(rq: RqServer, target: Target, report: Report, observer: Observer) -> None:
    """Lets those jobs go that were taken out of RQ, and deletes those that were only staged.

    Args:
        rq: RQ's server.
        target: rqdeps.
        report: notes how many there were.
        observer: is called after each step with its name.

    Raises:
        RqdepsError: some were taken for another deployment of rqdeps.
    """
    found = _read(rq)
    for page in pages_of([mark for mark in found if mark.step != "taken"]):
        report.discarded += discard(rq, target, page, observer)
    for page in pages_of([mark for mark in found if mark.step == "taken"]):
        report.released += _let_go(rq, target, page, observer)


def _read(rq: RqServer) -> list[Mark]:
    found = [Mark.read(job_id, text) for job_id, text in rq.marks().items()]
    return sorted(found, key=lambda mark: (mark.run, mark.number))


def _let_go(rq: RqServer, target: Target, found: Sequence[Mark], observer: Observer) -> int:
    """Lets jobs go that RQ does not have any more. Those that are gone in rqdeps too have run, and expired since."""
    standings = target.standings({mark.job_id: mark.run for mark in found})
    for mark in _elsewhere(found, standings, target):
        raise RqdepsError(
            f"an earlier run has taken job {mark.job_id!r} and others out of RQ for rqdeps at {mark.target}, and was "
            f"interrupted: run it again for there first, with --url (this is {target.address})"
        )
    let_go(rq, target, found, observer)
    return len(found)


def _elsewhere(found: Sequence[Mark], standings: dict[str, Standing], target: Target) -> Iterator[Mark]:
    for mark in found:
        if mark.target != target.address and standings[mark.job_id] in _NOT_HERE:
            yield mark
