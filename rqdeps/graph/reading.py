"""Reading a graph: from a job in all directions, or the members of a workflow with their neighbours."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rqdeps.attempts import moment
from rqdeps.errors import NoSuchJobError, NoSuchWorkflowError
from rqdeps.graph.graph import Graph
from rqdeps.graph.nodes import EdgeKind, GraphEdge, GraphNode
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import graphs
from rqdeps.store.calls.graphs import ALONE, NeighboursPage, RegisterRecord, Registers
from rqdeps.store.conversation import ask

#: How many jobs a graph has at most, unless somebody wants more.
DEFAULT_MOST = 20_000

#: How many jobs one call asks about.
_ASKED_AT_ONCE = 200


def graph_of(job_id: str, most: int | None = None) -> Conversation[Graph]:
    """The graph around a job: whatever is connected with it, above and below; what is nearest comes first.

    Args:
        job_id: the job; a workflow's own job stands for the workflow.
        most: how many jobs to read at most.

    Raises:
        NoSuchJobError: there is no such job.
        ValueError: ``most`` is not at least 1.
    """
    if most is not None and most < 1:
        raise ValueError(f"a graph has at least one job, so most can't be {most}")
    reader = _Reader(DEFAULT_MOST if most is None else most)
    yield from reader.read({job_id: ALONE})
    first = reader.found.get(job_id)
    if first is None:
        raise NoSuchJobError(job_id)
    if first.node.is_workflow:
        yield from reader.read(dict.fromkeys(first.members, ALONE))
        yield from reader.read(dict.fromkeys(reader.unknown_neighbours(), ALONE))
    else:
        while new := reader.unknown_neighbours():
            yield from reader.read(new)
    return reader.graph(job_id)


def workflow_graph(workflow_id: str, most: int | None = None) -> Conversation[Graph]:
    """The graph of a workflow: its members, with those outside that they wait for, or that wait for them.

    Args:
        workflow_id: the workflow.
        most: how many jobs to read at most.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
        ValueError: ``most`` is not at least 1.
    """
    try:
        graph = yield from graph_of(workflow_id, most)
    except NoSuchJobError:
        raise NoSuchWorkflowError(workflow_id) from None
    return graph


class _Found:
    """A job, as far as it has been read."""

    def __init__(self, node: GraphNode) -> None:
        self.node = node
        self.waits_for = Registers({}, {})
        self.has_joined = Registers({}, {})
        self.below: dict[str, None] = {}
        self.members: list[str] = []

    def take(self, page: NeighboursPage) -> None:
        """Adds the neighbours of a page."""
        self.waits_for.add(page.waits_for)
        self.has_joined.add(page.has_joined)
        self.below.update(dict.fromkeys(page.below))
        self.members += page.members

    def neighbours(self) -> Iterator[tuple[str, str]]:
        """The ids of all jobs around it, each with the direction in which it lies."""
        yield from ((job_id, graphs.AND_ABOVE) for job_id in (*self.waits_for.each, *self.has_joined.each))
        yield from ((job_id, graphs.AND_BELOW) for job_id in self.below)
        if self.node.spawned_by is not None:
            yield self.node.spawned_by, graphs.AND_ABOVE
        if self.node.workflow_id is not None:
            yield self.node.workflow_id, ALONE
        yield from ((job_id, ALONE) for job_id in self.members)


class _Reader:
    """Reads jobs, each once.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._now_ms = 0
        self._known: set[str] = set()
        self._not_looked_at: deque[_Found] = deque()
        self._is_whole = True
        self.found: dict[str, _Found] = {}

    def read(self, new: Mapping[str, str]) -> Conversation[None]:
        """Reads jobs that are not known yet, as many as are wanted in all.

        Args:
            new: their ids, each with the direction in which to go on from it if there is room.
        """
        waiting = deque((job_id, cursor) for job_id, cursor in new.items() if job_id not in self._known)
        self._known.update(new)
        while waiting := self._within_room(waiting):
            asked = [waiting[i] for i in range(min(_ASKED_AT_ONCE, len(waiting)))]
            self._now_ms, pages = yield from ask(graphs.neighbours(asked))
            for page in pages[len(asked) :]:  # those in between are on the way
                self._known.add(page.job_id)
            for page in pages:
                if waiting and page.job_id == waiting[0][0]:
                    waiting.popleft()
                if self._take(page) and page.cursor:
                    waiting.append((page.job_id, page.cursor))

    def _within_room(self, waiting: deque[tuple[str, str]]) -> deque[tuple[str, str]]:
        """Those of the jobs to be read that are read indeed: once there are enough, only more of what was begun."""
        if len(self.found) < self._most:
            return waiting
        left_out = {job_id for job_id, _ in waiting if job_id not in self.found}
        if left_out:
            self._is_whole = False
            self._known -= left_out
        return deque(job for job in waiting if job[0] not in left_out)

    def _take(self, page: NeighboursPage) -> bool:
        """Adds a page to what was read. Says whether the job is among that."""
        if page.fields and page.job_id not in self.found:
            if len(self.found) >= self._most:
                self._is_whole = False
                self._known.discard(page.job_id)
                return False
            found = self.found[page.job_id] = _Found(GraphNode.of(page.job_id, page.fields, page.runs))
            self._not_looked_at.append(found)
        if page.job_id not in self.found:
            return False
        self.found[page.job_id].take(page)
        return True

    def unknown_neighbours(self) -> dict[str, str]:
        """The jobs around those that were read, and that are not known, with directions; each job is looked at once."""
        new: dict[str, str] = {}
        while self._not_looked_at:
            around = self._not_looked_at.popleft().neighbours()
            new.update((job_id, direction) for job_id, direction in around if job_id not in self._known)
        return new

    def graph(self, root: str) -> Graph:
        """The graph of what was read, as far as it is connected: ids of deleted jobs may have led to others' graphs."""
        nodes = {job_id: found.node for job_id, found in self.found.items()}
        edges: list[GraphEdge] = []
        for job_id, found in self.found.items():
            for register in found.waits_for.each.values():
                if self._leads_on(register.job_id, job_id, nodes):
                    rule = found.waits_for.rules[register.group]
                    edges.append(_edge(register.job_id, job_id, _KINDS[register.kind], rule, register))
            for register in found.has_joined.each.values():  # what a job spawned comes after it, though it ends before
                if self._leads_on(register.job_id, job_id, nodes):
                    rule = found.has_joined.rules[register.group]
                    edges.append(_edge(job_id, register.job_id, "spawn", rule, register))
        connected = _connected(root, nodes, edges)
        ordered = nodes.values() if nodes[root].is_workflow else sorted(nodes.values(), key=_age)
        nodes = {node.id: node for node in ordered if node.id in connected}
        edges = [edge for edge in edges if edge.source in connected]
        return Graph(root, nodes, edges, moment(self._now_ms), is_whole=self._is_whole)

    def _leads_on(self, source_id: str, job_id: str, nodes: dict[str, GraphNode]) -> bool:
        """Whether an edge belongs to the graph. One that was deleted becomes a node, as far as it was asked for."""
        source = self.found.get(source_id)
        if source is not None:
            return job_id in source.below  # else it was deleted, and another job has its id now
        if source_id not in self._known:
            return False
        nodes.setdefault(source_id, GraphNode(source_id, None))
        return True


