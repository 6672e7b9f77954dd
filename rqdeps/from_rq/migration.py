"""Moves all that waits in RQ, round by round, as RQ's workers and programs may be at work meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis import Redis

from rqdeps.codec import Codec
from rqdeps.from_rq import marks
from rqdeps.from_rq.finishing import finish, note_unfinished
from rqdeps.from_rq.layout import Layout
from rqdeps.from_rq.moving import Graph, Mover, Observer, Prepared
from rqdeps.from_rq.planning import Staying, pending, plan_of, staying_together
from rqdeps.from_rq.reading import CannotMoveError, Loads
from rqdeps.from_rq.report import Report
from rqdeps.from_rq.server import RqServer, Snapshot, StoredJob, Waiting
from rqdeps.from_rq.target import Target
from rqdeps.from_rq.translation import Translator, new_id_of
from rqdeps.store import Store
from rqdeps.store.scripts import BUDGET, NEW_JOB_COST

#: What is moved at once, as a call of rqdeps counts it, unless more depend on each other: some 200 jobs.
BATCH = BUDGET

#: How often RQ is read anew for what it was changing meanwhile, and the pause before, in seconds.
ROUNDS = 8
PAUSE = 0.5

_CHANGING = "RQ is changing it just now: run this again"


@dataclass(frozen=True)
class Wanted:
    """What a person wants to have moved.

    Attributes:
        queues: the queues; all if there are none.
        loads: how RQ's values are read.
        codec: how arguments are written in rqdeps.
        is_dry: whether nothing is to be done.
    """

    queues: Sequence[str]
    loads: Loads
    codec: Codec
    is_dry: bool = False


def migrate(
    source: Redis, store: Store, wanted: Wanted, *, layout: Layout | None = None, observer: Observer = lambda step: None
) -> Report:
    """Moves what waits in RQ. What an earlier run has begun is finished first.

    Args:
        source: a client of RQ's server, which does not decode responses.
        store: the rqdeps deployment that takes the jobs.
        wanted: what is to be moved, and how.
        layout: the names of RQ's keys.
        observer: is called after each step with its name.

    Raises:
        RqdepsError: the server of rqdeps did not answer, or an earlier run was for another.
        redis.exceptions.RedisError: RQ's server did not answer, or refused. Run again, this goes on where it was.
    """
    migration = _Migration(RqServer(source, layout or Layout()), Target(store), wanted, observer)
    return migration.rehearse() if wanted.is_dry else migration.run()


class _Migration:
    def __init__(self, rq: RqServer, target: Target, wanted: Wanted, observer: Observer) -> None:
        run = marks.new_run()
        self._rq = rq
        self._target = target
        self._wanted = wanted
        self._observer = observer
        self._translator = Translator(wanted.loads, wanted.codec, nonce=run)
        self._mover = Mover(rq, target, run, observer)
        self._report = Report(is_dry=wanted.is_dry)

    def run(self) -> Report:
        """Moves what can be moved."""
        finish(self._rq, self._target, self._report, self._observer)
        for left in range(ROUNDS - 1, -1, -1):
            self._report.staying.clear()
            moved_before = self._report.count
            self._round()
            may_pass = any(one.may_pass for one in self._report.staying.values())
            if not may_pass and self._report.count == moved_before:  # nor has anybody enqueued more meanwhile
                break
            if may_pass and left:
                time.sleep(PAUSE)
        return self._report

    def rehearse(self) -> Report:
        """Says what would be moved."""
        note_unfinished(self._rq, self._report)
        snapshot = self._rq.snapshot(self._wanted.queues)
        for batch in self._batches(snapshot):
            graphs, changed = self._prepared(batch, snapshot)
            for graph in graphs:
                self._report.note_moved(_waiting(graph))
            self._note_staying(changed, _CHANGING)
        return self._report

    def _round(self) -> None:
        """Moves what can be moved now."""
        snapshot = self._rq.snapshot(self._wanted.queues)
        for batch in self._batches(snapshot):
            graphs, changed = self._prepared(batch, snapshot)
            outcome = self._mover.move(graphs)
            for graph in outcome.moved:
                self._report.note_moved(_waiting(graph))
            for refused in outcome.refused:
                self._note_staying(_waiting(refused.graph), refused.reason)
            for graph in outcome.changed:
                changed += _waiting(graph)
            self._note_staying(changed, _CHANGING, may_pass=True)

    def _note_staying(self, jobs: Sequence[Waiting], reason: str, *, may_pass: bool = False) -> None:
        self._report.note_staying(Staying(one.id, one.queue, reason, may_pass) for one in jobs)

    def _batches(self, snapshot: Snapshot) -> Iterator[list[list[Waiting]]]:
        plan = plan_of(snapshot)
        self._report.note_staying(plan.staying)
        batch: list[list[Waiting]] = []
        cost = 0
        for graph in plan.graphs:
            cost_of_graph = sum(NEW_JOB_COST + len(pending(one, snapshot.waiting)) for one in graph)
            if batch and cost + cost_of_graph > BATCH:
                yield batch
                batch, cost = [], 0
            batch.append(graph)
            cost += cost_of_graph
        if batch:
            yield batch

    def _prepared(self, batch: Sequence[list[Waiting]], snapshot: Snapshot) -> tuple[list[Graph], list[Waiting]]:
        """Graphs that are ready to be moved, and the jobs of those that RQ has changed since they were planned."""
        job_ids = [one.id for graph in batch for one in graph]
        stored = dict(zip(job_ids, self._rq.read(job_ids), strict=True))
        existing = self._target.existing(map(new_id_of, job_ids))
        prepared: list[Graph] = []
        changed: list[Waiting] = []
        for graph in batch:
            found = [(one, job) for one in graph if (job := stored[one.id]) and job.text("status") == one.status]
            if len(found) < len(graph):
                changed += graph
            elif ready := self._prepare(found, existing, snapshot):
                prepared.append(ready)
        return prepared, changed

    def _prepare(
        self, graph: Sequence[tuple[Waiting, StoredJob]], existing: set[str], snapshot: Snapshot
    ) -> Graph | None:
        """A graph that is ready to be moved, or ``None`` if it stays, which is then in the report."""
        prepared: Graph = []
        reasons: dict[str, str] = {}
        for one, job in graph:
            try:
                if new_id_of(one.id) in existing:
                    raise CannotMoveError(f"rqdeps has a job with the id {new_id_of(one.id)!r} already: delete one")
                data = self._translator.data(one, job, pending(one, snapshot.waiting), round(time.time() * 1000))
            except CannotMoveError as error:
                reasons[one.id] = str(error)
            else:
                prepared.append(Prepared(one, job, data))
        if not reasons:
            return prepared
        self._report.note_staying(staying_together([one for one, _ in graph], next(iter(reasons)), reasons))
        return None


def _waiting(graph: Graph) -> list[Waiting]:
    return [job.waiting for job in graph]
