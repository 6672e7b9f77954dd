"""What is done in rqdeps with jobs that are moved: staged as held jobs, deleted again, or let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from rqdeps.enqueue_data import EnqueueData
from rqdeps.enqueueing import carry_on_cascades, enqueue_datas
from rqdeps.reading import fetch_fields
from rqdeps.store import Conversation, Store
from rqdeps.store.calls import changes, staging
from rqdeps.store.calls.enqueue import fit_one_call
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import JOBS_PER_CALL


class Standing(Enum):
    """How a job that a run has staged stands in rqdeps."""

    ABSENT = "absent"
    HELD = "held"
    CANCELED = "canceled"
    LET_GO = "let go"
    FOREIGN = "foreign"


class Target:
    """The rqdeps deployment that takes the jobs.

    Args:
        store: its data.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Where it is, as people see it.
        self.address = store.address

    def existing(self, job_ids: Iterable[str]) -> set[str]:
        """Those ids that jobs have already."""
        found = self._store.perform(fetch_fields(job_ids))
        return {job_id for job_id, fields in found if fields is not None}

    def standings(self, runs: Mapping[str, str]) -> dict[str, Standing]:
        """How jobs stand.

        Args:
            runs: by id, the run that has staged each.
        """
        found = self._store.perform(fetch_fields(runs))
        return {job_id: _standing(fields, runs[job_id]) for job_id, fields in found}

    def gate_of(self, datas: Sequence[EnqueueData]) -> str:
        """The gate behind which ``stage`` gathers jobs that take several calls; empty if one is enough."""
        jobs = [data.new_job("default") for data in datas]
        return "" if fit_one_call(jobs) else staging.plan(jobs, ()).gate

    def stage(self, datas: Sequence[EnqueueData]) -> None:
        """Saves held jobs, all or none. Raises what ``Queue.enqueue_many`` raises."""
        self._store.perform(enqueue_datas(datas, "default", self._store.registered))

    def discard(self, runs: Mapping[str, str], gates: Iterable[str]) -> None:
        """Deletes those jobs that a run has staged, and that nobody has let go.

        Args:
            runs: by id, the run that has staged each.
            gates: the gates behind which it has.
        """
        for gate in filter(None, gates):
            self._store.perform(_close(gate))
        standings = self.standings(runs)
        # The first to be deleted cancels those that wait for it.
        own = [job_id for job_id, how in standings.items() if how in (Standing.HELD, Standing.CANCELED)]
        self._store.perform(_delete(own))

    def let_go(self, runs: Mapping[str, str]) -> None:
        """Lets those jobs go that a run has staged and that are still held, in this order.

        Args:
            runs: by id, the run that has staged each.
        """
        standings = self.standings(runs)
        self._store.perform(_release([job_id for job_id in runs if standings[job_id] is Standing.HELD]))


def _standing(fields: Mapping[str, bytes] | None, run: str) -> Standing:
    if fields is None:
        return Standing.ABSENT
    if fields.get("nonce") != run.encode():
        return Standing.FOREIGN
    if fields["status"] == b"canceled":
        return Standing.CANCELED
    return Standing.HELD if fields["status"] == b"created" else Standing.LET_GO


def _close(gate: str) -> Conversation[None]:
    """Deletes what is behind a gate; where that has been opened, lets all through, so that it can be seen."""
    while (yield from ask(staging.give_up(gate))):
        pass
    yield from carry_on_cascades(1)


def _delete(job_ids: Sequence[str]) -> Conversation[None]:
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        changed = yield from ask(changes.delete(job_ids[i : i + JOBS_PER_CALL], "cancel"))
        yield from carry_on_cascades(changed.cascades_left)


def _release(job_ids: Sequence[str]) -> Conversation[None]:
    """Lets jobs go; those that another run has let go meanwhile are passed over, as if this were a second sending."""
    for i in range(0, len(job_ids), JOBS_PER_CALL):
        yield from carry_on_cascades((yield from ask(changes.release(job_ids[i : i + JOBS_PER_CALL]).again())))