def _age(node: GraphNode) -> tuple[bool, datetime, str]:
    """What came first comes first; of what came in one moment, what has the lesser id; what was deleted comes last."""
    return node.created_at is None, node.created_at or moment(0), node.id


def _connected(root: str, nodes: Mapping[str, GraphNode], edges: Iterable[GraphEdge]) -> set[str]:
    """The ids of the jobs to which something leads from one of them, in whatever direction."""
    around: dict[str, list[str]] = {}
    links = [(edge.source, edge.target) for edge in edges]
    links += [(job_id, node.workflow_id) for job_id, node in nodes.items() if node.workflow_id is not None]
    links += [(job_id, node.spawned_by) for job_id, node in nodes.items() if node.spawned_by is not None]
    for one, other in links:
        around.setdefault(one, []).append(other)
        around.setdefault(other, []).append(one)
    connected, waiting = {root}, [root]
    while waiting:
        new = [job_id for job_id in around.get(waiting.pop(), ()) if job_id not in connected]
        connected.update(new)
        waiting += new
    return connected


_KINDS: dict[str, EdgeKind] = {"dependency": "dependency", "output": "output", "fallback": "fallback"}
_OUTCOMES: dict[str, JobStatus | None] = {"": None, **{status.value: status for status in JobStatus}}


def _edge(source: str, target: str, kind: EdgeKind, rule: str, register: RegisterRecord) -> GraphEdge:
    return GraphEdge(source, target, kind, rule, register.group, _OUTCOMES[register.outcome])
