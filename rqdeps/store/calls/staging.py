"""Graphs that exceed one call: planned in pieces, each within the budget, staged behind a gate that is then opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rqdeps.errors import ClaimLostError, GraphAbandonedError, GraphGivenUpError
from rqdeps.store.calls.call import Argument, Call, counted, text
from rqdeps.store.calls.enqueue import ITSELF, EdgeKind, NewGroup, NewJob, job_args, plain_job_args, read_refusal
from rqdeps.store.scripts import BUDGET, FURTHER_EDGE_COST, KEPT_COST, NEW_JOB_COST, THROUGH_COST

#: A dependency that comes after its job: number of the group, kind and id.
FurtherEdge = tuple[int, EdgeKind, str]

#: The values of a job that is kept as it comes, its arguments and all others, have at most so many bytes together: they
#: are copied once more.
SMALL = 1_000

#: Nonces of jobs whose ids nobody else can have.
_ITS_OWN = frozenset(("", ITSELF))

#: More bytes than a number has as text.
_NUMBER_BYTES = 24


@dataclass
class Piece:
    """What one call stages.

    Attributes:
        jobs: jobs, each with as many of its dependencies as fit.
        places: the place of each in the order in which the jobs go through the gate.
        further: more dependencies of jobs of this or earlier pieces: number of the group, kind and id. Under the name
            of the gate stand those that the job which spawns the graph is to join.
        cost: what it takes of the budget.
        is_plain: whether all jobs of the graph are plain and small; they are kept as they come until the gate opens.
    """

    jobs: list[NewJob] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    further: dict[str, list[FurtherEdge]] = field(default_factory=dict)
    cost: int = 0
    is_plain: bool = False


@dataclass(frozen=True)
class Spawner:
    """The attempt that spawns a graph, which is opened when the attempt is accepted.

    Attributes:
        id: its job.
        fence: the fence of its claim.
        groups: what the job is to join of the graph.
        depends_on_others: whether the graph depends on jobs outside of it.
    """

    id: str
    fence: int
    groups: Sequence[NewGroup]
    depends_on_others: bool


@dataclass(frozen=True)
class Plan:
    """How a graph is staged.

    Attributes:
        gate: the name of the gate: the same for the same jobs, or the same attempt that spawns them, so that what was
            begun can be gone on with. Jobs that are kept as they come have another one than jobs that are saved, and
            another one in each queue.
        cut: makes the pieces, what to stage, in order, while those before are under way.
        steps: how many calls it takes at least to let it through its gate, once that is open.
        first_id: a job of the graph, by which to see that it went through.
        spawner: the attempt that spawns it, if one does.
    """

    gate: str
    cut: Callable[[], Iterator[Piece]]
    steps: int
    first_id: str
    spawner: Spawner | None = None

    @property
    def pieces(self) -> list[Piece]:
        """All pieces at once."""
        return list(self.cut())


def plan(jobs: Sequence[NewJob], order: Sequence[str], *, spawner: Spawner | None = None, budget: int = BUDGET) -> Plan:
    """Plans the staging of a graph.

    Args:
        jobs: its jobs, in the order in which those that may run at once are to be queued.
        order: the ids of its jobs, each after all that it depends on.
        spawner: the attempt that spawns it, if one does.
        budget: what one call may cost.
    """
    if spawner is None and all(map(_is_small_and_plain, jobs)):
        return Plan(_gate_of_plain(jobs), partial(_portions, jobs, budget), len(jobs) * KEPT_COST // budget, jobs[0].id)
    gate = _gate_of(jobs, spawner)
    joined = {} if spawner is None else _joined(spawner)
    cut = partial(_pieces, jobs, order, gate, joined, budget)
    return Plan(gate, cut, len(jobs) * THROUGH_COST // budget, jobs[0].id, spawner)


def _portions(jobs: Sequence[NewJob], budget: int) -> Iterator[Piece]:
    size = max(1, budget // KEPT_COST)
    for i in range(0, len(jobs), size):
        yield Piece([*jobs[i : i + size]], is_plain=True)


def _pieces(
    jobs: Sequence[NewJob], order: Sequence[str], gate: str, joined: Mapping[str, FurtherEdge], budget: int
) -> Iterator[Piece]:
    places = _places(jobs)
    by_id = {job.id: job for job in jobs}
    cut = _Cut(budget)
    for job_id in order:
        if job_id in by_id:
            cut.add(by_id[job_id], places[job_id])
        if job_id in joined:
            cut.join(gate, joined[job_id])
        yield from cut.whole_ones()
    yield from cut.pieces


def _is_small_and_plain(job: NewJob) -> bool:
    if not job.is_plain or job.nonce not in _ITS_OWN:
        return False
    sizes = [len(each) if isinstance(each, (str, bytes)) else _NUMBER_BYTES for each in job.fields.values()]
    return sum(sizes) <= SMALL


def _gate_of(jobs: Sequence[NewJob], spawner: Spawner | None) -> str:
    if spawner is not None:
        named = f"{spawner.id} {spawner.fence}"
    else:
        named = "\n".join(f"{job.id} {job.nonce}" for job in jobs)
    return _gate_named(named)


def _gate_of_plain(jobs: Sequence[NewJob]) -> str:
    return _gate_named("plain\n" + "\n".join([f"{job.id} {job.queue}" for job in jobs]))


def _gate_named(named: str) -> str:
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _joined(spawner: Spawner) -> dict[str, FurtherEdge]:
    """The edges from the spawner to what it joins, by the id of that."""
    return {
        job_id: (number, kind, job_id) for number, group in enumerate(spawner.groups) for kind, job_id in group.members
    }


def _places(jobs: Sequence[NewJob]) -> dict[str, int]:
    """Those for the front come last and in reverse, so that the first of them ends up in front of all."""
    front = [job for job in reversed(jobs) if job.goes_to_front]
    others = [job for job in jobs if not job.goes_to_front] if front else jobs
    return {job.id: place for place, job in enumerate([*others, *front], 1)}


class _Cut:
    """Cuts a graph into pieces.

    Args:
        budget: what each may cost.

    Attributes:
        pieces: those that there are so far, and were not taken.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self.pieces: list[Piece] = []
        self._next()

    def _next(self) -> None:
        self._last = Piece()
        self._together: set[str] = set()  # the ids of its jobs
        self.pieces.append(self._last)

    def add(self, job: NewJob, place: int) -> None:
        """Adds a job, to the last piece if it fits."""
        cost = job.cost_among(self._together)
        if self._last.cost and self._last.cost + min(cost, self._budget) > self._budget:
            self._next()
            cost = job.cost_among(())
        rest: list[FurtherEdge] = []
        if cost > self._budget:
            job, rest = _divided(job, self._budget - NEW_JOB_COST)
            cost = self._budget
        self._last.jobs.append(job)
        self._last.places.append(place)
        self._last.cost += cost
        self._together.add(job.id)
        size = max(1, self._budget // FURTHER_EDGE_COST)
        for i in range(0, len(rest), size):
            edges = rest[i : i + size]
            self._next()
            self._last.further[job.id] = edges
            self._last.cost = FURTHER_EDGE_COST * len(edges)

    def whole_ones(self) -> list[Piece]:
        """Takes the pieces to which nothing is added any more."""
        whole, self.pieces = self.pieces[:-1], self.pieces[-1:]
        return whole

    def join(self, gate: str, edge: FurtherEdge) -> None:
        """Adds to the last piece that the job which spawns the graph joins a job of it."""
        self._last.further.setdefault(gate, []).append(edge)
        self._last.cost += FURTHER_EDGE_COST


def _divided(job: NewJob, room: int) -> tuple[NewJob, list[FurtherEdge]]:
    """A job with as many of its edges as there is room for, and the others, each with the number of its group."""
    groups: list[NewGroup] = []
    rest: list[FurtherEdge] = []
    for number, group in enumerate(job.groups):
        groups.append(NewGroup(group.rule, group.members[: max(room, 0)]))
        rest += [(number, kind, job_id) for kind, job_id in group.members[max(room, 0) :]]
        room -= len(group.members)
    return replace(job, groups=groups), rest


def stage(
    gate: str, number: int, piece: Piece, *, new_queues: Sequence[str], spawner: Spawner | None = None
) -> Call[int]:
    """Stages a piece. The result says how many there are now.

    Args:
        gate: the gate.
        number: which piece of the graph it is, from 1. One that is there already is left as it is.
        piece: the piece.
        new_queues: names of queues that the server may not know yet.
        spawner: the attempt that spawns the graph, if one does.

    Raises:
        GraphGivenUpError: an earlier piece is missing, as the graph was given up.
        ClaimLostError: the claim of the attempt that spawns the graph is lost.
        GraphAbandonedError: an earlier attempt has left a graph behind, which is to be given up first.
        DuplicateJobError: another job with one of the ids exists.
        NoSuchJobError: one of the dependencies does not exist.
    """

    def read(reply: list[Any]) -> int:
        _check_staged(reply)
        return number

    if piece.is_plain:
        plain = [*counted(new_queues), *plain_job_args(piece.jobs)]
        return Call("stage_plain", [gate, number, 0, *plain], read, args_again=[gate, number, 1, *plain])
    args: list[Argument] = [*counted(new_queues), *job_args(piece.jobs), *counted(piece.places), len(piece.further)]
    for job_id, edges in piece.further.items():
        args += [job_id, *counted([part for edge in edges for part in edge])]
    head: list[Argument] = [gate, number, *_spawner_args(spawner)]
    return Call("stage", [*head, 0, *args], read, args_again=[*head, 1, *args])


def _spawner_args(spawner: Spawner | None) -> list[Argument]:
    if spawner is None:
        return ["", 0, 0, 0]
    rules = [group.rule for group in spawner.groups]
    return [spawner.id, spawner.fence, *counted(rules), int(spawner.depends_on_others)]


def _check_staged(reply: list[Any]) -> None:
    _check_not_given_up(reply)
    if text(reply[0]) == "abandoned":
        raise GraphAbandonedError(text(reply[1]))
    if text(reply[0]) == "lost":
        raise ClaimLostError("the claim of this attempt was lost: what it spawns comes to nothing")
    read_refusal(reply)


def _check_not_given_up(reply: list[Any]) -> None:
    if text(reply[0]) == "given up":
        raise GraphGivenUpError


def open_gate(plan: Plan, pieces: int) -> Call[int]:
    """Lets a graph through that is staged whole, in so many pieces. The result counts the cascades left.

    Raises:
        GraphGivenUpError: it was given up meanwhile.
    """

    def read(reply: list[Any]) -> int:
        _check_not_given_up(reply)
        return int(reply[1])

    return Call("open", [plan.gate, pieces, plan.first_id], read)


def give_up(gate: str) -> Call[bool]:
    """Deletes what there is of a graph that will not be completed. The result says whether there is more to delete."""
    return Call("give_up", [gate], bool)
