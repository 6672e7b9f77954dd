"""Moves graphs of jobs, so that no job is lost or runs twice wherever it is interrupted.

1. Each job gets a mark on RQ's server: it is being staged.
2. All are saved in rqdeps, as held jobs, which nobody runs.
3. One script takes each graph out of RQ that is as it was read, and changes its marks: it is taken.
4. What could not be taken is deleted in rqdeps. What was is let go there, in RQ's order.
5. The marks are removed.

Up to step 3 the jobs are RQ's, from then on rqdeps'. A run that finds marks first does 4 and 5 for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import ConnectionUnavailableError, DuplicateJobError, RqdepsError
from rqdeps.from_rq import marks
from rqdeps.from_rq.marks import Mark
from rqdeps.from_rq.server import RqServer, StoredJob, Taking, Waiting
from rqdeps.from_rq.target import Target

#: Is called after each step with its name; tests interrupt there.
Observer = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A job that is ready to be moved.

    Attributes:
        waiting: where RQ has it.
        stored: what RQ has stored of it.
        data: the job to be, which is held.
    """

    waiting: Waiting
    stored: StoredJob
    data: EnqueueData


Graph = list[Prepared]


@dataclass(frozen=True)
class Refused:
    """A graph that rqdeps did not take; ``reason`` says why."""

    graph: Graph
    reason: str


@dataclass
class Outcome:
    """What has become of graphs.

    Attributes:
        moved: those that were moved.
        changed: those that RQ was changing meanwhile, which have to be read again.
        refused: those that rqdeps did not take.
    """

    moved: list[Graph]
    changed: list[Graph]
    refused: list[Refused]


class Mover:
    """Moves graphs from RQ to rqdeps.

    Args:
        rq: RQ's server.
        target: rqdeps.
        run: the name of this run.
        observer: is called after each step with its name.
    """

    def __init__(self, rq: RqServer, target: Target, run: str, observer: Observer) -> None:
        self._rq = rq
        self._target = target
        self._run = run
        self._after = observer
        self._number = 0
        self._gate = ""
        self._taken_marks: dict[str, str] = {}

    def move(self, graphs: Sequence[Graph]) -> Outcome:
        """Moves graphs, each whole or not at all.

        Args:
            graphs: as many as one call saves, or one.

        Raises:
            RqdepsError: the server of rqdeps did not answer.
            redis.exceptions.RedisError: RQ's server did not answer, or refused.
        """
        outcome = Outcome([], [], [])
        if not graphs:
            return outcome
        self._gate = self._target.gate_of([job.data for job in _jobs_of(graphs)])
        begun = self._begin(graphs, outcome)
        staged = self._stage(begun, outcome)
        self._take(staged, outcome)
        self._discard([*outcome.changed, *(each.graph for each in outcome.refused)])
        self._let_go(outcome.moved)
        return outcome

    def _begin(self, graphs: Sequence[Graph], outcome: Outcome) -> list[Graph]:
        """Sets the marks. Those that have one already are another run's, which is at work."""
        jobs = _jobs_of(graphs)
        is_new = self._rq.change_marks([(job.data.id, "", marks.staged(self._run, self._gate)) for job in jobs])
        self._after("marked")
        others = {job.data.id for job, was_free in zip(jobs, is_new, strict=True) if not was_free}
        begun: list[Graph] = []
        for graph in graphs:
            is_others = any(job.data.id in others for job in graph)
            (outcome.changed if is_others else begun).append(graph)
        return begun

    def _stage(self, graphs: list[Graph], outcome: Outcome) -> list[Graph]:
        """Saves jobs in rqdeps: all at once, or where one of them is refused, graph by graph."""
        try:
            self._stage_all(graphs)
        except ConnectionUnavailableError:
            raise
        except (RqdepsError, ValueError) as error:
            if len(graphs) > 1:
                return [each for graph in graphs for each in self._stage([graph], outcome)]
            if isinstance(error, DuplicateJobError):  # since it was looked for: another run may have moved it
                outcome.changed += graphs
                return []
            outcome.refused.append(Refused(graphs[0], f"rqdeps does not take it: {error}"))
            return []
        return graphs

    def _stage_all(self, graphs: Sequence[Graph]) -> None:
        self._target.stage([job.data for job in _jobs_of(graphs)])
        self._after("staged")

    def _take(self, graphs: Sequence[Graph], outcome: Outcome) -> None:
        if not graphs:
            return
        for job in _jobs_of(graphs):
            self._number += 1
            self._taken_marks[job.data.id] = marks.taken(self._run, self._number, self._target.address)
        replies = self._rq.take([self._takings(graph) for graph in graphs])
        self._after("taken")
        for graph, reply in zip(graphs, replies, strict=True):
            (outcome.moved if reply == "taken" else outcome.changed).append(graph)

    def _takings(self, graph: Graph) -> list[Taking]:
        together = {job.waiting.id for job in graph}
        return [
            Taking(
                job.waiting,
                job.stored,
                mark=job.data.id,
                before=marks.staged(self._run, self._gate),
                after=self._taken_marks[job.data.id],
                outside=tuple(each for each in job.waiting.dependency_ids if each not in together),
            )
            for job in graph
        ]

    def _discard(self, graphs: Sequence[Graph]) -> None:
        """Deletes what was staged, but for what never had a mark of this run."""
        if graphs:
            text = marks.staged(self._run, self._gate)
            found = [Mark.read(job.data.id, text) for job in _jobs_of(graphs)]
            discard(self._rq, self._target, found, self._after)

    def _let_go(self, graphs: Sequence[Graph]) -> None:
        if graphs:
            found = [Mark.read(job.data.id, self._taken_marks.pop(job.data.id)) for job in _jobs_of(graphs)]
            let_go(self._rq, self._target, found, self._after)


def discard(rq: RqServer, target: Target, found: Sequence[Mark], observer: Observer) -> int:
    """Deletes jobs in rqdeps that were staged, of which RQ still has its own.

    Their marks are changed first, so that nobody takes them then. Those whose mark is another by now are left to
    whoever changed it.

    Args:
        rq: RQ's server.
        target: rqdeps.
        found: the marks of the jobs.
        observer: is called after each step with its name.

    Returns:
        How many marks were as they were found.
    """
    changed = rq.change_marks([(mark.job_id, mark.text, marks.discarding(mark.run, mark.gate)) for mark in found])
    mine = [mark for mark, is_so in zip(found, changed, strict=True) if is_so]
    observer("given up")
    target.discard({mark.job_id: mark.run for mark in mine}, {mark.gate for mark in found})
    observer("discarded")
    rq.change_marks([(mark.job_id, marks.discarding(mark.run, mark.gate), "") for mark in mine])
    observer("unmarked discarded")
    return len(mine)


def let_go(rq: RqServer, target: Target, found: Sequence[Mark], observer: Observer) -> None:
    """Lets jobs go in rqdeps that were taken out of RQ, in this order. Takes what ``discard`` does."""
    target.let_go({mark.job_id: mark.run for mark in found})
    observer("let go")
    rq.change_marks([(mark.job_id, mark.text, "") for mark in found])
    observer("unmarked")


def _jobs_of(graphs: Iterable[Graph]) -> list[Prepared]:
    """All jobs of some graphs, in RQ's order."""
    return sorted((job for graph in graphs for job in graph), key=lambda job: job.waiting.order)
